"""Images of integer levels, 0 to levels - 1."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Likelihood, Shape, Support
from zoo.errors import DataError
from zoo.numerics import sum_event
from zoo.registration import register

tfd = tfp.distributions


class LevelsLikelihood(Likelihood):
    """A likelihood of integers from 0 to levels - 1, given as float32 or as integers.

    Args:
        event_shape: shape of one image.
        levels: how many values an element can take, 2 or more.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Raises:
        ValueError: `event_shape` or `levels` out of range.
    """

    is_discrete = True

    def __init__(self, event_shape: Sequence[int], levels: int, **kwargs: Any):
        super().__init__(event_shape, **kwargs)
        if not isinstance(levels, int) or levels < 2:
            raise ValueError(f"{type(self).__name__} takes 2 levels or more, not {levels!r}")
        self.levels = levels

    @property
    def support(self) -> Support:
        remedy = (
            'give the levels themselves, zoo.data.from_array(x, values="levels"), and as many '
            f"`levels` as the data have (here {self.levels})"
        )
        return Support(type(self).__name__, 0, self.levels - 1, integer=True, remedy=remedy)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "levels": self.levels}


class _Padded(tfd.Categorical):
    """A value of `levels` is no value: it has the log-probability 0, and is never drawn."""

    def _log_prob(self, k: tf.Tensor) -> tf.Tensor:
        outside = tf.equal(tf.cast(k, tf.float32), self.logits.shape[-1])
        inside = super()._log_prob(tf.where(outside, tf.zeros_like(k), k))
        return tf.where(outside, 0.0, inside)


@register
class IndependentCategorical(LevelsLikelihood):
    """Independent elements, any distribution over the levels.

    p(x | features) = prod_i softmax(logits_i)[x_i]

    Args:
        event_shape: shape of one image, such as `[8, 8, 1]`.
        levels: how many values an element can take, 2 or more.
        padding: whether an element may also be `levels`, which says that it is no part of the
            example: it counts nothing, so that `log_prob` is that of the rest given its length.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: the integers 0 to levels - 1. Parameters: `levels` logits per element.
    Shapes: features `[B, F]` or `[B, H, W, F]` -> `{"logits": [B, *event_shape, levels]}`;
    `log_prob(x: [B, *event_shape]) -> [B]`, nats. `mean()` is the expected level.

    Raises:
        ValueError: `event_shape` or `levels` out of range.
        ConfigError: the features' height and width are not the event's.

    Reference: van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv 1601.06759, "Pixels
    as discrete variables". Departures: none.
    """

    def __init__(
        self, event_shape: Sequence[int], levels: int, padding: bool = False, **kwargs: Any
    ):
        super().__init__(event_shape, levels, **kwargs)
        self.padding = padding

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"logits": (*self.event_shape, self.levels)}

    @property
    def support(self) -> Support:
        return dataclasses.replace(super().support, high=self.levels - 1 + self.padding)

    def counted(self, x: tf.Tensor) -> tf.Tensor:
        within = tf.cast(tf.less(x, self.levels), tf.float32)
        return sum_event(within) if self.padding else super().counted(x)

    def sharpened(self, parameters, temperature, top_k):
        if top_k is not None and not 1 <= top_k <= self.levels:
            raise DataError(f"top_k is a whole number from 1 to {self.levels}, not {top_k}")
        logits = parameters["logits"] / (1.0 if temperature is None else temperature)
        if top_k is not None:
            least = tf.math.top_k(logits, top_k).values[..., -1:]
            logits = tf.where(logits < least, -np.inf, logits)
        return {**parameters, "logits": logits}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        kind = _Padded if self.padding else tfd.Categorical
        pixels = kind(logits=parameters["logits"], dtype=tf.float32, validate_args=False)
        return tfd.Independent(pixels, len(self.event_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}
