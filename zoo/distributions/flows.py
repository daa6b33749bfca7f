"""Normals that are bent by invertible networks: two priors and a posterior.

    z_0 ~ N(m, diag(s^2)),   z = f_T(... f_1(z_0)),   log q(z) = log N(z_0) - sum_t log |det df_t|

Every f_t is affine in each element, its scale and shift a function of other elements. So the
determinant of its Jacobian is the product of the scales.

References: Dinh, Sohl-Dickstein and Bengio 2017, arXiv 1605.08803 (coupling); Kingma et al. 2016,
arXiv 1606.04934, and Papamakarios, Pavlakou and Murray 2017, arXiv 1705.07057 (autoregressive).
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Parameters, Shape
from zoo.distributions.invertible import (
    Autoregressive,
    Coupling,
    FlowDistribution,
    Scaling,
    Steps,
)
from zoo.distributions.posteriors import FLOOR, MultivariateNormalDiag
from zoo.distributions.priors import Prior
from zoo.networks.masked import MaskedMLP
from zoo.networks.stack import Stack
from zoo.registration import register

tfb, tfd = tfp.bijectors, tfp.distributions

# Log-scales stay within +-2 per layer, and what opens or closes a gate within +-5. Without bounds,
# points far from all samples, where networks extrapolate, make products of scales overflow.
_LOG_SCALE_BOUND, _GATE_BOUND = 2.0, 5.0
# Last weights of the networks against Glorot's, so that flows begin near a fixed affine map. Not
# 0, because weights behind a 0 get no gradient.
_OUTPUT_SCALE = 0.1
# Added to s before sigmoid(s): each flow of the posterior begins by keeping 0.88 of z (the paper
# takes 1 to 2).
_FORGET_BIAS = 2.0


class _FlowPrior(Prior):
    """N(0, I) through steps, each with a network that `_network(i)` makes, and one scaling.

    The scaling z = m + s * (what the steps make) lets codes of any location and scale be met.
    """

    def __init__(
        self, size: int, layers: int, units: Sequence[int], activation: str = "relu", **kwargs: Any
    ):
        super().__init__(size, **kwargs)
        _check_flow(self, layers)
        self.layers, self.units, self.activation = layers, tuple(units), activation
        self.networks = [self._network(i) for i in range(layers)]
        self.loc: keras.Variable | None = None
        self.log_scale: keras.Variable | None = None

    def _network(self, index: int) -> keras.layers.Layer:
        raise NotImplementedError

    @property
    def _inputs(self) -> int:
        """How many elements a network sees."""
        return self.size

    def bijector(self) -> tfb.Bijector:
        """Noise to latent vectors."""
        raise NotImplementedError

    def build(self, input_shape: Any = None) -> None:
        for network in self.networks:
            if not network.built:
                network.build((None, self._inputs))
        if self.loc is None:
            self.loc = self.add_weight(name="loc", shape=(self.size,), initializer="zeros")
            self.log_scale = self.add_weight(
                name="log_scale", shape=(self.size,), initializer="zeros"
            )

    def start_at(self, codes: np.ndarray) -> None:
        """Sets the built layer's scaling to the mean and deviation of `codes` `[N, size]`."""
        self.loc.assign(codes.mean(axis=0))
        self.log_scale.assign(np.log(np.maximum(codes.std(axis=0), FLOOR)))

    def distribution(self, parameters: Mapping[str, tf.Tensor] | None = None) -> tfd.Distribution:
        zeros, ones = tf.zeros([self.size]), tf.ones([self.size])
        base = tfd.MultivariateNormalDiag(zeros, ones, validate_args=False)
        return FlowDistribution(base, self.bijector())

    def get_config(self) -> dict[str, Any]:
        own = {"layers": self.layers, "units": list(self.units), "activation": self.activation}
        return {**super().get_config(), **own}


