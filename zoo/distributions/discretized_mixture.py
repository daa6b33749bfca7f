"""Colour or grey images of integer levels, each pixel a mixture of discretized logistics."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Parameters, Shape
from zoo.distributions.categorical import LevelsLikelihood
from zoo.distributions.discretized_logistic import (
    level_log_prob,
    mean_level,
    nearest_level,
    scales,
    to_line,
)
from zoo.registration import register

tfd = tfp.distributions

MAX_CHANNELS = 4


class _PixelMixture(tfd.Distribution):
    """The distribution of one pixel `[C]`, given K components. Values are levels.

    Args:
        logits: `[..., K]`, of the components.
        loc: `[..., C, K]`, in units of [-1, 1].
        scale: `[..., C, K]`.
        coefficients: `[..., C (C - 1) / 2, K]`: how much the first channel moves the second, the
            first the third, the second the third, ...; None with one channel.
        levels: how many values an element can take.
    """

    def __init__(
        self,
        logits: tf.Tensor,
        loc: tf.Tensor,
        scale: tf.Tensor,
        coefficients: tf.Tensor | None,
        levels: int,
        name: str = "DiscretizedLogisticMixture",
    ):
        parameters = dict(locals())
        self._logits = tf.convert_to_tensor(logits)
        self._loc = tf.convert_to_tensor(loc)
        self._scale = tf.convert_to_tensor(scale)
        self._coefficients = None if coefficients is None else tf.convert_to_tensor(coefficients)
        self._levels = levels
        self._channels = int(self._loc.shape[-2])
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
        return {
            "logits": properties(event_ndims=1),
            "loc": properties(event_ndims=2),
            "scale": properties(event_ndims=2),
            "coefficients": properties(event_ndims=2),
        }

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([self._channels])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([self._channels], tf.int32)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        v = to_line(x, self._levels)[..., tf.newaxis]
        places = [v[..., channel, :] for channel in range(self._channels)]
        log_joint = tf.nn.log_softmax(self._logits)
        for channel, place in enumerate(places):
            loc = self._shifted(channel, places)
            scale = self._scale[..., channel, :]
            log_joint += level_log_prob(place, loc, scale, self._levels)
        return tf.reduce_logsumexp(log_joint, axis=-1)

    def _sample_n(self, n: tf.Tensor, seed: Any = None) -> tf.Tensor:
        component_seed, *seeds = tfp.random.split_seed(seed, n=self._channels + 1)
        chosen = tfd.OneHotCategorical(self._logits, dtype=tf.float32).sample(
            n, seed=component_seed
        )
        samples: list[tf.Tensor] = []
        places: list[tf.Tensor] = []
        for channel, channel_seed in enumerate(seeds):
            loc = tf.reduce_sum(chosen * self._shifted(channel, places), axis=-1)
            scale = tf.reduce_sum(chosen * self._scale[..., channel, :], axis=-1)
            drawn = tfd.Logistic(loc, scale).sample(seed=channel_seed)
            samples.append(nearest_level(drawn, self._levels))
            # What moves the next channel is the level that was drawn, as in log_prob.
            places.append(to_line(samples[-1], self._levels)[..., tf.newaxis])
        return tf.stack(samples, axis=-1)

    def _mean(self) -> tf.Tensor:
        means: list[tf.Tensor] = []
        places: list[tf.Tensor] = []
        for channel in range(self._channels):
            loc = self._shifted(channel, places)
            means.append(mean_level(loc, self._scale[..., channel, :], self._levels))
            places.append(to_line(means[-1], self._levels))
        weights = tf.nn.softmax(self._logits)[..., tf.newaxis, :]
        return tf.reduce_sum(weights * tf.stack(means, axis=-2), axis=-1)

    def _shifted(self, channel: int, places: list[tf.Tensor]) -> tf.Tensor:
        """`loc` of a channel, moved by the places on [-1, 1] of the channels before it."""
        loc = self._loc[..., channel, :]
        start = channel * (channel - 1) // 2
        for before in range(channel):
            loc += self._coefficients[..., start + before, :] * places[before]
        return loc


@register
class DiscretizedLogisticMixture(LevelsLikelihood):
    """Independent pixels, each a mixture of discretized logistics over all of its channels.

    P(r, g, b) = sum_k pi_k L(r; m_r) L(g; m_g + alpha r) L(b; m_b + beta r + gamma g)

    L is the probability of `DiscretizedLogistic`, pi = softmax(logits), r, g, b on the right are in
    units of [-1, 1], and m, the scale, alpha, beta, gamma are the component's own.

    Args:
        event_shape: `[..., channels]`, such as `[32, 32, 3]`; 1 to 4 channels, each moved linearly
            by the ones before it.
        levels: how many values an element can take, 2 or more.
        components: K, how many components a pixel has.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: the integers 0 to levels - 1. Parameters: K (1 + 2 C + C (C - 1) / 2) per pixel of C
    channels: 3 K with one, 10 K with three.
    Shapes: features `[B, F]` or `[B, H, W, F]` -> `{"logits": [B, H, W, K], "loc": [B, H, W, C, K],
    "scale": same, "coefficients": [B, H, W, C (C - 1) / 2, K]}`, no coefficients with one channel;
    `log_prob(x: [B, *event_shape]) -> [B]`, nats.

    `mean()` is the expected level: exact for the first channel; the later ones are moved by the
    component's mean of the channels before, which differs from the expectation only where the
    edges fold a tail or a scale is below the distance of two levels. It costs K * levels sigmoids
    per element.

    Raises:
        ValueError: `event_shape`, `levels` or `components` out of range.
        ConfigError: the features' height and width are not the event's.

    Reference: Salimans, Karpathy, Chen and Kingma 2017, arXiv 1701.05517, Eq. 2 and 3. Departures:
    the probabilities are exact everywhere, where the published code goes over to the density at
    1e-5; samples are ancestral and exact (drawn levels move the later channels); the scale is
    softplus + exp(-7), as in `DiscretizedLogistic`. As in the published code, the coefficients are
    tanh of what the network gives.
    """

    def __init__(
        self, event_shape: Sequence[int], levels: int = 256, components: int = 10, **kwargs: Any
    ):
        super().__init__(event_shape, levels, **kwargs)
        if len(self.event_shape) < 2 or self.event_shape[-1] > MAX_CHANNELS:
            raise ValueError(
                f"{type(self).__name__} takes an event_shape such as [32, 32, 3], with 1 to "
                f"{MAX_CHANNELS} channels last, not {list(self.event_shape)}"
            )
        if not isinstance(components, int) or components < 1:
            raise ValueError(f"{type(self).__name__} takes 1 component or more, not {components!r}")
        self.components = components

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        *pixels, channels = self.event_shape
        shapes = {
            "logits": (*pixels, self.components),
            "loc": (*pixels, channels, self.components),
            "scale": (*pixels, channels, self.components),
        }
        if channels > 1:
            pairs = channels * (channels - 1) // 2
            shapes["coefficients"] = (*pixels, pairs, self.components)
        return shapes

    def constrain(self, raw: Parameters) -> Parameters:
        parameters = {**raw, "scale": scales(raw["scale"])}
        if "coefficients" in raw:
            parameters["coefficients"] = tf.tanh(raw["coefficients"])
        return parameters

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        pixels = _PixelMixture(
            parameters["logits"],
            parameters["loc"],
            parameters["scale"],
            parameters.get("coefficients"),
            self.levels,
        )
        return tfd.Independent(pixels, len(self.event_shape) - 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "components": self.components}
