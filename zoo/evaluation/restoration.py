"""Classical restorations of noisy images, which a denoising autoencoder should beat.

    median  of the pixels around each pixel
    wiener  the local linear estimate m + max(v - n, 0) / max(v, n) * (y - m), with m and v the mean
            and variance of y around the pixel, and n the variance of the noise
    pca     the projection on the first principal components of clean training images

Each has one setting (the side of the square around a pixel, the number of components), chosen for
each level of noise on training images that are held out and made noisy in the same way. Only a
trained model sees more. Restored values are clipped to [0, 1], where those of images are.

References: Lee 1980, "Digital image enhancement and noise filtering by use of local statistics",
Eq. 13 (wiener); Vincent et al. 2008, "Extracting and composing robust features with denoising
autoencoders" (the models). Departures: at the edge, images are mirrored.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from scipy import ndimage
from sklearn.decomposition import PCA

from zoo.errors import DataError
from zoo.evaluation.representation import fit_pca, flattened
from zoo.evaluation.results import UNNAMED, Result, mean_result

#: noisy images `[N, H, W, C]` -> restored ones.
Restorer = Callable[[np.ndarray], np.ndarray]

_SIZES = (1, 3, 5, 7, 9)
_COMPONENTS = (1, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640)


def psnr(clean: np.ndarray, restored: np.ndarray, peak: float = 1.0) -> np.ndarray:
    """The peak signal-to-noise ratio of each image, in dB: 10 log10(peak^2 / mean squared error).

    That of a set is the mean of these, so each image counts alike; infinite where nothing differs.

    Args:
        clean, restored: `[N, ...]`.
        peak: the difference between white and black.

    Returns:
        `[N]`.

    Raises:
        DataError: the shapes differ.
    """
    if clean.shape != restored.shape:
        raise DataError(
            f"images to compare have one shape, not {list(clean.shape)} and {list(restored.shape)}"
        )
    error = np.mean((flattened(clean) - flattened(restored)) ** 2, axis=1)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(peak**2 / error)


def gaussian_noise(images: np.ndarray, level: float, seed: int) -> np.ndarray:
    """Images plus N(0, level^2) at each pixel, not clipped: `float32`."""
    noise = np.random.RandomState(seed).standard_normal(images.shape)
    return (images + level * noise).astype(np.float32)


def median_filter(noisy: np.ndarray, size: int) -> np.ndarray:
    """The median of the `size` x `size` pixels around each.

    Args:
        noisy: `[N, H, W, C]`.
        size: odd.
    """
    return _clipped(ndimage.median_filter(noisy, (1, size, size, 1)))


def wiener_filter(noisy: np.ndarray, noise_variance: float, size: int) -> np.ndarray:
    """The local linear estimate from the `size` x `size` pixels around each.

    Args:
        noisy: `[N, H, W, C]`.
        noise_variance: of each pixel, which is known.
        size: odd.
    """
    y = noisy.astype(np.float64)
    window = (1, size, size, 1)
    mean = ndimage.uniform_filter(y, window)
    variance = ndimage.uniform_filter(y**2, window) - mean**2
    total = np.maximum(variance, noise_variance)
    signal = np.maximum(variance - noise_variance, 0)
    # Without noise, flat surroundings leave 0 / 0, and the pixel is their mean.
    share = np.divide(signal, total, out=np.zeros_like(total), where=total > 0)
    return _clipped(mean + share * (y - mean))


def pca_projection(train: np.ndarray, components: int) -> Restorer:
    """The projection on the first principal components of clean images `[N, H, W, C]`.

    Raises:
        DataError: more components than images or pixels.
    """
    return partial(_projected, pca=fit_pca(train, components), components=components)


def restorers(
    train: np.ndarray,
    levels: Iterable[float],
    *,
    corrupt: Callable[[np.ndarray, float, int], np.ndarray] = gaussian_noise,
    held_out: int = 1000,
    seed: int = 0,
) -> dict[str, dict[float, Restorer]]:
    """The best of each kind for each level of noise, by mean PSNR of held-out training images.

    Args:
        train: clean images `[N, H, W, C]` in [0, 1]; the last `held_out` choose the settings, the
            others give the principal components.
        levels: of noise.
        corrupt: (images, level, seed) -> noisy images, the noise that is to be removed.
        held_out: training images; at most half of them are taken.
        seed: of the noise on these.

    Returns:
        "median", "wiener" and "pca", each by level.

    Raises:
        DataError: fewer than two training images.
    """
    held_out = min(held_out, len(train) // 2)
    if held_out < 1:
        raise DataError(f"restorations are chosen on training images: here are {len(train)}")
    clean, fitted = train[-held_out:], train[:-held_out]
    counts = [n for n in _COMPONENTS if n <= min(len(fitted), fitted[0].size)]
    pca = fit_pca(fitted, counts[-1])
    sizes = [n for n in _SIZES if n <= min(train.shape[1:3])]
    chosen: dict[str, dict[float, Restorer]] = {"median": {}, "wiener": {}, "pca": {}}
    for level in levels:
        noisy = corrupt(clean, level, seed)
        variance = float(np.mean((noisy - clean) ** 2))
        candidates: dict[str, list[Restorer]] = {
            "median": [partial(median_filter, size=n) for n in sizes],
            # Without neighbours there is no variance.
            "wiener": [
                partial(wiener_filter, noise_variance=variance, size=n) for n in sizes if n > 1
            ],
            "pca": [partial(_projected, pca=pca, components=n) for n in counts],
        }
        for name, several in candidates.items():
            scores = [psnr(clean, restore(noisy)).mean() for restore in several]
            chosen[name][level] = several[int(np.argmax(scores))]
    return chosen


def restoration_baselines(
    train: np.ndarray,
    clean: np.ndarray,
    noisy_by_level: Mapping[float, np.ndarray],
    *,
    corrupt: Callable[[np.ndarray, float, int], np.ndarray] = gaussian_noise,
    seed: int = 0,
    data: Mapping[str, Any] = UNNAMED,
) -> dict[str, dict[float, Result]]:
    """How well classical methods restore test images.

    Args:
        train: clean images `[N, H, W, C]` in [0, 1].
        clean: test images `[M, H, W, C]`.
        noisy_by_level: the same, noisy.
        corrupt: the noise they have, as for `restorers`.
        seed: of the noise on training images.
        data: protocol of the test images.

    Returns:
        The mean PSNR in dB of "noisy" (as they are), "median", "wiener" and "pca", by level.
    """
    chosen = restorers(train, noisy_by_level, corrupt=corrupt, seed=seed)

    def measured(restore: Restorer, level: float) -> Result:
        return mean_result(psnr(clean, restore(noisy_by_level[level])), "dB", data)

    results = {"noisy": {level: measured(lambda noisy: noisy, level) for level in noisy_by_level}}
    for name, by_level in chosen.items():
        results[name] = {level: measured(restore, level) for level, restore in by_level.items()}
    return results


def _projected(noisy: np.ndarray, pca: PCA, components: int) -> np.ndarray:
    """On the first `components` of those that `pca` has."""
    basis = pca.components_[:components]
    scores = (flattened(noisy) - pca.mean_) @ basis.T
    return _clipped((scores @ basis + pca.mean_).reshape(noisy.shape))


def _clipped(images: np.ndarray) -> np.ndarray:
    return np.clip(images, 0.0, 1.0).astype(np.float32)
