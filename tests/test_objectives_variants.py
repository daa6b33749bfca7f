"""Objectives beyond the bound: loops of numpy, closed forms, and gradients in expectation."""

import functools
import itertools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from models import SIZE, images, vae

import zoo.distributions as zd
from zoo import registration, storing
from zoo.errors import ConfigError, NotSupported
from zoo.noise import fold
from zoo.objectives import ELBO, VariationalTerms
from zoo.objectives.aggregate import DIP, MMD, TotalCorrelation, squared_mmd, total_correlation
from zoo.objectives.capacity import Capacity, FreeBits
from zoo.objectives.doubly_reparameterized import DReG
from zoo.objectives.schedules import Ramp
from zoo.objectives.variational import variational_terms

tfd = tfp.distributions
PRIOR = tfd.MultivariateNormalDiag(tf.zeros(SIZE), tf.ones(SIZE))


def normals(batch: int, seed: int = 0):
    """Means and deviations `[B, D]` of diagonal posteriors."""
    random = np.random.RandomState(seed)
    loc = random.normal(size=(batch, SIZE)).astype("float32")
    return loc, np.exp(random.normal(size=(batch, SIZE)) / 2).astype("float32")


def terms_of(posterior=None, batch: int = 5, samples: int = 1) -> VariationalTerms:
    """Terms of a linear decoder, without a network."""
    random = np.random.RandomState(1)
    matrix = random.normal(size=(SIZE, 6)).astype("float32")
    x = random.normal(size=(batch, 6)).astype("float32")

    def decode(z):
        return tfd.Independent(tfd.Normal(tf.tensordot(z, matrix, 1), 0.7), 1)

    posterior = posterior or tfd.MultivariateNormalDiag(*normals(batch))
    return variational_terms(x, posterior, PRIOR, decode, samples, fold(0, "test"))


def flow_posterior(batch: int = 5):
    layer = zd.InverseAutoregressiveFlow(SIZE, flows=1, units=[4], context=2)
    return layer.distribution(layer(tf.ones([batch, 2])))


# Schedules.


def test_a_ramp_is_a_line_and_then_stays():
    ramp = Ramp(start=2, end=0, steps=6)
    found = [float(ramp(tf.constant(step, tf.int64))) for step in (0, 2, 3, 6, 7, 10**6)]
    assert found == pytest.approx([2, 4 / 3, 1, 0, 0, 0])


def test_the_loss_follows_the_models_own_steps():
    model = vae(objective=ELBO(beta=Ramp(start=0, end=2, steps=10)))
    model.compile(run_eagerly=True)
    for step, beta in ((0, 0.0), (5, 1.0), (10, 2.0), (99, 2.0)):
        model.train_steps.assign(step)
        log = model.evaluate(images(8), return_dict=True, verbose=0)
        assert log["kl"] > 1e-3
        assert log["loss"] == pytest.approx(beta * log["kl"] - log["log_likelihood"], rel=1e-5)


# Total correlation.


def _loop(z, loc, scale, examples, estimator):
    """log q(z_i) - sum_d log q(z_i,d), one density after the other."""
    batch, size = z.shape
    result = []
    for i in range(batch):
        joint, single = 0.0, np.zeros(size)
        for j in range(batch):
            if estimator == "weighted":
                weight = 1 / (examples * batch)
            elif i == j:
                weight = 1 / examples
            else:
                weight = (examples - 1) / (examples * (batch - 1))
            densities = scipy.stats.norm.pdf(z[i], loc[j], scale[j])
            joint += weight * densities.prod()
            single += weight * densities
        result.append(np.log(joint) - np.log(single).sum())
    return np.array(result)


@pytest.mark.parametrize("estimator", ["weighted", "stratified"])
def test_total_correlation_is_the_loop(estimator):
    loc, scale = normals(6)
    posterior = tfd.MultivariateNormalDiag(loc, scale)
    z = posterior.sample(seed=[0, 1])
    expected = _loop(z.numpy().astype("float64"), loc, scale, 50, estimator)
    found = total_correlation(z, posterior, 50, estimator)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    loss = TotalCorrelation(beta=3, examples=50, estimator=estimator)(terms_of())
    own = terms_of()
    expected = _loop(own.latents[0].numpy().astype("float64"), *normals(5), 50, estimator)
    np.testing.assert_allclose(loss, 2 * expected.mean() - np.mean(own.elbo), rtol=1e-4)


