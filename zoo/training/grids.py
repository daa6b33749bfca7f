"""Pictures while a model trains: the same examples and the same noise, every few epochs."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import zoo.data
from zoo.errors import NotSupported
from zoo.evaluation.results import pairs
from zoo.pictures import image_grid, save
from zoo.pictures.grids import require_images, to_display
from zoo.pictures.images import asked, draw_samples, has_means
from zoo.pictures.style import origin, sentence


class PictureGrids(keras.callbacks.Callback):
    """Writes `epoch-0010.png`: originals, their reconstructions, and samples, one above the other.

    What the family cannot do is left out. Reconstructions and samples are means where the family
    has means. A resumed run writes the same pictures again.

    Args:
        directory: where they go; it is made.
        data: batches of `x` or `(x, y)`; the first examples are the originals.
        every: epochs between two pictures.
        columns: examples, and samples in a row.
        seed: of the samples.
    """

    def __init__(
        self,
        directory: Path,
        data: tf.data.Dataset,
        every: int,
        columns: int = 10,
        seed: int = 0,
    ):
        super().__init__()
        self.directory, self.data, self.every = Path(directory), data, every
        self.columns, self.seed = columns, seed

    def on_train_begin(self, logs=None):
        require_images(self.model)
        self._examples = _first(self.data, self.columns, self.model)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            figure = self.figure(epoch + 1)
            save(figure, self.directory / f"epoch-{epoch + 1:04}.png", overwrite=True)

    def figure(self, epoch: int):
        """The grid of the model as it is now."""
        x, y = self._examples
        rows, labels = [x], ["original"]
        try:
            rows.append(self.model.reconstruct(x, y).numpy())
            labels.append("reconstruction")
        except NotSupported:
            rows, labels = [], []
        try:
            samples = _samples(self.model, 2 * len(x), self.seed)
            rows += [samples[: len(x)], samples[len(x) :]]
            labels += ["sample", "sample"]
        except NotSupported:
            if not rows:
                raise
        means = has_means(self.model)
        known = zoo.data.description(self.data)
        return image_grid(
            to_display(np.stack(rows), self.model),
            f"Epoch {epoch}",
            sentence(
                self.model.name,
                f"originals: {origin(known)}" if known else None,
                "means of p(x|z), reconstructions through the mean of q(z|x)" if means else None,
                f"seed {self.seed}",
            ),
            row_labels=labels,
            group=2,
        )


def _samples(model, n: int, seed: int) -> np.ndarray:
    parts = draw_samples(model, n, mean=has_means(model), seed=seed, y=asked(model, n))
    return np.concatenate(list(parts))


def _first(data: tf.data.Dataset, count: int, model) -> tuple[np.ndarray, np.ndarray | None]:
    """The first examples and conditions, the same ones each time; a training set's order is left
    as it was."""
    epoch = getattr(data, "epoch", None)
    if epoch is not None:
        before = epoch.numpy()
        epoch.assign(0)
    found, given = [], []
    for x, y in pairs(data, model):
        found.extend(x)
        given.extend(() if y is None else y)
        if len(found) >= count:
            break
    if epoch is not None:
        epoch.assign(before)
    return np.stack(found[:count]), np.stack(given[:count]) if given else None
