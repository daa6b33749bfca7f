"""p(z): what a latent vector is drawn from."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import DistributionLayer, Parameters, Shape
from zoo.registration import register

tfd = tfp.distributions


@register
class StandardNormal(DistributionLayer):
    """p(z) = N(z; 0, I), with nothing to learn.

    Args:
        size: length of the latent vector.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: none.
    Shapes: `call()` -> `{}`; `log_prob(z: [..., size]) -> [...]`, nats.

    Raises:
        ValueError: `size` is no positive int.

    Reference: Kingma and Welling 2013, arXiv 1312.6114, section 3. Departures: none.
    """

    def __init__(self, size: int, **kwargs: Any):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{type(self).__name__} takes a size of 1 or more, not {size!r}")
        super().__init__([size], **kwargs)
        self.size = size

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {}

    def build(self, input_shape: Any = None) -> None:
        """Nothing to build."""

    def call(self, like: tf.Tensor | None = None) -> Parameters:
        return {}

    def distribution(self, parameters: Mapping[str, tf.Tensor] | None = None) -> tfd.Distribution:
        return tfd.MultivariateNormalDiag(
            tf.zeros([self.size]), tf.ones([self.size]), validate_args=False
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["event_shape"]
        return {**config, "size": self.size}
