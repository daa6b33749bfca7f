"""p(z): what a latent vector is drawn from."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import DistributionLayer, Parameters, Shape
from zoo.distributions.posteriors import FLOOR
from zoo.numerics import inverse_positive, positive
from zoo.registration import register

tfd = tfp.distributions

Encode = Callable[[tf.Tensor], tfd.Distribution]


class Prior(DistributionLayer):
    """A distribution over vectors that depends on no features; what it learns are its weights.

    `call()` gives its parameters, of no batch dimension, and `given(encode)` the distribution.

    Args:
        size: length of the latent vector.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Raises:
        ValueError: `size` is no positive int.
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
        """Makes the weights. A layer from a saved file is built already, and is built again."""

    def call(self, like: tf.Tensor | None = None) -> Parameters:
        return {}

    def check_fits(self, size: int, event_shape: Shape, conditional: bool) -> None:
        """Raises ValueError unless the prior suits codes of this size, and the images behind."""
        if self.size != size:
            raise ValueError(
                f"the prior {type(self).__name__} has size {self.size}, and the posterior {size}: "
                "give both the same"
            )

    def given(self, encode: Encode) -> tfd.Distribution:
        """p(z), batch `[]`.

        Args:
            encode: maps images `[K, *event]`, scaled as networks see them, to q(z|x). Only a prior
                that is made of posteriors asks for it.
        """
        return self.distribution(self(None))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["event_shape"]
        return {**config, "size": self.size}


@register
class StandardNormal(Prior):
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

    def distribution(self, parameters: Mapping[str, tf.Tensor] | None = None) -> tfd.Distribution:
        return tfd.MultivariateNormalDiag(
            tf.zeros([self.size]), tf.ones([self.size]), validate_args=False
        )


@register
class NormalPrior(Prior):
    """p(z) = N(z; m, L L^T), m and the lower triangular L learned.

    It starts as the standard normal. The diagonal of L is softplus(raw + c) + floor, with the c
    that makes it 1 at raw = 0.

    Args:
        size: length of the latent vector.
        floor: lower bound of the diagonal of L.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: (size + 3) / 2 weights per element.
    Shapes: `call()` -> `{"loc": [size], "scale_tril": [size, size]}`;
    `log_prob(z: [..., size]) -> [...]`, nats.

    Raises:
        ValueError: `size` or `floor` out of range.

    Reference: Ghosh et al. 2020, arXiv 1903.12436, section 4, who fit it to the codes of a trained
    autoencoder. Departures: a floor on the diagonal.
    """

    def __init__(self, size: int, floor: float = FLOOR, **kwargs: Any):
        super().__init__(size, **kwargs)
        if not 0 <= floor < 1:
            raise ValueError(f"NormalPrior takes a floor in [0, 1), not {floor!r}")
        self.floor = floor
        self.loc: keras.Variable | None = None
        self.raw_scale: keras.Variable | None = None

    def build(self, input_shape: Any = None) -> None:
        if self.loc is None:
            count = self.size * (self.size + 1) // 2
            self.loc = self.add_weight(name="loc", shape=(self.size,), initializer="zeros")
            self.raw_scale = self.add_weight(name="raw_scale", shape=(count,), initializer="zeros")

    def call(self, like: tf.Tensor | None = None) -> Parameters:
        lower = tfp.math.fill_triangular(tf.convert_to_tensor(self.raw_scale))
        shift = inverse_positive(1.0, self.floor)
        diagonal = positive(tf.linalg.diag_part(lower) + shift, self.floor)
        return {
            "loc": tf.convert_to_tensor(self.loc),
            "scale_tril": tf.linalg.set_diag(lower, diagonal),
        }

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        return tfd.MultivariateNormalTriL(
            parameters["loc"], parameters["scale_tril"], validate_args=False
        )

    def start_at(self, codes: np.ndarray) -> None:
        """Sets the built layer to the normal of maximum likelihood for `codes` `[N, size]`.

        A direction in which the codes do not vary gets a scale of twice the floor.
        """
        codes = np.asarray(codes, np.float64)
        covariance = np.atleast_2d(np.cov(codes, rowvar=False, bias=True))
        least = 2 * max(self.floor, FLOOR)
        lower = np.linalg.cholesky(covariance + least**2 * np.eye(self.size))
        np.fill_diagonal(lower, unconstrained(np.maximum(np.diag(lower), least), self.floor))
        self.loc.assign(codes.mean(axis=0))
        self.raw_scale.assign(tfp.math.fill_triangular_inverse(lower))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "floor": self.floor}


def unconstrained(scale: np.ndarray, floor: float) -> np.ndarray:
    """The weights behind scales above `floor`, where a weight of 0 makes a scale of 1."""
    above = scale - floor
    return above + np.log(-np.expm1(-above)) - inverse_positive(1.0, floor)
