"""DReG: the importance-weighted bound with a gradient whose signal does not vanish with K."""

import tensorflow as tf
import tensorflow_probability as tfp

from zoo.errors import NotSupported
from zoo.numerics import log_mean_exp
from zoo.objectives.base import Objective
from zoo.objectives.variational import VariationalTerms, samples
from zoo.registration import register

tfd = tfp.distributions


@register
class DReG(Objective):
    """loss = -log 1/K sum_k w_k, as `IWAE`, with the doubly reparameterized gradient.

    With v_k = w_k / sum_j w_j, the gradient of the bound is

        generative network:  sum_k v_k   d log w_k / d theta
        inference network:   sum_k v_k^2 (d log w_k / d z_k) (d z_k / d phi)

    where d log w_k / d z_k leaves the parameters of q alone. Its expectation is that of the IWAE's
    gradient.

    Args:
        num_samples: K.

    Reference: Tucker et al. 2019, arXiv 1810.04152, Eq. 8. Departures: none.
    """

    def __init__(self, num_samples: int = 5):
        self.num_samples = samples(num_samples)

    def __call__(self, terms: VariationalTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`.

        Raises:
            NotSupported: a posterior other than the two normals.
        """
        shares = []

        @tf.custom_gradient
        def weighted_twice(latents):
            # The loss below has weighted this gradient once; by then the shares are known.
            return latents, lambda upstream: upstream * shares[0][..., tf.newaxis]

        latents = weighted_twice(terms.latents)
        log_weights = terms.log_joint(latents) - frozen(terms.posterior).log_prob(latents)
        shares.append(tf.stop_gradient(tf.nn.softmax(log_weights, axis=0)))
        surrogate = tf.reduce_sum(shares[0] * log_weights, axis=0)
        bound = log_mean_exp(log_weights, axis=0)
        # The value of the bound, the gradient of the surrogate.
        return -(surrogate + tf.stop_gradient(bound - surrogate))


def frozen(distribution: tfd.Distribution) -> tfd.Distribution:
    """A copy of a normal distribution through whose parameters no gradient flows.

    Raises:
        NotSupported: anything else. A flow's networks are no parameters that a copy could hold.
    """
    if not isinstance(distribution, tfd.MultivariateNormalDiag | tfd.MultivariateNormalTriL):
        raise NotSupported(
            f"DReG cannot hold the parameters of a {type(distribution).__name__} fixed: use "
            "MultivariateNormalDiag or MultivariateNormalTriL, or the objective IWAE"
        )
    return tf.nest.map_structure(tf.stop_gradient, distribution, expand_composites=True)
