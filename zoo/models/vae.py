"""The variational autoencoder: six parts, one bound."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from zoo.distributions import StandardNormal, VectorDeterministic
from zoo.models.latent import LatentModel
from zoo.noise import Seed, fold
from zoo.objectives.variational import (
    ELBO,
    VariationalTerms,
    importance_log_prob,
    samples,
    variational_terms,
)
from zoo.registration import register

# Numbers of images, samples included, that importance sampling holds at once: 16 MB, and as much
# again for each feature map of a convolutional decoder.
_NUMBERS_AT_ONCE = 2**22


@register
class VAE(LatentModel):
    """p(z) = prior; p(x|z) = likelihood(decoder(z)); q(z|x) = posterior(encoder(x)).

    With a condition, p(x|z, y) and q(z|x, y): the conditional VAE.

    Args:
        encoder: network `[B, *event] -> [B, ...]`.
        posterior: distribution layer, features to q(z|x).
        decoder: network `[B, D] -> [B, ...]`.
        likelihood: distribution layer, features to p(x|z); it says the shape and the support of x.
        prior: distribution layer for p(z); a standard normal where none is given.
        objective: what is minimised; the negative ELBO where none is given.
        condition: network from y to `[B, C]`, such as `OneHot`.
        condition_shape: of one y; `()` for a label.
        seed: base of every random draw in training and validation.

    Reference: Kingma and Welling 2014, arXiv 1312.6114; with a condition, Kingma et al. 2014, arXiv
    1406.5298, Eq. 6 (y known). Departures: none; the parts are free.
    """

    likelihood_kind = "importance"
    metric_names = ("log_likelihood", "kl", "elbo")

    def __init__(
        self,
        encoder,
        posterior,
        decoder,
        likelihood,
        prior=None,
        objective=None,
        condition=None,
        condition_shape: Sequence[int] = (),
        seed: int = 0,
        **kwargs,
    ):
        if isinstance(posterior, VectorDeterministic):
            raise ValueError(
                "a VectorDeterministic posterior has no density, so there is no bound: take an "
                "Autoencoder, or another posterior"
            )
        super().__init__(
            encoder,
            posterior,
            decoder,
            likelihood,
            prior or StandardNormal(posterior.size),
            objective or ELBO(),
            condition=condition,
            condition_shape=condition_shape,
            seed=seed,
            **kwargs,
        )

    def terms(self, x, y=None, training=False, seed=None) -> VariationalTerms:
        return self._terms(x, y, training, self.objective.num_samples, seed)

    def _terms(self, x, y, training, num_samples, seed) -> VariationalTerms:
        return variational_terms(
            x,
            posterior=self.encode(x, y, training=training),
            prior=self.prior_distribution(),
            decode=lambda z: self.decode(z, y, training=training),
            num_samples=num_samples,
            seed=seed,
        )

    def log_prob(self, x, y=None, num_samples: int = 5000, seed: Seed = 0) -> tf.Tensor:
        """log p(x) `[B]` in nats, estimated from below by K importance samples (Burda's bound).

        Args:
            x: `[B, *event]`, of the likelihood's support.
            y: the condition of each, where the model has one; then log p(x|y).
            num_samples: K.
            seed: repeats the draw.

        Raises:
            DataError: another shape, values outside the likelihood's support, or no y of use.
        """
        self.check(x)
        self.check_given(y, (len(x),))
        count = tf.constant(samples(num_samples))
        x = tf.convert_to_tensor(x, tf.float32)
        y = None if self.condition is None else tf.convert_to_tensor(y)
        return self._importance(x, count, fold(seed, "log_prob"), y)

    @tf.function(reduce_retracing=True)
    def _importance(self, x, num_samples, seed, y):
        return self.importance_log_prob(x, num_samples, seed, y)

    def importance_log_prob(self, x, num_samples, seed, y=None) -> tf.Tensor:
        """The graph of `log_prob`, for callers who compile or export it themselves."""
        posterior, prior = self.encode(x, y), self.prior_distribution()

        def log_weights(count, key):
            def decode(z):
                return self.decode(z, y)

            return variational_terms(x, posterior, prior, decode, count, key).log_weights

        # Of this batch's size, known while tracing or not: the chunks decide on the noise.
        fit = _NUMBERS_AT_ONCE // int(np.prod(self.event_shape))
        if x.shape[0]:
            chunk = max(1, min(1000, fit // x.shape[0]))
        else:
            chunk = tf.clip_by_value(fit // tf.maximum(1, tf.shape(x)[0]), 1, 1000)
        return importance_log_prob(log_weights, tf.shape(x)[0], num_samples, chunk, seed)
