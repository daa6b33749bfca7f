"""What may happen to an image before a model has to restore it.

A corruption is a registered class: `corruption(x, seed)` maps images `[B, H, W, C]` in [0, 1] to
corrupted ones. Its level differs from image to image, uniform in [low, high].

Reference: Vincent et al. 2010, Journal of Machine Learning Research 11, section 3.3.
"""

import math
from typing import Any

import tensorflow as tf

from zoo.noise import fold
from zoo.registration import register


class Corruption:
    """Images to corrupted images.

    Args:
        low: smallest level.
        high: largest level; None: `low`.

    A subclass says `at(x, level, seed)`.
    """

    #: the largest level that means something.
    largest = 1.0

    def __init__(self, low: float, high: float | None = None):
        high = low if high is None else high
        if not all(isinstance(v, int | float) for v in (low, high)):
            raise ValueError(f"levels are numbers, not {low!r} and {high!r}")
        if not 0 <= low <= high <= self.largest or math.isinf(high):
            raise ValueError(
                f"levels are 0 <= low <= high <= {self.largest:g}, not {low} and {high}"
            )
        self.low, self.high = float(low), float(high)

    def __call__(self, x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`x` `[B, H, W, C]`, each image at its own level; `seed` `int32[2]`."""
        one = [tf.shape(x)[0], *[1] * (x.shape.rank - 1)]
        level = tf.random.stateless_uniform(one, fold(seed, "level"), self.low, self.high)
        return self.at(x, level, fold(seed, "corrupt"))

    def at(self, x: tf.Tensor, level: float | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """`x` at a level: a number, or one that broadcasts against `x`."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Corruption":
        return cls(**config)


def check_corruption(corruption: Any) -> None:
    """Raises ValueError unless it is one."""
    if not isinstance(corruption, Corruption):
        raise ValueError(f"the corruption is {corruption!r}, and none such as GaussianCorruption")


@register
class GaussianCorruption(Corruption):
    """x + level n, n ~ N(0, 1); values leave [0, 1]. The level is the deviation."""

    largest = float("inf")

    def at(self, x, level, seed):
        return x + level * tf.random.stateless_normal(tf.shape(x), seed)


@register
class MaskingCorruption(Corruption):
    """A share of the pixels, the level, becomes 0."""

    def at(self, x, level, seed):
        return x * tf.cast(tf.random.stateless_uniform(tf.shape(x), seed) >= level, x.dtype)


@register
class SaltAndPepperCorruption(Corruption):
    """A share of the pixels, the level, becomes 0 or 1 with equal chances."""

    def at(self, x, level, seed):
        uniform = tf.random.stateless_uniform(tf.shape(x), seed)
        # Below the level, the lower and the upper half of it are salt and pepper.
        salt = tf.cast(uniform < level / 2, x.dtype)
        return tf.where(uniform < level, salt, x)