def _mixture_ratio(z, loc, scale):
    """log q(z) - sum_d log q(z_d) of the mixture of all posteriors, equal weights."""
    logs = scipy.stats.norm.logpdf(z[:, None], loc, scale)
    joint = scipy.special.logsumexp(logs.sum(axis=-1), axis=1) - np.log(len(loc))
    single = scipy.special.logsumexp(logs, axis=1) - np.log(len(loc))
    return joint - single.sum(axis=-1)


def test_with_all_data_the_stratified_estimate_is_the_empirical_mixture():
    loc, scale = normals(40)
    posterior = tfd.MultivariateNormalDiag(loc, scale)
    z = posterior.sample(seed=[0, 1])
    expected = _mixture_ratio(z.numpy().astype("float64"), loc, scale)
    np.testing.assert_allclose(
        total_correlation(z, posterior, 40, "stratified"), expected, rtol=1e-4, atol=1e-5
    )
    # The weighted one puts 1 / N^2 on each: off by log N in the joint, and in every marginal.
    weighted = total_correlation(z, posterior, 40, "weighted")
    np.testing.assert_allclose(weighted - expected, (SIZE - 1) * np.log(40), rtol=1e-4)


@pytest.mark.parametrize(
    "estimator, count", [("weighted", 7 * 100), ("stratified", 100)], ids=lambda v: str(v)
)
def test_far_apart_points_tell_each_coordinate_by_each_other(estimator, count):
    loc = np.arange(7, dtype="float32")[:, None] * 1000 * np.ones(SIZE, "float32")
    posterior = tfd.MultivariateNormalDiag(loc, np.ones_like(loc))
    z = posterior.sample(seed=[0, 1])
    found = total_correlation(z, posterior, 100, estimator)
    np.testing.assert_allclose(found, [(SIZE - 1) * np.log(count)] * 7, rtol=1e-4)


def test_total_correlation_of_a_correlated_normal():
    covariance, noise = np.array([[1.0, 0.8], [0.8, 1.0]]), 0.3
    whole = covariance + noise**2 * np.eye(2)
    deviations = np.sqrt(np.diag(whole))
    expected = -0.5 * np.log(np.linalg.det(whole / np.outer(deviations, deviations)))

    def estimates(count, runs):
        random = np.random.RandomState(0)
        for run in range(runs):
            loc = random.multivariate_normal([1, -2], covariance, count).astype("float32")
            posterior = tfd.MultivariateNormalDiag(loc, np.full_like(loc, noise))
            z = posterior.sample(seed=[0, run])
            yield float(tf.reduce_mean(total_correlation(z, posterior, count, "stratified")))

    few, many = list(estimates(30, 40)), list(estimates(1000, 4))
    # Each point finds itself among few, so the estimate comes down to the truth.
    assert expected == pytest.approx(0.387, abs=1e-3)
    assert np.mean(few) > expected + 0.05
    assert np.mean(many) == pytest.approx(expected, abs=0.04)


# Other distances of the aggregate posterior.


def test_squared_mmd_is_the_loop():
    random = np.random.RandomState(0)
    x, y = random.normal(size=(5, SIZE)), random.normal(1, 2, size=(4, SIZE))

    def kernel(a, b):
        return np.exp(-np.sum((a - b) ** 2) / 2.5)

    def pairs(a):
        return np.mean([kernel(u, v) for u, v in itertools.permutations(a, 2)])

    across = np.mean([kernel(u, v) for u in x for v in y])
    found = squared_mmd(tf.constant(x, tf.float32), tf.constant(y, tf.float32), 2.5)
    np.testing.assert_allclose(found, pairs(x) + pairs(y) - 2 * across, rtol=1e-4)


