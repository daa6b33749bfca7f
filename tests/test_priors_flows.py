"""Priors and flow posteriors against quadrature, scipy, autodiff Jacobians and Monte Carlo."""

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import zoo.distributions as zd
from zoo.distributions import invertible
from zoo.errors import NotSupported
from zoo.objectives.variational import kl_divergence
from zoo.registration import build

tfd = tfp.distributions
SIZE, IMAGE = 2, [3, 3, 1]

PRIORS = {
    "standard": lambda size=SIZE: zd.StandardNormal(size),
    "normal": lambda size=SIZE: zd.NormalPrior(size),
    "mixture": lambda size=SIZE: zd.MixtureOfNormals(size, 4),
    "full mixture": lambda size=SIZE: zd.MixtureOfNormals(size, 4, covariance="full"),
    "vamp": lambda size=SIZE: zd.VampPrior(size, 5, IMAGE),
    "real nvp": lambda size=SIZE: zd.RealNVP(size, 3, [16], "elu"),
    "maf": lambda size=SIZE: zd.MaskedAutoregressiveFlow(size, 3, [16], "elu"),
}
POSTERIORS = {
    "diagonal": lambda size=SIZE: zd.MultivariateNormalDiag(size),
    "tril": lambda size=SIZE: zd.MultivariateNormalTriL(size),
    "iaf": lambda size=SIZE: zd.InverseAutoregressiveFlow(size, 3, [16], context=4),
}
priors = pytest.mark.parametrize("make", PRIORS.values(), ids=PRIORS.keys())


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(1)


def _random(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def _bent(layer, shape=None, strength=0.2):
    """`layer`, built, with weights far from where they start."""
    layer.build(shape)
    random = np.random.default_rng(7)
    for v in layer.trainable_variables:
        v.assign(v.numpy() + strength * random.normal(size=v.shape))
    return layer


def _encoder(make=POSTERIORS["diagonal"], size=SIZE):
    posterior = _bent(make(size), (None, 9))

    def encode(images):
        return posterior.distribution(posterior(tf.reshape(images, [-1, 9])))

    return encode


def _all_at_size(size):
    """Every prior, and one posterior per kind, as distributions of batch `[]`."""
    found = {n: _bent(make(size)).given(_encoder(size=size)) for n, make in PRIORS.items()}
    layer = _bent(POSTERIORS["iaf"](size), (None, 6))
    parameters = {k: v[0] for k, v in layer(_random(1, 6)).items()}
    return {**found, "iaf": layer.distribution(parameters)}


@pytest.mark.parametrize("name", [*PRIORS, "iaf"])
def test_densities_are_normalized_and_are_those_of_the_samples(name):
    p = _all_at_size(SIZE)[name]
    axis = np.arange(-40, 40, 0.1)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2).astype("float32")
    mass = np.exp(p.log_prob(grid).numpy().astype("float64")) * 0.1**2
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-3)
    mean = mass @ grid
    variance = mass @ (grid - mean) ** 2
    product = mass @ np.prod(grid - mean, axis=-1)
    n = 20_000
    z = p.sample(n, seed=[1, 2]).numpy().astype("float64") - mean
    for found, expected in [(z, 0), (z**2, variance), (z[:, :1] * z[:, 1:], product)]:
        error = found.std(axis=0) / np.sqrt(n)
        assert np.all(abs(found.mean(axis=0) - expected) < 4 * error)
    exact = not isinstance(p, invertible.FlowDistribution)
    atol = 1e-3 if exact else 4 * np.sqrt(variance).max() / np.sqrt(invertible.DRAWS)
    np.testing.assert_allclose(p.mean(), mean, atol=atol)
    np.testing.assert_allclose(p.stddev(), np.sqrt(variance), atol=atol)