@register
class RealNVP(_FlowPrior):
    """p(z): a standard normal through affine coupling layers.

    z_b = u_b exp(a(u_a)) + t(u_a),  z_a = u_a,  a, t by a dense network, the halves in turn

    Sampling and `log_prob` take one pass each. Log-scales are bounded: a = 2 tanh(raw / 2).

    Args:
        size: length of the latent vector, 2 or more.
        layers: how many coupling layers; every two map all elements.
        units: widths of the hidden layers of each network.
        activation: name of a Keras activation, of the hidden layers.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: the networks' weights, and two per element of a last scaling.
    Shapes: `call()` -> `{}`; `log_prob(z: [..., size]) -> [...]`, nats. `mean()` and `stddev()`
    are estimates from 64 draws.

    Raises:
        ValueError: `size` below 2, or no layer.

    Reference: Dinh, Sohl-Dickstein and Bengio 2017, arXiv 1605.08803, Eq. 7 and 8. Departures:
    halves in place of checkerboards, for there is no image; a fixed bound of the log-scale; no
    batch normalization.
    """

    def _network(self, index: int) -> keras.layers.Layer:
        small = keras.initializers.VarianceScaling(_OUTPUT_SCALE**2, "fan_avg", "uniform")
        outputs = 2 * (self.size - self._inputs)
        network = Stack(dtype="float32")
        network.stack = [
            *(keras.layers.Dense(n, self.activation, dtype="float32") for n in self.units),
            keras.layers.Dense(outputs, kernel_initializer=small, dtype="float32"),
        ]
        return network

    @property
    def _inputs(self) -> int:
        return self.size // 2

    def bijector(self) -> tfb.Bijector:
        halved = [functools.partial(_halved, n) for n in self.networks]
        steps = [Coupling(conditioner, self._inputs) for conditioner in halved]
        return Steps([*steps, Scaling(tf.convert_to_tensor(self.log_scale), self.loc)])


@register
class MaskedAutoregressiveFlow(_FlowPrior):
    """p(z): a standard normal through autoregressive layers, in alternating orders.

    u_i = (z_i - mu(z_<i)) exp(-a(z_<i)),  mu, a by a masked dense network

    `log_prob` takes one pass, a sample as many as z has elements. Log-scales are bounded:
    a = 2 tanh(raw / 2).

    Args:
        size: length of the latent vector, 2 or more.
        layers: how many.
        units: widths of the hidden layers of each network.
        activation: name of a Keras activation, of the hidden layers.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: the networks' weights, and two per element of a last scaling.
    Shapes: `call()` -> `{}`; `log_prob(z: [..., size]) -> [...]`, nats. `mean()` and `stddev()`
    are estimates from 64 draws.

    Raises:
        ValueError: `size` below 2, or no layer.

    Reference: Papamakarios, Pavlakou and Murray 2017, arXiv 1705.07057, Eq. 2 to 5. Departures: a
    bound of the log-scale; no batch normalization.
    """

    def _network(self, index: int) -> keras.layers.Layer:
        return _masked_network(index, self.units, self.activation)

    def bijector(self) -> tfb.Bijector:
        # The steps' forward is the fast way, which here leads from z to u.
        steps = [Autoregressive(functools.partial(_standardizing, n)) for n in self.networks]
        log_scale = tf.convert_to_tensor(self.log_scale)
        scaling = Scaling(-log_scale, -self.loc * tf.exp(-log_scale))
        return tfb.Invert(Steps([scaling, *steps]))