def test_squared_mmd_of_two_normals_is_without_bias():
    means, variances, width = ([0.0, 0.5], [1.0, -0.5]), ([1.0, 0.25], [0.5, 2.0]), 1.7

    def expected_kernel(i, j):
        mean = np.subtract(means[i], means[j])
        variance = np.add(variances[i], variances[j])
        exponents = np.exp(-(mean**2) / (width + 2 * variance))
        return np.prod(exponents / np.sqrt(1 + 2 * variance / width))

    exact = expected_kernel(0, 0) + expected_kernel(1, 1) - 2 * expected_kernel(0, 1)
    random = np.random.RandomState(0)
    draws = [
        np.add(m, np.sqrt(v) * random.normal(size=(2000, 20, 2))).astype("float32")
        for m, v in zip(means, variances, strict=True)
    ]
    values = tf.vectorized_map(lambda pair: squared_mmd(*pair, width), tuple(draws)).numpy()
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert error < 0.01 * exact and abs(values.mean() - exact) < 4 * error


def test_the_mmd_objective_is_its_formula():
    terms = terms_of()
    wanted = PRIOR.sample(5, seed=fold(terms.seed, "mmd"))
    for bandwidth in (None, 0.3):
        distance = squared_mmd(terms.latents[0], wanted, bandwidth or SIZE)
        expected = 7 * distance + np.mean(0.25 * terms.kl - terms.log_likelihood[0])
        loss = MMD(weight=7, kl_weight=0.25, bandwidth=bandwidth)(terms)
        np.testing.assert_allclose(loss, expected, rtol=1e-5)
        assert abs(distance) > 1e-3


def test_a_last_batch_of_one_has_a_loss():
    terms = terms_of(tfd.MultivariateNormalDiag(*normals(1)), batch=1)
    for objective in (MMD(), DIP(), FreeBits(), TotalCorrelation(2, 50, "stratified")):
        assert np.isfinite(objective(terms))


def test_dip_penalizes_the_covariance_of_the_aggregate_posterior():
    loc, scale = (v.astype("float64") for v in normals(5))
    covariance = np.cov(loc, rowvar=False, bias=True) + np.diag((scale**2).mean(axis=0))
    off = np.sum((covariance - np.diag(np.diag(covariance))) ** 2)
    on = np.sum((np.diag(covariance) - 1) ** 2)
    terms = terms_of()
    loss = DIP(off_diagonal=3, diagonal=5)(terms)
    np.testing.assert_allclose(loss, 3 * off + 5 * on - np.mean(terms.elbo), rtol=1e-5)


def test_dip_takes_full_covariances():
    loc, scale = normals(5)
    tril = tf.linalg.diag(scale) + np.tril(np.full((SIZE, SIZE), 0.3, "float32"), -1)
    covariance = np.mean(tril @ tf.linalg.matrix_transpose(tril), axis=0)
    covariance += np.cov(loc, rowvar=False, bias=True)
    terms = terms_of(tfd.MultivariateNormalTriL(loc, tril))
    off = np.sum(covariance**2) - np.sum(np.diag(covariance) ** 2)
    np.testing.assert_allclose(DIP(1, 0)(terms), off - np.mean(terms.elbo), rtol=1e-5)


# Amounts of KL.


def test_capacity_is_the_distance_of_the_kl_from_its_aim():
    terms = terms_of()
    kl, log_likelihood = terms.kl.numpy(), terms.log_likelihood[0].numpy()
    aim = float(np.median(kl))
    np.testing.assert_allclose(
        Capacity(aim, weight=30)(terms), 30 * np.abs(kl - aim) - log_likelihood, rtol=1e-5
    )
    opening = Capacity(Ramp(start=0, end=2 * aim, steps=4), weight=30)
    for step, c in ((0, 0.0), (1, 0.5 * aim), (4, 2 * aim), (9, 2 * aim)):
        expected = 30 * np.abs(kl - c) - log_likelihood
        np.testing.assert_allclose(opening(terms, step), expected, rtol=1e-4)


def test_free_bits_let_each_latent_have_a_little():
    loc, scale = normals(5)
    per_latent = ((loc**2 + scale**2 - 1) / 2 - np.log(scale)).mean(axis=0)
    terms = terms_of()
    np.testing.assert_allclose(np.mean(terms.kl_per_latent, axis=0), per_latent, rtol=1e-4)
    np.testing.assert_allclose(np.sum(terms.kl_per_latent, axis=1), terms.kl, rtol=1e-5)
    log_likelihood = np.mean(terms.log_likelihood)
    for free in (0.0, float(np.median(per_latent)), 100.0):
        expected = np.maximum(per_latent, free).sum() - log_likelihood
        np.testing.assert_allclose(FreeBits(free)(terms), expected, rtol=1e-5)


