"""Images that are corrupted more and more, beside what a model makes of them."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from zoo.data.corruptions import Corruption
from zoo.errors import DataError, NotSupported
from zoo.noise import fold
from zoo.pictures import codes, comparisons
from zoo.pictures.grids import require_images, to_display
from zoo.pictures.style import sentence


def corruption_of(model) -> Corruption:
    """What a model was trained to take back.

    Raises:
        NotSupported: nothing.
    """
    corruption = getattr(model, "corruption", None)
    if corruption is None:
        raise NotSupported(f"{model.name} was not trained to restore what is corrupted")
    return corruption


def restorations(
    model,
    x: np.ndarray,
    levels: Sequence[float] | None = None,
    *,
    y: np.ndarray | None = None,
    seed: int = 0,
    name: str | None = None,
    data: str | None = None,
) -> Figure:
    """For each level of the model's corruption: images, the same corrupted, and restored.

    Args:
        model: with `restore` and a corruption, such as `Restorer` or a denoising `Autoencoder`.
        x: `[N, H, W, C]`, clean, in the model's data values; one column of the picture each.
        levels: None: four, evenly from the lowest to the highest, without 0.
        y: the condition of each, where the model has one.
        seed: of the corruption.
        name: of the model, for the caption.
        data: what the images are, for the caption.

    Raises:
        NotSupported: a model that was not trained to restore.
        DataError: a level that the corruption does not have.
    """
    corruption = corruption_of(model)
    if levels is None:
        low, high = corruption.low, corruption.high
        levels = np.unique(np.linspace(low, high, 4) if low else np.linspace(0, high, 5)[1:])
    for level in levels:
        if not 0 <= level <= corruption.largest:
            raise DataError(
                f"{type(corruption).__name__} has levels from 0 to {corruption.largest:g}, "
                f"not {level!r}"
            )
    require_images(model, 3 * len(x) * len(levels))
    model.check(x)
    clean = model.likelihood.to_network(tf.convert_to_tensor(x))
    noisy, restored = {}, {}
    for i, level in enumerate(map(float, levels)):
        noisy[level] = corruption.at(clean, level, fold(seed, "corrupt", i)).numpy()
        restored[level] = to_display(_restored(model, noisy[level], y), model)
    return comparisons.restorations(
        to_display(x, model),
        noisy,
        {"restored": restored},
        data=sentence(
            name or model.name, data, f"seed {seed}", f"{type(corruption).__name__} of rising level"
        ),
        noise="level",
    )


def _restored(model, noisy: np.ndarray, y: np.ndarray | None) -> np.ndarray:
    def some(start: int, count: int, key):
        del key
        part = slice(start, start + count)
        return model.restore(noisy[part], None if y is None else y[part])

    return np.concatenate(list(codes.in_chunks(some, len(noisy), seed=0)))
