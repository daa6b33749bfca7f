"""What a data set is to the rest of the library: examples by index, and what their numbers mean.

A `Source` is one ordered lot of examples; a `Collection` is a named set: a pool, whose end is held
out for validation, and a test set. Makers of sets return collections; `pipeline.py` alone turns
sources into batches.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

Take = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Source:
    """Ordered examples of one shape.

    Args:
        count: how many.
        event_shape: of one example: `(H, W, C)`, `(T,)` for a sequence, `(D,)` for a point.
        levels: the stored numbers are the integers 0 .. levels - 1; None: they are real numbers.
            Where `value_range` reaches `levels`, that number stands for what is no part of an
            example, such as the silence behind a recording.
        value_range: bounds of the stored numbers.
        take: indices `int64[B]` -> stored numbers `[B, *event_shape]`, of any dtype. Traced into a
            graph.
        take_labels: indices `int64[B]` -> `int32[B]` or `int32[B, K]`; None: there are no labels.
        checksum: SHA-256 in hex of what is stored, or of the recipe by which it is made.
    """

    count: int
    event_shape: tuple[int, ...]
    levels: int | None
    value_range: tuple[float, float]
    take: Take
    take_labels: Take | None
    checksum: str

    @property
    def is_image(self) -> bool:
        return len(self.event_shape) == 3

    def part(self, start: int, stop: int) -> "Source":
        """The examples from `start` up to `stop`, of the same storage and checksum."""
        labels = self.take_labels
        return dataclasses.replace(
            self,
            count=stop - start,
            take=lambda indices: self.take(indices + start),
            take_labels=labels and (lambda indices: labels(indices + start)),
        )

    def numpy(self) -> np.ndarray:
        """All stored numbers, `[count, *event_shape]`."""
        return self.take(tf.range(self.count, dtype=tf.int64)).numpy()


@dataclasses.dataclass(frozen=True)
class Collection:
    """A named data set.

    Args:
        name: as `load` knows it.
        version: changes whenever the examples, their order or their splits do.
        pool: what may be trained on; the last examples of it are the validation set.
        test: touched once, at the end.
        valid: how many are held out where nobody says.
    """

    name: str
    version: str
    pool: Source
    test: Source
    valid: int


def from_memory(
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    levels: int | None,
    value_range: tuple[float, float] | None = None,
    checksum: str | None = None,
) -> Source:
    """A source over arrays, which are copied into one tensor that graphs capture by reference.

    Args:
        x: `[N, *event_shape]`, integers 0 .. levels - 1 or floats.
        y: `[N]` or `[N, K]` integers.
        levels: as `Source.levels`.
        value_range: of floats; default: the whole line. Integers have their levels'.
        checksum: where it is not to be the SHA-256 of `x`.
    """
    if value_range is None:
        value_range = (-math.inf, math.inf) if levels is None else (0.0, float(levels - 1))
    # On the host: tf.data runs there, and a GPU would only be asked to hand the array back.
    with tf.device("CPU:0"):
        stored = tf.constant(x)
        labels = None if y is None else tf.constant(np.asarray(y), tf.int32)
    return Source(
        count=len(x),
        event_shape=tuple(x.shape[1:]),
        levels=levels,
        value_range=value_range,
        take=lambda indices: tf.gather(stored, indices),
        take_labels=None if labels is None else (lambda indices: tf.gather(labels, indices)),
        checksum=checksum or array_checksum(x),
    )


def array_checksum(x: np.ndarray) -> str:
    """SHA-256 of dtype, shape and values."""
    digest = hashlib.sha256(f"{x.dtype.str} {x.shape}".encode())
    digest.update(np.ascontiguousarray(x).data)
    return digest.hexdigest()


def recipe_checksum(*recipe: object) -> str:
    """SHA-256 of how a set is made, whose floats may differ between machines in the last bit."""
    return hashlib.sha256(repr(recipe).encode()).hexdigest()