# What they share.


def test_without_their_own_weight_all_are_the_bound():
    terms = terms_of()
    bound = -np.mean(terms.elbo)
    for objective in (
        ELBO(beta=1),
        TotalCorrelation(beta=1, examples=50),
        MMD(weight=0, kl_weight=1),
        DIP(off_diagonal=0, diagonal=0),
        FreeBits(free=0),
        Capacity(capacity=0, weight=1),
    ):
        loss = objective(terms)
        assert loss.shape == ([] if objective.couples_batch else [5])
        np.testing.assert_allclose(np.mean(loss), bound, rtol=1e-5, err_msg=str(objective))


VARIANTS = [
    ELBO(beta=Ramp(0, 4, 10)),
    Capacity(capacity=Ramp(1, 20, 5), weight=3),
    FreeBits(0.5),
    TotalCorrelation(beta=Ramp(2, 6, 5), examples=99, estimator="stratified"),
    DIP(3, 4),
    MMD(weight=9, kl_weight=0.5, bandwidth=2.0),
    DReG(num_samples=1),
]


@functools.cache
def metrics_of_the_bound():
    model = vae()
    model.compile(run_eagerly=True)
    return model.evaluate(images(16), batch_size=8, return_dict=True, verbose=0)


@pytest.mark.parametrize("objective", VARIANTS, ids=lambda o: type(o).__name__)
def test_no_argument_of_an_objective_enters_a_metric(objective):
    model = vae(objective=objective)
    model.compile(run_eagerly=True)
    log = model.evaluate(images(16), batch_size=8, return_dict=True, verbose=0)
    expected = dict(metrics_of_the_bound())
    assert abs(log.pop("loss") - expected.pop("loss")) > 1e-3
    assert log == pytest.approx(expected, rel=1e-6) and set(log) == {"log_likelihood", "kl", "elbo"}


@pytest.mark.parametrize("objective", VARIANTS, ids=lambda o: type(o).__name__)
def test_objectives_survive_keras_and_configs(objective):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(objective))
    spec = storing.spec(objective)
    for other in (again, registration.build(spec)):
        assert type(other) is type(objective) and storing.spec(other) == spec
        np.testing.assert_allclose(other(terms_of(), 3), objective(terms_of(), 3))


@pytest.mark.parametrize(
    "spec, message",
    [
        ({"type": "Ramp", "start": 0, "end": 1, "steps": 0}, "whole number of steps"),
        ({"type": "ELBO", "beta": float("nan")}, "beta is nan, not a finite number"),
        ({"type": "ELBO", "beta": -1.0}, "beta is -1.0, not a finite number from 0"),
        ({"type": "MMD", "weight": -2.0}, "weight is -2.0, not a finite number from 0"),
        ({"type": "ELBO", "beta": "big"}, "beta is 'big', not a finite number"),
        ({"type": "ELBO", "beta": {"class_name": "Lambda", "config": {}}}, "not a finite number"),
        ({"type": "TotalCorrelation", "beta": 2, "examples": 1}, "from 2, not 1"),
        ({"type": "TotalCorrelation", "beta": 2, "examples": 9, "estimator": "x"}, "stratified"),
        ({"type": "MMD", "bandwidth": 0}, "a bandwidth is positive, not 0"),
        ({"type": "DReG", "num_samples": 0}, "from 1, not 0"),
        # What does not follow the steps refuses a ramp at once, and not in the first step.
        (
            {"type": "FreeBits", "free": {"type": "Ramp", "start": 0, "end": 1, "steps": 5}},
            r"free is .*Ramp.*, not a finite number",
        ),
    ],
)
def test_bad_arguments_are_said_when_it_is_built(spec, message):
    with pytest.raises(ConfigError, match=message) as error:
        registration.build(spec)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("objective", [DIP(), DReG(2), FreeBits(), TotalCorrelation(2, 50)])
def test_a_posterior_that_cannot_serve_is_said(objective):
    with pytest.raises(NotSupported, match=r"FlowDistribution.*use MultivariateNormal"):
        objective(terms_of(flow_posterior()))
