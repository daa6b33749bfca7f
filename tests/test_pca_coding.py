"""PCA as a code, against what is known of Gaussians."""

import itertools
import math

import numpy as np
import pytest

import zoo.data
from zoo.evaluation.pca_coding import fit_pca_code, pca_coded_errors
from zoo.evaluation.quantization import measure_pca_coded


def gaussians(scales, count=40_000, seed=0) -> np.ndarray:
    """Independent Gaussians of these standard deviations, turned at random."""
    random = np.random.RandomState(seed)
    turn = np.linalg.qr(np.random.RandomState(9).normal(size=(len(scales),) * 2))[0]
    return random.normal(size=(count, len(scales))) * scales @ turn


def test_pca_of_one_gaussian_has_the_errors_of_max():
    train, test = gaussians([2.0], 100_000), gaussians([2.0], 100_000, seed=1)
    # Max 1960, table I.
    for bits, error in ((1, 0.3634), (2, 0.1175), (3, 0.03454), (4, 0.009497)):
        assert fit_pca_code(train, bits).bits == bits
        assert pca_coded_errors(train, test, bits).mean() == pytest.approx(4 * error, rel=0.03)


def test_each_bit_per_component_of_a_gaussian_saves_six_decibels():
    scales = np.array([8.0, 4.0, 2.0, 2.0])
    train, test = gaussians(scales), gaussians(scales, seed=1)
    errors = [pca_coded_errors(train, test, bits).mean() for bits in (14, 18, 22)]
    steps = 10 * np.log10(np.array(errors[:-1]) / errors[1:])
    assert steps == pytest.approx([6.02, 6.02], abs=0.35)
    # Never below the rate-distortion bound, and at most 4.35 dB (a quantizer's loss) above it.
    bound = 2.0 ** (-2 * 22 / 4) * np.exp(np.mean(np.log(scales**2)))
    assert 0 < 10 * math.log10(errors[-1] / bound) < 4.35


def test_bits_go_where_the_variance_is():
    train = gaussians([16.0, 4.0, 1.0, 0.001])
    code = fit_pca_code(train, 18)
    assert 17.5 < code.bits <= 18
    # Four times the deviation are two bits; what is below the water has none.
    bits = [math.log2(len(levels)) for levels in code.levels]
    assert np.diff(bits) == pytest.approx([-2, -2], abs=0.35)
    errors = [pca_coded_errors(train, train, b).mean() for b in range(1, 13)]
    assert all(fewer > more for fewer, more in itertools.pairwise(errors))


def test_reconstructions_stay_in_the_range_of_the_data():
    x = np.random.RandomState(0).uniform(size=(500, 6)) ** 4
    seen = fit_pca_code(x, 9).reconstruct(x)
    assert seen.min() == x.min() and seen.max() <= x.max()


def test_few_images_are_coded_exactly_with_bits_enough():
    x = np.random.RandomState(0).uniform(size=(3, 5))
    code = fit_pca_code(x, 40)
    np.testing.assert_allclose(code.reconstruct(x), x, atol=1e-6)


def test_the_pca_bar_is_measured_on_the_test_set():
    splits = zoo.data.load("digits", values="unit", batch_size=64)
    found = measure_pca_coded(splits, bits=30)
    assert found.data["split"] == "test" and found.count == len(found.per_example)
    fewer = measure_pca_coded(splits, bits=20)
    difference, spread = fewer.minus(found)
    assert difference > 4 * spread and found.value < 0.02
