"""What callers ask of a model: seeds, counts and masks, taken or refused in one place."""

import numpy as np
import tensorflow as tf

from zoo.errors import DataError
from zoo.noise import Seed, fold


def random_seed() -> int:
    """A seed from the operating system, for a caller who gave none."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def as_key(seed: Seed | None, purpose: str) -> tf.Tensor:
    """The key of one call's draws; a fresh one for `None`.

    Raises:
        DataError: neither a whole number nor a key of two.
    """
    if seed is None:
        return fold(random_seed(), purpose)
    key = isinstance(seed, tf.Tensor | np.ndarray | np.integer)
    if not isinstance(seed, int) and not (key and tf.as_dtype(seed.dtype).is_integer):
        raise DataError(f"a seed is a whole number, or a key of two, not {seed!r}")
    return fold(seed, purpose)


def check_count(n: int | float | tf.Tensor) -> None:
    """Raises DataError if `n`, where it is known, is no number of samples."""
    if isinstance(n, int | float) and (n != int(n) or n < 1):
        raise DataError(f"a number of samples is a whole number from 1, not {n}")


def as_mask(known, event_shape: tuple[int, ...]) -> np.ndarray:
    """`known` as bool `[*event]`.

    Raises:
        DataError: other values than true and false, or another shape.
    """
    mask = np.asarray(known)
    try:
        right = mask.dtype == bool or bool(np.isin(mask, (0, 1)).all())
    except TypeError:
        right = False
    if not right or mask.ndim == 0:
        raise DataError("known is a mask, an array of true and false")
    try:
        return np.broadcast_to(mask.astype(bool), event_shape)
    except ValueError:
        raise DataError(
            f"known is a mask of shape {list(event_shape)}, not {list(mask.shape)}"
        ) from None
