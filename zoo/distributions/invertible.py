"""Invertible steps, and normals through them.

Every step is affine in each element, its scale and shift a function of other elements, so the
determinant of its Jacobian is the product of the scales.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from zoo.noise import fold

tfb, tfd = tfp.bijectors, tfp.distributions

# Draws behind `mean()` and `stddev()`, which have no closed form here; half of them are the other
# half with the noise's sign turned.
DRAWS = 64
# x `[..., D]` -> log-scale and shift of the elements that a step maps.
Conditioner = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class Autoregressive:
    """y_i = x_i exp(a_i) + b_i, with a_i, b_i functions of the x before i.

    Both ways, here and below, return the value `[..., D]` and log |det| of that way, `[...]`.
    """

    def __init__(self, conditioner: Conditioner):
        self.conditioner = conditioner

    def forward(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        log_scale, shift = self.conditioner(x)
        return x * tf.exp(log_scale) + shift, tf.reduce_sum(log_scale, axis=-1)

    def inverse(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        def improve(x):
            # Each round makes one more element right: that whose predecessors were.
            log_scale, shift = self.conditioner(x)
            return (y - shift) * tf.exp(-log_scale)

        # The first round stands outside, because it may broadcast y to the batch of a context. XLA
        # takes no gradient of a loop whose number of rounds it does not know.
        (x,) = tf.while_loop(
            lambda x: True,
            lambda x: (improve(x),),
            (improve(tf.zeros_like(y)),),
            maximum_iterations=y.shape[-1] - 1,
        )
        log_scale, _ = self.conditioner(x)
        return x, -tf.reduce_sum(log_scale, axis=-1)


class Coupling:
    """(x_a, x_b) -> (x_b exp(a) + t, x_a), with a, t functions of x_a, the first half.

    The halves change places, so that the next step maps what this one has kept.
    """

    def __init__(self, conditioner: Conditioner, kept: int):
        self.conditioner, self.kept = conditioner, kept

    def forward(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        kept, mapped = x[..., : self.kept], x[..., self.kept :]
        log_scale, shift = self.conditioner(kept)
        y = tf.concat([mapped * tf.exp(log_scale) + shift, kept], axis=-1)
        return y, tf.reduce_sum(log_scale, axis=-1)

    def inverse(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        mapped, kept = y[..., : -self.kept], y[..., -self.kept :]
        log_scale, shift = self.conditioner(kept)
        x = tf.concat([kept, (mapped - shift) * tf.exp(-log_scale)], axis=-1)
        return x, -tf.reduce_sum(log_scale, axis=-1)


class Scaling:
    """y = x exp(a) + b, with weights a, b `[D]` in place of functions."""

    def __init__(self, log_scale: tf.Tensor, shift: tf.Tensor):
        self.log_scale, self.shift = log_scale, shift

    def forward(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return x * tf.exp(self.log_scale) + self.shift, self._log_det(x)

    def inverse(self, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return (y - self.shift) * tf.exp(-self.log_scale), -self._log_det(y)

    def _log_det(self, like: tf.Tensor) -> tf.Tensor:
        return tf.zeros_like(like[..., 0]) + tf.reduce_sum(self.log_scale)


class Steps(tfb.Bijector):
    """Steps one after the other; the log-determinant comes from the pass that makes the value.

    TFP caches the value by the tensor's identity, and the log-determinant beside it where a
    bijector puts it there, under "ildj" (of the inverse). So `log_prob` of a sample costs nothing
    that `sample` has not computed.
    """

    def __init__(self, steps: Sequence[Autoregressive | Coupling | Scaling]):
        # No `parameters`: each instance has a cache of its own, because a network's weights may
        # have changed since another instance was made.
        super().__init__(forward_min_event_ndims=1, dtype=tf.float32, name="steps")
        self._steps = tuple(steps)

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        # A context's batch is that of the base distribution.
        return {}

    def _forward(self, x: tf.Tensor) -> tf.Tensor:
        y, log_det = x, 0.0
        for step in self._steps:
            y, more = step.forward(y)
            log_det += more
        self._cache.forward_attributes(x)["ildj"] = -log_det
        return y

    def _inverse(self, y: tf.Tensor) -> tf.Tensor:
        x, log_det = y, 0.0
        for step in reversed(self._steps):
            x, more = step.inverse(x)
            log_det += more
        self._cache.inverse_attributes(y)["ildj"] = log_det
        return x

    # Only asked where the cache has no answer yet.
    def _forward_log_det_jacobian(self, x: tf.Tensor) -> tf.Tensor:
        self._forward(x)
        return -self._cache.forward_attributes(x)["ildj"]

    def _inverse_log_det_jacobian(self, y: tf.Tensor) -> tf.Tensor:
        self._inverse(y)
        return self._cache.inverse_attributes(y)["ildj"]


class FlowDistribution(tfd.TransformedDistribution):
    """A normal through a bijector of `Steps`.

    `mean()`, `variance()` and `stddev()` are estimates: averages over 64 draws of one fixed key,
    the same noise for every example, so that an example's mean does not depend on its batch.
    """

    def _mean(self) -> tf.Tensor:
        return tf.reduce_mean(self._draws(), axis=0)

    def _variance(self) -> tf.Tensor:
        return tf.math.reduce_variance(self._draws(), axis=0)

    def _stddev(self) -> tf.Tensor:
        return tf.sqrt(self._variance())

    def _draws(self) -> tf.Tensor:
        loc, scale = self.distribution.mean(), self.distribution.stddev()
        shape = [DRAWS // 2, *[1] * (loc.shape.rank - 1), loc.shape[-1]]
        noise = tf.random.stateless_normal(shape, fold(0, "mean of a flow"))
        return self.bijector.forward(loc + scale * tf.concat([noise, -noise], axis=0))
