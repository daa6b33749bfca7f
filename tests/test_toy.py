"""`toy`: all about a model with one latent by quadrature, against oracles and closed forms."""

import keras
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf

import zoo.data
import zoo.distributions as zd
from zoo.data import toy
from zoo.errors import DataError, NotSupported, ZooError
from zoo.evaluation import gaussian_fits, quadrature
from zoo.evaluation import toy as measured
from zoo.models import VAE
from zoo.networks import MLP
from zoo.noise import fold
from zoo.numerics import log_mean_exp
from zoo.objectives import ELBO
from zoo.objectives.variational import variational_terms
from zoo.training import toy_lesson
from zoo.training.alternating import train_by_parts

PICTURES = 7


def _model(seed=0, size=1, scale="learned") -> VAE:
    keras.utils.set_random_seed(seed)
    model = VAE(
        encoder=MLP([32], activation="tanh"),
        posterior=zd.MultivariateNormalDiag(size),
        decoder=MLP([24, 24], activation="tanh"),
        likelihood=zd.IndependentNormal([4, 4, 1], scale=scale, value=0.3),
        objective=ELBO(),
        seed=seed,
    )
    model.ensure_built()
    return model


@pytest.fixture(scope="module")
def data():
    return zoo.data.load("toy", batch_size=100)


@pytest.fixture(scope="module")
def images(data):
    return np.concatenate([batch.numpy() for batch in data.test])


@pytest.fixture(scope="module")
def untrained():
    return _model()


@pytest.fixture(scope="module")
def trained(data):
    """Half-way there, so that the bound still lacks something."""
    model = _model()
    train_by_parts(
        model, data.train, next(iter(data.valid))[:2], 800, every=800, learning_rate=0.01
    )
    return model


@pytest.fixture(params=["untrained", "trained"])
def model(request):
    return request.getfixturevalue(request.param)


def _numpy_log_joint(model, x, z):
    """log p(x, z) of one image and one latent in float64, from nothing but the weights."""
    hidden = np.array([z])
    for layer in model.decoder.stack[1:]:
        kernel, bias = (w.astype("float64") for w in layer.get_weights())
        hidden = np.tanh(hidden @ kernel + bias)
    kernel, bias = (w.astype("float64") for w in model.likelihood.projection.get_weights())
    scale = np.log1p(np.exp(float(model.likelihood.raw_scale.numpy()))) + model.likelihood.floor
    log_likelihood = scipy.stats.norm.logpdf(x.ravel(), hidden @ kernel + bias, scale).sum()
    return log_likelihood + scipy.stats.norm.logpdf(z)


# Quadrature.


def test_evidence_is_that_of_an_adaptive_rule_in_float64(model, images):
    x = images[:4]
    evidence = quadrature.log_evidence(model, x)
    grid = quadrature.latent_grid(model, x)
    for i, image in enumerate(x.astype("float64")):
        peak = grid.z[grid.log_joint[i].argmax(), 0]
        height = grid.log_joint[i].max()
        total, _ = scipy.integrate.quad(
            lambda z, image=image, height=height: np.exp(
                _numpy_log_joint(model, image, z) - height
            ),
            -10,
            10,
            points=[peak - 0.5, peak, peak + 0.5],
            limit=400,
            epsabs=1e-10,
        )
        assert abs(np.log(total) + height - evidence[i]) < 2e-5


def test_a_grid_twice_as_fine_changes_nothing(model, images):
    grid = quadrature.latent_grid(model, images)
    finer = quadrature.latent_grid(model, images, nodes=2 * len(grid.z) - 1)
    assert np.abs(finer.log_evidence - grid.log_evidence).max() < quadrature.TOLERANCE
    np.testing.assert_allclose(np.exp(grid.log_posterior).sum(axis=1) * grid.cell, 1, rtol=1e-9)


def test_the_grid_refines_itself_for_narrow_posteriors(images):
    sharp = _model(scale="fixed")
    sharp.likelihood.value = 0.003
    # A mean that moves by about 3 for each unit of z: the posterior is some 0.001 wide.
    kernel, bias = sharp.likelihood.get_weights()
    sharp.likelihood.set_weights([3 * kernel, bias])
    x = sharp.decode(np.array([[0.3], [-0.4]], "float32")).mean().numpy()
    grid = quadrature.latent_grid(sharp, x)
    assert len(grid.z) > 1025
    coarse = quadrature.latent_grid(sharp, x, nodes=257)
    assert np.abs(coarse.log_evidence - grid.log_evidence).max() > 1e-2


def test_what_quadrature_cannot_do_is_said(images):
    with pytest.raises(NotSupported, match=r"3 latents.*log_prob"):
        quadrature.log_evidence(_model(size=3), images[:2])
    far = _model(scale="fixed")
    far.likelihood.value = 1e-3
    with pytest.raises(ZooError, match=r"too narrow|reaches beyond"):
        quadrature.log_evidence(far, 50 * np.ones_like(images[:1]))


