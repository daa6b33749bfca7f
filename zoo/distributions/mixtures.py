"""Priors that are mixtures: of normals, and of the model's own posteriors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Parameters, Shape, checked_shape
from zoo.distributions.priors import Encode, Prior, unconstrained
from zoo.errors import NotSupported
from zoo.noise import fold
from zoo.numerics import inverse_positive, positive
from zoo.registration import register

tfd = tfp.distributions

COVARIANCES = ("diag", "full")
# Pseudo-inputs begin as sigmoids of normal numbers with this deviation: grey noise around 0.5.
_SPREAD = 0.5
# Pseudo-inputs that are copied from images keep this distance from 0 and 1, where the sigmoid
# would leave them no gradient.
_MARGIN = 0.01


class _DiagonalNormalMixture(tfd.MixtureSameFamily):
    """sum_k w_k N(z; m_k, diag(s_k^2)), batch `[]`, without a tensor of the size of K times D.

    TFP's own mixture holds `[..., K, D]` numbers in `log_prob` and in `sample`. Here

        sum_d ((z_d - m_kd) / s_kd)^2 = sum_d z_d^2 / s_kd^2 - 2 z_d m_kd / s_kd^2 + m_kd^2 / s_kd^2

    is one matrix product and holds `[..., K]`. The terms on the right are larger than the left by
    up to (m / s)^2, more than float32 resolves for narrow components: the product is in float64.

    Args:
        mixture_distribution: `tfd.Categorical` by logits `[K]`.
        components_distribution: `tfd.MultivariateNormalDiag` of batch `[K]`.
    """

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        loc, scale = (tf.cast(t, tf.float64) for t in self._components())
        size = loc.shape[-1]
        z = tf.cast(tf.reshape(x, [-1, size]), tf.float64)
        precision = scale**-2.0
        squares = tf.matmul(
            tf.concat([z**2, z], axis=-1),
            tf.concat([precision, -2.0 * loc * precision], axis=-1),
            transpose_b=True,
        ) + tf.reduce_sum(loc**2 * precision, axis=-1)
        log_volume = tf.reduce_sum(tf.math.log(scale), axis=-1) + size * math.log(2 * math.pi) / 2
        log_components = tf.cast(-squares / 2 - log_volume, tf.float32)
        log_weights = tf.nn.log_softmax(self.mixture_distribution.logits_parameter())
        log_prob = tf.reduce_logsumexp(log_components + log_weights, axis=-1)
        return tf.reshape(log_prob, tf.shape(x)[:-1])

    def _sample_n(self, n: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        component = self.mixture_distribution.sample(n, seed=fold(seed, "component"))
        loc, scale = (tf.gather(t, component) for t in self._components())
        return loc + scale * tf.random.stateless_normal(tf.shape(loc), fold(seed, "normal"))

    def _components(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Means and scales, `[K, D]` each."""
        return self.components_distribution.mean(), self.components_distribution.stddev()


