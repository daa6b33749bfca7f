"""`load` a set by name, or take an array: checked once, here, then never again.

XLA drops assertions inside a step, so whatever is wrong with data must be said at this door.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from zoo.data import catalogue, checks, frozen, pipeline
from zoo.data.descriptions import Description, describe
from zoo.data.source import Source, from_memory
from zoo.registration import parameters


class Splits(NamedTuple):
    """Three `tf.data` sets; `valid` is None where nothing is held out."""

    train: tf.data.Dataset
    valid: tf.data.Dataset | None
    test: tf.data.Dataset


def load(
    name: str,
    *,
    binarize: str = "none",
    values: str | None = None,
    labels: bool = False,
    batch_size: int = 128,
    seed: int = 0,
    valid: int | None = None,
    examples_per_epoch: int | None = None,
    **options: Any,
) -> Splits:
    """A named data set as batches `x: [B, H, W, C] float32`, or `(x, y)` with `y: [B] int32`.

    The training set is shuffled by (seed, epoch) and drops the remainder; its attribute `epoch` is
    a variable that a run may set to repeat or to resume. The others are in order and whole.

    Args:
        name: of `zoo.data.names()`, `folder:PATH` (a folder of images) or `tfds:NAME` (any TFDS
            image set).
        binarize: "none"; "dynamic": the training images are drawn anew each epoch, each grey value
            being the probability of a 1; "static": they are drawn once. Validation and test images
            are drawn once in both, the same for every seed.
        values: "unit": in [0, 1]; "levels": integers 0 .. levels - 1; "dequantized": (level +
            uniform) / levels; "real": as they are. Default: the set's own, "unit" for images.
        labels: yield `(x, y)`.
        batch_size: examples in a batch, over all devices.
        seed: of order and noise of the training set.
        valid: how many of the last training examples are held out; default: as the set has it; 0:
            none.
        examples_per_epoch: length of a virtual epoch; default: all training examples once.
        **options: the set's own arguments, such as `download=True` for those of TFDS.

    Raises:
        DataError: unknown set or argument, a set that is not at hand, or a size that does not fit.
    """
    found = catalogue.collection(name, options)
    values = checks.settings(
        found.pool,
        name,
        binarize=binarize,
        values=values,
        labels=labels,
        batch_size=batch_size,
        seed=seed,
    )
    held_out = checks.held_out(found.valid if valid is None else valid, found.pool.count, name)
    kept = found.pool.count - held_out
    checks.epoch_length(examples_per_epoch, kept, batch_size, name)

    def split(which: str, source: Source) -> tf.data.Dataset:
        return _split(
            source,
            which,
            found.name,
            found.version,
            binarize=binarize,
            values=values,
            labels=labels,
            batch_size=batch_size,
            seed=seed if which == "train" else None,
            examples_per_epoch=examples_per_epoch,
        )

    return Splits(
        train=split("train", found.pool.part(0, kept)),
        valid=split("valid", found.pool.part(kept, found.pool.count)) if held_out else None,
        test=split("test", found.test),
    )


def check_names(name: str, arguments: Iterable[str]) -> None:
    """Raises a DataError if `load` knows no such set or argument; reads no data.

    Args:
        name: as for `load`.
        arguments: names of `load`'s arguments.
    """
    own = parameters(load)
    catalogue.check(name, [key for key in arguments if key not in own])


def from_array(
    x: np.ndarray,
    y: np.ndarray | None = None,
    *,
    binarize: str = "none",
    values: str | None = None,
    levels: int | None = None,
    batch_size: int = 128,
    seed: int = 0,
    shuffle: bool = False,
    name: str = "array",
) -> tf.data.Dataset:
    """A user's array as a data set like those of `load`.

    Args:
        x: `[N, H, W, C]`, `[N, H, W]` (grey images) or `[N, T]`: 8-bit integers, or floats in [0,
            1], or other integers with `levels`, or any finite floats with `values="real"`.
        y: `[N]` or `[N, K]` integer labels: then batches are `(x, y)`.
        binarize: as in `load`; "dynamic" without `shuffle` is one fixed draw.
        values: as in `load`; default "unit".
        levels: x holds the integers 0 .. levels - 1; default: 256 for `uint8`, 2 for `bool`.
        batch_size: examples in a batch.
        seed: of order and noise.
        shuffle: a training set: shuffled by (seed, epoch), without the remainder. Otherwise in
            order, whole.
        name: for messages and the description.

    Raises:
        DataError: wrong shape, no examples, NaN, or values out of range.
    """
    x, levels = checks.array(x, name, values=values, levels=levels)
    y = checks.label_array(y, len(x), name)
    value_range = None if values == "real" or levels is not None else (0.0, 1.0)
    source = from_memory(x, y, levels=levels, value_range=value_range)
    values = checks.settings(
        source,
        name,
        binarize=binarize,
        values=values,
        labels=y is not None,
        batch_size=batch_size,
        seed=seed,
    )
    if shuffle:
        checks.epoch_length(None, source.count, batch_size, name)
    return _split(
        source,
        "array",
        name,
        "0",
        binarize=binarize,
        values=values,
        labels=y is not None,
        batch_size=batch_size,
        seed=seed if shuffle else None,
    )


def _split(
    source: Source,
    which: str,
    name: str,
    version: str,
    *,
    binarize: str,
    values: str,
    labels: bool,
    batch_size: int,
    seed: int | None,
    examples_per_epoch: int | None = None,
) -> tf.data.Dataset:
    """One split with its description; a training set has a `seed`, all others are drawn once."""
    training = seed is not None
    levels, tag = source.levels, binarize
    value_range = (0.0, 1.0) if values in ("unit", "dequantized") else source.value_range
    stored, stored_values = source, values
    if binarize != "none":
        levels = 2
        if binarize == "static" or not training:
            stored, tag = frozen.binarized(source, which, name)
    elif values == "dequantized" and not training:
        stored, stored_values = frozen.dequantized(source, which), "unit"
    if training:
        dataset = pipeline.training_set(
            stored,
            values=stored_values,
            dynamic=binarize == "dynamic",
            labels=labels,
            batch_size=batch_size,
            seed=seed,
            examples_per_epoch=examples_per_epoch,
        )
    else:
        dataset = pipeline.evaluation_set(
            stored, values=stored_values, labels=labels, batch_size=batch_size
        )
    return describe(
        dataset,
        Description(
            name=name,
            version=version,
            split=which,
            count=source.count,
            event_shape=source.event_shape,
            value_range=value_range,
            levels=levels,
            binarization=tag,
            values=values,
            checksum=source.checksum,
        ),
    )