def test_evidence_minus_elbo_is_the_divergence_from_the_posterior(model, images):
    x = images[:200]
    gap = quadrature.log_evidence(model, x) - quadrature.elbo(model, x)
    divergence = quadrature.posterior_divergence(model, x)
    assert np.abs(gap - divergence).max() < 1e-4
    assert divergence.min() > -1e-5 and divergence.mean() > 1e-3
    # And once more over the other grid, where p(z|x) is normalised by its own sum.
    grid = quadrature.latent_grid(model, x, nodes=8193)
    log_q = model.encode(x).log_prob(grid.z[:, None].astype("float32")).numpy().T
    log_q = log_q.astype("float64")
    again = np.sum(np.exp(log_q) * (log_q - grid.log_posterior), axis=1) * grid.cell
    assert np.abs(gap - again).max() < 1e-4


def test_bounds_grow_with_the_samples_up_to_the_evidence(model, images):
    """ELBO <= IWAE_5 <= IWAE_50 <= log p(x): differences on the same draws, image by image."""
    x, repeats = images[:25], 40
    posterior, prior = model.encode(x), model.prior_distribution()

    @tf.function
    def bounds(repeat):
        """`[repeats, B]` each, from the same 50 draws."""
        key = fold(0, "bounds", repeat)
        w = variational_terms(x, posterior, prior, model.decode, 50 * repeats, key).log_weights
        fifty = tf.reshape(w, (50, repeats, -1))
        five = log_mean_exp(tf.reshape(w, (5, 10, repeats, -1)))
        return tf.reduce_mean(fifty, 0), tf.reduce_mean(five, 0), log_mean_exp(fifty)

    parts = [[b.numpy() for b in bounds(tf.constant(i))] for i in range(90)]
    one, five, fifty = (np.concatenate(b).astype("float64") for b in zip(*parts, strict=True))
    evidence = quadrature.log_evidence(model, x)
    exact = quadrature.elbo(model, x)
    steps = {
        "ELBO, drawn less exact": one - exact,
        "IWAE_5 - ELBO": five - one,
        "IWAE_50 - IWAE_5": fifty - five,
        "log p - IWAE_50": evidence - fifty,
    }
    for name, difference in steps.items():
        # Noise of the draws alone: images are given.
        error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
        mean, mean_error = difference.mean(), np.sqrt(np.sum(error**2)) / len(x)
        print(f"{name}: {mean:.5f} +- {mean_error:.5f}")
        if name.startswith("ELBO"):
            assert abs(mean) < 4 * mean_error
            continue
        assert mean_error < 0.005
        assert mean > 4 * mean_error
        # And for each image, as far as its own noise allows.
        assert np.all(difference.mean(axis=0) > -4 * error)


# Evaluation.


def test_a_report_on_a_trained_model(trained, images):
    result = measured.evaluate_toy(trained, images, num_samples=1000)
    found = result.results({"name": "toy"})
    np.testing.assert_array_equal(result.truth, toy.log_density(images))
    assert abs(found["gap_of_importance"].value) < 0.02
    assert found["gap_of_elbo"].value > 0 and result.elbo.shape == (len(images),)
    # The gap estimates KL(p* || p), which nobody brings below zero.
    gap = found["gap_to_truth"]
    assert 0 < gap.value < 3
    paired = result.truth - result.evidence
    assert gap.standard_error == pytest.approx(paired.std(ddof=1) / len(paired) ** 0.5)
    with pytest.raises(DataError):
        measured.evaluate_toy(trained, images[:, :3])


def test_place_finds_where_an_image_comes_from():
    x, t = toy.sample(200, seed=5)
    assert np.corrcoef(measured.place(x), t)[0, 1] > 0.97
    # E[t|x] is right on average, whatever x is.
    error = measured.place(x) - t
    assert abs(error.mean()) < 4 * error.std() / len(error) ** 0.5


def test_joint_densities_integrate_to_the_marginals(trained):
    latent, values = np.linspace(-6, 6, 301), np.linspace(-2, 3, 801)
    cell = values[1] - values[0]
    for joint in (
        measured.model_joint(trained, (1, 2), latent, values),
        measured.true_joint((1, 2), latent, values),
    ):
        assert joint.shape == (801, 301)
        np.testing.assert_allclose(joint.sum(0) * cell, scipy.stats.norm.pdf(latent), rtol=1e-4)


def test_posterior_draws_follow_the_posterior(trained, images):
    x = np.repeat(images[:1], 400, axis=0)
    grid = quadrature.latent_grid(trained, images[:1], nodes=16385)
    cumulative = np.cumsum(np.exp(grid.log_posterior[0])) * grid.cell
    draws = measured.posterior_draws(trained, x)
    levels = np.interp(draws, grid.z[:, 0], cumulative)
    assert scipy.stats.kstest(levels, "uniform").pvalue > 1e-3


