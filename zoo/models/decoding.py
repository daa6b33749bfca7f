"""What every model that decodes latents shares: p(z), a decoder, and what is drawn from them."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.errors import DataError, NotSupported
from zoo.models.conditional import ConditionalModel, unflatten
from zoo.models.parts import build_part
from zoo.models.requests import as_key, check_count
from zoo.noise import Seed, fold
from zoo.objectives.base import check_fits

tfd = tfp.distributions


class DecoderModel(ConditionalModel):
    """p(z) = prior; p(x|z) = likelihood(decoder(z)).

    With a condition y, features c(y) are appended to z; the prior stays p(z).

    Args:
        decoder: network `[B, D] -> [B, ...]`.
        likelihood: distribution layer, features to p(x|z); it says the shape and the support of x.
        prior: distribution layer for p(z); None: the model cannot be sampled.
        objective: what is minimised.
        latent_size: D.
        condition: network from y to `[B, C]`, such as `OneHot`; None: the model takes no y.
        condition_shape: of one y; `()` for a label.
        seed: base of every random draw in training and validation.
    """

    def __init__(
        self,
        decoder,
        likelihood,
        prior,
        objective,
        latent_size: int,
        condition=None,
        condition_shape: Sequence[int] = (),
        seed: int = 0,
        **kwargs,
    ):
        for name, part in {"decoder": decoder, "likelihood": likelihood}.items():
            if not isinstance(part, keras.Layer):
                raise ValueError(f"the {name} is {part!r}, not a layer")
        check_fits(objective, type(self))
        if prior is not None:
            prior.check_fits(latent_size, likelihood.event_shape, condition is not None)
        super().__init__(likelihood.event_shape, condition, condition_shape, seed, **kwargs)
        self.decoder, self.likelihood = decoder, likelihood
        self.prior, self.objective = prior, objective
        self.latent_size, self.latent_shape = latent_size, (latent_size,)

    def build_decoder(self) -> None:
        """Builds all that makes an example of a latent; the condition is built."""
        latents = (None, self.latent_size)
        if self.prior is not None:
            build_part(self.prior, latents)
        if self.condition is not None:
            given = self.condition.compute_output_shape((None, *self.condition_shape))
            latents = (None, self.latent_size + given[-1])
        build_part(self.decoder, latents)
        build_part(self.likelihood, self.decoder.compute_output_shape(latents))

    def decode(self, z, y=None, training: bool = False) -> tfd.Distribution:
        """p(x|z), batch `[...]`, of `z` `[..., D]` and, with a condition, `y` of batch `[...]` or
        its last dimensions.

        Raises:
            DataError: codes of another size; a missing y, or one that does not fit.
        """
        z = tf.convert_to_tensor(z)
        if z.shape[-1] != self.latent_size:
            raise DataError(
                f"{self.name} takes codes of shape [..., {self.latent_size}], but was given "
                f"{list(z.shape)}"
            )
        if tf.executing_eagerly():
            self.check_given(y, z.shape[:-1])
        batch = tf.shape(z)[:-1]
        z = self._beside(z, y, training)
        flat = tf.reshape(z, (-1, z.shape[-1]))
        parameters = self.likelihood(self.decoder(flat, training=training))
        return self.likelihood.distribution(
            {k: unflatten(v, batch) if v.shape.rank else v for k, v in parameters.items()}
        )

    def prior_distribution(self) -> tfd.Distribution:
        """p(z), batch `[]`, event `[D]`.

        Raises:
            NotSupported: the model has no prior.
        """
        if self.prior is None:
            raise NotSupported(
                f"{type(self).__name__} has no density of its codes, so it cannot be sampled: fit "
                "one afterwards, with `zoo fit-density` or zoo.fit_density(model, data)"
            )
        return self.prior.given(self._encode)

    def _encode(self, x, y=None, training: bool = False) -> tfd.Distribution:
        """q(z|x) of `x` as networks take it, for a prior that is made of codes."""
        raise NotSupported(f"{type(self).__name__} has no encoder, which its prior needs")

    def _beside(self, features: tf.Tensor, y, training: bool) -> tf.Tensor:
        """`features` `[..., F]` with c(y) appended, where the model is conditional."""
        if self.condition is None:
            return features
        given = self.given(y, training)
        # Under mixed precision z is of another type than what networks make.
        given = tf.cast(given, features.dtype)
        shape = tf.concat([tf.shape(features)[:-1], tf.shape(given)[-1:]], axis=0)
        return tf.concat([features, tf.broadcast_to(given, shape)], axis=-1)

    # What people do with it.

    def can(self, name: str) -> bool:
        return super().can(name) and (name != "sample" or self.prior is not None)

    def sample(self, n: int, y=None, seed: Seed | None = None, mean: bool = False) -> tf.Tensor:
        """n images `[n, *event]`: z ~ p(z), then a draw from p(x|z), or its mean.

        Args:
            n: how many.
            y: the condition of each, `[n, ...]`, where the model has one.
            seed: repeats the draw; None draws anew each time.
            mean: return E[x|z] (what papers show) instead of a draw from p(x|z).

        Raises:
            NotSupported: the model has no prior.
            DataError: a missing y, or one that does not fit.
        """
        check_count(n)
        key = as_key(seed, "sample")
        z = self.prior_distribution().sample(n, seed=fold(key, "prior"))
        return image_of(self.decode(z, y), fold(key, "likelihood"), mean)

    def start_at(self, mean: np.ndarray) -> None:
        self.likelihood.start_at(mean)


def image_of(distribution: tfd.Distribution, seed: tf.Tensor, mean: bool) -> tf.Tensor:
    """A draw, or the mean, as float32."""
    return tf.cast(distribution.mean() if mean else distribution.sample(seed=seed), tf.float32)
