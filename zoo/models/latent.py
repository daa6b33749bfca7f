"""What every model with a code shares: an encoder, a decoder, and what is done with them."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.models.decoding import DecoderModel, image_of
from zoo.models.parts import build_part
from zoo.models.requests import as_key
from zoo.noise import Seed, fold

tfd = tfp.distributions


class LatentModel(DecoderModel):
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
        for name, part in {"encoder": encoder, "posterior": posterior}.items():
            if not isinstance(part, keras.Layer):
                raise ValueError(f"the {name} is {part!r}, not a layer")
        super().__init__(
            decoder,
            likelihood,
            prior,
            objective,
            posterior.size,
            condition,
            condition_shape,
            seed,
            **kwargs,
        )
        self.encoder, self.posterior = encoder, posterior

    def build(self, input_shape=None):
        images = (None, *self.event_shape)
        build_part(self.encoder, images)
        features = self.encoder.compute_output_shape(images)
        if self.condition is not None:
            conditions = self.build_condition()
            for what, shape in (("encoder", features), ("condition", conditions)):
                if len(shape) != 2:
                    raise ValueError(
                        f"with a condition, the {what}'s features are [B, F]: give it units"
                    )
            features = (None, features[-1] + conditions[-1])
        build_part(self.posterior, features)
        self.build_decoder()
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

    def call(self, x, training=False):
        """Tensors only: `latent` `[B, D]`, the posterior's mean, and its `reconstruction`.

        A conditional model takes `(x, y)`.
        """
        x, y = x if isinstance(x, tuple | list) else (x, None)
        latent = self.encode(x, y, training=training).mean()
        image = self.decode(latent, y, training=training).mean()
        return {"latent": latent, "reconstruction": image}

    # What people do with it.

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
        return image_of(self.decode(z, y), fold(key, "likelihood"), mean)
