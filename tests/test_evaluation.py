"""Typed results, likelihoods of a data set, baselines, and what drifts."""

import dataclasses
import math
import re

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture

import zoo
from zoo import measuring
from zoo.distributions import IndependentBernoulli, MultivariateNormalDiag
from zoo.errors import ConfigError, DataError, NotSupported
from zoo.evaluation import LikelihoodResult, NotComparable, Result, active_units, classes_found
from zoo.evaluation.baselines import discrete_log_prob, gaussian_mixture, pca_gaussian
from zoo.evaluation.results import mean_result, standard_error
from zoo.models import VAE
from zoo.networks import MLP

DATA = {"name": "digits", "version": "1", "split": "test"}


def result(**changes) -> LikelihoodResult:
    values = {
        "value": -100.0,
        "standard_error": 0.5,
        "unit": "nats",
        "count": 10,
        "data": DATA,
        "kind": "importance",
        "dimensions": 64,
        "num_samples": 50,
    }
    return LikelihoodResult(**{**values, **changes})


@pytest.fixture(scope="module")
def model():
    model = VAE(
        encoder=MLP([8]),
        posterior=MultivariateNormalDiag(2),
        decoder=MLP([8]),
        likelihood=IndependentBernoulli([8, 8, 1]),
    )
    model.ensure_built()
    return model


@pytest.fixture(scope="module")
def held_out():
    return zoo.data.load("digits", binarize="dynamic").test


def test_bits_per_dim_of_a_uniform_over_levels_is_their_log2():
    # A density of 1 on [0, 1]^64 is the uniform distribution over 17 levels per pixel.
    density = result(value=0.0, log_levels=math.log(17))
    assert density.bits_per_dim == pytest.approx(math.log2(17))
    assert result(value=-64 * math.log(17)).bits_per_dim == pytest.approx(math.log2(17))


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "elbo"},
        {"num_samples": 5000},
        {"data": {**DATA, "binarization": "static"}},
        {"unit": "bits"},
        {"count": 11},
    ],
)
def test_numbers_of_different_kinds_cannot_be_subtracted(other):
    with pytest.raises(NotComparable, match=next(iter(other))):
        result().minus(result(**other))


def test_a_difference_is_paired_where_the_examples_are_at_hand():
    shared = np.random.RandomState(0).randn(1000) * 100
    ours = mean_result(shared + 1, "nats", DATA)
    theirs = mean_result(shared, "nats", DATA)
    difference, error = ours.minus(theirs)
    assert difference == pytest.approx(1) and error < 1e-9
    unpaired = dataclasses.replace(ours, per_example=None)
    assert unpaired.minus(theirs)[1] == pytest.approx(math.sqrt(2) * ours.standard_error)


def test_standard_error_against_its_definition():
    values = np.array([1.0, 2.0, 4.0])
    assert standard_error(values) == pytest.approx(np.std(values, ddof=1) / math.sqrt(3))


def test_a_vae_is_measured_as_its_own_terms_say(model, held_out):
    results = zoo.evaluate(model, held_out, num_samples=40)
    elbo, rate, distortion = (results[k].value for k in ("elbo", "rate", "distortion"))
    assert elbo == pytest.approx(-rate - distortion, abs=1e-4)
    assert results["elbo"].count == 300 and results["elbo"].data["split"] == "test"
    x = next(iter(held_out))
    estimate = model.log_prob(x, num_samples=40, seed=3).numpy().mean()
    assert results["importance"].value == pytest.approx(estimate, rel=0.05)
    assert results["importance"].value > elbo
    again = zoo.evaluate(model, held_out, num_samples=40)
    assert {k: r.value for k, r in again.items()} == {k: r.value for k, r in results.items()}


def test_the_gap_on_a_subset_gives_the_whole_sets_estimate(model, held_out):
    whole = zoo.evaluate(model, held_out, num_samples=40)["importance"]
    part = zoo.evaluate(model, held_out, num_samples=40, subset=100)["importance"]
    assert part.gap["subset"] == 100 and part.count == 300
    assert part.value != whole.value
    assert abs(part.value - whole.value) < 5 * part.gap["standard_error"] + 0.05


def test_a_latent_that_the_encoder_ignores_is_not_active(model, held_out):
    kernel = model.posterior.projection.kernel
    before = kernel.numpy()
    deaf = before.copy()
    deaf[:, 1] = 0  # the second location no longer looks at the image
    kernel.assign(deaf)
    assert active_units(model, held_out).tolist() == [True, False]
    kernel.assign(before)


def test_mixture_baseline_finds_a_mixture():
    random = np.random.RandomState(0)
    centres = np.array([[0.2, 0.2], [0.8, 0.8]])
    draw = lambda n: centres[random.randint(0, 2, n)] + 0.03 * random.randn(n, 2)  # noqa: E731
    train, valid, test = draw(500), draw(200), draw(2000)
    truth = np.logaddexp(
        *(multivariate_normal(c, 0.03**2 * np.eye(2)).logpdf(test) for c in centres)
    ) - math.log(2)
    fitted = gaussian_mixture(train, valid).score_samples(test)
    assert abs(fitted.mean() - truth.mean()) < 0.05


def test_pca_baseline_is_the_density_of_probabilistic_pca():
    random = np.random.RandomState(0)
    x = random.randn(400, 12) @ np.diag([3, 2, 1, *[0.1] * 9])
    density = pca_gaussian(x[:300], x[300:])
    wanted = multivariate_normal(density.mean_, density.get_covariance()).logpdf(x[300:])
    np.testing.assert_allclose(density.score_samples(x[300:]), wanted, rtol=1e-6)


