"""Binary images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Likelihood, Shape, Support
from zoo.errors import NotSupported
from zoo.registration import register

tfd = tfp.distributions

# A pixel that is never on starts here, where its gradient is still of use.
_RAREST = 1e-3


class _Bernoulli(tfd.Bernoulli):
    """tfd.Bernoulli by logits, with one softplus in place of two.

    log p(x) = x logit - softplus(logit), within float32's rounding of the logit. It stands in the
    hot path of every binary model, where TFP's two softplus and two guarded products cost a third
    more.
    """

    def _log_prob(self, event: tf.Tensor) -> tf.Tensor:
        logits = tf.convert_to_tensor(self.logits)
        return tf.cast(event, logits.dtype) * logits - tf.math.softplus(logits)


@register
class IndependentBernoulli(Likelihood):
    """Independent binary elements.

    p(x | features) = prod_i sigmoid(logit_i)^x_i (1 - sigmoid(logit_i))^(1 - x_i)

    Args:
        event_shape: shape of one image, such as `[28, 28, 1]`.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: 0 and 1. Parameters: one logit per element.
    Shapes: features `[B, F]` or `[B, H, W, F]` -> `{"logits": [B, *event_shape]}`;
    `log_prob(x: [B, *event_shape]) -> [B]`, nats. `mean()` is the image of probabilities.

    Raises:
        ValueError: `event_shape` is no list of positive ints.
        ConfigError: the features' height and width are not the event's.

    Reference: Kingma and Welling 2013, arXiv 1312.6114, appendix C.1. Departures: none.
    """

    is_discrete = True
    levels = 2

    def __init__(self, event_shape: Sequence[int], **kwargs: Any):
        super().__init__(event_shape, **kwargs)

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"logits": self.event_shape}

    @property
    def support(self) -> Support:
        remedy = 'binarize them: zoo.data.from_array(x, binarize="dynamic")'
        return Support(type(self).__name__, 0, 1, integer=True, remedy=remedy)

    def start_at(self, mean: np.ndarray) -> None:
        bias = self.projection.bias
        # Features with the image's height and width have one bias for all positions.
        bias.assign(self.raw_at(np.reshape(mean, (-1, bias.shape[0])).mean(axis=0)))

    def raw_at(self, mean):
        probabilities = np.clip(mean, _RAREST, 1 - _RAREST)
        return np.log(probabilities / (1 - probabilities))

    def sharpened(self, parameters, temperature, top_k):
        if top_k is not None:
            raise NotSupported(
                f"{type(self).__name__} has two values, and no k likeliest: leave out top_k"
            )
        return {
            **parameters,
            "logits": parameters["logits"] / (1.0 if temperature is None else temperature),
        }

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        pixels = _Bernoulli(logits=parameters["logits"], dtype=tf.float32, validate_args=False)
        return tfd.Independent(pixels, len(self.event_shape))
