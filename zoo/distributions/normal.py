"""Real-valued images."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Likelihood, Parameters, Shape
from zoo.numerics import inverse_positive, positive
from zoo.registration import register

tfd = tfp.distributions

SCALES = ("fixed", "learned", "per_element")


class _Quantized(tfd.QuantizedDistribution):
    """With the mean that TFP leaves out: E[level] = sum_(k = 1)^high P(level >= k)."""

    def _mean(self) -> tf.Tensor:
        def add(total: tf.Tensor, below: tf.Tensor) -> tf.Tensor:
            # One threshold at a time: all at once would take as much memory as there are levels.
            return total + self.distribution.survival_function(below)

        nothing = tf.zeros(self.distribution.batch_shape_tensor())
        return tf.foldl(add, tf.range(0.0, self.high), initializer=nothing)


@register
class IndependentNormal(Likelihood):
    """Independent normal elements.

    p(x | features) = prod_i N(x_i; loc_i, scale_i^2), a density, with all its constants.

    Where the scale is fitted it stays above `floor`: without one, the density of an element that
    never varies has no upper bound.

    Args:
        event_shape: shape of one image, such as `[28, 28, 1]`.
        scale: `fixed`: `value` everywhere. `learned`: one trained number for all elements.
            `per_element`: predicted from the features, softplus + floor.
        value: the scale (standard deviation) itself where fixed; elsewhere where it starts, for
            features of zero.
        floor: lower bound of a fitted scale; the default is one of 256 grey levels of data in
            [0, 1].
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: finite numbers. Parameters: one per element (`loc`), two with `per_element`; `learned`
    has one weight besides.
    Shapes: features `[B, F]` or `[B, H, W, F]` -> `{"loc": [B, *event_shape], "scale": [B, ...]}`,
    where `scale` broadcasts against `loc`; `log_prob(x: [B, *event_shape]) -> [B]`, nats.

    Raises:
        ValueError: unknown `scale`, a `value` that is not above `floor` (or 0, if fixed), or a
            negative `floor`.
        ConfigError: the features' height and width are not the event's.

    Reference: Kingma and Welling 2013, arXiv 1312.6114, appendix C.2. Departures: softplus with a
    floor where the paper has an exponential.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        scale: Literal["fixed", "learned", "per_element"] = "fixed",
        value: float = 1.0,
        floor: float = 1 / 256,
        **kwargs: Any,
    ):
        super().__init__(event_shape, **kwargs)
        if scale not in SCALES:
            raise ValueError(f"unknown scale {scale!r}; choose one of: {', '.join(SCALES)}")
        if floor < 0 or value <= (0 if scale == "fixed" else floor):
            raise ValueError(f"a scale of {value} needs a floor in [0, {value}), not {floor}")
        self.scale = scale
        self.value = value
        self.floor = floor
        self.raw_scale: keras.Variable | None = None

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        names = ("loc", "scale") if self.scale == "per_element" else ("loc",)
        return dict.fromkeys(names, self.event_shape)

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        if self.scale == "learned" and self.raw_scale is None:
            start = keras.initializers.Constant(inverse_positive(self.value, self.floor))
            self.raw_scale = self.add_weight(name="raw_scale", shape=(), initializer=start)

    def constrain(self, raw: Parameters) -> Parameters:
        loc = raw["loc"]
        if self.scale == "per_element":
            shift = inverse_positive(self.value, self.floor)
            return {"loc": loc, "scale": positive(raw["scale"] + shift, self.floor)}
        if self.scale == "learned":
            scale = positive(tf.convert_to_tensor(self.raw_scale), self.floor)
        else:
            scale = tf.constant(self.value)
        # One number per example, which has the batch dimension that `predict` and export need.
        one = loc[(slice(None), *[slice(1)] * len(self.event_shape))]
        return {"loc": loc, "scale": tf.zeros_like(one) + scale}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        pixels = tfd.Normal(parameters["loc"], parameters["scale"], validate_args=False)
        return tfd.Independent(pixels, len(self.event_shape))

    def quantized(self, parameters: Mapping[str, tf.Tensor], levels: int) -> tfd.Distribution:
        """What the density says of the levels 0 to levels - 1 that became x / (levels - 1).

        A level's probability is the integral over its bin, half a level to either side; the first
        and the last bin reach to infinity, so that the probabilities sum to 1. So it may be
        compared with a likelihood of levels, as the density may not.

        Args:
            parameters: of this likelihood, over data in [0, 1].
            levels: how many values an element can take, 2 or more.

        Raises:
            ValueError: `levels` out of range.
        """
        if not isinstance(levels, int) or levels < 2:
            raise ValueError(f"quantized takes 2 levels or more, not {levels!r}")
        # TFP rounds up, which is to the nearest level for what was moved by half of one.
        high = levels - 1.0
        loc, scale = parameters["loc"] * high - 0.5, parameters["scale"] * high
        pixels = _Quantized(tfd.Normal(loc, scale), low=0.0, high=high)
        return tfd.Independent(pixels, len(self.event_shape))

    def get_config(self) -> dict[str, Any]:
        own = {"scale": self.scale, "value": self.value, "floor": self.floor}
        return {**super().get_config(), **own}
