"""Autoencoders and restorers: how true their images are, how codes behave, what they restore."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from zoo.data.corruptions import Corruption
from zoo.errors import NotSupported
from zoo.evaluation.restoration import psnr
from zoo.evaluation.results import Result, evaluate, examples, mean_result, protocol
from zoo.models.autoencoder import Autoencoder
from zoo.models.restorer import Restorer
from zoo.noise import fold

# Images whose Jacobian is found: each takes one backward pass per number of the code.
_JACOBIANS = 1000
_BATCH = 500


@evaluate.register
def evaluate_autoencoder(
    model: Autoencoder, data: tf.data.Dataset, levels: Sequence[float] = (), seed: int = 0
) -> dict[str, Result]:
    """Measures an autoencoder on clean images, and at levels of its own corruption.

    Args:
        model: the autoencoder.
        data: batches of `x` or `(x, y)`, the same at each pass.
        levels: of the corruption, for the restoration.
        seed: of the corruption.

    Returns:
        "squared_error" per pixel, of clean images; "active_units", the mean number of a code's
        entries that are not 0; "jacobian_norm", the mean Frobenius norm of d code / d x over the
        first 1 000 images; and "psnr.LEVEL", the mean PSNR of restored images in dB.

    Raises:
        NotSupported: levels for a model that was trained on clean images.
    """
    images = np.concatenate(list(examples(data, model))).astype(np.float32)
    source = protocol(data)
    codes, seen = codes_and_images(model, images)
    errors = np.mean((images - seen).reshape(len(images), -1) ** 2, axis=1)
    used = np.count_nonzero(codes, axis=1)
    results = {
        "squared_error": mean_result(errors.astype(np.float64), "squared error per pixel", source),
        "active_units": mean_result(
            used.astype(np.float64), f"of {codes.shape[1]} units an image", source
        ),
        "jacobian_norm": mean_result(
            jacobian_norms(model, images[:_JACOBIANS]), "Frobenius norm", source
        ),
    }
    return results | _restoration(model, images, levels, source, seed)


@evaluate.register
def evaluate_restorer(
    model: Restorer, data: tf.data.Dataset, levels: Sequence[float] = (), seed: int = 0
) -> dict[str, Result]:
    """Measures a restorer on clean images, and at levels of its own corruption.

    Args:
        model: the restorer.
        data: batches of `x` or `(x, y)`, the same at each pass.
        levels: of the corruption.
        seed: of the corruption; the same noise as for an autoencoder.

    Returns:
        "squared_error" per pixel, of clean images, and "psnr.LEVEL", as for an autoencoder.
    """
    images = np.concatenate(list(examples(data, model))).astype(np.float32)
    source = protocol(data)
    errors = np.mean((images - restored(model, images)).reshape(len(images), -1) ** 2, axis=1)
    found = mean_result(errors.astype(np.float64), "squared error per pixel", source)
    return {"squared_error": found, **_restoration(model, images, levels, source, seed)}


def _restoration(model, images, levels, source: str, seed: int) -> dict[str, Result]:
    """The mean PSNR at each level, of clean images that are made noisy and restored."""
    results = {}
    for level, noisy in corrupted(model, images, levels, seed).items():
        cleaned = np.clip(restored(model, noisy), 0, 1)
        results[f"psnr.{level:g}"] = mean_result(psnr(images, cleaned), "dB", source)
    return results


def restored(model: Autoencoder | Restorer, images: np.ndarray) -> np.ndarray:
    """What the model makes `[N, *event]` of images that may leave the support."""
    restore = tf.function(model.restore, reduce_retracing=True)
    parts = [restore(images[s : s + _BATCH]) for s in range(0, len(images), _BATCH)]
    return np.concatenate(parts)


def corrupted(
    model: Autoencoder | Restorer, images: np.ndarray, levels: Sequence[float], seed: int = 0
) -> dict[float, np.ndarray]:
    """The images at each level of the corruption that the model was trained on.

    Raises:
        NotSupported: it was trained on clean images.
    """
    return {level: corruption_of(model)(images, level, seed) for level in levels}


def corruption_of(model: Autoencoder | Restorer):
    """(images, level, seed) -> corrupted images, as the model was trained on."""
    corruption: Corruption | None = model.corruption
    if corruption is None:
        raise NotSupported(f"{model.name} was trained on clean images: it has no corruption")

    def corrupt(images: np.ndarray, level: float, seed: int) -> np.ndarray:
        key = fold(seed, "restoration", f"{level:g}")
        return corruption.at(tf.constant(images), level, key).numpy()

    return corrupt


def codes_and_images(model: Autoencoder, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes `[N, D]` and reconstructions `[N, *event]`, of images that may leave the support."""

    @tf.function(reduce_retracing=True)
    def step(x):
        code = model.code(x)
        return code, model.decode(code).mean()

    parts = [step(images[s : s + _BATCH]) for s in range(0, len(images), _BATCH)]
    codes, seen = zip(*parts, strict=True)
    return np.concatenate(codes), np.concatenate(seen)


def jacobian_norms(model: Autoencoder, images: np.ndarray) -> np.ndarray:
    """|d code / d x| of each image, the Frobenius norm, `[N]`."""

    @tf.function(reduce_retracing=True)
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            code = model.code(x)
        jacobian = tape.batch_jacobian(code, x)
        return tf.sqrt(tf.reduce_sum(jacobian**2, axis=list(range(1, jacobian.shape.rank))))

    batch = max(1, 10**7 // (model.latent_size * images[0].size))
    parts = [step(images[s : s + batch]) for s in range(0, len(images), batch)]
    return np.concatenate(parts).astype(np.float64)