@register
class InverseAutoregressiveFlow(MultivariateNormalDiag):
    """q(z|x): a normal with a diagonal covariance through gated autoregressive layers.

    z_0 = loc + scale_diag e;  z_t = g_t z_(t-1) + (1 - g_t) m_t,  g_t = sigmoid(s_t + 2)

    m_t, s_t of element i are functions of z_(t-1) before i and of a context h, which the features
    give; s_t = 5 tanh(raw / 5); every other layer takes the elements in reverse. So log q(z|x) is
    log N(z_0) - sum log g_t.

    A sample and its `log_prob` take one pass together, as long as `log_prob` is given the very
    tensor that `sample` returned. Of other points it takes as many passes per layer as z has
    elements.

    Args:
        size: length of the latent vector, 2 or more.
        flows: how many layers, T.
        units: widths of the hidden layers of each network.
        context: length of h.
        activation: name of a Keras activation, of the hidden layers.
        floor: lower bound of the normal's scale.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: R^size. Parameters: two per element and the context's; the networks' weights besides.
    Shapes: features `[B, F]` -> `{"loc": [B, size], "scale_diag": [B, size], "context":
    [B, context]}`; `log_prob(z: [..., B, size]) -> [..., B]`, nats. `mean()` and `stddev()` are
    estimates from 64 draws.

    Raises:
        ValueError: `size` below 2, no flow, no context, or `floor` out of range.
        ConfigError: features of more than two dimensions.

    Reference: Kingma et al. 2016, arXiv 1606.04934, algorithm 1. Departures: a bound of
    s_t; the networks are dense, whatever the encoder is.
    """

    def __init__(
        self,
        size: int,
        flows: int,
        units: Sequence[int],
        context: int,
        activation: str = "elu",
        floor: float = FLOOR,
        **kwargs: Any,
    ):
        super().__init__(size, floor=floor, **kwargs)
        _check_flow(self, flows)
        if not isinstance(context, int) or context < 1:
            raise ValueError(f"{type(self).__name__} takes a context of 1 or more, not {context!r}")
        self.flows, self.units = flows, tuple(units)
        self.context, self.activation = context, activation
        self.networks = [_masked_network(i, self.units, activation) for i in range(flows)]

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {**super().parameter_shapes, "context": (self.context,)}

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        for network in self.networks:
            if not network.built:
                network.build((None, self.size), (None, self.context))

    def constrain(self, raw: Parameters) -> Parameters:
        return {**super().constrain(raw), "context": raw["context"]}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        context = parameters["context"]
        steps = [Autoregressive(functools.partial(_gated, n, context)) for n in self.networks]
        return FlowDistribution(super().distribution(parameters), Steps(steps))

    def get_config(self) -> dict[str, Any]:
        own = {"flows": self.flows, "units": list(self.units), "context": self.context}
        return {**super().get_config(), **own, "activation": self.activation}


def _masked_network(index: int, units: Sequence[int], activation: str) -> MaskedMLP:
    order = "forward" if index % 2 == 0 else "reversed"
    return MaskedMLP(units, 2, order, activation, output_scale=_OUTPUT_SCALE, dtype="float32")


def _bounded(raw: tf.Tensor, bound: float = _LOG_SCALE_BOUND) -> tf.Tensor:
    return bound * tf.tanh(raw / bound)


def _halved(network: keras.layers.Layer, kept: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    raw, shift = tf.split(network(kept), 2, axis=-1)
    return _bounded(raw), shift


def _standardizing(network: keras.layers.Layer, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    raw, mean = tf.unstack(network(z), axis=-1)
    log_scale = -_bounded(raw)
    return log_scale, -mean * tf.exp(log_scale)


def _gated(
    network: keras.layers.Layer, context: tf.Tensor, z: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    raw, new = tf.unstack(network(z, context), axis=-1)
    gate = _bounded(raw, _GATE_BOUND) + _FORGET_BIAS
    return tf.math.log_sigmoid(gate), tf.sigmoid(-gate) * new


def _check_flow(layer: Prior | MultivariateNormalDiag, flows: int) -> None:
    name = type(layer).__name__
    if layer.size < 2:
        raise ValueError(f"{name} takes a size of 2 or more: one element depends on no other")
    if not isinstance(flows, int) or flows < 1:
        raise ValueError(f"{name} takes 1 layer or more, not {flows!r}")
