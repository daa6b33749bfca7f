"""Networks over sequences of levels: causal, normalized, and the same when asked step by step."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from scipy.stats import norm

from zoo.distributions import IndependentCategorical
from zoo.models.autoregressive import Autoregressive
from zoo.networks.one_hot import OneHot
from zoo.networks.recurrent import GRU, scan
from zoo.networks.transformer import Transformer, angles, turned
from zoo.registration import build

LEVELS, LENGTH = 5, 7

NETWORKS = {
    "gru": lambda levels: GRU(levels, units=6),
    "deep gru": lambda levels: GRU(levels, units=6, layers=3, embedding=4),
    "transformer": lambda levels: Transformer(levels, size=8, layers=1, heads=2),
    "deep transformer": lambda levels: Transformer(levels, size=12, layers=3, heads=3, ratio=2),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def _network(name, levels=LEVELS, length=LENGTH, context=None, seed=0):
    """Built, with weights so large that everything shows: biases and norms too."""
    network = NETWORKS[name](levels)
    network.build((None, length), None if context is None else (None, context))
    _scatter(network, seed)
    return network


def _scatter(layer, seed=0):
    noise = np.random.default_rng(seed)
    for weight in layer.trainable_variables:
        weight.assign(noise.normal(size=weight.shape) * 0.5)


def _model(name, levels=LEVELS, length=LENGTH, classes=None):
    condition = None if classes is None else OneHot(classes)
    likelihood = IndependentCategorical([length], levels)
    model = Autoregressive(NETWORKS[name](levels), likelihood, condition=condition)
    model.build()
    _scatter(model)
    return model


def _levels(batch, length=LENGTH, seed=0):
    x = np.random.default_rng(seed).integers(0, LEVELS, [batch, length])
    return x.astype("float32")


def _context(batch, size, seed=1):
    return np.random.default_rng(seed).normal(size=[batch, size]).astype("float32")


def _stepwise(network, x, context=None):
    """Features of all steps, from `step`, with the levels of x handed in."""

    def body(index, state, features):
        previous = tf.where(index > 0, x[:, tf.maximum(index - 1, 0)], 0.0)[:, tf.newaxis]
        made, state = network.step(state, previous, index, context)
        return index + 1, state, features.write(index, made)

    empty = tf.TensorArray(tf.float32, network.steps, element_shape=[None, network.feature_size])
    state = network.start(tf.shape(x)[0], context)
    loop = tf.while_loop(lambda index, *_: index < network.steps, body, (0, state, empty))
    return tf.transpose(loop[2].stack(), [1, 0, 2])


@every_network
def test_features_see_exactly_the_levels_before_them(name):
    # Levels have no derivative, so each is replaced by every other one.
    network, x = _network(name), _levels(3)
    before = network(x).numpy()
    assert before.shape == (3, LENGTH, network.feature_size)
    for place in range(LENGTH):
        differences = []
        for shift in range(1, LEVELS):
            other = x.copy()
            other[:, place] = (x[:, place] + shift) % LEVELS
            differences.append(np.abs(network(other).numpy() - before).max(axis=-1))
        seen = np.min(differences, axis=0)
        assert np.max(differences, axis=0)[:, : place + 1].max() == 0
        assert seen[:, place + 1 :].min(initial=1) > 1e-5


@every_network
def test_the_features_depend_on_the_order_of_what_came_before(name):
    # Attention without positions would see a set.
    network = _network(name)
    x = np.array([[0, 1, 2, 3, 3, 3, 3], [1, 0, 2, 3, 3, 3, 3]], np.float32)
    first, second = network(x).numpy()
    assert np.abs(first[3:] - second[3:]).max(axis=-1).min() > 1e-4


@every_network
def test_probabilities_of_all_strings_sum_to_one(name):
    model = _model(name, levels=3, length=4)
    strings = np.array(list(itertools.product(range(3), repeat=4)), np.float32)
    log_prob = model.log_prob(strings).numpy().astype("float64")
    assert np.exp(log_prob).sum() == pytest.approx(1, abs=1e-5)
    assert np.ptp(log_prob) > 0.5


@every_network
@pytest.mark.parametrize(("context", "xla"), [(None, False), (3, False), (3, True)])
def test_cached_steps_are_the_whole(name, context, xla):
    network, x = _network(name, context=context), _levels(4)
    given = None if context is None else tf.constant(_context(4, context))
    stepwise = tf.function(lambda x: _stepwise(network, x, given), jit_compile=xla)
    whole = tf.function(lambda x: network(x, given), jit_compile=xla)
    np.testing.assert_allclose(stepwise(x), network(x, given), atol=1e-4)
    np.testing.assert_allclose(whole(x), network(x, given), atol=1e-4)


@every_network
def test_the_start_is_no_level(name):
    # With the rows of the levels gone, nothing changes at step 0, and all changes behind it.
    network, x = _network(name), _levels(2)
    features, table = network(x).numpy(), network.previous.table
    for made in (lambda: network(x), lambda: _stepwise(network, tf.constant(x))):
        table.assign(tf.concat([0 * table[:-1], table[-1:]], axis=0))
        changed = np.abs(made().numpy() - features).max(axis=-1)
        assert changed[:, 0].max() < 1e-5 and changed[:, 1:].min() > 1e-4
        _scatter(network)


@every_network
def test_a_draw_has_the_probability_that_it_says(name):
    model = _model(name, classes=2)
    drawn = model.draw(6, y=np.array([0, 1] * 3), seed=3)
    assert set(np.unique(drawn.x)) <= set(range(LEVELS))
    log_prob = model.log_prob(drawn.x, y=np.array([0, 1] * 3))
    np.testing.assert_allclose(drawn.log_prob, log_prob, atol=1e-5 * LENGTH)
    assert np.ptp(log_prob) > 0.1


@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_draws_have_the_frequencies_of_the_density(name):
    model = _model(name, levels=3, length=2)
    strings = np.array(list(itertools.product(range(3), repeat=2)), np.float32)
    expected = np.exp(model.log_prob(strings).numpy())
    n = 20_000
    drawn = model.sample(n, seed=1).numpy()
    found = np.bincount((drawn @ [3, 1]).astype(int), minlength=9) / n
    errors = np.sqrt(expected * (1 - expected) / n)
    assert np.all(np.abs(found - expected) < 5 * errors + 1e-6)


@every_network
def test_each_example_has_its_own_context_at_every_step(name):
    network, x = _network(name, context=3), np.tile(_levels(1), [4, 1])
    context = _context(4, 3)
    features = network(x, context).numpy()
    other = context.copy()
    other[1] += 1
    changed = np.abs(network(x, other).numpy() - features).max(axis=-1)
    assert changed[1].min() > 1e-4
    assert changed[[0, 2, 3]].max() == 0
    np.testing.assert_allclose(network(x[2:3], context[2:3])[0], features[2], atol=1e-5)
    with pytest.raises(ValueError, match="if, and only if"):
        network(x)
    with pytest.raises(ValueError, match="if, and only if"):
        _network(name)(x, context)


@every_network
def test_the_weights_serve_another_length(name):
    short, long = _model(name), _model(name, length=2 * LENGTH)
    long.set_weights(short.get_weights())
    x = _levels(2, 2 * LENGTH)
    np.testing.assert_allclose(long.network(x)[:, :LENGTH], short.network(x[:, :LENGTH]), atol=1e-5)
    drawn = long.draw(2, seed=0)
    np.testing.assert_allclose(drawn.log_prob, long.log_prob(drawn.x), atol=2e-5 * LENGTH)


@every_network
def test_training_reaches_every_weight_and_memorises_a_string(name):
    model = Autoregressive(NETWORKS[name](LEVELS), IndependentCategorical([LENGTH], LEVELS))
    model.build()
    before = [np.array(v) for v in model.trainable_variables]
    x = np.tile(_levels(1), [8, 1])
    model.compile(optimizer=keras.optimizers.Adam(0.05))
    data = tf.data.Dataset.from_tensors(tf.constant(x)).repeat(60)
    model.fit(data.apply(tf.data.experimental.assert_cardinality(60)), verbose=0)
    assert model.log_prob(x[:1]).numpy()[0] > -0.2
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert np.any(old != np.array(variable)), variable.path


@pytest.mark.parametrize("xla", [False, True])
def test_the_scan_and_its_gradients_are_those_of_keras(xla):
    units, batch, length = 5, 3, 6
    oracle = keras.layers.GRU(units, return_sequences=True, reset_after=True, use_cudnn=False)
    x = tf.constant(_context(batch * length, 4).reshape([batch, length, 4]))
    oracle.build(x.shape)
    _scatter(oracle)
    weights = _context(batch * length, units, seed=2).reshape([batch, length, units])
    parts = [tf.convert_to_tensor(v) for v in oracle.trainable_variables]

    def theirs(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(oracle(x) * weights)
        return loss, tape.gradient(loss, [x, *(v.value for v in oracle.trainable_variables)])

    def ours(x):
        with tf.GradientTape() as tape:
            tape.watch([x, *parts])
            kernel, recurrent, bias = parts
            inputs = tf.transpose(x, [1, 0, 2]) @ kernel + bias[0]
            states = tf.transpose(scan(inputs, recurrent, bias[1]), [1, 0, 2])
            loss = tf.reduce_sum(states * weights)
        return loss, tape.gradient(loss, [x, *parts])

    expected, found = tf.function(theirs)(x), tf.function(ours, jit_compile=xla)(x)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    for own, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5 * np.abs(other).max())


@pytest.mark.parametrize("name", ["gru", "deep gru"])
def test_gradients_of_the_whole_gru_are_those_of_its_steps(name):
    # The steps are differentiated by TensorFlow, one after the other.
    network, x = _network(name, context=2), tf.constant(_levels(3))
    context = tf.constant(_context(3, 2))
    weights = _context(3 * LENGTH, network.units, seed=2).reshape([3, LENGTH, -1])

    def gradients(features):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(features() * weights)
        found = tape.gradient(loss, [v.value for v in network.trainable_variables])
        return [tf.convert_to_tensor(g).numpy() for g in found]

    found = gradients(lambda: network(x, context))
    expected = gradients(lambda: _stepwise(network, x, context))
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5 * np.abs(other).max())


def test_products_of_turned_vectors_are_of_their_distance():
    q, k = _context(1, 8)[0], _context(1, 8, seed=2)[0]
    cos, sin = angles(tf.range(12), 8)
    turned_q, turned_k = (turned(tf.tile(v[np.newaxis], [12, 1]), cos, sin) for v in (q, k))
    products = (turned_q.numpy() @ turned_k.numpy().T).astype("float64")
    for distance in range(-5, 6):
        assert np.ptp(np.diagonal(products, distance)) < 1e-4
    assert np.ptp(products[:, 0]) > 0.1
    # Pairs as complex numbers, turned by exp(i step wave).
    waves = 10_000.0 ** (-np.arange(4) / 4)
    pairs = (q[:4] + 1j * q[4:]) * np.exp(1j * 5 * waves)
    np.testing.assert_allclose(turned_q[5], np.concatenate([pairs.real, pairs.imag]), atol=1e-5)


def test_a_transformer_is_its_formula_in_numpy():
    network, x = _network("transformer"), _levels(2)
    size, heads = network.size, network.heads
    d, block = size // heads, network.blocks[0]

    def normalized(h, layer):
        h = h - h.mean(-1, keepdims=True)
        h = h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-5)
        return h * np.array(layer.gamma) + np.array(layer.beta)

    def dense(h, layer):
        return h @ np.array(layer.kernel) + (np.array(layer.bias) if layer.use_bias else 0)

    def turn(v, step):
        waves = 10_000.0 ** (-2 * np.arange(d // 2) / d)
        pairs = (v[: d // 2] + 1j * v[d // 2 :]) * np.exp(1j * step * waves)
        return np.concatenate([pairs.real, pairs.imag])

    for found, string in zip(network(x).numpy(), x.astype(int), strict=True):
        h = np.array(network.previous.table, np.float64)[[LEVELS, *string[:-1]]]
        qkv = dense(normalized(h, block.norms[0]), block.qkv)
        seen = np.zeros([LENGTH, size])
        for head, t in itertools.product(range(heads), range(LENGTH)):
            places = [slice(size * i + d * head, size * i + d * (head + 1)) for i in range(3)]
            q, k, v = (qkv[:, place] for place in places)
            scores = [turn(q[t], t) @ turn(k[s], s) / math.sqrt(d) for s in range(t + 1)]
            seen[t, places[0]] = softmax(scores) @ v[: t + 1]
        h = h + dense(seen, block.out)
        up = dense(normalized(h, block.norms[1]), block.up)
        h = h + dense(up * norm.cdf(up), block.down)
        np.testing.assert_allclose(found, normalized(h, network.norm), atol=1e-4)


@every_network
def test_a_config_builds_the_same_network(name):
    network = _network(name)
    config = network.get_config()
    copies = [type(network).from_config(config)]
    plain = {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}
    copies.append(build({"type": type(network).__name__, **plain}))
    for copy in copies:
        copy.build((None, LENGTH))
        copy.set_weights(network.get_weights())
        assert copy.get_config().keys() == config.keys()
        np.testing.assert_array_equal(copy(_levels(2)), network(_levels(2)))


def test_the_vectors_of_many_words_are_as_long_as_those_of_few_at_first():
    for levels in (5, 5_000):
        network = GRU(levels, units=4, embedding=400)
        network.build((None, LENGTH))
        lengths = np.linalg.norm(network.previous.table.numpy(), axis=1)
        np.testing.assert_allclose(lengths, np.sqrt(400), rtol=0.25)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GRU(5, units=0),
        lambda: GRU(5, units=4, layers=0),
        lambda: GRU(5, units=4, embedding=0),
        lambda: GRU(1, units=4),
        lambda: Transformer(5, size=9, layers=1, heads=3),
        lambda: Transformer(5, size=8, layers=0),
        lambda: Transformer(1, size=8, layers=1),
        lambda: GRU(5, units=4).build((None, 4, 4, 1)),
        lambda: Transformer(5, size=8, layers=1).build((None, 4, 1)),
    ],
)
def test_what_cannot_be_built_raises(make):
    with pytest.raises(ValueError, match="takes"):
        make()
