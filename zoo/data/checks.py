"""The door: what `load` and `from_array` refuse, each in one line with the remedy."""

import numbers
from typing import Any

import numpy as np

from zoo.data.source import Source
from zoo.errors import DataError
from zoo.registration import nearest

BINARIZATIONS = ("none", "dynamic", "static")
VALUES = ("unit", "levels", "dequantized", "real")


def settings(
    source: Source,
    name: str,
    *,
    binarize: str,
    values: str | None,
    labels: bool,
    batch_size: int,
    seed: int,
) -> str:
    """Refuses settings that do not fit the source, and returns the resolved `values`."""
    _one_of("binarize", binarize, BINARIZATIONS)
    whole_number("batch_size", batch_size, low=1)
    whole_number("seed", seed)
    if labels and source.take_labels is None:
        raise DataError(f"{name} has no labels: leave out labels=True")
    if values is None:
        values = default_values(source)
    _one_of("values", values, VALUES)
    real = source.levels is None and source.value_range != (0.0, 1.0)
    if real and values != "real":
        raise DataError(f"{name} holds real numbers, not {values!r} values: leave out values=")
    if source.levels is None and values in ("levels", "dequantized"):
        raise DataError(f'{name} holds floats; values="{values}" needs integers: give levels=')
    if source.levels is not None and values == "real":
        raise DataError(
            f'{name} holds integers 0..{source.levels - 1}: use values="levels" or "unit"'
        )
    if values != "levels" and source.levels is not None and source.value_range[1] >= source.levels:
        raise DataError(
            f"{name} holds padding beside its levels 0..{source.levels - 1}: leave out values="
        )
    if binarize != "none":
        _can_binarize(source, name, binarize, values)
    return values


def default_values(source: Source) -> str:
    """Images in [0, 1], sequences as integers, real numbers as they are."""
    if source.levels is None:
        return "unit" if source.value_range == (0.0, 1.0) else "real"
    return "unit" if source.is_image else "levels"


def _can_binarize(source: Source, name: str, binarize: str, values: str) -> None:
    asked = f'binarize="{binarize}"'
    if values != "unit":
        raise DataError(
            f'{asked} yields 0 and 1; it does not go with values="{values}": leave that out'
        )
    if source.levels == 2:
        raise DataError(f"{name} is binary already: leave out {asked}")
    if not source.is_image or source.event_shape[-1] != 1:
        shape = list(source.event_shape)
        raise DataError(f"{asked} needs grey images [H, W, 1], but {name} has examples {shape}")


def held_out(valid: Any, pool: int, name: str) -> int:
    """The number of examples to hold out, if it leaves something to train on."""
    whole_number("valid", valid, low=0)
    if valid >= pool:
        raise DataError(f"valid={valid} leaves nothing to train on: {name} has {pool} examples")
    return int(valid)


def epoch_length(examples_per_epoch: Any, count: int, batch_size: int, name: str) -> None:
    """Refuses an epoch without a batch."""
    if examples_per_epoch is not None:
        whole_number("examples_per_epoch", examples_per_epoch, low=1)
    if (examples_per_epoch or count) < batch_size:
        what = f"{count} training examples of {name}"
        if examples_per_epoch:
            what = f"examples_per_epoch={examples_per_epoch}"
        raise DataError(f"{what} do not fill one batch of {batch_size}: give a smaller batch_size=")


def array(x: Any, name: str, *, values: str | None, levels: Any) -> tuple[np.ndarray, int | None]:
    """A user's array as integers with levels, or as float32.

    Raises:
        DataError: as `from_array` says.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "buif":
        raise DataError(f"{name} must hold numbers, not {x.dtype}")
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{name} must have shape [N, H, W, C], [N, H, W] or [N, T], not {list(x.shape)}"
        )
    if x.size == 0:
        raise DataError(f"{name} is empty: its shape is {list(x.shape)}")
    if x.ndim == 3:
        x = x[..., None]
    if x.dtype.kind == "f" and not np.all(np.isfinite(x)):
        kind = "NaN" if np.any(np.isnan(x)) else "an infinite value"
        where = np.argwhere(~np.isfinite(x))[0]
        raise DataError(f"{name} holds {kind}, first in example {where[0]}: clean the data first")
    if levels is not None:
        whole_number("levels", levels, low=2)
    elif x.dtype in (np.uint8, np.bool_):
        levels = 256 if x.dtype == np.uint8 else 2
    if levels is not None:
        return _as_levels(x, name, int(levels)), int(levels)
    if x.dtype.kind in "iu" and values != "real":
        raise DataError(
            f"{name} holds integers {x.min()}..{x.max()}: give levels=, such as {int(x.max()) + 1}"
        )
    low, high = float(x.min()), float(x.max())
    if values != "real" and (low < 0 or high > 1):
        raise DataError(
            f"{name} holds values in [{low:g}, {high:g}] outside of [0, 1]: scale them, give 8-bit "
            'integers as uint8, or say values="real"'
        )
    return x.astype(np.float32), None


def _as_levels(x: np.ndarray, name: str, levels: int) -> np.ndarray:
    low, high = x.min(), x.max()
    if low < 0 or high > levels - 1:
        raise DataError(
            f"{name} holds {low:g}..{high:g}, outside of 0..{levels - 1}, its {levels} levels"
        )
    if x.dtype.kind == "f" and np.any(x != np.round(x)):
        raise DataError(
            f"{name} holds fractions, but levels={levels} means the integers 0..{levels - 1}"
        )
    return x.astype(np.uint8 if levels <= 256 else np.int32)


def label_array(y: Any, count: int, name: str) -> np.ndarray | None:
    """Labels as int32, as many as there are examples."""
    if y is None:
        return None
    y = np.asarray(y)
    if y.dtype.kind not in "bui" or y.ndim not in (1, 2):
        raise DataError(
            f"labels of {name} must be integers [N] or [N, K], not {y.dtype} {list(y.shape)}"
        )
    if len(y) != count:
        raise DataError(f"{name} has {count} examples and {len(y)} labels")
    return y.astype(np.int32)


def whole_number(what: str, value: Any, low: int | None = None) -> None:
    """Refuses what is not an integer, or is below `low`; NaN, text and booleans among it."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or (low is not None and value < low):
        least = "" if low is None else f" of at least {low}"
        raise DataError(f"{what} must be a whole number{least}, not {value!r}")


def _one_of(what: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise DataError(
            f"{what}={value!r} is unknown; did you mean: {nearest(value, list(allowed))}?"
        )
