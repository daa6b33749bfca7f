"""WaveNet: causal, normalized, of the field that it says, and the same when asked step by step."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.distributions import IndependentCategorical
from zoo.errors import DataError
from zoo.models.autoregressive import Autoregressive
from zoo.networks.recording import RecordingLabels
from zoo.networks.wavenet import SLOWEST, WaveNet
from zoo.registration import build

LEVELS, LENGTH, RATE = 5, 12, 4
# Sizes of the context, or none, and how many waves tell the time.
CONTEXTS = {"none": (None, 0), "labels": (3, 0), "time": (1, 2), "labels and time": (4, 3)}
DILATIONS = {"one block": ([1], 1), "a stack": ([1, 2, 4], 1), "stacks": ([1, 3], 2)}
every_context = pytest.mark.parametrize("given", CONTEXTS)
every_depth = pytest.mark.parametrize("depth", DILATIONS)


def _network(depth="stacks", given="none", length=LENGTH, levels=LEVELS):
    """Built, with weights so large that everything shows."""
    dilations, stacks = DILATIONS[depth]
    context, positions = CONTEXTS[given]
    network = WaveNet(levels, 4, 6, 5, dilations, stacks, positions, rate=RATE)
    network.build((None, length), None if context is None else (None, context))
    _scatter(network)
    return network


def _scatter(layer, seed=0):
    noise = np.random.default_rng(seed)
    for weight in layer.trainable_variables:
        weight.assign(noise.normal(size=weight.shape) * 0.5)


def _context(given, batch, seed=1):
    size, _ = CONTEXTS[given]
    draw = np.random.default_rng(seed).normal(size=[batch, size or 0]).astype("float32")
    return None if size is None else tf.constant(np.abs(draw))


def _model(length, levels=LEVELS, positions=2):
    model = Autoregressive(
        WaveNet(levels, 4, 6, 5, [1, 2], 2, positions, rate=RATE),
        IndependentCategorical([length], levels, padding=True),
        condition=RecordingLabels([3, 2], rate=RATE),
        condition_shape=(3,),
    )
    model.build()
    _scatter(model)
    return model


def _levels(batch, length=LENGTH, seed=0, levels=LEVELS):
    return np.random.default_rng(seed).integers(0, levels, [batch, length]).astype("float32")


def _labels(batch):
    return np.stack([[i % 3, i % 2, 2 * i] for i in range(batch)]).astype("float32")


def _stepwise(network, x, context):
    """Features of all steps, from `step`, with the levels of x handed in."""

    def body(index, state, features):
        previous = tf.where(index > 0, x[:, tf.maximum(index - 1, 0)], 0.0)[:, tf.newaxis]
        made, state = network.step(state, previous, index, context)
        return index + 1, state, features.write(index, made)

    empty = tf.TensorArray(tf.float32, network.steps, element_shape=[None, network.feature_size])
    state = network.start(tf.shape(x)[0], context)
    loop = tf.while_loop(lambda index, *_: index < network.steps, body, (0, state, empty))
    return tf.transpose(loop[2].stack(), [1, 0, 2])


def _seen(network, x, context):
    """[i, t]: whether any other level at i changes the features at t; never, or for sure."""
    before, found = network(x, context).numpy(), np.zeros([x.shape[1]] * 2, bool)
    for place in range(x.shape[1]):
        changes = []
        for shift in range(1, LEVELS):
            other = x.copy()
            other[:, place] = (x[:, place] + shift) % LEVELS
            changes.append(np.abs(network(other, context).numpy() - before).max(axis=(0, 2)))
        found[place] = np.max(changes, axis=0) > 0
    return found


@every_depth
@every_context
def test_features_see_exactly_the_samples_of_the_field_before_them(depth, given):
    network, x = _network(depth, given), _levels(8)
    dilations, stacks = DILATIONS[depth]
    # What a path through the blocks may skip: each block's dilation, or nothing.
    paths = itertools.product(*((0, d) for d in dilations * stacks))
    distances = {1 + sum(path) for path in paths}
    assert max(distances) == network.receptive_field == 1 + sum(dilations) * stacks
    place, step = np.indices([LENGTH, LENGTH])
    np.testing.assert_array_equal(
        _seen(network, x, _context(given, 8)), np.isin(step - place, list(distances))
    )


@pytest.mark.parametrize("depth", ["a stack", "stacks"])
def test_the_field_of_a_deep_network_has_no_holes(depth):
    network = _network(depth)
    seen = _seen(network, _levels(8), None)
    assert seen[:, -1].sum() == min(network.receptive_field, LENGTH - 1)


@pytest.mark.parametrize("positions", [0, 2])
def test_probabilities_of_all_strings_sum_to_one(positions):
    model = _model(length=4, levels=3, positions=positions)
    strings = np.array(list(itertools.product(range(3), repeat=4)), np.float32)
    y = np.tile([[2, 1, 7]], [len(strings), 1])
    log_prob = model.log_prob(strings, y).numpy().astype("float64")
    assert np.exp(log_prob).sum() == pytest.approx(1, abs=1e-5)
    assert np.ptp(log_prob) > 0.5


@every_context
@pytest.mark.parametrize(("depth", "xla"), [("a stack", False), ("stacks", True)])
def test_cached_steps_are_the_whole(depth, given, xla):
    network, x, context = _network(depth, given), _levels(4), _context(given, 4)
    stepwise = tf.function(lambda x: _stepwise(network, x, context), jit_compile=xla)
    whole = tf.function(lambda x: network(x, context), jit_compile=xla)
    np.testing.assert_allclose(stepwise(x), network(x, context), atol=1e-4)
    np.testing.assert_allclose(whole(x), network(x, context), atol=1e-4)


def test_a_network_is_its_formula_in_numpy():
    network, x = _network("stacks", "labels and time"), _levels(2)
    context = _context("labels and time", 2).numpy()
    size, blocks = network.filters, network.blocks
    v, u = np.array(network.given.kernel), np.array(network.time.kernel)
    s, a = network.skips, network.hidden
    turns = 2 * np.pi / SLOWEST * np.array([1, 2, 4])
    for b in range(2):
        h = np.array(network.previous.table)[[LEVELS, *x[b, :-1].astype(int)]]
        total = np.array(s.bias)[np.newaxis]
        for k, (block, dilation) in enumerate(zip(blocks, [1, 3, 1, 3], strict=True)):
            w, own = np.array(block.kernel), slice(2 * size * k, 2 * size * (k + 1))
            z = np.zeros([LENGTH, size])
            for t in range(LENGTH):
                before = h[t - dilation] if t >= dilation else np.zeros(size)
                angles = turns * (context[b, -1] + t / RATE)
                gates = before @ w[:size] + h[t] @ w[size:] + np.array(block.bias)
                gates = gates + context[b, :-1] @ v[:, own]
                gates = gates + np.concatenate([np.sin(angles), np.cos(angles)]) @ u[:, own]
                z[t] = np.tanh(gates[:size]) / (1 + np.exp(-gates[size:]))
            total = total + z @ np.array(s.kernel)[size * k : size * (k + 1)]
            if k < 3:
                h = h + z @ np.array(block.residual) + np.array(block.residual_bias)
        found = np.maximum(np.maximum(total, 0) @ np.array(a.kernel) + np.array(a.bias), 0)
        np.testing.assert_allclose(network(x, context)[b], found, atol=1e-4)


def test_a_draw_has_the_probability_that_it_says():
    model, y = _model(LENGTH), _labels(6)
    drawn = model.draw(6, y, seed=3)
    assert set(np.unique(drawn.x)) <= set(range(LEVELS))
    log_prob = model.log_prob(drawn.x, y)
    np.testing.assert_allclose(drawn.log_prob, log_prob, atol=1e-5 * LENGTH)
    assert np.ptp(log_prob) > 0.1


def test_each_example_has_its_own_context_at_every_step():
    network, x = _network(given="labels and time"), np.tile(_levels(1), [4, 1])
    context = np.tile(_context("labels and time", 1), [4, 1])
    features = network(x, context).numpy()
    for place in range(4):
        other = context.copy()
        other[1, place] += 0.7
        changed = np.abs(network(x, other).numpy() - features).max(axis=-1)
        assert changed[1].min() > 1e-4
        assert changed[[0, 2, 3]].max() == 0


def test_a_window_that_starts_later_has_the_time_of_the_later_samples():
    # Without the samples, which a new window has forgotten, the time is all that differs.
    network = _network("one block", "time")
    network.previous.table.assign(tf.zeros_like(network.previous.table))
    whole = network(np.zeros([1, LENGTH], "float32"), tf.constant([[0.0]])).numpy()
    later = network(np.zeros([1, LENGTH], "float32"), tf.constant([[5 / RATE]])).numpy()
    np.testing.assert_allclose(later[:, 1:-5], whole[:, 6:], atol=1e-5)
    assert np.abs(np.diff(whole, axis=1)).max(axis=-1).min() > 1e-4


@pytest.mark.parametrize("length", [3, 2 * LENGTH])
def test_the_weights_serve_another_length(length):
    # Shorter than the largest dilation, too.
    model, other = _model(LENGTH), _model(length)
    other.set_weights(model.get_weights())
    x, context = _levels(2, max(length, LENGTH)), tf.constant([[0, 1, 0, 1, 0, 2.0]] * 2)
    both = min(length, LENGTH)
    found = other.network(x[:, :length], context)[:, :both]
    np.testing.assert_allclose(found, model.network(x[:, :LENGTH], context)[:, :both], atol=1e-5)
    drawn = other.draw(2, _labels(2), seed=0)
    expected = other.log_prob(drawn.x, _labels(2))
    np.testing.assert_allclose(drawn.log_prob, expected, atol=2e-5 * LENGTH)


def test_padding_at_the_end_counts_nothing():
    long, short = _model(LENGTH), _model(LENGTH - 4)
    short.set_weights(long.get_weights())
    x, y = _levels(3), _labels(3)
    x[:, -4:] = LEVELS
    np.testing.assert_allclose(long.log_prob(x, y), short.log_prob(x[:, :-4], y), rtol=1e-5)


def test_training_reaches_every_weight_and_memorises_a_string():
    model = Autoregressive(
        WaveNet(LEVELS, 8, 16, 16, [1, 2, 4], 1, positions=2, rate=RATE),
        IndependentCategorical([LENGTH], LEVELS),
        condition=RecordingLabels([3, 2], rate=RATE),
        condition_shape=(3,),
    )
    model.build()
    before = [np.array(v) for v in model.trainable_variables]
    x, y = np.tile(_levels(1), [8, 1]), np.tile(_labels(1), [8, 1]).astype("int32")
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    data = tf.data.Dataset.from_tensors((tf.constant(x), tf.constant(y))).repeat(60)
    model.fit(data.apply(tf.data.experimental.assert_cardinality(60)), verbose=0)
    assert model.log_prob(x[:1], y[:1]).numpy()[0] > -0.5
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert np.any(old != np.array(variable)), variable.path


@every_context
def test_a_config_builds_the_same_network(given):
    network = _network("stacks", given)
    config, context = network.get_config(), CONTEXTS[given][0]
    copies = [WaveNet.from_config(config)]
    plain = {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}
    copies.append(build({"type": "WaveNet", **plain}))
    for copy in copies:
        copy.build((None, LENGTH), None if context is None else (None, context))
        copy.set_weights(network.get_weights())
        assert copy.get_config().keys() == config.keys()
        np.testing.assert_array_equal(
            copy(_levels(2), _context(given, 2)), network(_levels(2), _context(given, 2))
        )


@pytest.mark.parametrize(
    "make",
    [
        lambda: WaveNet(5, 0, 4, 4, [1]),
        lambda: WaveNet(5, 4, 0, 4, [1]),
        lambda: WaveNet(5, 4, 4, 0, [1]),
        lambda: WaveNet(5, 4, 4, 4, []),
        lambda: WaveNet(5, 4, 4, 4, [1, 0]),
        lambda: WaveNet(5, 4, 4, 4, [1], stacks=0),
        lambda: WaveNet(5, 4, 4, 4, [1], positions=-1),
        lambda: WaveNet(5, 4, 4, 4, [1], rate=0),
        lambda: WaveNet(1, 4, 4, 4, [1]),
        lambda: WaveNet(5, 4, 4, 4, [1]).build((None, 4, 1)),
        lambda: WaveNet(5, 4, 4, 4, [1], positions=2).build((None, 4)),
        lambda: _network()(_levels(2), np.zeros([2, 3], "float32")),
        lambda: _network(given="labels")(_levels(2)),
    ],
)
def test_what_cannot_be_built_or_asked_raises(make):
    with pytest.raises(ValueError, match="takes"):
        make()


# Labels.


def test_labels_become_one_hot_codes_and_seconds():
    found = RecordingLabels([3, 2], rate=8000)(np.array([[2, 0, 4000], [0, 1, 0]]))
    np.testing.assert_array_equal(found, [[0, 0, 1, 1, 0, 0.5], [1, 0, 0, 0, 1, 0]])
    assert RecordingLabels([3, 2]).compute_output_shape((None, 3)) == (None, 6)
    config = RecordingLabels([3, 2], rate=4).get_config()
    assert RecordingLabels.from_config(config).get_config() == config


@pytest.mark.parametrize(
    ("y", "match"),
    [
        ([[3, 0, 0]], "label 0 of a recording is 3, none of the 3 classes"),
        ([[0, 0, 0], [0, -1, 0]], "label 1 of a recording is -1"),
        ([[0, 0.5, 0]], "label 1 of a recording is 0.5"),
        ([[0, 0, -1]], "from 0, not -1"),
        ([[0, 0, 1.5]], "not 1.5"),
        ([[0, 0]], r"\[B, 3\]"),
    ],
)
def test_labels_that_are_none(y, match):
    labels = RecordingLabels([3, 2])
    with pytest.raises(DataError, match=match):
        if fault := labels.violation(np.array(y)):
            raise DataError(fault)
    assert labels.violation(_labels(6)) is None
    if len(y[0]) == 3:
        with pytest.raises(DataError, match=match):
            _model(4).log_prob(_levels(len(y), 4), np.array(y))


@pytest.mark.parametrize("arguments", [([],), ([3, 0],), ([3.0],), ([3], 0)])
def test_labels_that_cannot_be_made(arguments):
    with pytest.raises(ValueError, match=r"from 1|above 0"):
        RecordingLabels(*arguments)
