"""Discrete likelihoods against enumeration, scipy, and formulas written out in float64."""

import itertools

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf

from zoo.distributions import (
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    IndependentBernoulli,
    IndependentCategorical,
)

SMALL = {
    "bernoulli": lambda: IndependentBernoulli([2, 2, 1]),
    "categorical": lambda: IndependentCategorical([2, 2, 1], levels=3),
    "logistic, 3 levels": lambda: DiscretizedLogistic([2, 2, 1], levels=3),
    "logistic, 2 levels": lambda: DiscretizedLogistic([2, 2, 1], levels=2),
    "logistic, 256 levels": lambda: DiscretizedLogistic([1, 1, 1], levels=256),
    "grey mixture": lambda: DiscretizedLogisticMixture([2, 2, 1], levels=3, components=3),
    "grey mixture, 256 levels": lambda: DiscretizedLogisticMixture([1, 1, 1]),
    "colour mixture": lambda: DiscretizedLogisticMixture([1, 1, 3], levels=8, components=4),
    "two channels": lambda: DiscretizedLogisticMixture([1, 2, 2], levels=3, components=2),
}
small = pytest.mark.parametrize("make", SMALL.values(), ids=SMALL.keys())


def _support(likelihood):
    """Every image there is, `[N, *event_shape]`."""
    elements = int(np.prod(likelihood.event_shape))
    images = itertools.product(range(likelihood.levels), repeat=elements)
    return np.reshape(list(images), [-1, *likelihood.event_shape]).astype("float32")


def _distribution(likelihood, strength, batch=3):
    features = np.random.default_rng(0).normal(size=[batch, 8]).astype("float32")
    return likelihood.distribution(likelihood(features * strength))


def _random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@small
@pytest.mark.parametrize("strength", [0.0, 1.0, 30.0])
def test_probabilities_sum_to_one(make, strength):
    likelihood = make()
    p = _distribution(likelihood, strength)
    log_probs = p.log_prob(_support(likelihood)[:, None])
    assert log_probs.shape == [len(_support(likelihood)), 3]
    total = np.exp(log_probs.numpy().astype("float64")).sum(0)
    np.testing.assert_allclose(total, 1.0, atol=1e-5)


@small
def test_sample_frequencies_match_probabilities(make):
    likelihood = make()
    p = _distribution(likelihood, 2.0, batch=1)
    count = 20_000
    samples = p.sample(count, seed=[3, 4]).numpy()[:, 0].reshape(count, -1)
    assert samples.dtype == np.float32
    assert likelihood.support.violation(samples) is None
    probabilities = np.exp(p.log_prob(_support(likelihood)[:, None]).numpy()[:, 0])
    place = likelihood.levels ** np.arange(samples.shape[1])[::-1]
    counts = np.bincount((samples @ place).astype(int), minlength=len(probabilities))
    error = np.sqrt(probabilities * (1 - probabilities) / count)
    # One draw of a rare image is within the error of none.
    np.testing.assert_array_less(abs(counts / count - probabilities), 4 * error + 2 / count)
    # Chi-square over the common images sees a small bias in many of them at once.
    common = probabilities * count > 10
    expected = probabilities[common] * count
    statistic = ((counts[common] - expected) ** 2 / expected).sum()
    assert statistic < common.sum() + 5 * np.sqrt(2 * common.sum())


@small
def test_sampling_repeats_with_its_seed(make):
    p = _distribution(make(), 1.0)
    np.testing.assert_array_equal(p.sample(5, seed=[1, 2]), p.sample(5, seed=[1, 2]))
    assert np.any(p.sample(50, seed=[1, 2]) != p.sample(50, seed=[1, 3]))


@pytest.mark.parametrize("name", [n for n in SMALL if n not in ("colour mixture", "two channels")])
def test_mean_is_the_expectation_over_the_support(name):
    likelihood = SMALL[name]()
    p = _distribution(likelihood, 2.0)
    images = _support(likelihood)
    probabilities = np.exp(p.log_prob(images[:, None]).numpy())
    expected = np.einsum("nb,n...->b...", probabilities, images)
    np.testing.assert_allclose(p.mean(), expected, rtol=1e-4, atol=1e-4)


def test_mean_of_a_colour_mixture_away_from_the_edges():
    levels, k = 16, 2
    likelihood = DiscretizedLogisticMixture([1, 1, 3], levels=levels, components=k)
    p = likelihood.distribution(
        {
            "logits": _random(1, 1, 1, k),
            "loc": 0.15 * _random(1, 1, 1, 3, k, seed=1),
            "scale": np.full([1, 1, 1, 3, k], 0.05, "float32"),
            "coefficients": 0.5 * np.tanh(_random(1, 1, 1, 3, k, seed=2)),
        }
    )
    images = _support(likelihood)
    expected = np.einsum("n,n...->...", np.exp(p.log_prob(images)), images)
    np.testing.assert_allclose(p.mean()[0], expected, atol=0.02)
    # Without the coupling the later channels' means would be elsewhere.
    assert abs(expected[0, 0, 1:] - (levels - 1) / 2).max() > 0.2


