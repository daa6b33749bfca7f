"""Images of integer levels, each element a logistic density integrated over the levels' bins.

The levels stand at equal distances on [-1, 1]: level x at v = 2 x / (levels - 1) - 1, with a bin of
half width h = 1 / (levels - 1) on either side. The first and the last bin reach to infinity, so
that the probabilities of an element's levels sum to 1.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Parameters, Shape
from zoo.distributions.categorical import LevelsLikelihood
from zoo.numerics import inverse_positive, positive
from zoo.registration import register

tfd = tfp.distributions

# The published code bounds log scale by -7 from below, about a ninth of the distance of 256 levels.
SCALE_FLOOR = math.exp(-7.0)


def to_line(x: tf.Tensor, levels: int) -> tf.Tensor:
    """Levels -> their places on [-1, 1]."""
    return tf.cast(x, tf.float32) * (2 / (levels - 1)) - 1.0


def nearest_level(v: tf.Tensor, levels: int) -> tf.Tensor:
    """The level whose bin holds `v`, as float32."""
    return tf.clip_by_value(tf.round((v + 1.0) * ((levels - 1) / 2)), 0.0, levels - 1.0)


def scales(raw: tf.Tensor) -> tf.Tensor:
    """Any real number -> a scale above the floor; 0 -> 1."""
    return positive(raw + inverse_positive(1.0, SCALE_FLOOR), SCALE_FLOOR)


def level_log_prob(v: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, levels: int) -> tf.Tensor:
    """log P(level at v) of a logistic integrated over the level's bin, in nats.

    P = sigmoid(a) - sigmoid(b), a = (v + h - loc) / scale, b = (v - h - loc) / scale
      = sigmoid(a) sigmoid(-b) (1 - exp(-(a - b))), where a - b = 2 h / scale

    The second form is a product, so its logarithm has no cancellation: it is finite, with the right
    gradient, however far `loc` is from `v`, where the difference is 0 in float32.
    """
    half = 1 / (levels - 1)
    first, last = v < half - 1.0, v > 1.0 - half
    upper = -tf.math.softplus((loc - v - half) / scale)
    lower = -tf.math.softplus((v - half - loc) / scale)
    width = tf.math.log(-tf.math.expm1(-2 * half / scale))
    return (
        tf.where(last, 0.0, upper)
        + tf.where(first, 0.0, lower)
        + tf.where(first | last, 0.0, width)
    )


def mean_level(loc: tf.Tensor, scale: tf.Tensor, levels: int) -> tf.Tensor:
    """E[level] = sum_{k = 1}^{levels - 1} P(level >= k), exactly; one threshold at a time."""
    thresholds = np.linspace(-1, 1, 2 * levels - 1, dtype=np.float32)[1::2]

    def add(total: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
        return total + tf.sigmoid((loc - threshold) / scale)

    return tf.foldl(add, tf.constant(thresholds), initializer=tf.zeros_like(loc + scale))


class _DiscretizedLogistic(tfd.Distribution):
    """One element. `loc` and `scale` are in units of [-1, 1], values are levels."""

    def __init__(
        self, loc: tf.Tensor, scale: tf.Tensor, levels: int, name: str = "DiscretizedLogistic"
    ):
        parameters = dict(locals())
        self._loc = tf.convert_to_tensor(loc)
        self._scale = tf.convert_to_tensor(scale)
        self._levels = levels
        super().__init__(
            dtype=tf.float32,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict[str, Any]:
        properties = tfp.util.ParameterProperties
        return {"loc": properties(), "scale": properties()}

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return level_log_prob(to_line(x, self._levels), self._loc, self._scale, self._levels)

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        logistic = tfd.Logistic(self._loc, self._scale)
        return nearest_level(logistic.sample(n, seed=seed), self._levels)

    def _mean(self) -> tf.Tensor:
        return mean_level(self._loc, self._scale, self._levels)


@register
class DiscretizedLogistic(LevelsLikelihood):
    """Independent elements, each a logistic density integrated over the levels' bins.

    P(x_i | features) = sigmoid((v_i + h - loc_i) / scale_i) - sigmoid((v_i - h - loc_i) / scale_i)
    v_i = 2 x_i / (levels - 1) - 1, h = 1 / (levels - 1)

    with the first sigmoid 1 at the last level and the second 0 at the first, so that the tails
    belong to the edge levels and the probabilities sum to 1.

    Args:
        event_shape: shape of one image, such as `[32, 32, 3]`.
        levels: how many values an element can take, 2 or more.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: the integers 0 to levels - 1. Parameters: two per element, in units of [-1, 1].
    Shapes: features `[B, F]` or `[B, H, W, F]` -> `{"loc": [B, *event_shape], "scale": same}`;
    `log_prob(x: [B, *event_shape]) -> [B]`, nats. `mean()` is the expected level, exactly; it costs
    `levels` sigmoids per element.

    Raises:
        ValueError: `event_shape` or `levels` out of range.
        ConfigError: the features' height and width are not the event's.

    Reference: Kingma et al. 2016, arXiv 1606.04934. Departures: bins are centred on their levels
    and the edge bins reach to infinity, as in Salimans et al. 2017, arXiv 1701.05517, Eq. 2; the
    scale is softplus + exp(-7), where the code of the latter has exp(max(raw, -7)), which has no
    gradient below its bound.
    """

    def __init__(self, event_shape: Sequence[int], levels: int = 256, **kwargs: Any):
        super().__init__(event_shape, levels, **kwargs)

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"loc": self.event_shape, "scale": self.event_shape}

    def constrain(self, raw: Parameters) -> Parameters:
        return {"loc": raw["loc"], "scale": scales(raw["scale"])}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        elements = _DiscretizedLogistic(parameters["loc"], parameters["scale"], self.levels)
        return tfd.Independent(elements, len(self.event_shape))
