"""What corruptions do, by their statistics; and that each image has its own level."""

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from zoo import registration, storing
from zoo.data.corruptions import (
    Corruption,
    GaussianCorruption,
    MaskingCorruption,
    SaltAndPepperCorruption,
)
from zoo.errors import ConfigError
from zoo.noise import fold

KINDS = (GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption)
KEY = fold(0, "test")
# No pixel is black or white, so that what was put there can be counted.
GREY = tf.constant(np.random.RandomState(0).uniform(0.2, 0.8, (400, 8, 8, 1)), tf.float32)


def close_share(found: np.ndarray, share: float) -> bool:
    """Whether a share of independent events is within 4 standard errors of the expected one."""
    return abs(found.mean() - share) <= 4 * np.sqrt(share * (1 - share) / found.size)


@pytest.mark.parametrize("level", [0.1, 0.5, 2.0])
def test_gaussian_noise_has_the_levels_deviation(level):
    noise = (GaussianCorruption(0, 2).at(GREY, level, KEY) - GREY).numpy().ravel()
    assert abs(noise.mean()) < 4 * level / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(level, rel=4 / np.sqrt(2 * noise.size))
    assert scipy.stats.kstest(noise / level, "norm").pvalue > 1e-3


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_masking_blackens_a_share_and_keeps_the_rest(level):
    x = MaskingCorruption(0, 1).at(GREY, level, KEY).numpy()
    masked = x == 0
    assert close_share(masked, level)
    np.testing.assert_array_equal(x[~masked], GREY.numpy()[~masked])


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_salt_and_pepper_come_in_equal_shares(level):
    x = SaltAndPepperCorruption(0, 1).at(GREY, level, KEY).numpy()
    salt, pepper = x == 1, x == 0
    assert close_share(salt, level / 2) and close_share(pepper, level / 2)
    rest = ~(salt | pepper)
    np.testing.assert_array_equal(x[rest], GREY.numpy()[rest])


def _levels(corruption: Corruption) -> np.ndarray:
    """The level of each of 400 images, from what has happened to its 1 024 pixels."""
    x = tf.fill([400, 32, 32, 1], 0.5)
    noisy = corruption(x, KEY).numpy().reshape(400, -1)
    if isinstance(corruption, GaussianCorruption):
        return noisy.std(axis=1)
    return (noisy != 0.5).mean(axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_levels_are_uniform_from_image_to_image(kind):
    levels = _levels(kind(0.2, 0.9))
    assert 0.1 < levels.min() < 0.27 and 0.83 < levels.max() < 1
    # What counting pixels adds to the levels is small beside their spread.
    assert scipy.stats.kstest(levels, scipy.stats.uniform(0.2, 0.7).cdf).pvalue > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_without_high_every_image_has_the_low_level(kind):
    assert np.abs(_levels(kind(0.4)) - 0.4).max() < 0.4 * 0.25
    np.testing.assert_array_equal(_levels(kind(0.4)), _levels(kind(0.4, 0.4)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_corruption_is_a_function_of_its_seed(kind):
    corrupt = kind(0.1, 0.9)
    first, again, other = (corrupt(GREY, fold(seed, "test")).numpy() for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) > 0.2
    compiled = tf.function(corrupt, jit_compile=True)(GREY, KEY)
    assert compiled.shape == GREY.shape and np.isfinite(compiled).all()


@pytest.mark.parametrize("kind", KINDS)
def test_corruptions_survive_keras_and_configs(kind):
    corruption = kind(0.1, 0.7)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(corruption))
    built = registration.build(storing.spec(corruption))
    assert type(again) is type(built) is kind
    assert vars(again) == vars(built) == {"low": 0.1, "high": 0.7}


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "MaskingCorruption", "low": -0.1},
        {"type": "MaskingCorruption", "low": 0.5, "high": 1.5},
        {"type": "SaltAndPepperCorruption", "low": 0.5, "high": 0.4},
        {"type": "GaussianCorruption", "low": float("nan")},
        {"type": "GaussianCorruption", "low": 0.0, "high": float("inf")},
    ],
)
def test_impossible_levels_are_refused(spec):
    with pytest.raises(ConfigError, match="levels are 0 <= low <= high"):
        registration.build(spec)
