"""Images of integer levels, each element a normal density integrated over the levels' bins."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Parameters, Shape
from zoo.distributions.categorical import LevelsLikelihood
from zoo.distributions.normal import IndependentNormal
from zoo.numerics import inverse_positive, positive
from zoo.registration import register

tfd = tfp.distributions


@register
class DiscretizedNormal(LevelsLikelihood):
    """Independent elements: a normal density, integrated over the bin of each level.

    Levels stand at x / (levels - 1) in [0, 1]; `loc` and `scale` are in that unit. The first and
    the last bin reach to infinity, so that the probabilities sum to 1.

    Args:
        event_shape: shape of one image.
        levels: how many values an element can take.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: integers 0 to levels - 1. Parameters: two per element.
    Shapes: features `[B, F]` or `[B, H, W, F]` -> `{"loc", "scale"}` `[B, *event_shape]` each;
    `log_prob(x: [B, *event_shape]) -> [B]`, nats.

    Raises:
        ValueError: `event_shape` or `levels` out of range.
        ConfigError: the features' height and width are not the event's.

    Reference: Ho, Jain and Abbeel 2020, arXiv 2006.11239, Eq. 13. Departures: the scale is fitted
    where the layer is given features; a diffusion model hands both parameters over.
    """

    def __init__(self, event_shape: Sequence[int], levels: int = 256, **kwargs: Any):
        super().__init__(event_shape, levels, **kwargs)
        self._density = IndependentNormal(event_shape)

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return dict.fromkeys(("loc", "scale"), self.event_shape)

    def constrain(self, raw: Parameters) -> Parameters:
        floor = 0.1 / (self.levels - 1)
        return {"loc": raw["loc"], "scale": positive(raw["scale"] + inverse_positive(1.0), floor)}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        return self._density.quantized(parameters, self.levels)
