"""How much the code may tell: objectives that aim at an amount of KL instead of weighting it."""

import tensorflow as tf

from zoo.objectives.base import Objective
from zoo.objectives.schedules import Ramp, checked, not_negative, value_at
from zoo.objectives.variational import VariationalTerms
from zoo.registration import register


@register
class Capacity(Objective):
    """loss = weight |KL(q(z|x) || p(z)) - capacity| - E_q[log p(x|z)].

    Args:
        capacity: C in nats; a `Ramp` opens the channel step by step.
        weight: gamma.

    Reference: Burgess et al. 2018, arXiv 1804.03599, Eq. 8. Departures: none.
    """

    def __init__(self, capacity: float | Ramp, weight: float = 1000.0):
        self.capacity, self.weight = checked("capacity", capacity), not_negative("weight", weight)

    def __call__(self, terms: VariationalTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        excess = tf.abs(terms.kl - value_at(self.capacity, step))
        return self.weight * excess - tf.reduce_mean(terms.log_likelihood, axis=0)


@register
class FreeBits(Objective):
    """loss = sum_d max(free, mean_x KL_d) - mean_x E_q[log p(x|z)]: a little is free.

    Args:
        free: lambda, nats per latent that cost nothing.

    Reference: Kingma et al. 2016, arXiv 1606.04934, Eq. 15, every latent a group. Departures: on
    several replicas the mean is over one replica's examples.
    """

    couples_batch = True

    def __init__(self, free: float = 0.1):
        self.free = not_negative("free", free)

    def __call__(self, terms: VariationalTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss, a scalar."""
        per_latent = tf.reduce_mean(terms.kl_per_latent, axis=0)
        return tf.reduce_sum(tf.maximum(per_latent, self.free)) - tf.reduce_mean(
            terms.log_likelihood
        )
