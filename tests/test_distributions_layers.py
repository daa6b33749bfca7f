"""What every distribution layer must do: shapes, types, saving, XLA, gradients, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo.distributions
from zoo.distributions import (
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    DiscretizedNormal,
    IndependentBernoulli,
    IndependentCategorical,
    IndependentNormal,
    Likelihood,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
    StandardNormal,
)
from zoo.errors import ConfigError
from zoo.registration import build, registered

IMAGE = [4, 6, 3]
# By name: how to make one, and how many parameters one event has.
LAYERS = {
    "bernoulli": (lambda: IndependentBernoulli(IMAGE), 72),
    "normal, fixed": (lambda: IndependentNormal(IMAGE, value=0.5), 72),
    "normal, learned": (lambda: IndependentNormal(IMAGE, scale="learned", value=0.3), 72),
    "normal, per element": (lambda: IndependentNormal(IMAGE, scale="per_element"), 144),
    "categorical": (lambda: IndependentCategorical(IMAGE, levels=17), 17 * 72),
    "discretized normal": (lambda: DiscretizedNormal(IMAGE), 144),
    "logistic": (lambda: DiscretizedLogistic(IMAGE), 144),
    # Per pixel and component: a logit, three means, three scales, three coefficients.
    "mixture": (lambda: DiscretizedLogisticMixture(IMAGE, components=5), 10 * 5 * 24),
    # A logit, a mean, a scale.
    "grey mixture": (lambda: DiscretizedLogisticMixture([4, 6, 1], components=5), 3 * 5 * 24),
    "diagonal": (lambda: MultivariateNormalDiag(7), 14),
    "full covariance": (lambda: MultivariateNormalTriL(7), 7 + 28),
}
# test_priors_flows.py and test_autoencoder.py.
ELSEWHERE = ("deterministic", "flows", "mixtures", "priors")
LIKELIHOODS = {n: make for n, (make, _) in LAYERS.items() if isinstance(make(), Likelihood)}
layers = pytest.mark.parametrize("make", [m for m, _ in LAYERS.values()], ids=LAYERS.keys())
likelihoods = pytest.mark.parametrize("make", LIKELIHOODS.values(), ids=LIKELIHOODS.keys())


@pytest.fixture
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def _features(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def _model(layer, *shape):
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


def test_every_public_layer_is_tested_here():
    ours = {c for c in registered().values() if c.__module__.startswith(zoo.distributions.__name__)}
    # These have other shapes, and tests of their own.
    elsewhere = {c for c in ours if c.__module__.split(".")[-1] in ELSEWHERE}
    assert ours - elsewhere == {type(make()) for make, _ in LAYERS.values()}
    assert len(elsewhere) == 9
    assert {c.__name__ for c in ours} <= set(zoo.distributions.__all__)


@pytest.mark.parametrize(("make", "size"), LAYERS.values(), ids=LAYERS.keys())
def test_parameter_counts(make, size):
    layer = make()
    layer(_features(2, 5))
    assert layer.params_size == size
    assert layer.parameters_per_element == size / np.prod(layer.event_shape)
    learned = getattr(layer, "scale", None) == "learned"
    assert layer.count_params() == (5 + 1) * size + learned


@layers
def test_functional_use(make):
    layer = make()
    model = _model(layer, 5)
    parameters = model.predict(_features(3, 5), verbose=0)
    p = layer.distribution(parameters)
    assert p.batch_shape == [3] and p.event_shape == layer.event_shape
    x = p.sample(seed=[1, 2])
    assert p.log_prob(x).shape == [3]
    assert p.log_prob(x).dtype == x.dtype == tf.float32


@layers
def test_log_prob_sums_over_the_event_and_broadcasts_leading_dimensions(make):
    layer = make()
    parameters = layer(_features(6, 5))
    merged = layer.distribution(parameters)
    x = merged.sample(seed=[1, 2])
    split = layer.distribution(
        {k: tf.reshape(v, [2, 3, *v.shape[1:]]) for k, v in parameters.items()}
    )
    assert split.batch_shape == [2, 3]
    rows = tf.reshape(x, [2, 3, *layer.event_shape])
    log_prob = tf.reshape(split.log_prob(rows), [6])
    np.testing.assert_allclose(log_prob, merged.log_prob(x), rtol=1e-5)
    # One batch of images against two draws of parameters.
    against = split.log_prob(rows[0])
    np.testing.assert_allclose(against[0], split.log_prob(rows)[0], rtol=1e-5)
    assert split.mean().shape == [2, 3, *layer.event_shape]
    # Twice the image [half, half] is not the image: the event's elements are summed, not averaged.
    assert abs(merged.log_prob(x)).numpy().max() > 1


@likelihoods
def test_convolutional_features_are_projected_at_each_position(make):
    layer = make()
    height, width, channels = layer.event_shape
    features = _features(2, height, width, 5)
    before = layer(features)
    assert layer.projection.kernel.shape == (5, layer.params_size // (height * width))
    changed = features.copy()
    changed[1, 2, 3] += 1.0
    after = layer(changed)
    for name in before:
        if before[name].shape[1:3] == (height, width):
            different = np.argwhere(np.any(before[name] != after[name], axis=(3,)))
            assert {tuple(place[:3]) for place in different} == {(1, 2, 3)}
    p = layer.distribution(before)
    assert p.log_prob(p.sample(seed=[1, 2])).shape == [2]
    assert p.mean().shape == [2, height, width, channels]


@likelihoods
@pytest.mark.parametrize("shape", [(4, 5, 8), (6, 4, 8), (24, 8)])
def test_features_of_another_size_are_refused(make, shape):
    name = type(make()).__name__
    with pytest.raises(ConfigError, match=rf"{name} of event shape \[4, 6, .\] takes features"):
        make()(_features(2, *shape))


@pytest.mark.parametrize("make", [MultivariateNormalDiag, MultivariateNormalTriL])
def test_posteriors_refuse_images(make):
    with pytest.raises(ConfigError, match=r"takes features \[B, F\], but was given \[B, 3, 3, 8\]"):
        make(3)(_features(2, 3, 3, 8))


@layers
@pytest.mark.parametrize("strength", [1e2, 1e4])
def test_gradients_are_finite_at_extreme_parameters(make, strength):
    layer = make()
    layer(_features(4, 5))
    features = tf.constant(strength * _features(4, 5))
    # Images drawn with other parameters: far from what these expect.
    images = layer.distribution(layer(-features)).sample(seed=[1, 2])
    with tf.GradientTape() as tape:
        p = layer.distribution(layer(features))
        if isinstance(layer, Likelihood):
            values = [p.log_prob(images)]
        else:
            # What a bound asks of a posterior, in either of its forms.
            prior = StandardNormal(layer.size)
            z = p.sample(seed=[1, 2])
            log_ratio = p.log_prob(z) - prior.distribution(prior()).log_prob(z)
            values = [log_ratio, p.kl_divergence(prior.distribution(prior()))]
    assert all(np.isfinite(value).all() for value in values)
    gradients = tape.gradient(values, [v.value for v in layer.trainable_variables])
    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        assert np.isfinite(gradient).all() and np.any(gradient != 0), variable.path


@layers
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"], indirect=True)
def test_float32_under_mixed_precision(make, policy):
    layer = make()
    model = _model(layer, 5)
    parameters = model(_features(3, 5))
    assert {v.dtype for v in parameters.values()} == {tf.float32}
    assert {v.dtype for v in model.variables} == {"float32"}
    if isinstance(layer, IndependentNormal) and layer.scale != "per_element":
        # Exact to float32: nothing went through 16 bits on the way.
        np.testing.assert_allclose(parameters["scale"], layer.value, rtol=1e-6)
    p = layer.distribution(parameters)
    assert p.log_prob(p.sample(seed=[1, 2])).dtype == tf.float32


@layers
def test_config_round_trip(make):
    layer = make()
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    spec = {k: v for k, v in layer.get_config().items() if k not in ("name", "trainable")}
    built = build({"type": type(layer).__name__, **spec})
    assert type(built) is type(layer) and built.parameter_shapes == layer.parameter_shapes
    serialized = keras.saving.serialize_keras_object(layer)
    assert keras.saving.deserialize_keras_object(serialized).get_config() == layer.get_config()


def test_prior_config_round_trip():
    prior = StandardNormal(3)
    assert StandardNormal.from_config(prior.get_config()).get_config() == prior.get_config()
    assert build({"type": "StandardNormal", "size": 3}).size == 3


@layers
def test_saved_models_come_back(make, tmp_path):
    model = _model(make(), 5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    features = _features(3, 5)
    for name, value in model(features).items():
        np.testing.assert_array_equal(again(features)[name], value)


@layers
def test_building_twice_keeps_the_weights(make):
    layer = make()
    layer(_features(3, 5))
    before = [id(v) for v in layer.variables]
    layer.build((None, 5))
    assert [id(v) for v in layer.variables] == before


@layers
def test_xla_compiles(make):
    layer = make()
    features = tf.constant(_features(3, 5))
    layer(features)
    x = layer.distribution(layer(features)).sample(seed=[1, 2])

    def step(seed):
        with tf.GradientTape() as tape:
            p = layer.distribution(layer(features))
            log_prob = p.log_prob(x)
        gradients = tape.gradient(log_prob, [v.value for v in layer.trainable_variables])
        return log_prob, p.mean(), p.sample(seed=seed), gradients

    seed = tf.constant([1, 2])
    plain, compiled = step(seed), tf.function(step, jit_compile=True)(seed)
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-4)
    np.testing.assert_allclose(compiled[1], plain[1], rtol=1e-3, atol=1e-3)
    assert np.isfinite(compiled[2]).all()
    for a, b in zip(compiled[3], plain[3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "data", "words"),
    [
        ("bernoulli", [0.0, 255.0], ["IndependentBernoulli", "0 to 255", 'binarize="dynamic"']),
        ("bernoulli", [0.0, 0.5], ["IndependentBernoulli", "fractional", 'binarize="dynamic"']),
        ("bernoulli", [-1.0, 1.0], ["IndependentBernoulli", "-1 to 1"]),
        ("bernoulli", [0.0, np.nan], ["IndependentBernoulli", "1 of 2", "NaN"]),
        ("bernoulli", [], ["IndependentBernoulli", "no data"]),
        ("bernoulli", ["a"], ["IndependentBernoulli", "float32"]),
        ("normal, fixed", [0.0, np.inf], ["IndependentNormal", "infinite"]),
        ("categorical", [0, 17], ["IndependentCategorical", "0 to 16", "0 to 17", "levels"]),
        ("logistic", [0.25, 1.0], ["DiscretizedLogistic", "fractional", 'values="levels"']),
        ("mixture", [0, 256], ["DiscretizedLogisticMixture", "0 to 255", "0 to 256"]),
    ],
)
def test_refusals_name_the_likelihood_and_the_remedy(make, data, words):
    text = LIKELIHOODS[make]().support.violation(np.array(data))
    assert text is not None and "\n" not in text and ";" in text
    for word in words:
        assert word in text


@likelihoods
def test_own_samples_are_in_the_support(make):
    likelihood = make()
    x = likelihood.distribution(likelihood(_features(3, 5))).sample(20, seed=[1, 2]).numpy()
    assert likelihood.support.violation(x) is None
    network = likelihood.to_network(x).numpy()
    assert network.dtype == np.float32
    if likelihood.is_discrete:
        assert likelihood.support.violation(x.astype("uint8")) is None
        assert likelihood.support.violation(x + 0.5) is not None
        assert likelihood.support.violation(x - 1) is not None
        assert likelihood.support.violation(x + likelihood.levels) is not None
        assert network.min() == 0 and network.max() == 1
    else:
        np.testing.assert_array_equal(network, x)


@pytest.mark.parametrize("shape", [[], [0, 2], [2.5], 3])
def test_event_shapes_are_checked(shape):
    with pytest.raises(ValueError, match="IndependentBernoulli takes an event_shape"):
        IndependentBernoulli(shape)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IndependentCategorical([2], levels=1), "2 levels or more"),
        (lambda: DiscretizedLogisticMixture([2, 2, 1], components=0), "1 component or more"),
        (lambda: DiscretizedLogisticMixture([28, 28]), "channels last"),
        (lambda: DiscretizedLogisticMixture([3]), "channels last"),
    ],
)
def test_arguments_are_checked(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@layers
def test_unknown_batch_and_count_in_a_graph(make):
    layer = make()
    layer(_features(3, 5))

    @tf.function(input_signature=[tf.TensorSpec([None, 5]), tf.TensorSpec([], tf.int32)])
    def endpoint(features, count):
        p = layer.distribution(layer(features))
        x = p.sample(count, seed=[1, 2])
        return x, p.log_prob(x), p.mean()

    for batch, count in [(3, 2), (1, 4)]:
        x, log_prob, mean = endpoint(_features(batch, 5), count)
        assert x.shape == [count, batch, *layer.event_shape]
        assert log_prob.shape == [count, batch]
        assert mean.shape == [batch, *layer.event_shape]
