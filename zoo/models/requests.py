"""What callers ask of a model: seeds, counts and masks, taken or refused in one place."""

import math
import numbers

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
    seed = np.asarray(seed) if isinstance(seed, list | tuple) else seed
    key = isinstance(seed, tf.Tensor | np.ndarray | np.integer)
    whole = isinstance(seed, int) or (key and tf.as_dtype(seed.dtype).is_integer)
    if not whole or (key and tuple(seed.shape) not in ((), (2,))):
        raise DataError(f"a seed is a whole number, or a key of two, not {seed!r}")
    return fold(seed, purpose)


def check_count(n: int | np.integer | tf.Tensor) -> None:
    """Raises DataError if `n`, where it is known, is no number of samples."""
    if tf.is_tensor(n):
        if tf.is_symbolic_tensor(n):
            return
        n = n.numpy()
    known = n.item() if isinstance(n, np.ndarray | np.generic) and np.size(n) == 1 else n
    if not isinstance(known, int) or isinstance(known, bool) or known < 1:
        raise DataError(f"a number of samples is a whole number from 1, not {n!r}")


def check_temperature(temperature: float) -> float:
    """The temperature as a number; raises DataError unless it is above 0 and finite."""
    number = isinstance(temperature, numbers.Real) and not isinstance(temperature, bool)
    if not number or not 0 < temperature < math.inf:
        raise DataError(f"a temperature is above 0, not {temperature!r}")
    return float(temperature)


def check_top_k(top_k: int | None, most: int | None = None) -> int | None:
    """The number as Python's; raises DataError unless it is whole, 1 to `most`, or None."""
    if top_k is None:
        return None
    whole = isinstance(top_k, numbers.Integral) and not isinstance(top_k, bool)
    if not whole or top_k < 1 or (most is not None and top_k > most):
        to = "" if most is None else f" to {most}"
        raise DataError(f"top_k is a whole number from 1{to}, not {top_k!r}")
    return int(top_k)


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