@register
class MixtureOfNormals(Prior):
    """p(z) = sum_k w_k N(z; m_k, S_k), everything learned.

    Weights start equal, the means m_k as draws from the standard normal, and the scales at 1.

    Args:
        size: length of the latent vector.
        components: how many, K.
        covariance: of each component: "diag" or "full".
        floor: lower bound of the scales (of the diagonal of the Cholesky factor, where full): a
            component that shrinks around one example would make the likelihood infinite.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: weights of K (1 + 2 size) numbers, or K (1 + size (size + 3) / 2).
    Shapes: `call()` -> `{"logits": [K], "loc": [K, size], "scale_diag": [K, size]}`, or
    `"scale_tril": [K, size, size]`; `log_prob(z: [..., size]) -> [...]`, nats. With a full
    covariance it holds `[..., K, size]` numbers, else `[..., K]`.

    Raises:
        ValueError: `size`, `components` or `floor` out of range, or an unknown `covariance`.

    Reference: Tomczak and Welling 2018, arXiv 1705.07120, section 4 (the "MoG" prior). Departures:
    learned weights; full covariances.
    """

    def __init__(
        self,
        size: int,
        components: int,
        covariance: Literal["diag", "full"] = "diag",
        floor: float = 1e-3,
        **kwargs: Any,
    ):
        super().__init__(size, **kwargs)
        if covariance not in COVARIANCES:
            raise ValueError(
                f"unknown covariance {covariance!r}; choose one of: {', '.join(COVARIANCES)}"
            )
        if not 0 <= floor < 1:
            raise ValueError(f"MixtureOfNormals takes a floor in [0, 1), not {floor!r}")
        self.components = _checked_components(self, components)
        self.covariance, self.floor = covariance, floor
        self.logits: keras.Variable | None = None
        self.loc: keras.Variable | None = None
        self.raw_scale: keras.Variable | None = None

    def build(self, input_shape: Any = None) -> None:
        if self.logits is not None:
            return
        full = self.covariance == "full"
        count = self.size * (self.size + 1) // 2 if full else self.size
        k = self.components
        start = keras.initializers.RandomNormal(stddev=1.0)
        self.logits = self.add_weight(name="logits", shape=(k,), initializer="zeros")
        self.loc = self.add_weight(name="loc", shape=(k, self.size), initializer=start)
        self.raw_scale = self.add_weight(name="raw_scale", shape=(k, count), initializer="zeros")

    def call(self, like: tf.Tensor | None = None) -> Parameters:
        raw = tf.convert_to_tensor(self.raw_scale)
        shift = inverse_positive(1.0, self.floor)
        if self.covariance == "full":
            lower = tfp.math.fill_triangular(raw)
            diagonal = positive(tf.linalg.diag_part(lower) + shift, self.floor)
            scale = {"scale_tril": tf.linalg.set_diag(lower, diagonal)}
        else:
            scale = {"scale_diag": positive(raw + shift, self.floor)}
        logits, loc = tf.convert_to_tensor(self.logits), tf.convert_to_tensor(self.loc)
        return {"logits": logits, "loc": loc, **scale}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        logits, loc = parameters["logits"], parameters["loc"]
        if self.covariance == "diag":
            normals = tfd.MultivariateNormalDiag(loc, parameters["scale_diag"], validate_args=False)
        else:
            normals = tfd.MultivariateNormalTriL(loc, parameters["scale_tril"], validate_args=False)
        return _mixture(logits, normals)

    def start_at(self, weights: np.ndarray, loc: np.ndarray, scale_tril: np.ndarray) -> None:
        """Sets the built layer, of full covariances, to a mixture fitted elsewhere.

        Args:
            weights: `[K]`, positive, of sum 1.
            loc: `[K, size]`.
            scale_tril: `[K, size, size]`, Cholesky factors; a diagonal is at least twice the floor.
        """
        self.logits.assign(np.log(weights))
        self.loc.assign(loc)
        lower = np.array(scale_tril, np.float64)
        diagonal = np.einsum("kdd->kd", lower)
        diagonal[:] = unconstrained(np.maximum(diagonal, 2 * self.floor), self.floor)
        self.raw_scale.assign(tfp.math.fill_triangular_inverse(lower))

    def get_config(self) -> dict[str, Any]:
        own = {"components": self.components, "covariance": self.covariance, "floor": self.floor}
        return {**super().get_config(), **own}


