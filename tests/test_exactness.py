"""A linear-Gaussian VAE with its exact posterior is probabilistic PCA, and every number is known.

p(z) = N(0, I); p(x|z) = N(W z + mu, s^2 I); hence p(x) = N(mu, W W' + s^2 I) and
p(z|x) = N(M^-1 W' (x - mu), s^2 M^-1) with M = W' W + s^2 I (Tipping and Bishop 1999, Eq. 6 to 9).
There log p(x, z) - log q(z|x) is log p(x), whatever z is.
"""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import zoo.distributions as zd
from zoo.evaluation.quadrature import elbo, log_evidence, posterior_divergence
from zoo.models import VAE
from zoo.networks import MLP
from zoo.noise import fold
from zoo.numerics import inverse_positive
from zoo.objectives import ELBO

SHAPE, PIXELS, SIZE, SCALE = [3, 2, 1], 6, 2, 0.4


class Linear:
    """The algebra, in float64."""

    def __init__(self):
        random = np.random.default_rng(0)
        self.loadings = random.normal(size=(PIXELS, SIZE))
        self.mean = random.normal(size=PIXELS)
        inner = self.loadings.T @ self.loadings + SCALE**2 * np.eye(SIZE)
        self.gain = np.linalg.solve(inner, self.loadings.T)
        self.posterior_tril = np.linalg.cholesky(SCALE**2 * np.linalg.inv(inner))
        covariance = self.loadings @ self.loadings.T + SCALE**2 * np.eye(PIXELS)
        self.marginal = scipy.stats.multivariate_normal(self.mean, covariance)

    def images(self, n):
        x = self.marginal.rvs(n, random_state=1)
        return x.reshape(n, *SHAPE).astype("float32")

    def log_prob(self, x):
        return self.marginal.logpdf(np.asarray(x, "float64").reshape(-1, PIXELS))


def _model(algebra: Linear) -> VAE:
    """The VAE whose weights are that algebra."""
    model = VAE(
        encoder=MLP([PIXELS], activation="linear"),
        posterior=zd.MultivariateNormalTriL(SIZE),
        decoder=MLP([SIZE], activation="linear"),
        likelihood=zd.IndependentNormal(SHAPE, scale="fixed", value=SCALE),
        objective=ELBO(num_samples=8),
    )
    model.ensure_built()
    model.encoder.set_weights([np.eye(PIXELS), np.zeros(PIXELS)])
    model.decoder.set_weights([np.eye(SIZE), np.zeros(SIZE)])
    model.likelihood.set_weights([algebra.loadings.T, algebra.mean])
    # The posterior's scale does not depend on x: it stands in the bias, before the softplus.
    floor, tril = model.posterior.floor, algebra.posterior_tril.copy()
    for i in range(SIZE):
        tril[i, i] = inverse_positive(tril[i, i], floor) - inverse_positive(1.0, floor)
    raw = tfp.math.fill_triangular_inverse(tril).numpy()
    kernel = np.concatenate([algebra.gain.T, np.zeros((PIXELS, len(raw)))], axis=1)
    bias = np.concatenate([-algebra.gain @ algebra.mean, raw])
    model.posterior.set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def algebra():
    return Linear()


@pytest.fixture(scope="module")
def model(algebra):
    return _model(algebra)


def test_the_posterior_is_the_exact_one(algebra, model):
    x = algebra.images(5)
    q = model.encode(x)
    expected = (x.reshape(-1, PIXELS) - algebra.mean) @ algebra.gain.T
    covariance = algebra.posterior_tril @ algebra.posterior_tril.T
    np.testing.assert_allclose(q.mean(), expected, atol=1e-5)
    np.testing.assert_allclose(q.covariance(), [covariance] * 5, atol=1e-6)
    assert abs(covariance[0, 1]) > 1e-3, "a diagonal covariance would not test the full one"


def test_every_single_weight_is_the_evidence(algebra, model):
    x = algebra.images(50)
    terms = model.terms(x, training=False, seed=fold(0, "test"))
    assert terms.log_weights.shape == [8, 50]
    # So for one sample, not only on average: each draw of z gives log p(x).
    assert np.abs(terms.log_weights - algebra.log_prob(x)).max() < 1e-4
    assert np.ptp(terms.latents.numpy(), axis=0).min() > 1e-2


def test_the_bound_with_closed_form_kl_is_the_evidence(algebra, model):
    x = algebra.images(20)
    terms = VAE.terms(_with_samples(model, 20_000), x, training=False, seed=fold(0, "test"))
    draws = terms.log_likelihood.numpy().astype("float64")
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    deviations = (terms.elbo - algebra.log_prob(x)) / error
    assert error.max() < 0.02
    assert np.abs(deviations).max() < 4


def test_the_importance_estimate_is_exact_with_few_samples(algebra, model):
    x = algebra.images(20)
    for count in (1, 3):
        assert np.abs(model.log_prob(x, num_samples=count) - algebra.log_prob(x)).max() < 1e-4


def test_quadrature_over_two_latents_agrees(algebra, model):
    x = algebra.images(10)
    assert np.abs(log_evidence(model, x) - algebra.log_prob(x)).max() < 1e-4
    assert np.abs(elbo(model, x) - algebra.log_prob(x)).max() < 1e-4
    assert np.abs(posterior_divergence(model, x)).max() < 1e-4


def test_a_wrong_posterior_costs_its_divergence(algebra, model):
    # q = N(m + d, S) instead of N(m, S): KL = d' S^-1 d / 2.
    wrong = _model(algebra)
    shift = np.array([0.1, -0.2])
    kernel, bias = wrong.posterior.get_weights()
    bias[:SIZE] += shift
    wrong.posterior.set_weights([kernel, bias])
    x = algebra.images(10)
    covariance = algebra.posterior_tril @ algebra.posterior_tril.T
    expected = shift @ np.linalg.solve(covariance, shift) / 2
    np.testing.assert_allclose(posterior_divergence(wrong, x), expected, atol=2e-4)
    np.testing.assert_allclose(elbo(wrong, x), algebra.log_prob(x) - expected, atol=2e-4)


def test_samples_have_the_moments_of_ppca(algebra, model):
    drawn = tf.reshape(model.sample(20_000, seed=0), [-1, PIXELS]).numpy().astype("float64")
    error = np.sqrt(np.diag(algebra.marginal.cov) / len(drawn))
    assert np.all(np.abs(drawn.mean(axis=0) - algebra.mean) < 4 * error)
    np.testing.assert_allclose(np.cov(drawn.T), algebra.marginal.cov, atol=0.15)


def _with_samples(model: VAE, count: int) -> VAE:
    """The same parts, drawing more posterior samples for its terms."""
    parts = ("encoder", "posterior", "decoder", "likelihood", "prior")
    return VAE(**{p: getattr(model, p) for p in parts}, objective=ELBO(num_samples=count))
