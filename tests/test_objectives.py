"""The bound: closed forms, oracles of numpy, and what may never enter a metric."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

import zoo.distributions as zd
from zoo.models import VAE
from zoo.networks import MLP
from zoo.noise import fold
from zoo.objectives import ELBO, IWAE, VariationalTerms
from zoo.objectives.variational import (
    importance_log_prob,
    kl_divergence,
    variational_terms,
)

tfd = tfp.distributions
SIZE = 3


def _normals(kind):
    """q of a batch of four, their means and their covariances in float64."""
    random = np.random.default_rng(0)
    loc = random.normal(size=(4, SIZE)).astype("float32")
    if kind == "diagonal":
        scale = np.exp(random.normal(size=(4, SIZE)) / 2).astype("float32")
        tril = np.stack([np.diag(s) for s in scale]).astype("float64")
        q = zd.MultivariateNormalDiag(SIZE).distribution({"loc": loc, "scale_diag": scale})
    else:
        tril = np.tril(random.normal(size=(4, SIZE, SIZE)), -1)
        tril += np.stack([np.diag(d) for d in np.exp(random.normal(size=(4, SIZE)) / 2)])
        parameters = {"loc": loc, "scale_tril": tril.astype("float32")}
        q = zd.MultivariateNormalTriL(SIZE).distribution(parameters)
    return q, loc.astype("float64"), tril @ tril.transpose(0, 2, 1)


def _prior():
    return zd.StandardNormal(SIZE).distribution({})


def _table(log_weights):
    """`log_weights(count, key)` that serves the rows of an array in turn, and what it was asked."""
    asked = []

    def serve(count, key):
        start = sum(asked)
        asked.append(count)
        return tf.constant(log_weights[start : start + count])

    return serve, asked


def _terms(samples=5, batch=4):
    """Terms of a random model, without a network."""
    q, *_ = _normals("full")
    matrix = np.random.default_rng(1).normal(size=(SIZE, 6)).astype("float32")
    x = np.random.default_rng(2).normal(size=(batch, 6)).astype("float32")

    def decode(z):
        return tfd.Independent(tfd.Normal(tf.tensordot(z, matrix, 1), 0.7), 1)

    return variational_terms(x, q, _prior(), decode, samples, fold(0, "test"))


def _model(objective, seed=3):
    return VAE(
        encoder=MLP([8]),
        posterior=zd.MultivariateNormalDiag(2),
        decoder=MLP([8]),
        likelihood=zd.IndependentNormal([4, 4, 1], value=0.5),
        objective=objective,
        seed=seed,
    )


@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_kl_is_zero_where_the_posterior_is_the_prior(kind):
    if kind == "diagonal":
        layer = zd.MultivariateNormalDiag(SIZE)
        scale = {"scale_diag": np.ones((2, SIZE), "float32")}
    else:
        layer = zd.MultivariateNormalTriL(SIZE)
        scale = {"scale_tril": np.stack([np.eye(SIZE, dtype="float32")] * 2)}
    q = layer.distribution({"loc": np.zeros((2, SIZE), "float32"), **scale})
    kl, how = kl_divergence(q, _prior(), q.sample(3, seed=[0, 1]))
    np.testing.assert_allclose(kl, [0, 0], atol=1e-6)
    assert how == "closed form"


@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_closed_form_kl_is_the_formula_and_the_mean_of_samples(kind):
    q, loc, covariance = _normals(kind)
    z = q.sample(20_000, seed=[0, 1])
    kl, how = kl_divergence(q, _prior(), z)
    # (tr S + m'm - D - log det S) / 2
    expected = np.trace(covariance, axis1=1, axis2=2) + np.sum(loc**2, axis=1) - SIZE
    expected = (expected - np.linalg.slogdet(covariance)[1]) / 2
    assert how == "closed form"
    np.testing.assert_allclose(kl, expected, rtol=1e-5)
    ratios = np.stack(
        [
            scipy.stats.multivariate_normal.logpdf(z.numpy()[:, i], loc[i], covariance[i])
            - scipy.stats.norm.logpdf(z.numpy()[:, i]).sum(axis=-1)
            for i in range(len(loc))
        ]
    )
    error = ratios.std(axis=1, ddof=1) / np.sqrt(ratios.shape[1])
    assert np.all(np.abs(ratios.mean(axis=1) - kl) < 4 * error) and error.max() < 0.05


def test_a_pair_without_a_closed_form_is_sampled_and_said_so():
    normal, *_ = _normals("diagonal")
    # Two equal components: TFP knows no KL of a mixture, but we know this one.
    mixture = tfd.MixtureSameFamily(
        tfd.Categorical(probs=[0.3, 0.7]),
        tfd.MultivariateNormalDiag(
            tf.stack([normal.mean()] * 2, axis=1), tf.stack([normal.stddev()] * 2, axis=1)
        ),
    )
    z = mixture.sample(20_000, seed=[0, 1])
    kl, how = kl_divergence(mixture, _prior(), z)
    assert how == "sampled" and kl.shape == [4]
    ratios = (mixture.log_prob(z) - _prior().log_prob(z)).numpy()
    error = ratios.std(axis=0, ddof=1) / np.sqrt(len(ratios))
    assert np.all(np.abs(kl - tfd.kl_divergence(normal, _prior())) < 4 * error)


def test_terms_are_the_formulas_of_scipy():
    terms = _terms(samples=7)
    q, loc, covariance = _normals("full")
    matrix = np.random.default_rng(1).normal(size=(SIZE, 6)).astype("float32")
    x = np.random.default_rng(2).normal(size=(4, 6)).astype("float32")
    z = terms.latents.numpy()
    log_likelihood = scipy.stats.norm.logpdf(x, z @ matrix, 0.7).sum(axis=-1)
    log_prior = scipy.stats.norm.logpdf(z).sum(axis=-1)
    log_q = np.stack(
        [
            scipy.stats.multivariate_normal.logpdf(z[:, i], loc[i], covariance[i])
            for i in range(len(loc))
        ],
        axis=1,
    )
    assert terms.log_weights.shape == [7, 4] and terms.kl.shape == [4]
    np.testing.assert_allclose(terms.log_likelihood, log_likelihood, rtol=1e-4)
    np.testing.assert_allclose(terms.log_weights, log_likelihood + log_prior - log_q, rtol=1e-4)
    np.testing.assert_allclose(
        terms.elbo, log_likelihood.mean(0) - tfd.kl_divergence(q, _prior()), rtol=1e-4
    )


def test_elbo_with_beta_one_is_the_bound():
    terms = _terms()
    np.testing.assert_allclose(ELBO(beta=1)(terms), -terms.elbo, rtol=1e-6)
    np.testing.assert_allclose(ELBO()(terms), -terms.elbo, rtol=1e-6)


def test_beta_weighs_the_kl_in_the_loss():
    terms = _terms()
    np.testing.assert_allclose(ELBO(beta=4)(terms), -terms.elbo + 3 * terms.kl, rtol=1e-5)


def test_beta_never_enters_a_metric():
    x = np.random.default_rng(0).uniform(size=(24, 4, 4, 1)).astype("float32")
    logs = {}
    weights = None
    for beta in (0.0, 1.0, 4.0):
        model = _model(ELBO(beta=beta, num_samples=3))
        model.ensure_built()
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.compile(run_eagerly=True)
        logs[beta] = model.evaluate(x, batch_size=8, verbose=0, return_dict=True)
    for name in ("log_likelihood", "kl", "elbo"):
        assert logs[0.0][name] == logs[1.0][name] == logs[4.0][name]
    one = logs[1.0]
    assert one["kl"] > 1e-3
    np.testing.assert_allclose(one["elbo"], one["log_likelihood"] - one["kl"], rtol=1e-5)
    for beta, log in logs.items():
        np.testing.assert_allclose(log["loss"], -one["elbo"] + (beta - 1) * one["kl"], rtol=1e-5)


def test_iwae_with_one_sample_is_the_sampled_elbo():
    terms = _terms(samples=1)
    sampled = terms.log_likelihood + _prior().log_prob(terms.latents)
    sampled -= terms.posterior.log_prob(terms.latents)
    np.testing.assert_allclose(IWAE(num_samples=1)(terms), -sampled[0], rtol=1e-6)


def test_iwae_is_the_log_of_the_mean_weight():
    log_weights = np.random.default_rng(0).normal(-500, 30, size=(50, 4)).astype("float32")
    terms = VariationalTerms(*[None] * 2, tf.constant(log_weights), *[None] * 6)
    expected = scipy.special.logsumexp(log_weights.astype("float64"), axis=0) - np.log(50)
    np.testing.assert_allclose(IWAE(num_samples=50)(terms), -expected, rtol=1e-6)


@pytest.mark.parametrize("chunk", [1, 7, 25, 50, 64])
def test_importance_in_chunks_is_the_estimate_in_one_shot(chunk):
    log_weights = np.random.default_rng(0).normal(-500, 5, size=(128, 3)).astype("float32")
    # The last chunk draws more than is wanted: whatever it is must not count.
    log_weights[50:] = 1e30
    serve, asked = _table(log_weights)
    estimate = importance_log_prob(serve, 3, 50, chunk, fold(0, "test"))
    expected = scipy.special.logsumexp(log_weights[:50].astype("float64"), axis=0) - np.log(50)
    np.testing.assert_allclose(estimate, expected, atol=1e-4)
    assert set(asked) == {chunk} and len(asked) == -(-50 // chunk)


def test_every_chunk_draws_other_noise():
    keys = []

    def serve(count, key):
        keys.append(tuple(key.numpy()))
        return tf.zeros([count, 2])

    importance_log_prob(serve, 2, 50, 10, fold(0, "test"))
    assert len(set(keys)) == 5


def test_many_samples_take_the_memory_of_one_chunk():
    images, chunk = 3, 10
    asked = []

    def serve(count, key):
        asked.append(count)
        return tf.random.stateless_normal([count, images], key)

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32)])
    def estimate(num_samples):
        return importance_log_prob(serve, images, num_samples, chunk, fold(0, "test"))

    graph = estimate.get_concrete_function().graph
    loops = [op for op in graph.get_operations() if op.type in ("While", "StatelessWhile")]
    assert set(asked) == {chunk} and len(loops) == 1
    # What the loop carries from chunk to chunk does not depend on the number of samples.
    carried = [t.shape.num_elements() for t in loops[0].outputs]
    assert max(carried) <= images
    # E[w] = E[exp(normal)] = exp(1/2), and a mean of so many draws is close to it.
    np.testing.assert_allclose(estimate(200_000), [0.5] * images, atol=0.02)


def test_a_models_chunk_keeps_to_its_budget(monkeypatch):
    import zoo.models.vae as module

    asked = []
    original = module.variational_terms

    def spy(x, posterior, prior, decode, count, key):
        asked.append((count, x.shape[0]))
        return original(x, posterior, prior, decode, count, key)

    monkeypatch.setattr(module, "variational_terms", spy)
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 2000)
    model = _model(ELBO())
    x = np.random.default_rng(0).uniform(size=(5, 4, 4, 1)).astype("float32")
    model.log_prob(x, num_samples=1000)
    # 2000 numbers are 25 samples of 5 images of 16 pixels; TensorFlow may trace them twice.
    assert set(asked) == {(25, 5)}


def test_log_prob_is_the_log_mean_weight_of_its_own_draws():
    model = _model(ELBO())
    x = np.random.default_rng(0).uniform(size=(5, 4, 4, 1)).astype("float32")
    key = fold(fold(9, "log_prob"), "importance", 0)
    weights = variational_terms(
        x, model.encode(x), model.prior_distribution(), model.decode, 1000, key
    ).log_weights.numpy()
    for count in (1, 300, 1000):
        expected = scipy.special.logsumexp(weights[:count].astype("float64"), axis=0)
        np.testing.assert_allclose(
            model.log_prob(x, num_samples=count, seed=9), expected - np.log(count), atol=1e-4
        )