def test_discrete_probability_of_a_density_against_the_exact_cell():
    # One pixel, one Gaussian: the cell's probability is a difference of two distribution functions.
    from scipy.stats import norm

    density = GaussianMixture(1, reg_covar=1e-9).fit(
        norm(0.5, 0.2).ppf((np.arange(4000) + 0.5) / 4000)[:, None]
    )
    mean, scale = density.means_[0, 0], math.sqrt(density.covariances_[0, 0, 0])
    edges = norm(mean, scale).cdf(np.arange(5) / 4)
    x = np.arange(4)[:, None]
    found = discrete_log_prob(density, x, levels=4, num_samples=20000)
    np.testing.assert_allclose(found, np.log(np.diff(edges)), atol=0.01)


def test_classes_found_counts_only_the_sure():
    sure, unsure = np.eye(3)[[0, 0, 2]], np.full((1, 3), 1 / 3)
    assert classes_found(np.concatenate([sure, unsure])) == {0: 2, 1: 0, 2: 1}


def test_what_has_no_measures_says_so(held_out):
    with pytest.raises(NotSupported, match="nothing is measured of a str"):
        zoo.evaluate("a word", held_out)


def test_an_unknown_key_of_evaluation_lists_the_valid_ones(model):
    with pytest.raises(ConfigError, match=r"num_smaples.*num_samples"):
        measuring.check(model, {"num_smaples": 3})
    with pytest.raises(ConfigError, match="gaussian_mixture"):
        measuring.check(model, {"baselines": ["gauss"]})


def test_drift_is_noticed_and_rounding_is_not():
    card = {"importance": result(value=-100.0).record()}
    assert measuring.drifts(card, {"importance": result(value=-100.05).record()}) == []
    for other in (
        result(value=-100.2),
        result(value=-100.05, standard_error=0.5, num_samples=7),
        result(value=-100.0, data={**DATA, "version": "2"}),
        result(value=math.nan),
    ):
        assert measuring.drifts(card, {"importance": other.record()}), other
    assert measuring.drifts(card, {}) == ["importance is on one side only"]
    precise = {"importance": result(value=-100.0, standard_error=0.001).record()}
    assert measuring.drifts(precise, {"importance": result(value=-100.05).record()})


def test_records_are_plain_data():
    import json

    assert json.loads(json.dumps(result().record()))["kind"] == "importance"
    plain = Result(3.0, None, "of 4 latents", 10, DATA).record()
    assert "standard_error" not in plain and plain["unit"] == "of 4 latents"


def test_log_levels_apply_to_densities_of_scaled_levels_only(model, held_out):
    from zoo.evaluation.likelihood import log_levels

    dequantized = zoo.data.load("digits", values="dequantized").test
    assert log_levels(False, dequantized) == pytest.approx(math.log(17))
    assert log_levels(True, dequantized) == 0.0
    # Unit values are level / 16, and a binarized pixel was not scaled at all.
    assert log_levels(False, zoo.data.load("digits").test) == pytest.approx(math.log(16))
    assert log_levels(False, held_out) == 0.0
    assert log_levels(False, tf.data.Dataset.from_tensors(tf.zeros((1, 8, 8, 1)))) == 0.0


def test_a_paired_difference_drifts_by_its_standard_error():
    def record(value, difference=True):
        found = Result(value, 1e-3, "nats", 10, DATA, difference=difference)
        return {"gap": found.record()}

    assert measuring.drifts(record(-0.0002), record(0.0004)) == []
    assert measuring.drifts(record(-0.0002), record(0.005))
    assert measuring.drifts(record(-0.0002, False), record(0.0004, False))


def test_a_gap_and_a_whole_set_are_two_protocols():
    gap = {"subset": 3, "seed": 0, "value": 1.0, "standard_error": 0.1}
    with pytest.raises(NotComparable, match="gap_subset"):
        result().minus(result(gap=gap))
    nameless = result(data={"name": "unnamed"})
    with pytest.raises(NotComparable, match="no description"):
        nameless.minus(nameless)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((4, 8, 8, 1), np.float32), "zoo.data.from_array"),
        (tf.data.Dataset.from_tensors(tf.zeros((4, 64))), "[8, 8, 1]"),
        (tf.data.Dataset.from_tensors(tf.fill((4, 8, 8, 1), math.nan)), "NaN"),
        (tf.data.Dataset.from_tensors(tf.fill((4, 8, 8, 1), 0.5)), "binarize"),
        (tf.data.Dataset.from_tensors(tf.zeros((4, 8, 8, 1))).take(0), "empty"),
    ],
)
def test_bad_data_are_refused_before_they_become_a_number(model, data, words):
    with pytest.raises(DataError, match=re.escape(words)):
        zoo.evaluate(model, data)


def test_a_number_of_samples_is_at_least_one(model, held_out):
    x = next(iter(held_out))
    for call in (
        lambda: model.log_prob(x, num_samples=0),
        lambda: zoo.evaluate(model, held_out, num_samples=-5),
        lambda: zoo.evaluate(model, held_out, num_samples=5, subset=1),
    ):
        with pytest.raises(ValueError, match="from"):
            call()


def test_how_the_kl_was_found_stands_in_the_result(model, held_out):
    assert zoo.evaluate(model, held_out)["rate"].record()["estimator"] == "closed form"