def test_bernoulli_is_scipys():
    likelihood = IndependentBernoulli([4, 3, 1])
    logits = 5 * _random(6, 4, 3, 1)
    x = (np.random.default_rng(1).random([6, 4, 3, 1]) < 0.5).astype("float32")
    expected = scipy.stats.bernoulli.logpmf(x, scipy.special.expit(logits.astype("float64")))
    log_prob = likelihood.distribution({"logits": logits}).log_prob(x)
    np.testing.assert_allclose(log_prob, expected.sum((1, 2, 3)), rtol=1e-5)
    mean = likelihood.distribution({"logits": logits}).mean()
    np.testing.assert_allclose(mean, scipy.special.expit(logits), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_categorical_is_the_softmax(dtype):
    likelihood = IndependentCategorical([4, 3, 1], levels=17)
    logits = 3 * _random(6, 4, 3, 1, 17)
    x = np.random.default_rng(1).integers(0, 17, [6, 4, 3, 1])
    log_softmax = scipy.special.log_softmax(logits.astype("float64"), axis=-1)
    expected = np.take_along_axis(log_softmax, x[..., None], -1).sum((1, 2, 3, 4))
    log_prob = likelihood.distribution({"logits": logits}).log_prob(tf.constant(x, dtype))
    np.testing.assert_allclose(log_prob, expected, rtol=1e-5)


def _bin(x, loc, scale, levels):
    """P of a level, in float64: the difference of two values of scipy's CDF."""
    v, half = 2 * x / (levels - 1) - 1, 1 / (levels - 1)
    upper = np.where(x == levels - 1, np.inf, v + half)
    lower = np.where(x == 0, -np.inf, v - half)
    cdf = scipy.stats.logistic(loc, scale).cdf
    return cdf(upper) - cdf(lower)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_discretized_logistic_is_a_difference_of_scipys_cdf(dtype):
    likelihood = DiscretizedLogistic([5, 1, 3])
    x = np.random.default_rng(0).integers(0, 256, [4, 5, 1, 3])
    x[0, 0], x[0, 1] = 0, 255
    loc = _random(4, 5, 1, 3)
    scale = np.exp(_random(4, 5, 1, 3, seed=1) - 1)
    expected = np.log(_bin(x, loc, scale, 256)).sum((1, 2, 3))
    p = likelihood.distribution({"loc": loc, "scale": scale})
    np.testing.assert_allclose(p.log_prob(tf.constant(x, dtype)), expected, rtol=1e-5)


def test_colour_mixture_is_the_papers_formula():
    levels, k = 256, 3
    likelihood = DiscretizedLogisticMixture([2, 1, 3], levels=levels, components=k)
    x = np.random.default_rng(0).integers(0, levels, [2, 2, 1, 3])
    x[0, 0, 0] = [0, 255, 7]
    logits, loc = _random(2, 2, 1, k), _random(2, 2, 1, 3, k, seed=1)
    scale = np.exp(_random(2, 2, 1, 3, k, seed=2) - 1)
    coefficients = np.tanh(_random(2, 2, 1, 3, k, seed=3))
    weights = scipy.special.softmax(logits.astype("float64"), axis=-1)
    expected = np.zeros(2)
    for b, i in np.ndindex(2, 2):
        alpha, beta, gamma = coefficients[b, i, 0]
        red, green, _ = 2 * x[b, i, 0] / (levels - 1) - 1
        m, s = loc[b, i, 0], scale[b, i, 0]
        joint = weights[b, i, 0] * _bin(x[b, i, 0, 0], m[0], s[0], levels)
        joint *= _bin(x[b, i, 0, 1], m[1] + alpha * red, s[1], levels)
        joint *= _bin(x[b, i, 0, 2], m[2] + beta * red + gamma * green, s[2], levels)
        expected[b] += np.log(joint.sum())
    p = likelihood.distribution(
        {"logits": logits, "loc": loc, "scale": scale, "coefficients": coefficients}
    )
    np.testing.assert_allclose(p.log_prob(x.astype("float32")), expected, rtol=1e-5)


@pytest.mark.parametrize("x", [0, 1, 128, 254, 255])
@pytest.mark.parametrize("loc", [-1000.0, -3.0, 0.0, 3.0, 1000.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_logistic_tails_are_right_in_float32(x, loc, scale):
    v, half = 2 * x / 255 - 1, 1 / 255
    law = scipy.stats.logistic(loc, scale)
    # On the side of the mean where the survival function or the CDF is the small one.
    if v > loc:
        small = law.logsf(-np.inf if x == 0 else v - half)
        smaller = -np.inf if x == 255 else law.logsf(v + half)
    else:
        small = law.logcdf(np.inf if x == 255 else v + half)
        smaller = -np.inf if x == 0 else law.logcdf(v - half)
    expected = small + np.log(-np.expm1(smaller - small))
    likelihood = DiscretizedLogistic([1, 1, 1])
    parameters = {"loc": tf.fill([1, 1, 1, 1], loc), "scale": tf.fill([1, 1, 1, 1], scale)}
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        p = likelihood.distribution(parameters)
        log_prob = p.log_prob(tf.fill([1, 1, 1, 1], float(x)))
    gradients = tape.gradient(log_prob, parameters)
    np.testing.assert_allclose(log_prob, [expected], rtol=1e-3, atol=1e-3)
    assert all(np.isfinite(g).all() for g in gradients.values())
    if expected < -10 and scale == 1e-3:
        # Far away the log-probability falls linearly, with the slope 1 / scale towards the data.
        np.testing.assert_allclose(
            gradients["loc"], np.full([1, 1, 1, 1], np.sign(v - loc) / scale), rtol=1e-3
        )


def test_coefficients_are_the_tanh_of_the_projection():
    likelihood = DiscretizedLogisticMixture([1, 1, 3], levels=8, components=2)
    with tf.GradientTape() as tape:
        raw = {name: tf.ones([1, *s]) for name, s in likelihood.parameter_shapes.items()}
        tape.watch(raw)
        coefficients = likelihood.constrain(raw)["coefficients"]
    np.testing.assert_allclose(coefficients, np.full([1, 1, 1, 3, 2], np.tanh(1)), rtol=1e-6)
    slope = tape.gradient(coefficients, raw)["coefficients"]
    np.testing.assert_allclose(slope, np.full([1, 1, 1, 3, 2], 1 - np.tanh(1) ** 2), rtol=1e-5)
