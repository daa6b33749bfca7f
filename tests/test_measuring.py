"""What a config's `evaluation:` section adds to a family's measures."""

import types

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import catalogue, measuring
from zoo.distributions import IndependentCategorical
from zoo.errors import ConfigError, DataError
from zoo.evaluation import frechet_distance, share_as_asked
from zoo.evaluation.samples import drawn
from zoo.networks import OneHot


def _mnist():
    try:
        test = zoo.data.load("mnist", labels=True, binarize="static").test
    except DataError as error:
        pytest.skip(f"MNIST is not at hand: {error}")
    x, y = zip(*((x.numpy(), y.numpy()) for x, y in test), strict=True)
    return np.concatenate(x), np.concatenate(y)


def _sampler(x, y, wrong: float = 0.0, levels: int = 2):
    """A "model" whose samples are test images of the asked class, some of them of the next one."""
    likelihood = IndependentCategorical((28, 28, 1), levels=levels)

    def sample(n, asked, seed):
        random = np.random.RandomState(seed)
        asked = np.where(random.random_sample(n) < wrong, (asked + 1) % 10, asked)
        chosen = np.stack([x[random.choice(np.nonzero(y == a)[0])] for a in asked])
        return tf.constant(chosen * (levels - 1))

    return types.SimpleNamespace(
        condition=OneHot(10),
        condition_shape=(),
        event_shape=(28, 28, 1),
        sample=sample,
        likelihood=likelihood,
    )


def test_the_judge_counts_what_was_asked():
    x, y = _mnist()
    found = measuring._judged(_sampler(x, y), "classifier.mnist")["asked_class"]
    assert found.count == 10_000 and found.value > 0.98
    fewer = measuring._judged(_sampler(x, y, wrong=0.25), "classifier.mnist")["asked_class"]
    assert abs(fewer.value - 0.75) < 0.03
    of_levels = _sampler(x, y, levels=256)
    assert share_as_asked(of_levels, catalogue.load("classifier.mnist"), 1_000).value > 0.97


def test_a_gain_is_the_paired_difference_to_a_shipped_entry():
    model = zoo.create("vae.digits")
    section = {"num_samples": 5}
    results = measuring.measure(model, {**model.config, "evaluation": section})
    config = {**model.config, "evaluation": {**section, "reference": "vae.digits"}}
    found = measuring.measure(model, config)
    better = measuring.measure(catalogue.load("vae.digits"), config)
    assert found["gain.importance"].unit == "nats over vae.digits"
    wanted = results["importance"].value - better["importance"].value
    assert found["gain.importance"].value == pytest.approx(wanted, abs=1e-3)
    # Paired, so its error is that of the differences; and nothing is gained over oneself.
    pairs = results["importance"].per_example - better["importance"].per_example
    assert found["gain.importance"].standard_error == pytest.approx(
        pairs.std(ddof=1) / np.sqrt(len(pairs)), rel=1e-3
    )
    assert better["gain.elbo"].value == 0


def test_samples_are_judged_in_every_way_that_is_asked_for():
    model = zoo.create("vae.digits")
    ways = {"means": {"mean": True}, "fewer": {"count": 50}, "again": {}}
    section = {"samples": {"eyes": None, "count": 100, "ways": ways}}
    found = measuring.measure(model, {**model.config, "evaluation": section}, only=["samples"])
    assert "elbo" not in found and len(found) % 4 == 0
    draws, means, fewer, again = (
        found[f"samples.{way}frechet"] for way in ("", "means.", "fewer.", "again.")
    )
    assert draws == again and draws.value != means.value
    assert (draws.count, fewer.count) == (100, 50)
    assert (draws.data["samples"], means.data["samples"]) == ("draws", "means")
    with pytest.raises(ConfigError, match="nothing to measure"):
        measuring.measure(model, {**model.config, "evaluation": section}, only=["probe"])


def test_levels_that_are_their_own_features_are_seen_from_0_to_1():
    model = zoo.create("ddpm.digits", smoke=True)
    config = {"data": {"name": "digits", "values": "levels"}}
    config["evaluation"] = {"samples": {"eyes": None, "count": 100}}
    found = measuring.measure(model, config, only=["samples"])
    test = np.concatenate(list(zoo.data.load("digits", values="levels").test))
    real, fake = (np.reshape(x, [-1, 64]) / 16 for x in (test, drawn(model, 100)))
    assert found["samples.frechet"].value == pytest.approx(frechet_distance(real, fake), rel=1e-4)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ({"eyes": "vae.mnist"}, "no trained classifier"),
        ({"eyes": "classifier.mnist"}, r"looks at examples of shape \[28, 28, 1\], not \[2\]"),
        ({"count": 3}, "whole number from 4"),
        ({"sampler": {"type": "DDIM", "steps": 1001}}, "no 1001 times"),
        ({"guidance": 1.0}, "withheld"),
        ({"ways": {"best": {"steps": 5}}}, "no key 'steps'"),
    ],
)
def test_samples_that_cannot_be_judged_are_refused_before_training(samples, words):
    model = zoo.create("ddpm.points")
    with pytest.raises(ConfigError, match=words):
        measuring.check(model, {"samples": {"eyes": None, **samples}})


def test_a_judge_wants_a_condition_or_a_manifold():
    with pytest.raises(ConfigError, match="conditional model"):
        measuring.check(zoo.create("gan.points"), {"judge": "classifier.mnist"})
    measuring.check(zoo.create("vae_2d.mnist"), {"judge": "classifier.mnist"})


def test_null_takes_back_what_a_base_asks_for():
    model = zoo.create("ae.digits")
    section = {"samples": None, "baselines": None}
    found = measuring.measure(model, {**model.config, "evaluation": section})
    assert not any(key.startswith(("samples", "baseline")) for key in found)


def test_pca_stands_beside_an_autoencoder():
    model = zoo.create("ae.digits")
    found = measuring.measure(model, {**model.config, "evaluation": {"baselines": ["pca"]}})
    train, test = (
        np.concatenate(list(part.as_numpy_iterator())).reshape(-1, 64)
        for part in (measuring.splits(model.config).train, measuring.splits(model.config).test)
    )
    centre = train.mean(axis=0)
    basis = np.linalg.svd(train - centre, full_matrices=False)[2][: model.latent_size]
    rest = (test - centre) - (test - centre) @ basis.T @ basis
    # The training set drops its remainder, another one each epoch.
    assert found["baseline.pca"].value == pytest.approx(np.mean(rest**2), rel=0.02)


def test_restorations_stand_beside_a_denoising_autoencoder():
    model = zoo.create("masking_dae.digits")
    section = {"levels": [0.25], "baselines": ["restoration"]}
    found = measuring.measure(model, {**model.config, "evaluation": section})
    names = {f"baseline.restoration.{k}.0.25" for k in ("noisy", "median", "wiener", "pca")}
    assert names | {"psnr.0.25"} <= found.keys()
    x = np.concatenate(list(measuring.test_data(model.config).as_numpy_iterator()))
    # A quarter of the pixels lost, drawn here by numpy.
    lost = np.random.RandomState(0).random_sample((20, *x.shape)) < 0.25
    decibels = -10 * np.log10(np.mean((x * lost) ** 2, axis=(2, 3, 4)))
    noisy = found["baseline.restoration.noisy.0.25"].value
    assert noisy == pytest.approx(decibels.mean(), abs=0.15)
