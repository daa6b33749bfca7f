"""q(z | x): normal distributions over a latent vector."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import DistributionLayer, Parameters, Shape
from zoo.numerics import inverse_positive, positive
from zoo.registration import register

tfd = tfp.distributions

# Far below any scale that matters beside a standard normal prior, far above where z - loc is all
# rounding error in float32.
FLOOR = 1e-5


class _NormalPosterior(DistributionLayer):
    def __init__(self, size: int, floor: float = FLOOR, **kwargs: Any):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{type(self).__name__} takes a size of 1 or more, not {size!r}")
        if not 0 <= floor < 1:
            raise ValueError(f"{type(self).__name__} takes a floor in [0, 1), not {floor!r}")
        super().__init__([size], **kwargs)
        self.size = size
        self.floor = floor

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["event_shape"]
        return {**config, "size": self.size, "floor": self.floor}

    def _scale(self, raw: tf.Tensor) -> tf.Tensor:
        return positive(raw + inverse_positive(1.0, self.floor), self.floor)


@register
class MultivariateNormalDiag(_NormalPosterior):
    """Normal with a diagonal covariance.

    q(z | features) = N(z; loc, diag(scale_diag^2)), scale_diag = softplus(raw + c) + floor

    c makes the scale 1 at raw = 0, so features of zero give the standard normal. Softplus and not
    exp(raw / 2): like it for small scales (log scale is linear in raw, so the KL's gradient neither
    vanishes nor grows), but linear for large ones, where exp overflows float32 and its gradient
    with it. The floor keeps log scale and 1 / scale finite for any features.

    Args:
        size: length of the latent vector.
        floor: lower bound of the scale.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: two per element.
    Shapes: features `[B, F]` -> `{"loc": [B, size], "scale_diag": [B, size]}`;
    `log_prob(z: [..., B, size]) -> [..., B]`, nats.

    Raises:
        ValueError: `size` or `floor` out of range.
        ConfigError: features of more than two dimensions.

    Reference: Kingma and Welling 2013, arXiv 1312.6114, section 3. Departures: softplus with a
    floor where the paper has an exponential.
    """

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"loc": (self.size,), "scale_diag": (self.size,)}

    def constrain(self, raw: Parameters) -> Parameters:
        return {"loc": raw["loc"], "scale_diag": self._scale(raw["scale_diag"])}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        return tfd.MultivariateNormalDiag(
            parameters["loc"], parameters["scale_diag"], validate_args=False
        )


@register
class MultivariateNormalTriL(_NormalPosterior):
    """Normal with a full covariance.

    q(z | features) = N(z; loc, L L^T), L lower triangular, its diagonal softplus(raw + c) + floor

    c makes the diagonal 1 at raw = 0, so features of zero give the standard normal.

    Args:
        size: length of the latent vector.
        floor: lower bound of the diagonal of L.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: (size + 3) / 2 per element, size (size + 3) / 2 in all.
    Shapes: features `[B, F]` -> `{"loc": [B, size], "scale_tril": [B, size, size]}`;
    `log_prob(z: [..., B, size]) -> [..., B]`, nats.

    Raises:
        ValueError: `size` or `floor` out of range.
        ConfigError: features of more than two dimensions.

    Reference: Kingma and Welling 2019, arXiv 1906.02691, section 2.5.1. Departures: softplus with a
    floor on the diagonal where the paper has an exponential.
    """

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"loc": (self.size,), "scale_tril": (self.size * (self.size + 1) // 2,)}

    def constrain(self, raw: Parameters) -> Parameters:
        lower = tfp.math.fill_triangular(raw["scale_tril"])
        diagonal = self._scale(tf.linalg.diag_part(lower))
        return {"loc": raw["loc"], "scale_tril": tf.linalg.set_diag(lower, diagonal)}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        return tfd.MultivariateNormalTriL(
            parameters["loc"], parameters["scale_tril"], validate_args=False
        )