@register
class VampPrior(Prior):
    """p(z) = 1/K sum_k q(z|u_k): the mean posterior of K learned pseudo-inputs u_k.

    The pseudo-inputs are sigmoids of weights, thus images in (0, 1), as networks see them. They
    start as grey noise around 0.5, or, by `start_at`, as given images.

    Args:
        size: length of the latent vector.
        components: how many pseudo-inputs, K.
        event_shape: shape of an image.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: weights of K prod(event_shape) numbers.
    Shapes: `call()` -> `{"pseudo_inputs": [K, *event_shape]}`; `given(encode)` has
    `log_prob(z: [..., size]) -> [...]`, nats, and holds `[..., K]` numbers where q(z|x) is
    a normal with a diagonal covariance, else what q(z|x) holds for a batch `[..., K]`.

    Raises:
        ValueError: `size`, `components` or `event_shape` out of range.
        NotSupported: `distribution(parameters)`; it takes an encoder, thus `given`.

    Reference: Tomczak and Welling 2018, arXiv 1705.07120, Eq. 9. Departures: a sigmoid where their
    program clips to [0, 1], so that no pixel is left without a gradient.
    """

    def __init__(self, size: int, components: int, event_shape: Sequence[int], **kwargs: Any):
        super().__init__(size, **kwargs)
        self.components = _checked_components(self, components)
        # `event_shape` of the layer itself is that of z.
        self.image_shape = checked_shape(type(self).__name__, event_shape)
        self.raw_inputs: keras.Variable | None = None

    def check_fits(self, size: int, event_shape: Shape, conditional: bool) -> None:
        super().check_fits(size, event_shape, conditional)
        if self.image_shape != tuple(event_shape):
            raise ValueError(
                f"the VampPrior has event_shape {list(self.image_shape)}, and the likelihood "
                f"{list(event_shape)}: give both the same"
            )
        if conditional:
            raise ValueError(
                "a VampPrior's pseudo-inputs have no label: a conditional model takes another prior"
            )

    def build(self, input_shape: Any = None) -> None:
        if self.raw_inputs is None:
            self.raw_inputs = self.add_weight(
                name="raw_inputs",
                shape=(self.components, *self.image_shape),
                initializer=keras.initializers.RandomNormal(stddev=_SPREAD),
            )

    def call(self, like: tf.Tensor | None = None) -> Parameters:
        return {"pseudo_inputs": tf.sigmoid(tf.convert_to_tensor(self.raw_inputs))}

    def given(self, encode: Encode) -> tfd.Distribution:
        posterior = encode(self(None)["pseudo_inputs"])
        return _mixture(tf.zeros([self.components]), posterior)

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        raise NotSupported("VampPrior is made of posteriors: ask it for given(encode)")

    def start_at(self, images: np.ndarray) -> None:
        """Sets the pseudo-inputs of the built layer to the first K of `images`.

        Args:
            images: `[N, *event_shape]` in [0, 1], as networks see them, N at least K.

        Raises:
            ValueError: fewer images, another shape, or values outside [0, 1].
        """
        images = np.asarray(images, np.float32)
        if len(images) < self.components or images.shape[1:] != self.image_shape:
            raise ValueError(
                f"VampPrior starts at {self.components} images of shape {list(self.image_shape)} "
                f"or more, not at {list(images.shape)}"
            )
        if not (images.min() >= 0 and images.max() <= 1):
            raise ValueError("VampPrior starts at images in [0, 1]; scale them first")
        p = np.clip(images[: self.components], _MARGIN, 1 - _MARGIN)
        self.raw_inputs.assign(np.log(p / (1 - p)))

    def get_config(self) -> dict[str, Any]:
        own = {"components": self.components, "event_shape": list(self.image_shape)}
        return {**super().get_config(), **own}


def _mixture(logits: tf.Tensor, components: tfd.Distribution) -> tfd.Distribution:
    """sum_k w_k components_k, of logits `[K]` and a batch `[K]`."""
    diagonal = isinstance(components, tfd.MultivariateNormalDiag)
    kind = _DiagonalNormalMixture if diagonal else tfd.MixtureSameFamily
    return kind(tfd.Categorical(logits=logits), components)


def _checked_components(owner: Prior, components: int) -> int:
    if not isinstance(components, int) or components < 1:
        raise ValueError(f"{type(owner).__name__} takes 1 component or more, not {components!r}")
    return components
