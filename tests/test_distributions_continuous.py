"""Normal likelihoods, posteriors and the prior against scipy and closed forms."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions import (
    IndependentNormal,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
    StandardNormal,
)


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("mode", ["fixed", "learned", "per_element"])
def test_normal_is_scipys_with_its_constants(mode):
    likelihood = IndependentNormal([3, 2, 1], scale=mode, value=0.2)
    parameters = likelihood(_random(4, 5))
    x = _random(4, 3, 2, 1, seed=1)
    loc, scale = (parameters[n].numpy().astype("float64") for n in ("loc", "scale"))
    expected = scipy.stats.norm.logpdf(x, loc, scale).sum((1, 2, 3))
    p = likelihood.distribution(parameters)
    np.testing.assert_allclose(p.log_prob(x), expected, rtol=1e-5)
    np.testing.assert_array_equal(p.mean(), parameters["loc"])
    assert p.batch_shape == [4] and p.event_shape == [3, 2, 1]
    assert p.sample(2, seed=[0, 1]).shape == [2, 4, 3, 2, 1]


@pytest.mark.parametrize("mode", ["fixed", "learned", "per_element"])
def test_scale_starts_at_its_value(mode):
    likelihood = IndependentNormal([2, 2, 1], scale=mode, value=0.3, floor=0.1)
    np.testing.assert_allclose(likelihood(tf.zeros([2, 4]))["scale"], 0.3, rtol=1e-5)


def test_fitted_scales_stay_above_the_floor():
    per_element = IndependentNormal([2, 2, 1], scale="per_element", floor=0.05)
    scale = per_element(1e4 * _random(50, 4))["scale"].numpy()
    assert scale.min() >= 0.05 and scale.min() < 0.06 and np.isfinite(scale).all()
    learned = IndependentNormal([2, 2, 1], scale="learned", floor=0.05)
    learned.build([None, 4])
    learned.raw_scale.assign(-1e4)
    np.testing.assert_allclose(learned(tf.zeros([2, 4]))["scale"], 0.05, rtol=1e-6)


def test_the_learned_scale_has_a_gradient():
    likelihood = IndependentNormal([2, 2, 1], scale="learned", value=1.0)
    with tf.GradientTape() as tape:
        p = likelihood.distribution(likelihood(tf.zeros([2, 4])))
        log_prob = p.log_prob(tf.zeros([2, 2, 2, 1]))
    names = [w.name for w in likelihood.trainable_weights]
    assert sorted(names) == ["bias", "kernel", "raw_scale"]
    gradient = tape.gradient(log_prob, likelihood.raw_scale.value)
    # d/dscale of -4 log(scale) per image of 4 elements that lie on the mean, through the softplus.
    floor = likelihood.floor
    slope = 1 - np.exp(-(1 - floor))
    np.testing.assert_allclose(gradient, -8 * slope, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scale": "diagonal"}, "fixed, learned, per_element"),
        ({"value": 0.0}, "a scale of 0.0"),
        ({"scale": "learned", "value": 0.001}, "floor"),
        ({"floor": -1.0}, "floor"),
    ],
)
def test_normal_refuses_impossible_scales(arguments, words):
    with pytest.raises(ValueError, match=words):
        IndependentNormal([2, 2, 1], **arguments)


def test_diagonal_posterior_is_scipys():
    posterior = MultivariateNormalDiag(3)
    parameters = posterior(_random(5, 4))
    z = _random(5, 3, seed=1)
    log_prob = posterior.distribution(parameters).log_prob(z)
    loc, scale = (parameters[n].numpy().astype("float64") for n in ("loc", "scale_diag"))
    expected = [
        scipy.stats.multivariate_normal(loc[b], np.diag(scale[b] ** 2)).logpdf(z[b])
        for b in range(5)
    ]
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)


def test_full_covariance_posterior_is_scipys():
    posterior = MultivariateNormalTriL(3)
    parameters = posterior(_random(5, 4))
    z = _random(5, 3, seed=1)
    log_prob = posterior.distribution(parameters).log_prob(z)
    loc, lower = (parameters[n].numpy().astype("float64") for n in ("loc", "scale_tril"))
    assert not np.triu(lower, 1).any() and np.tril(lower, -1).any()
    expected = [
        scipy.stats.multivariate_normal(loc[b], lower[b] @ lower[b].T).logpdf(z[b])
        for b in range(5)
    ]
    np.testing.assert_allclose(log_prob, expected, rtol=1e-4)


def test_prior_is_scipys():
    z = _random(2, 5, 3)
    prior = StandardNormal(3)
    expected = scipy.stats.norm.logpdf(z).sum(-1)
    np.testing.assert_allclose(prior.distribution(prior()).log_prob(z), expected, rtol=1e-5)
    assert prior.distribution(prior(tf.zeros([5, 8]))).batch_shape == []
    assert prior.params_size == 0 and prior.weights == []


@pytest.mark.parametrize("make", [MultivariateNormalDiag, MultivariateNormalTriL])
def test_kl_to_the_prior_is_the_closed_form(make):
    posterior, prior = make(4), StandardNormal(4)
    parameters = posterior(_random(6, 5))
    q = posterior.distribution(parameters)
    kl = tfp.distributions.kl_divergence(q, prior.distribution(prior()))
    loc = parameters["loc"].numpy().astype("float64")
    covariance = q.covariance().numpy().astype("float64")
    trace = np.trace(covariance, axis1=1, axis2=2)
    expected = 0.5 * (trace + (loc**2).sum(1) - 4 - np.linalg.slogdet(covariance)[1])
    np.testing.assert_allclose(kl, expected, rtol=1e-4)


@pytest.mark.parametrize("make", [MultivariateNormalDiag, MultivariateNormalTriL])
def test_features_of_zero_give_the_prior(make):
    posterior, prior = make(4), StandardNormal(4)
    q = posterior.distribution(posterior(tf.zeros([2, 5])))
    kl = tfp.distributions.kl_divergence(q, prior.distribution(prior()))
    np.testing.assert_allclose(kl, 0.0, atol=1e-6)


@pytest.mark.parametrize("make", [MultivariateNormalDiag, MultivariateNormalTriL])
def test_posterior_samples_have_its_moments(make):
    posterior = make(3)
    q = posterior.distribution(posterior(_random(1, 4)))
    count = 40_000
    z = q.sample(count, seed=[5, 6]).numpy()[:, 0]
    covariance = q.covariance().numpy()[0]
    variance = np.diag(covariance)
    error = 4 * np.sqrt(variance / count)
    np.testing.assert_array_less(abs(z.mean(0) - q.mean().numpy()[0]), error)
    # Var of a sample covariance: (c_ii c_jj + c_ij^2) / n.
    error = 4 * np.sqrt((np.outer(variance, variance) + covariance**2) / count)
    np.testing.assert_array_less(abs(np.cov(z.T) - covariance), error)


@pytest.mark.parametrize("make", [MultivariateNormalDiag, MultivariateNormalTriL, StandardNormal])
@pytest.mark.parametrize("size", [0, -1, 2.5])
def test_sizes_are_checked(make, size):
    with pytest.raises(ValueError, match=f"{make.__name__} takes a size"):
        make(size)