@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.parametrize("name", ["real nvp", "maf", "iaf"])
def test_log_determinants_are_those_of_the_jacobian(name, size):
    bijector = _all_at_size(size)[name].bijector
    x = _random(6, size, seed=3)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = bijector.forward(x)
    expected = np.linalg.slogdet(tape.batch_jacobian(y, x).numpy().astype("float64"))[1]
    assert np.std(expected) > 0.01
    # Each way without anything cached, and with everything.
    fresh = tf.identity
    for found in (
        bijector.forward_log_det_jacobian(fresh(x), 1),
        bijector.forward_log_det_jacobian(x, 1),
        -bijector.inverse_log_det_jacobian(fresh(y), 1),
        -bijector.inverse_log_det_jacobian(y, 1),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(bijector.inverse(fresh(y)), x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["real nvp", "maf", "iaf"])
def test_gradients_of_a_log_probability_are_those_of_differences(name):
    p, z = _all_at_size(3)[name], _random(4, 3)
    with tf.GradientTape() as tape:
        tape.watch(z)
        log_prob = p.log_prob(z)
    gradient = tape.gradient(log_prob, z).numpy()
    for i in range(3):
        step = 1e-2 * np.eye(3, dtype="float32")[i]
        difference = (p.log_prob(z + step) - p.log_prob(z - step)) / 2e-2
        np.testing.assert_allclose(difference, gradient[:, i], rtol=0.01, atol=0.01)


@pytest.mark.parametrize("name", ["real nvp", "maf", "iaf"])
def test_points_far_from_all_samples_have_a_finite_log_probability(name):
    assert np.isfinite(_all_at_size(5)[name].log_prob(1e3 * _random(20, 5))).all()


@pytest.mark.parametrize("covariance", ["diag", "full"])
@pytest.mark.parametrize("narrow", [1.0, 1e-3])
def test_mixtures_are_scipys(covariance, narrow):
    layer = zd.MixtureOfNormals(3, 6, covariance, floor=0.0)
    layer.build()
    parameters = {k: v.numpy() for k, v in _bent(layer, None, 1.0)().items()}
    # Far apart and narrow: where a quadratic form that is multiplied out loses its digits.
    parameters["loc"] *= 3
    scale = "scale_diag" if covariance == "diag" else "scale_tril"
    parameters[scale] *= narrow
    p = layer.distribution({k: tf.constant(v) for k, v in parameters.items()})
    z = parameters["loc"][:, np.newaxis] + narrow * _random(6, 5, 3).numpy()
    logits, loc, s = (parameters[k].astype("float64") for k in ("logits", "loc", scale))
    square = (lambda s: np.diag(s**2)) if covariance == "diag" else (lambda s: s @ s.T)
    components = [scipy.stats.multivariate_normal(loc[k], square(s[k])).logpdf(z) for k in range(6)]
    log_joint = np.stack(components, -1) + scipy.special.log_softmax(logits)
    expected = scipy.special.logsumexp(log_joint, axis=-1)
    assert p.log_prob(z).shape == (6, 5)
    np.testing.assert_allclose(p.log_prob(z), expected, rtol=1e-4, atol=3e-3)


@pytest.mark.parametrize("make", POSTERIORS.values(), ids=POSTERIORS.keys())
def test_vamp_is_the_mixture_of_its_posteriors(make):
    encode = _encoder(make)
    vamp = _bent(zd.VampPrior(SIZE, 5, IMAGE))
    inputs = vamp()["pseudo_inputs"]
    assert inputs.shape == (5, *IMAGE) and 0 < np.min(inputs) < np.max(inputs) < 1
    z = _random(4, 3, SIZE)
    direct = tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros(5)), encode(inputs))
    np.testing.assert_allclose(vamp.given(encode).log_prob(z), direct.log_prob(z), rtol=1e-4)


