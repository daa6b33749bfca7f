"""Classical restorations: closed forms, scipy beside them, and that each helps."""

import numpy as np
import pytest
from scipy.signal import wiener
from sklearn.decomposition import PCA

from zoo.errors import DataError
from zoo.evaluation import restoration
from zoo.evaluation.restoration import (
    gaussian_noise,
    median_filter,
    pca_projection,
    psnr,
    restoration_baselines,
    restorers,
    wiener_filter,
)


def draw(count, seed):
    """Bright squares on black, `[count, 16, 16, 1]`, each in its place."""
    images = np.zeros((count, 16, 16, 1), np.float32)
    places = np.random.RandomState(seed).randint(1, 8, (count, 2))
    for image, (row, column) in zip(images, places, strict=True):
        image[row : row + 7, column : column + 7] = 0.8
    return images


@pytest.fixture(scope="module")
def squares():
    return draw(60, 0)


def test_psnr_follows_its_equation():
    clean = np.zeros((3, 4, 4, 1), np.float32)
    restored = np.stack([np.full((4, 4, 1), error) for error in (0.1, 1.0, 0.0)])
    np.testing.assert_allclose(psnr(clean, restored), [20, 0, np.inf])
    np.testing.assert_allclose(psnr(255 * clean, 255 * restored, peak=255)[:2], [20, 0], atol=1e-9)
    with pytest.raises(DataError, match="one shape"):
        psnr(clean, restored[:2])


def test_psnr_of_known_noise():
    clean = np.full((50, 32, 32, 1), 0.5, np.float32)
    noisy = gaussian_noise(clean, 0.2, seed=1)
    assert psnr(clean, noisy).mean() == pytest.approx(-20 * np.log10(0.2), abs=0.05)
    np.testing.assert_array_equal(noisy, gaussian_noise(clean, 0.2, seed=1))
    assert np.any(noisy != gaussian_noise(clean, 0.2, seed=2))


def test_the_median_is_that_of_the_square():
    noisy = np.random.RandomState(2).uniform(size=(2, 6, 7, 3)).astype(np.float32)
    found = median_filter(noisy, 3)
    np.testing.assert_allclose(found[1, 2, 3, 2], np.median(noisy[1, 1:4, 2:5, 2]))
    np.testing.assert_array_equal(median_filter(noisy, 1), noisy)
    np.testing.assert_array_equal(median_filter(4 * noisy - 2, 1), np.clip(4 * noisy - 2, 0, 1))


def test_the_wiener_filter_is_that_of_scipy_inside(squares):
    noisy = gaussian_noise(squares[:4], 0.3, seed=3)
    found = wiener_filter(noisy, 0.09, 5)
    for image, expected in zip(found[..., 0], noisy[..., 0], strict=True):
        inside = wiener(expected.astype(np.float64), 5, 0.09)[2:-2, 2:-2]
        np.testing.assert_allclose(image[2:-2, 2:-2], np.clip(inside, 0, 1), atol=1e-6)


def test_the_wiener_filter_keeps_what_has_no_noise(squares):
    np.testing.assert_allclose(wiener_filter(squares, 0.0, 3), squares, atol=1e-6)
    # Much noise: only the local mean is left.
    flat = wiener_filter(squares, 1e6, 3)
    assert flat[0].max() == pytest.approx(0.8, abs=1e-4)
    np.testing.assert_allclose(flat[:, 5, 5], squares[:, 4:7, 4:7].mean(axis=(1, 2)), atol=1e-4)


def test_the_projection_is_that_of_scikit_learn(squares):
    noisy = gaussian_noise(squares[:5], 0.1, seed=4)
    model = PCA(7, svd_solver="full").fit(squares.reshape(60, -1).astype(np.float64))
    expected = model.inverse_transform(model.transform(noisy.reshape(5, -1)))
    found = pca_projection(squares, 7)(noisy)
    assert found.shape == noisy.shape
    np.testing.assert_allclose(found.reshape(5, -1), np.clip(expected, 0, 1), atol=1e-6)
    with pytest.raises(DataError, match="60 images of 256 pixels"):
        pca_projection(squares, 61)


def test_every_method_improves_a_noisy_image(squares):
    noisy = gaussian_noise(squares, 0.3, seed=5)
    before = psnr(squares, noisy).mean()
    for restored in (
        median_filter(noisy, 3),
        wiener_filter(noisy, 0.09, 3),
        pca_projection(squares, 20)(noisy),
    ):
        assert psnr(squares, restored).mean() > before + 3
        assert restored.dtype == np.float32 and restored.min() >= 0 and restored.max() <= 1


def test_settings_follow_the_level_and_are_the_best_of_the_training_images():
    train = draw(400, 6)
    levels = (0.05, 0.5)
    chosen = restorers(train, levels, held_out=100, seed=7)
    assert list(chosen) == ["median", "wiener", "pca"]
    few, many = (chosen["pca"][level].keywords["components"] for level in levels[::-1])
    assert few < many
    clean, fitted = train[300:], train[:300]
    for level in levels:
        noisy = gaussian_noise(clean, level, 7)
        assert chosen["wiener"][level].keywords["noise_variance"] == pytest.approx(
            level**2, rel=0.05
        )
        size = chosen["median"][level].keywords["size"]
        scores = {n: psnr(clean, median_filter(noisy, n)).mean() for n in (1, 3, 5, 7)}
        assert size == max(scores, key=scores.get)
        count = chosen["pca"][level].keywords["components"]
        scores = {
            n: psnr(clean, pca_projection(fitted, n)(noisy)).mean() for n in (1, 2, 5, 10, 20, 60)
        }
        assert psnr(clean, pca_projection(fitted, count)(noisy)).mean() >= max(scores.values())


def test_baselines_are_measured_on_the_images_handed_in():
    train, test = (draw(n, s) for n, s in ((300, 8), (40, 9)))
    noisy = {level: gaussian_noise(test, level, seed=10) for level in (0.1, 0.4)}
    source = {"name": "squares"}
    results = restoration_baselines(train, test, noisy, data=source)
    assert list(results) == ["noisy", "median", "wiener", "pca"]
    chosen = restorers(train, noisy)
    for level, images in noisy.items():
        expected = psnr(test, images)
        assert results["noisy"][level].value == pytest.approx(expected.mean())
        assert results["noisy"][level].standard_error == pytest.approx(
            expected.std(ddof=1) / np.sqrt(40)
        )
        for name in ("median", "wiener", "pca"):
            result = results[name][level]
            assert result.value == pytest.approx(
                psnr(test, chosen[name][level](images)).mean(), abs=1e-9
            )
            assert (result.unit, result.count, result.data) == ("dB", 40, source)
    difference, error = results["pca"][0.4].minus(results["noisy"][0.4])
    assert difference > 5 and 0 < error < 1


def test_another_noise_chooses_other_settings():
    train = draw(300, 11)

    def pepper(images, level, seed):
        return np.where(np.random.RandomState(seed).uniform(size=images.shape) < level, 0, images)

    chosen = restorers(train, [0.4], corrupt=pepper)
    clean = train[-150:]
    variance = np.mean((pepper(clean, 0.4, 0) - clean) ** 2)
    assert chosen["wiener"][0.4].keywords["noise_variance"] == pytest.approx(variance, rel=1e-6)


def test_too_few_training_images(squares):
    with pytest.raises(DataError, match="here are 1"):
        restoration.restorers(squares[:1], [0.1])
