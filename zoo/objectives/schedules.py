"""Weights that change with the training step."""

import math
import numbers
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from zoo.registration import register


@register
class Ramp:
    """A number that goes from `start` to `end` in a straight line, and then stays.

    Args:
        start: at step 0.
        end: from step `steps` on.
        steps: training steps, from 1.
    """

    def __init__(self, start: float, end: float, steps: int):
        self.start, self.end = not_negative("start", start), not_negative("end", end)
        if int(steps) != steps or steps < 1:
            raise ValueError(f"a ramp takes a whole number of steps from 1, not {steps!r}")
        self.steps = int(steps)

    def __call__(self, step: int | tf.Tensor) -> tf.Tensor:
        share = tf.minimum(tf.cast(step, tf.float32) / self.steps, 1.0)
        return self.start + (self.end - self.start) * share

    def get_config(self) -> dict[str, float]:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, float]) -> "Ramp":
        return cls(**config)


def value_at(weight: float | Ramp, step: int | tf.Tensor) -> float | tf.Tensor:
    """A weight at a training step: a number is the same at all."""
    return weight(step) if isinstance(weight, Ramp) else weight


def checked(name: str, weight: float | Ramp | Mapping[str, Any]) -> float | Ramp:
    """The weight itself; raises ValueError unless it is a finite number from 0, or a ramp."""
    if isinstance(weight, Mapping) and weight.get("class_name") == Ramp.__name__:
        # Keras leaves what it finds inside of an objective's config as it was serialized.
        weight = Ramp.from_config(weight["config"])
    return weight if isinstance(weight, Ramp) else not_negative(name, weight)


def not_negative(name: str, number: float) -> float:
    """The number itself, for what stays the same at all steps; raises ValueError otherwise."""
    real = isinstance(number, numbers.Real) and not isinstance(number, bool)
    if not real or not 0 <= number < math.inf:
        raise ValueError(f"{name} is {number!r}, not a finite number from 0")
    return float(number)
