"""Generative adversarial networks."""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from zoo.distributions.deterministic import IndependentDeterministic
from zoo.distributions.priors import Prior
from zoo.errors import DataError
from zoo.models.decoding import DecoderModel
from zoo.models.parts import build_part
from zoo.models.players import TwoPlayers
from zoo.networks.spectral import SpectralNorm
from zoo.noise import fold
from zoo.objectives.adversarial import AdversarialTerms, NonSaturating, gradient_norm
from zoo.registration import register

_WAYS = ("projection", "concatenation")


@register
class GAN(TwoPlayers, DecoderModel):
    """x = likelihood(generator(z, c(y))), z ~ p(z); a discriminator tells x from data by a logit.

    A step takes `discriminator_steps` parts of the batch, each with fresh noise, to the
    discriminator, and then one part's number of fresh examples to the generator. A density it has
    none: `sample` and `decode` are all.

    Args:
        generator: network `[B, D] -> [B, ...]`; with a condition, `[B, D + C]`.
        discriminator: network `[B, *event] -> [B, F]`; a linear layer makes its logit.
        likelihood: distribution layer that puts all mass on one value, `IndependentDeterministic`.
        prior: distribution layer for p(z), of size D; the generator trains what a draw of it
            varies with smoothly, and so not the weights of a mixture.
        discriminator_optimizer: of the discriminator's weights; each `compile` begins with a new
            one like it.
        objective: of both players; None: `NonSaturating`.
        discriminator_steps: k, its updates for each one of the generator; divides the batch.
        conditioning: how y reaches the discriminator. "projection": T = w f + (V c(y)) f of its
            features f. "concatenation": beside x, as further channels of an image; an image y of
            the same height and width is appended as it is.
        condition: network from y to `[B, C]`, such as `OneHot`; the generator trains its weights.
        condition_shape: of one y; `()` for a label.
        spectral_norm: hold the largest singular value of each of the discriminator's kernels at 1.
        seed: base of every random draw in training and validation.

    Metrics: `discriminator_loss`; `real_logit` and `fake_logit`; `diversity`, the deviation of
    generated examples within a batch over that of data: near 0 where the generator has collapsed.

    Raises:
        ValueError: parts that are none, or do not fit together.

    Reference: Goodfellow et al. 2014, arXiv 1406.2661, algorithm 1; conditions: Mirza and Osindero
    2014, arXiv 1411.1784, and Miyato and Koyama 2018, arXiv 1802.05637, Eq. 4; the spectral norm's:
    see `SpectralNorm`. Departures: the k updates of the discriminator see parts of one batch.
    """

    metric_names = ("discriminator_loss", "real_logit", "fake_logit", "diversity")
    parts = ("generator", "discriminator", "likelihood", "prior", "objective", "condition")
    second = "discriminator_optimizer"

    def __init__(
        self,
        generator,
        discriminator,
        likelihood,
        prior,
        discriminator_optimizer,
        objective=None,
        discriminator_steps: int = 1,
        conditioning: str = "projection",
        condition=None,
        condition_shape: Sequence[int] = (),
        spectral_norm: bool = False,
        seed: int = 0,
        **kwargs,
    ):
        for name, part in {"generator": generator, "discriminator": discriminator}.items():
            if not isinstance(part, keras.Layer):
                raise ValueError(f"the {name} is {part!r}, not a layer")
        if not isinstance(prior, Prior):
            raise ValueError(
                f"a GAN's prior is {prior!r}, and no distribution layer such as StandardNormal"
            )
        if not isinstance(likelihood, IndependentDeterministic):
            raise ValueError(
                "a GAN's likelihood is IndependentDeterministic: its generator says all of an "
                f"example, not {type(likelihood).__name__}"
            )
        if not isinstance(spectral_norm, bool):
            raise ValueError(f"spectral_norm is true or false, not {spectral_norm!r}")
        if type(discriminator_steps) is not int or discriminator_steps < 1:
            raise ValueError(
                f"discriminator_steps is a whole number from 1, not {discriminator_steps!r}"
            )
        if conditioning not in _WAYS:
            raise ValueError(f"conditioning is one of {', '.join(_WAYS)}, not {conditioning!r}")
        objective = NonSaturating() if objective is None else objective
        super().__init__(
            generator,
            likelihood,
            prior,
            objective,
            prior.size,
            condition,
            condition_shape,
            seed,
            **kwargs,
        )
        self.discriminator = discriminator
        self.keep_optimizer(discriminator_optimizer)
        self.discriminator_steps, self.conditioning = discriminator_steps, conditioning
        self.spectral_norm = spectral_norm
        self.discriminator_logit = keras.layers.Dense(1, dtype="float32", name="logit")
        self.projection: keras.layers.Dense | None = None

    @property
    def generator(self) -> keras.layers.Layer:
        return self.decoder

    def build(self, input_shape=None):
        examples = (None, *self.event_shape)
        given = None if self.condition is None else self.build_condition()
        self.build_decoder()
        if given is not None and self.conditioning == "concatenation":
            channels = self.condition_shape[-1] if self._image_given else given[-1]
            examples = (*examples[:-1], examples[-1] + channels)
        build_part(self.discriminator, examples)
        features = self.discriminator.compute_output_shape(examples)
        if len(features) != 2:
            raise ValueError(
                "the discriminator makes features [B, F] of examples, not "
                f"{['B', *features[1:]]}: end it with units, or with a Flatten layer"
            )
        build_part(self.discriminator_logit, features)
        if given is not None and self.conditioning == "projection":
            self.projection = keras.layers.Dense(features[-1], use_bias=False, name="projection")
            self.projection.build(given)
        if self.spectral_norm:
            self._normalize_kernels()
        self.built = True

    def _normalize_kernels(self) -> None:
        normalized = SpectralNorm()
        for variable in self.opponent_variables():
            if len(variable.shape) > 1:
                # Keras applies it after each step of the optimizer, once for all replicas.
                variable.constraint = normalized
                variable.assign(normalized(variable))

    @property
    def _image_given(self) -> bool:
        """Whether y is an image beside an image."""
        return len(self.condition_shape) == 3 and self.condition_shape[:-1] == self.event_shape[:-1]

    def logit(self, x: tf.Tensor, y=None, training: bool = False) -> tf.Tensor:
        """T(x, y) `[B]` of `x` `[B, *event]`, in nats where the objective is Goodfellow's."""
        x = tf.convert_to_tensor(x)
        given = None if self.condition is None else tf.stop_gradient(self.given(y, training))
        if given is not None and self.conditioning == "concatenation":
            x = self._with_condition(x, y, given)
        features = self.discriminator(x, training=training)
        logit = tf.squeeze(self.discriminator_logit(features), axis=-1)
        if self.projection is not None:
            product = self.projection(given) * tf.cast(features, given.dtype)
            logit += tf.cast(tf.reduce_sum(product, axis=-1), tf.float32)
        return logit

    def _with_condition(self, x, y, given) -> tf.Tensor:
        if self._image_given:
            beside = tf.cast(y, x.dtype)
        else:
            places = [1] * (x.shape.rank - 2)
            beside = tf.reshape(tf.cast(given, x.dtype), [-1, *places, given.shape[-1]])
            beside = tf.broadcast_to(beside, tf.concat([tf.shape(x)[:-1], [given.shape[-1]]], 0))
        return tf.concat([x, beside], axis=-1)

    def call(self, x, training=False):
        """`logit` `[B]`; a conditional model takes `(x, y)`."""
        x, y = x if isinstance(x, tuple | list) else (x, None)
        return {"logit": self.logit(x, y, training)}

    # The game.

    def terms(self, x, y=None, training=False, seed=None) -> AdversarialTerms:
        """Both players' view of a batch."""
        fake = self._generated(tf.shape(x)[0], y, training, seed)
        return self._judged(x, fake, y, training, seed)

    def _generated(self, n, y, training, seed) -> tf.Tensor:
        z = self.prior_distribution().sample(n, seed=fold(seed, "prior"))
        return self.decode(z, y, training).mean()

    def _judged(self, x, fake, y, training, seed) -> AdversarialTerms:
        real, logits = self.logit(x, y, training), self.logit(fake, y, training)
        norm = None
        if self.objective.gradient_penalty:
            share = tf.random.stateless_uniform(tf.shape(x)[:1], fold(seed, "share"))
            norm = gradient_norm(lambda between: self.logit(between, y, training), x, fake, share)
        found = AdversarialTerms(logits, real, norm)
        others = {
            "discriminator_loss": self.objective.discriminator_loss(found),
            "diversity": _deviation(fake) / (_deviation(x) + 1e-12),
        }
        return dataclasses.replace(found, others=others)

    def check(self, data):
        super().check(data)
        if isinstance(data, tf.data.Dataset):
            first = tf.nest.flatten(data.element_spec)[0]
            replicas = self.distribute_strategy.num_replicas_in_sync
            self._check_parts(first.shape[0] and first.shape[0] // replicas)

    def _check_parts(self, batch: int | None) -> None:
        if batch and batch % self.discriminator_steps:
            raise DataError(
                f"a batch of {batch} (on each device) does not divide into discriminator_steps = "
                f"{self.discriminator_steps} parts"
            )

    def _update(self, x, y, seed):
        steps = self.discriminator_steps
        self._check_parts(x.shape[0])
        own, opponent = self.optimized()
        parts = [None] * steps if y is None else tf.split(y, steps)
        for k, (part, given) in enumerate(zip(tf.split(x, steps), parts, strict=True)):
            key = fold(seed, "discriminator", k)

            def discriminator_loss(part=part, given=given, key=key):
                fake = tf.stop_gradient(self._generated(tf.shape(part)[0], given, True, key))
                found = self._judged(part, fake, given, True, key)
                return found, found.others["discriminator_loss"]

            terms, _ = self._minimize(discriminator_loss, opponent[1], opponent[0])
        count, key = tf.shape(x)[0] // steps, fold(seed, "generator")

        def generator_loss():
            fake = self._generated(count, parts[-1], True, key)
            found = AdversarialTerms(self.logit(fake, parts[-1], True))
            return found, self.objective(found, self.train_steps)

        _, loss = self._minimize(generator_loss, own[1], own[0])
        return terms, loss

    def opponent_variables(self):
        layers = [self.discriminator, self.discriminator_logit]
        layers += [] if self.projection is None else [self.projection]
        return [v for layer in layers for v in layer.trainable_variables]

    def get_config(self):
        return {
            **super().get_config(),
            "discriminator_steps": self.discriminator_steps,
            "conditioning": self.conditioning,
            "spectral_norm": self.spectral_norm,
        }


def _deviation(x: tf.Tensor) -> tf.Tensor:
    """Root mean square of the elements about their mean over the batch, `[]`."""
    variance = tf.math.reduce_variance(tf.cast(x, tf.float32), axis=0)
    return tf.sqrt(tf.reduce_mean(variance))
