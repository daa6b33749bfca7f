"""What every model with a code shares: an encoder, a decoder, and what is done with them."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.errors import DataError, NotSupported
from zoo.models.base import as_key
from zoo.models.conditional import ConditionalModel, unflatten
from zoo.models.parts import build_part, deserialize_parts, serialize_parts
from zoo.noise import Seed, fold
from zoo.objectives.base import check_fits

tfd = tfp.distributions


class LatentModel(ConditionalModel):
    """q(z|x) = posterior(encoder(x)); p(x|z) = likelihood(decoder(z)); perhaps p(z) = prior.

    With a condition y, everything is conditional on it: features c(y) are appended to the encoder's
    features and to z. The prior stays p(z).

    Args:
        encoder: network `[B, *event] -> [B, ...]`; with a condition, `[B, F]`.
        posterior: distribution layer, features to q(z|x).
        decoder: network `[B, D] -> [B, ...]`.
        likelihood: distribution layer, features to p(x|z); it says the shape and the support of x.
        prior: distribution layer for p(z); None: the model cannot be sampled.
        objective: what is minimised.
        condition: network from y to `[B, C]`, such as `OneHot`; None: the model takes no y.
        condition_shape: of one y; `()` for a label.
        seed: base of every random draw in training and validation.
    """

    #: names of the constructor's arguments that are parts.
    parts: tuple[str, ...] = (
        "encoder",
        "posterior",
        "decoder",
        "likelihood",
        "prior",
        "objective",
        "condition",
    )

    def __init__(
        self,
        encoder,
        posterior,
        decoder,
        likelihood,
        prior,
        objective,
        condition=None,
        condition_shape: Sequence[int] = (),
        seed: int = 0,
        **kwargs,
    ):
        layers = {"encoder": encoder, "posterior": posterior, "decoder": decoder}
        for name, part in (layers | {"likelihood": likelihood}).items():
            if not isinstance(part, keras.Layer):
                raise ValueError(f"the {name} is {part!r}, not a layer")
        check_fits(objective, type(self))
        if prior is not None:
            prior.check_fits(posterior.size, likelihood.event_shape, condition is not None)
        super().__init__(likelihood.event_shape, condition, condition_shape, seed, **kwargs)
        self.encoder, self.posterior = encoder, posterior
        self.decoder, self.likelihood = decoder, likelihood
        self.prior, self.objective = prior, objective
        self.latent_size = posterior.size
        self.latent_shape = (posterior.size,)

    def build(self, input_shape=None):
        images, latents = (None, *self.event_shape), (None, self.latent_size)
        build_part(self.encoder, images)
        features = self.encoder.compute_output_shape(images)
        if self.condition is not None:
            conditions = self.build_condition()
            for what, shape in (("encoder", features), ("condition", conditions)):
                if len(shape) != 2:
                    raise ValueError(
                        f"with a condition, the {what}'s features are [B, F]: give it units"
                    )
            features, latents = ((None, s[-1] + conditions[-1]) for s in (features, latents))
        build_part(self.posterior, features)
        if self.prior is not None:
            build_part(self.prior, (None, self.latent_size))
        build_part(self.decoder, latents)
        build_part(self.likelihood, self.decoder.compute_output_shape(latents))
        self.built = True

    # The distributions.

    def encode(self, x, y=None, training: bool = False) -> tfd.Distribution:
        """q(z|x), batch `[B]`, event `[D]`.

        Args:
            x: `[B, *event]`.
            y: `[B, ...]`, where the model is conditional.
            training: as in Keras.

        Raises:
            DataError: another shape, values outside the likelihood's support, or a missing y.
        """
        if tf.executing_eagerly():
            # In a graph there are no values to look at; `fit` and `evaluate` have looked before.
            self.check(x)
            self.check_given(y, np.shape(x)[:1])
        return self._encode(self.likelihood.to_network(x), y, training)

    def _encode(self, x, y=None, training: bool = False) -> tfd.Distribution:
        """q(z|x) of `x` as networks take it."""
        features = self._beside(self.encoder(x, training=training), y, training)
        return self.posterior.distribution(self.posterior(features))

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

    def _beside(self, features: tf.Tensor, y, training: bool) -> tf.Tensor:
        """`features` `[..., F]` with c(y) appended, where the model is conditional."""
        if self.condition is None:
            return features
        given = self.given(y, training)
        # Under mixed precision z is of another type than what networks make.
        given = tf.cast(given, features.dtype)
        shape = tf.concat([tf.shape(features)[:-1], tf.shape(given)[-1:]], axis=0)
        return tf.concat([features, tf.broadcast_to(given, shape)], axis=-1)

    def call(self, x, training=False):
        """Tensors only: `latent` `[B, D]`, the posterior's mean, and its `reconstruction`.

        A conditional model takes `(x, y)`.
        """
        x, y = x if isinstance(x, tuple | list) else (x, None)
        latent = self.encode(x, y, training=training).mean()
        image = self.decode(latent, y, training=training).mean()
        return {"latent": latent, "reconstruction": image}

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
        if isinstance(n, int | float) and (n != int(n) or n < 1):
            raise DataError(f"a number of samples is a whole number from 1, not {n}")
        key = as_key(seed, "sample")
        z = self.prior_distribution().sample(n, seed=fold(key, "prior"))
        return _image(self.decode(z, y), fold(key, "likelihood"), mean)

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
            y: the condition of each, where the model has one.
            num_samples: None decodes the posterior's mean; L decodes L draws from q(z|x).
            seed: repeats the draws.
            mean: return E[x|z] instead of a draw from p(x|z).

        Returns:
            `[B, *event]`, or `[L, B, *event]` with `num_samples`.
        """
        key = as_key(seed, "reconstruct")
        posterior = self.encode(x, y)
        if num_samples is None:
            z = posterior.mean()
        else:
            z = posterior.sample(num_samples, seed=fold(key, "posterior"))
        return _image(self.decode(z, y), fold(key, "likelihood"), mean)

    def start_at(self, mean: np.ndarray) -> None:
        self.likelihood.start_at(mean)

    # Data.

    def check_values(self, x: np.ndarray) -> None:
        fault = self.likelihood.support.violation(x)
        if fault:
            raise DataError(fault)

    # Keras.

    def get_config(self):
        config = {"name": self.name, "seed": self.seed, **serialize_parts(self, self.parts)}
        return (
            config
            if self.condition is None
            else {**config, "condition_shape": list(self.condition_shape)}
        )

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**deserialize_parts(config, custom_objects))


def _image(distribution: tfd.Distribution, seed: tf.Tensor, mean: bool) -> tf.Tensor:
    return tf.cast(distribution.mean() if mean else distribution.sample(seed=seed), tf.float32)
