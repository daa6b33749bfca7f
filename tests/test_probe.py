"""Linear probes: of codes, and of a model's mean activations beside the raw numbers."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

import zoo
from zoo import measuring
from zoo.distributions import IndependentBernoulli
from zoo.errors import DataError, NotSupported
from zoo.evaluation.probing import mean_features, probe
from zoo.evaluation.representation import probe_accuracy
from zoo.models import Autoregressive
from zoo.networks import MADE, OneHot


def autoregressive(event, cls=Autoregressive, **parts):
    model = cls(MADE([8], outputs=3), IndependentBernoulli(event), **parts)
    model.ensure_built()
    return model


# Of codes.


def test_a_probe_is_as_good_as_the_best_line():
    random = np.random.RandomState(0)
    labels = random.randint(2, size=6000)
    direction = np.array([3.0, -4.0, 0.0]) / 5
    codes = random.standard_normal((6000, 3)) + np.outer(2 * labels - 1, direction)
    # Two Gaussians of variance 1, two apart: no line is right more often than this.
    found = probe_accuracy(codes[:2000], labels[:2000], codes[2000:], labels[2000:])
    assert abs(found.value - norm.cdf(1)) < 4 * found.standard_error
    assert found.count == 4000 and found.unit == "share"
    # Scales do not matter, and neither do places.
    moved = codes * [1e-4, 1e4, 1] + [0, 0, 7]
    other = probe_accuracy(moved[:2000], labels[:2000], moved[2000:], labels[2000:])
    assert other.value == pytest.approx(found.value, abs=1e-3)
    guesses = random.permutation(labels)
    chance = probe_accuracy(codes[:2000], guesses[:2000], codes[2000:], guesses[2000:])
    assert abs(chance.value - 0.5) < 4 * chance.standard_error


def test_a_probe_of_many_useless_numbers_is_held_back():
    random = np.random.RandomState(0)
    labels = random.randint(2, size=2200)
    codes = random.standard_normal((2200, 100))
    codes[:, :20] += np.outer(2 * labels - 1, np.full(20, 0.25))
    split = codes[:200], labels[:200], codes[200:], labels[200:]
    chosen = probe_accuracy(*split).value
    free = zoo.evaluation.representation._probe(*split[:2], 10.0).score(*split[2:])
    assert chosen > free + 0.02


def test_what_no_probe_learns_from():
    codes, labels = np.zeros((10, 2)), np.arange(10) % 2
    with pytest.raises(DataError, match="the codes have 2 numbers, the test codes 3"):
        probe_accuracy(codes, labels, np.zeros((10, 3)), labels)
    with pytest.raises(DataError, match="two labels or more"):
        probe_accuracy(codes, 0 * labels, codes, labels)
    with pytest.raises(DataError, match="10 codes of 2 labels"):
        probe_accuracy(codes, (np.arange(10) > 8).astype(int), codes, labels)
    with pytest.raises(DataError, match="NaN"):
        probe_accuracy(codes, labels, codes * np.nan, labels)


# Of activations.


class Telling(Autoregressive):
    """Each step tells one thing; all together, which of two bits is set, and whether both are."""

    def features(self, x, y=None, training=False, seed=None):
        x = tf.cast(x, tf.float32)
        one, other = x[:, 0], x[:, 1]
        things = tf.stack([one, other, one * other], axis=1)
        return tf.pad(tf.linalg.diag(things), [[0, 0], [0, x.shape[1] - 3], [0, 0]])


def bits(count, seed):
    """Six bits, and whether the first two differ: no line tells that from them."""
    x = np.random.RandomState(seed).randint(0, 2, (count, 6)).astype(np.float32)
    return x, (x[:, 0] != x[:, 1]).astype(np.int32)


def batches(x, y):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(64)


def test_means_that_tell_the_label_are_probed_and_guesses_are_not():
    model = autoregressive((6,), Telling)
    (x, y), (test_x, test_y) = bits(900, 0), bits(700, 1)
    found = probe(model, batches(x, y), batches(test_x, test_y), examples=900)
    assert found["features"].value == 1
    assert abs(found["input"].value - 0.5) < 0.26  # a line may cut off one corner
    random = np.random.RandomState(2)
    guesses = batches(x, random.permutation(y)), batches(test_x, random.permutation(test_y))
    for result in probe(model, *guesses, examples=900).values():
        assert abs(result.value - 0.5) < 4 * result.standard_error


def test_the_representation_is_the_mean_over_all_steps():
    model = autoregressive((4, 4, 1))
    x = np.random.RandomState(0).randint(0, 2, (150, 4, 4, 1)).astype(np.float32)
    y = np.arange(150, dtype=np.int32)
    features, flat, labels = mean_features(model, batches(x, y))
    whole = model.features(x).numpy()
    assert whole.shape == (150, 4, 4, 1, 3) and features.shape == (150, 3)
    np.testing.assert_allclose(features, whole.reshape(150, 16, 3).mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(flat, x.reshape(150, 16))
    np.testing.assert_array_equal(labels, y)
    for part, everything in zip(
        mean_features(model, batches(x, y), 70), (features, flat, labels), strict=True
    ):
        np.testing.assert_allclose(part, everything[:70], atol=1e-6)


def test_what_cannot_be_probed():
    x, y = bits(200, 0)
    data, model = batches(x, y), autoregressive((6,))
    told = autoregressive((6,), condition=OneHot(2))
    with pytest.raises(NotSupported, match="is told y"):
        probe(told, data, data, 100)
    with pytest.raises(NotSupported, match="a VAE has no activations of each step"):
        probe(zoo.create("vae.digits", smoke=True), data, data, 100)
    with pytest.raises(DataError, match="the probe of 201 examples was given 200"):
        probe(model, data, data, 201)
    with pytest.raises(DataError, match="examples must be a whole number"):
        probe(model, data, data, "all")
    for unlabelled in (data.map(lambda x, y: x), data.map(lambda x, y: (x, tf.stack([y, y], 1)))):
        with pytest.raises(DataError, match="one label of each example"):
            probe(model, unlabelled, data, 100)
    with pytest.raises(DataError, match="IndependentBernoulli"):
        probe(model, batches(x + 0.5, y), data, 100)
    with pytest.raises(DataError, match="empty"):
        probe(model, data.take(0), data, 100)


def test_a_config_asks_for_a_probe():
    config = {
        "data": {"name": "digits", "binarize": "dynamic"},
        "evaluation": {"probe": 300},
    }
    model = autoregressive((8, 8, 1))
    found = measuring.measure(model, config)
    assert found.keys() == {"exact", "probe.features", "probe.input"}
    # Linear regression of the raw pixels of digits is no guess; three features cannot say as much.
    assert found["probe.input"].value > 0.75
    difference, error = found["probe.features"].minus(found["probe.input"])
    assert difference < -4 * error
    record = found["probe.features"].record()
    assert record["data"]["probe_examples"] == 300 and record["count"] == 300
    assert measuring.measure(model, config)["probe.input"].record() == found["probe.input"].record()
    # What builds on an entry with a probe, and is told the label, has none.
    told = autoregressive((8, 8, 1), condition=OneHot(10))
    config["data"]["labels"] = True
    assert measuring.measure(told, config).keys() == {"exact"}


@pytest.mark.parametrize("name", ["gated_pixelcnn.mnist", "pixelcnn.mnist"])
def test_entries_ask_for_it(name):
    assert zoo.configuration.read(name).values["evaluation"]["probe"] == 10_000