def test_the_ambiguous_image_has_two_peaks_of_the_wanted_shares(trained):
    x = measured.ambiguous_image(trained, share=0.6)
    grid = quadrature.latent_grid(trained, x)
    z, log_p = grid.z[:, 0], grid.log_posterior[0]
    peaks = gaussian_fits.peaks(z, log_p)
    assert x.shape == (1, 4, 4, 1) and len(peaks) >= 2
    low = np.exp(log_p[z < peaks[:2].mean()]).sum() * grid.cell
    assert min(abs(low - 0.6), abs(low - 0.4)) < 0.05


# Gaussians nearest to a density.


def test_either_divergence_finds_a_gaussian_itself():
    z = np.linspace(-10, 10, 4001)
    log_p = scipy.stats.norm.logpdf(z, 1.5, 0.4)
    for fit in (
        gaussian_fits.forward_fit(z, log_p),
        gaussian_fits.reverse_fit(z, log_p, start=0.5, scale=0.1),
    ):
        assert fit.loc == pytest.approx(1.5, abs=1e-3)
        assert fit.scale == pytest.approx(0.4, abs=1e-3)
        assert abs(fit.reverse) < 1e-5 and abs(fit.forward) < 1e-5


def test_reverse_takes_a_peak_and_forward_covers_both():
    z = np.linspace(-10, 10, 4001)
    shares, means, scale = np.array([0.7, 0.3]), np.array([-2.0, 3.0]), 0.3
    log_p = np.log(scipy.stats.norm.pdf(z[:, None], means, scale) @ shares + 1e-300)
    np.testing.assert_allclose(gaussian_fits.peaks(z, log_p), means, atol=0.01)
    for share, mean in zip(shares, means, strict=True):
        fit = gaussian_fits.reverse_fit(z, log_p, start=mean + 0.2, scale=0.1)
        # Far apart, q is one component, and KL(q || p) = -log of its share.
        assert fit.loc == pytest.approx(mean, abs=1e-2)
        assert fit.scale == pytest.approx(scale, abs=1e-2)
        assert fit.reverse == pytest.approx(-np.log(share), abs=1e-4)
    fit = gaussian_fits.forward_fit(z, log_p)
    mean = shares @ means
    variance = scale**2 + shares @ means**2 - mean**2
    assert fit.loc == pytest.approx(mean) and fit.scale == pytest.approx(variance**0.5)
    for loc, width in ((mean + 0.1, fit.scale), (mean, fit.scale * 1.1)):
        assert gaussian_fits.forward_divergence(z, log_p, loc, width) > fit.forward


# Alternating updates.


def test_encoder_steps_leave_the_evidence_and_decoder_steps_move_it(data, images):
    model = _model()
    start = [w.copy() for w in model.get_weights()]
    curve = train_by_parts(model, data.train, images[:20], steps=8, block=4, every=1)
    np.testing.assert_array_equal(curve.steps, np.arange(9))
    np.testing.assert_allclose(curve.evidence[:5], curve.evidence[0], atol=1e-6)
    assert np.all(np.abs(np.diff(curve.evidence[4:])) > 1e-3)
    assert curve.divergence[4] < curve.divergence[0]
    np.testing.assert_allclose(curve.divergence, curve.evidence - curve.elbo)
    changed = [not np.array_equal(a, b) for a, b in zip(start, model.get_weights(), strict=True)]
    assert all(changed)


def test_joint_steps_move_both_parts(data, images):
    model = _model()
    curve = train_by_parts(model, data.train, images[:20], steps=3, every=1)
    assert np.all(np.abs(np.diff(curve.evidence)) > 1e-3) and int(model.train_steps.numpy()) == 3


def test_a_fresh_copy_has_the_same_parts_and_other_weights(trained):
    copy = toy_lesson.untrained(trained)
    shapes = [w.shape for w in trained.weights]
    assert [w.shape for w in copy.weights] == shapes
    assert not np.allclose(
        copy.encoder.get_weights()[0], trained.encoder.get_weights()[0], atol=1e-3
    )


# Pictures.


def test_all_pictures_are_written_once(trained, tmp_path):
    files = toy_lesson.toy_pictures(trained, tmp_path, steps=2)
    assert len(set(files)) == PICTURES and all(f.stat().st_size > 5000 for f in files)
    with pytest.raises(ZooError, match="exists"):
        toy_lesson.toy_pictures(trained, tmp_path, steps=2)


def test_pictures_of_other_models_are_refused(tmp_path):
    other = VAE(MLP([4]), zd.MultivariateNormalDiag(1), MLP([4]), zd.IndependentNormal([2, 2, 1]))
    with pytest.raises(DataError, match="toy has"):
        toy_lesson.toy_pictures(other, tmp_path / "new")
    assert not (tmp_path / "new").exists()
