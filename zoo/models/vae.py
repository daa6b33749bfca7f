"""The variational autoencoder: six parts, one bound."""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions import StandardNormal
from zoo.errors import DataError
from zoo.models.base import GenerativeModel, as_key
from zoo.models.parts import build_part, deserialize_parts, serialize_parts
from zoo.noise import Seed, fold
from zoo.objectives.variational import (
    ELBO,
    VariationalTerms,
    importance_log_prob,
    samples,
    variational_terms,
)
from zoo.registration import register

tfd = tfp.distributions

# Numbers of images, samples included, that importance sampling holds at once: 16 MB, and as much
# again for each feature map of a convolutional decoder.
_NUMBERS_AT_ONCE = 2**22


@register
class VAE(GenerativeModel):
    """p(z) = prior; p(x|z) = likelihood(decoder(z)); q(z|x) = posterior(encoder(x)).

    Args:
        encoder: network `[B, *event] -> [B, ...]`.
        posterior: distribution layer, features to q(z|x).
        decoder: network `[B, D] -> [B, ...]`.
        likelihood: distribution layer, features to p(x|z); it says the shape and the support of x.
        prior: distribution layer for p(z); a standard normal where none is given.
        objective: what is minimised; the negative ELBO where none is given.
        seed: base of every random draw in training and validation.

    Reference: Kingma and Welling 2014, arXiv 1312.6114. Departures: none; the parts are free.
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
        seed: int = 0,
        **kwargs,
    ):
        parts = {"encoder": encoder, "posterior": posterior, "decoder": decoder}
        for name, part in (parts | {"likelihood": likelihood}).items():
            if not isinstance(part, keras.Layer):
                raise ValueError(f"the {name} is {part!r}, not a layer")
        super().__init__(event_shape=likelihood.event_shape, seed=seed, **kwargs)
        self.encoder, self.posterior = encoder, posterior
        self.decoder, self.likelihood = decoder, likelihood
        self.prior = prior or StandardNormal(posterior.size)
        self.objective = objective or ELBO()
        self.latent_size = posterior.size

    def build(self, input_shape=None):
        images = (None, *self.event_shape)
        build_part(self.encoder, images)
        build_part(self.posterior, self.encoder.compute_output_shape(images))
        latents = (None, self.latent_size)
        build_part(self.prior, latents)
        build_part(self.decoder, latents)
        build_part(self.likelihood, self.decoder.compute_output_shape(latents))
        self.built = True

    # The three distributions.

    def encode(self, x, y=None, training: bool = False) -> tfd.Distribution:
        """q(z|x), batch `[B]`, event `[D]`, of `x` `[B, *event]`.

        Raises:
            DataError: another shape, or values outside the likelihood's support.
        """
        del y
        if tf.executing_eagerly():
            # In a graph there are no values to look at; `fit` and `evaluate` have looked before.
            self.check(x)
        features = self.encoder(self.likelihood.to_network(x), training=training)
        return self.posterior.distribution(self.posterior(features))

    def decode(self, z, y=None, training: bool = False) -> tfd.Distribution:
        """p(x|z), batch `[...]`, of `z` `[..., D]`."""
        del y
        z = tf.convert_to_tensor(z)
        batch = tf.shape(z)[:-1]
        flat = tf.reshape(z, (-1, self.latent_size))
        parameters = self.likelihood(self.decoder(flat, training=training))
        return self.likelihood.distribution(
            {k: _unflatten(v, batch) if v.shape.rank else v for k, v in parameters.items()}
        )

    def prior_distribution(self) -> tfd.Distribution:
        """p(z), batch `[]`, event `[D]`."""
        return self.prior.distribution(self.prior(None))

    # What is optimised and reported.

    def terms(self, x, y=None, training=False, seed=None) -> VariationalTerms:
        return variational_terms(
            x,
            posterior=self.encode(x, training=training),
            prior=self.prior_distribution(),
            decode=lambda z: self.decode(z, training=training),
            num_samples=self.objective.num_samples,
            seed=seed,
        )

    def call(self, x, training=False):
        """Tensors only: `latent` `[B, D]`, the posterior's mean, and its `reconstruction`."""
        latent = self.encode(x, training=training).mean()
        return {"latent": latent, "reconstruction": self.decode(latent, training=training).mean()}

    # What people do with it.

    def sample(self, n: int, y=None, seed: Seed | None = None, mean: bool = False) -> tf.Tensor:
        """n images `[n, *event]`: z ~ p(z), then a draw from p(x|z), or its mean.

        Args:
            n: how many.
            seed: repeats the draw; None draws anew each time.
            mean: return E[x|z] (what papers show) instead of a draw from p(x|z).
        """
        key = as_key(seed, "sample")
        z = self.prior_distribution().sample(n, seed=fold(key, "prior"))
        return _image(self.decode(z), fold(key, "likelihood"), mean)

    def reconstruct(
        self,
        x,
        y=None,
        num_samples: int | None = None,
        seed: Seed | None = None,
        mean: bool = True,
    ) -> tf.Tensor:
        """Images seen through the code.

        Args:
            x: `[B, *event]`.
            num_samples: None decodes the posterior's mean; L decodes L draws from q(z|x).
            seed: repeats the draws.
            mean: return E[x|z] instead of a draw from p(x|z).

        Returns:
            `[B, *event]`, or `[L, B, *event]` with `num_samples`.
        """
        key = as_key(seed, "reconstruct")
        posterior = self.encode(x)
        if num_samples is None:
            z = posterior.mean()
        else:
            z = posterior.sample(num_samples, seed=fold(key, "posterior"))
        return _image(self.decode(z), fold(key, "likelihood"), mean)

    def log_prob(self, x, y=None, num_samples: int = 5000, seed: Seed = 0) -> tf.Tensor:
        """log p(x) `[B]` in nats, estimated from below by K importance samples (Burda's bound).

        Args:
            x: `[B, *event]`, of the likelihood's support.
            num_samples: K.
            seed: repeats the draw.

        Raises:
            DataError: another shape, or values outside the likelihood's support.
        """
        self.check(x)
        count = tf.constant(samples(num_samples))
        return self._importance(tf.convert_to_tensor(x, tf.float32), count, fold(seed, "log_prob"))

    @tf.function(reduce_retracing=True)
    def _importance(self, x, num_samples, seed):
        return self.importance_log_prob(x, num_samples, seed)

    def importance_log_prob(self, x, num_samples, seed) -> tf.Tensor:
        """The graph of `log_prob`, for callers who compile or export it themselves."""
        posterior, prior = self.encode(x), self.prior_distribution()

        def log_weights(count, key):
            return variational_terms(x, posterior, prior, self.decode, count, key).log_weights

        # Of this batch's size, known while tracing or not: the chunks decide on the noise.
        fit = _NUMBERS_AT_ONCE // int(np.prod(self.event_shape))
        if x.shape[0]:
            chunk = max(1, min(1000, fit // x.shape[0]))
        else:
            chunk = tf.clip_by_value(fit // tf.maximum(1, tf.shape(x)[0]), 1, 1000)
        return importance_log_prob(log_weights, tf.shape(x)[0], num_samples, chunk, seed)

    def check_values(self, x: np.ndarray) -> None:
        fault = self.likelihood.support.violation(x)
        if fault:
            raise DataError(fault)

    # Keras.

    def get_config(self):
        parts = ("encoder", "posterior", "decoder", "likelihood", "prior", "objective")
        return {"name": self.name, "seed": self.seed, **serialize_parts(self, parts)}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**deserialize_parts(config, custom_objects))


def _unflatten(x: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, tf.concat([batch, tf.shape(x)[1:]], axis=0))


def _image(distribution: tfd.Distribution, seed: tf.Tensor, mean: bool) -> tf.Tensor:
    return tf.cast(distribution.mean() if mean else distribution.sample(seed=seed), tf.float32)
