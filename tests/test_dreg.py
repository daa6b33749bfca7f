"""The doubly reparameterized gradient, p(z) = N(0, I), p(x|z) = N(W z, s^2 I), all known."""

import functools

import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from models import images, vae

from zoo.objectives import IWAE, VariationalTerms
from zoo.objectives.doubly_reparameterized import DReG

tfd = tfp.distributions

W = np.array([[1.0, 0.5], [0.5, -1.0], [1.0, 0.0]], "float32")
NOISE = 0.7
X = np.array([0.8, -1.2, 0.4], "float32")
LOC, SCALE = np.array([-0.3, 0.2], "float32"), np.array([0.8, 0.9], "float32")


def gradients(objective, noise, loc=LOC, scale=SCALE):
    """Loss `[R]` and gradients by loc, scale and W of `[K, R, 2]` noise, R draws at once."""
    runs = noise.shape[1]
    loc, scale, w = [tf.repeat(tf.stack([v]), runs, axis=0) for v in (loc, scale, W)]
    prior = tfd.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))

    def log_joint(z):
        image = tf.einsum("rxd,krd->krx", w, z)
        log_likelihood = tf.reduce_sum(tfd.Normal(image, NOISE).log_prob(X), axis=-1)
        return log_likelihood + prior.log_prob(z)

    with tf.GradientTape() as tape:
        tape.watch((loc, scale, w))
        posterior = tfd.MultivariateNormalDiag(loc, scale)
        z = loc + scale * noise
        log_weights = log_joint(z) - posterior.log_prob(z)
        terms = VariationalTerms(
            None, None, log_weights, posterior, prior, z, "sampled", log_joint, None
        )
        loss = objective(terms)
    return loss, *tape.gradient(loss, (loc, scale, w))


@functools.cache
def noise_of(samples: int, runs: int) -> tf.Tensor:
    return tf.constant(np.random.RandomState(0).normal(size=(samples, runs, 2)), tf.float32)


def test_dreg_is_its_formula():
    noise = noise_of(5, 50).numpy().astype("float64")
    z = LOC + SCALE * noise
    rest = X - z @ W.T
    log_weights = scipy.stats.norm.logpdf(rest, 0, NOISE).sum(-1) + scipy.stats.norm.logpdf(z).sum(
        -1
    )
    log_weights -= scipy.stats.norm.logpdf(z, LOC, SCALE).sum(-1)
    shares = scipy.special.softmax(log_weights, axis=0)[..., None]
    by_z = rest @ W / NOISE**2 - z + noise / SCALE
    by_w = shares[..., None] * rest[..., :, None] * z[..., None, :] / NOISE**2
    expected = [
        np.log(5) - scipy.special.logsumexp(log_weights, axis=0),
        -np.sum(shares**2 * by_z, axis=0),
        -np.sum(shares**2 * by_z * noise, axis=0),
        -np.sum(by_w, axis=0),
    ]
    for compiled in (
        gradients,
        tf.function(gradients),
        tf.function(gradients, jit_compile=True),
    ):
        for found, wanted in zip(compiled(DReG(5), noise_of(5, 50)), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("samples", [1, 5])
def test_dreg_and_iwae_agree_in_expectation(samples):
    noise = noise_of(samples, 20_000)
    values, *ours = gradients(DReG(samples), noise)
    bound, *theirs = gradients(IWAE(samples), noise)
    np.testing.assert_allclose(values, bound, rtol=1e-4, atol=1e-4)
    for own, other in zip(ours, theirs, strict=True):
        difference = own.numpy() - other.numpy()
        error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
        # W's are equal but for rounding.
        assert np.all(np.abs(difference.mean(axis=0)) <= 4 * error + 1e-6)
        # Small enough to tell them from shares that are not squared.
        assert error.max() < 0.05 * np.abs(np.mean(own, axis=0)).max()


def test_dreg_has_less_variance_where_there_are_many_samples():
    ours, theirs = (gradients(o, noise_of(64, 1000)) for o in (DReG(64), IWAE(64)))
    for own, other in zip(ours[1:3], theirs[1:3], strict=True):
        assert np.all(np.var(own, axis=0) < 0.5 * np.var(other, axis=0))


def test_dreg_asks_nothing_of_an_exact_posterior():
    # The columns of W are orthogonal, so that the posterior is a diagonal normal.
    precision = 1 + np.sum(W**2, axis=0) / NOISE**2
    loc, scale = W.T @ X / NOISE**2 / precision, precision**-0.5
    loss, by_loc, by_scale, by_w = gradients(DReG(5), noise_of(5, 50), loc, scale)
    covariance = W @ W.T + NOISE**2 * np.eye(3)
    evidence = scipy.stats.multivariate_normal.logpdf(X, np.zeros(3), covariance)
    np.testing.assert_allclose(loss, [-evidence] * 50, rtol=1e-5)
    np.testing.assert_allclose(by_loc, np.zeros((50, 2)), atol=1e-4)
    np.testing.assert_allclose(by_scale, np.zeros((50, 2)), atol=1e-4)
    assert np.abs(by_w).min() > 1e-3
    assert np.abs(gradients(IWAE(5), noise_of(5, 50), loc, scale)[1]).max() > 0.1


def test_dreg_trains_a_model_under_xla():
    model = vae(objective=DReG(num_samples=4))
    before = model.get_weights()
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=True)
    history = model.fit(images(), batch_size=8, epochs=4, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] - 0.3
    assert all(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