def test_diagonal_mixtures_hold_no_tensor_of_components_times_size():
    n, k, size = 128, 100, 40
    layer = _bent(zd.MixtureOfNormals(size, k))

    @tf.function
    def step(z):
        p = layer.given(None)
        return p.log_prob(z), p.sample(n, seed=[1, 2])

    graph = step.get_concrete_function(tf.TensorSpec([4, n // 4, size])).graph
    sizes = [o.shape.num_elements() for op in graph.get_operations() for o in op.outputs]
    assert all(s is None or s <= n * k for s in sizes) and n * k in sizes


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("posterior", POSTERIORS)
def test_kl_is_that_of_other_draws(posterior, prior):
    n = 4000
    q = _encoder(POSTERIORS[posterior])(_random(3, 9))
    p = _bent(PRIORS[prior]()).given(_encoder())
    kl, how = kl_divergence(q, p, q.sample(n, seed=[1, 2]))
    normal = posterior != "iaf" and prior in ("standard", "normal")
    assert how == ("closed form" if normal else "sampled")
    z = tf.identity(q.sample(n, seed=[3, 4]))  # no bijector has seen these points
    ratio = (q.log_prob(z) - p.log_prob(z)).numpy().astype("float64")
    error = ratio.std(axis=0) / np.sqrt(n) * (1 if normal else np.sqrt(2))
    assert np.all(abs(kl - ratio.mean(axis=0)) < 4 * error) and np.all(ratio.mean(axis=0) > 0)


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
@pytest.mark.parametrize("kind", ["posterior", "prior"])
def test_own_samples_are_not_inverted(mode, kind, monkeypatch):
    # How often the sequential inverse has run, or was traced.
    calls, inverse = [], invertible.Autoregressive.inverse
    monkeypatch.setattr(
        invertible.Autoregressive, "inverse", lambda self, y: (calls.append(1), inverse(self, y))[1]
    )
    if kind == "posterior":
        layer = _bent(POSTERIORS["iaf"](4), (None, 6))
        make, own, fresh = (lambda: layer.distribution(layer(_random(3, 6)))), 0, 3
    else:
        layer = _bent(PRIORS["maf"](4))
        # A sample takes the loops here; its `log_prob` adds none.
        make, own, fresh = (lambda: layer.given(None)), 3, 0

    counts = []

    def step(seed):
        p = make()
        z = p.sample(5, seed=seed)
        cached = p.log_prob(z)
        counts.append(len(calls))
        again = make().log_prob(tf.identity(z))
        counts.append(len(calls))
        return z, cached, again

    if mode != "eager":
        step = tf.function(step, jit_compile=mode == "xla")
    z, cached, again = step(tf.constant([1, 2]))
    assert z.shape == ((5, 3, 4) if kind == "posterior" else (5, 4))
    assert counts == [own, own + fresh]
    np.testing.assert_allclose(cached, again, rtol=1e-4, atol=1e-4)


def test_a_new_distribution_follows_the_weights():
    layer = _bent(PRIORS["maf"]())
    z = layer.given(None).sample(3, seed=[1, 2])
    before = layer.given(None).log_prob(z).numpy()
    _bent(layer)
    after = layer.given(None)
    assert np.all(after.log_prob(z) != before)
    np.testing.assert_array_equal(after.log_prob(z), after.log_prob(tf.identity(z)))


def test_a_flows_mean_does_not_depend_on_the_batch():
    layer = _bent(POSTERIORS["iaf"](3), (None, 6))
    features = _random(5, 6)
    together = layer.distribution(layer(features))
    alone = layer.distribution(layer(features[3:4]))
    np.testing.assert_allclose(together.mean()[3:4], alone.mean(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(together.stddev()[3:4], alone.stddev(), rtol=1e-5, atol=1e-6)


# With each prior, one posterior: as a product, they would take minutes.
PAIRS = zip(["diagonal", "tril", "iaf", "tril", "iaf", "diagonal", "iaf"], PRIORS, strict=True)


@pytest.mark.parametrize(("posterior", "prior"), PAIRS)
def test_three_small_steps_of_a_bound_move_every_variable_under_xla(posterior, prior):
    posterior, p = POSTERIORS[posterior](4), PRIORS[prior](4)
    posterior.build((None, 9)), p.build()
    variables = posterior.trainable_variables + p.trainable_variables
    before = [v.numpy() for v in variables]
    optimizer, features = keras.optimizers.SGD(1e-4), _random(8, 9)

    def encode(images):
        return posterior.distribution(posterior(tf.reshape(images, [-1, 9])))

    @tf.function(jit_compile=True)
    def step(seed):
        with tf.GradientTape() as tape:
            q = encode(features)
            z = q.sample(2, seed=seed)
            kl, _ = kl_divergence(q, p.given(encode), z)
            # Stands in for a decoder: without it, some gradients would vanish at the start.
            loss = tf.reduce_mean(kl) + tf.reduce_mean(tf.reduce_sum((z - 1) ** 2, -1))
        return tape.gradient(loss, [v.value for v in variables])

    for i in range(3):
        optimizer.apply(step(tf.constant([0, i])), variables)
    for variable, old in zip(variables, before, strict=True):
        assert np.isfinite(variable).all() and np.any(variable.numpy() != old), variable.path


@priors
def test_priors_under_xla_and_by_key(make):
    layer, encode, z = _bent(make(3)), _encoder(size=3), _random(2, 4, 3)

    def step(seed):
        p = layer.given(encode)
        return p.log_prob(z), p.sample(5, seed=seed)

    key, other = tf.constant([1, 2]), tf.constant([1, 3])
    plain, compiled = tf.function(step)(key), tf.function(step, jit_compile=True)(key)
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(step(key)[1], plain[1], rtol=1e-4, atol=1e-5)
    assert np.all(step(other)[1] != plain[1])
    assert plain[0].shape == (2, 4) and plain[1].shape == (5, 3) and layer.params_size == 0


@priors
def test_priors_come_back_from_config_and_weights(make, tmp_path):
    layer = _bent(make(3))
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config
    spec = {k: v for k, v in config.items() if k not in ("name", "trainable")}
    again = build({"type": type(layer).__name__, **spec})
    again.build()
    holders = [keras.Model(), keras.Model()]
    for holder, prior in zip(holders, (layer, again), strict=True):
        holder.prior, holder.built = prior, True
    holders[0].save_weights(tmp_path / "p.weights.h5")
    holders[1].load_weights(tmp_path / "p.weights.h5")
    encode, z = _encoder(size=3), _random(4, 3)
    p, q = layer.given(encode), again.given(encode)
    np.testing.assert_array_equal(p.log_prob(z), q.log_prob(z))


def test_a_flow_posterior_is_a_layer_like_the_others(tmp_path):
    layer = zd.InverseAutoregressiveFlow(3, 2, [8], context=4)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layer(inputs))
    _bent(layer, (None, 6))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    again, z, x = loaded.layers[-1], _random(5, 3), _random(5, 6)
    assert again.get_config() == layer.get_config() and layer.params_size == 10
    q, r = (k.distribution(m.predict(x, verbose=0)) for k, m in ((layer, model), (again, loaded)))
    np.testing.assert_array_equal(q.log_prob(z), r.log_prob(z))

    @tf.function(input_signature=[tf.TensorSpec([None, 6]), tf.TensorSpec([], tf.int32)])
    def endpoint(features, count):
        q = layer.distribution(layer(features))
        z = q.sample(count, seed=[1, 2])
        return z, q.log_prob(z), q.log_prob(tf.identity(z)), q.mean()

    z, cached, fresh, mean = endpoint(x, 4)
    assert z.shape == (4, 5, 3) and mean.shape == (5, 3)
    np.testing.assert_allclose(cached, fresh, rtol=1e-4, atol=1e-4)


def test_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        for make in (*PRIORS.values(), POSTERIORS["iaf"]):
            layer = make(3)
            layer.build((None, 6))
            parameters = layer(_random(2, 6))
            kinds = {v.dtype for v in layer.variables} | {v.dtype.name for v in parameters.values()}
            assert kinds <= {"float32"}
        for name in ("real nvp", "maf", "iaf"):
            bijector, z = _all_at_size(3)[name].bijector, _random(50, 3)
            # Each way rounds to 16 bits somewhere else, if it does.
            there_and_back = bijector.forward(tf.identity(bijector.inverse(z)))
            np.testing.assert_allclose(there_and_back, z, atol=1e-4)
    finally:
        keras.config.set_dtype_policy(before)


def test_a_normal_prior_starts_at_the_codes():
    codes = np.random.default_rng(0).normal(size=(500, 3)) @ np.array(
        [[20.0, 3, 0], [0, 0.1, 0], [0, 0, 0]]
    ) + [1, -2, 5]
    prior = zd.NormalPrior(3)
    prior.build()
    prior.start_at(codes)
    p = prior.given(None)
    np.testing.assert_allclose(p.mean(), codes.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(p.covariance(), np.cov(codes.T, bias=True), rtol=1e-3, atol=1e-6)
    one = zd.NormalPrior(1)
    one.build()
    one.start_at(codes[:, :1])
    np.testing.assert_allclose(one.given(None).stddev(), codes[:, :1].std(), rtol=1e-5)


def test_a_vamp_prior_starts_at_images_and_needs_an_encoder():
    images = np.random.default_rng(0).uniform(size=(7, *IMAGE)).astype("float32")
    images[0] = np.round(images[0])
    vamp = zd.VampPrior(SIZE, 5, IMAGE)
    vamp.build()
    vamp.start_at(images)
    np.testing.assert_allclose(vamp()["pseudo_inputs"], images[:5], atol=0.011)
    np.testing.assert_allclose(vamp()["pseudo_inputs"][1:], np.clip(images[1:5], 0.01, 0.99), 1e-4)
    for wrong in (images[:4], images[:, :2], images + 0.5, images - 0.5, images * np.nan):
        with pytest.raises(ValueError, match="VampPrior starts at"):
            vamp.start_at(wrong)
    with pytest.raises(NotSupported, match="given"):
        vamp.distribution(vamp())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: zd.NormalPrior(0), "NormalPrior takes a size"),
        (lambda: zd.MixtureOfNormals(2, 0), "1 component or more"),
        (lambda: zd.MixtureOfNormals(2, 3, covariance="tied"), "diag, full"),
        (lambda: zd.RealNVP(1, 3, [8]), "RealNVP takes a size of 2"),
        (lambda: zd.MaskedAutoregressiveFlow(3, 0, [8]), "1 layer or more"),
        (lambda: zd.InverseAutoregressiveFlow(3, 2, [8], 0), "context of 1 or more"),
    ],
)
def test_arguments_are_checked(make, words):
    with pytest.raises(ValueError, match=words):
        make()
