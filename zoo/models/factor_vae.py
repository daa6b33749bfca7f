"""FactorVAE: a critic tells the aggregate posterior from the product of its marginals."""

import dataclasses
from collections.abc import Sequence

import keras
import tensorflow as tf

from zoo.models.parts import build_part
from zoo.models.players import TwoPlayers
from zoo.models.vae import VAE
from zoo.noise import fold
from zoo.objectives.schedules import not_negative
from zoo.registration import register


@dataclasses.dataclass(frozen=True)
class CriticTerms:
    """Per-example terms of the critic.

    Attributes:
        log_likelihood: `[B]`, log-probability that it gives to the truth, mean of both classes.
    """

    log_likelihood: tf.Tensor

    def metrics(self) -> dict[str, tf.Tensor]:
        return {"critic_log_likelihood": self.log_likelihood}


@register
class FactorVAE(TwoPlayers, VAE):
    """loss = -ELBO + correlation_weight T(z),   T = log D / (1 - D), D the critic.

    D(z) is the probability that z comes from q(z) and not from prod_d q(z_d), whose draws are those
    of the batch with each latent permuted on its own. At its optimum, E T = TC(z).

    Args:
        critic: network `[B, D] -> [B, F]`; a linear layer makes its logit.
        critic_optimizer: of the critic's weights; each `compile` begins with a new one like it.
        correlation_weight: gamma.
        encoder, posterior, decoder, likelihood, prior, objective, condition, condition_shape, seed:
            as for `VAE`.

    Reference: Kim and Mnih 2018, arXiv 1802.05983, algorithm 2. Departures: the critic looks at the
    batch that the VAE has just seen, where the paper draws a second one.
    """

    parts = (*VAE.parts, "critic")
    second = "critic_optimizer"

    def __init__(
        self,
        encoder,
        posterior,
        decoder,
        likelihood,
        critic,
        critic_optimizer,
        correlation_weight: float = 10.0,
        prior=None,
        objective=None,
        condition=None,
        condition_shape: Sequence[int] = (),
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            encoder,
            posterior,
            decoder,
            likelihood,
            prior=prior,
            objective=objective,
            condition=condition,
            condition_shape=condition_shape,
            seed=seed,
            **kwargs,
        )
        if not isinstance(critic, keras.Layer):
            raise ValueError(f"the critic is {critic!r}, not a layer")
        self.critic = critic
        self.keep_optimizer(critic_optimizer)
        self.critic_logit = keras.layers.Dense(1, dtype="float32", name="critic_logit")
        self.correlation_weight = not_negative("correlation_weight", correlation_weight)

    def build(self, input_shape=None):
        super().build(input_shape)
        latents = (None, self.latent_size)
        build_part(self.critic, latents)
        build_part(self.critic_logit, self.critic.compute_output_shape(latents))

    def logit(self, z: tf.Tensor) -> tf.Tensor:
        """T(z) `[B]` of `z` `[B, D]`, in nats: the critic's estimate of log q(z) / prod q(z_d)."""
        return tf.squeeze(self.critic_logit(self.critic(z)), axis=-1)

    def opponent_variables(self):
        return [*self.critic.trainable_variables, *self.critic_logit.trainable_variables]

    def _loss(self, x, y, training, seed):
        terms, loss = super()._loss(x, y, training, seed)
        return terms, loss + self.correlation_weight * self.logit(terms.latents[0])

    def _update(self, x, y, seed):
        terms, loss = super()._update(x, y, seed)
        latents = tf.stop_gradient(terms.latents[0])
        shuffled = permuted(latents, fold(seed, "permute"))

        def critic_loss():
            joint = tf.math.log_sigmoid(self.logit(latents))
            factored = tf.math.log_sigmoid(-self.logit(shuffled))
            found = CriticTerms((joint + factored) / 2)
            return found, -found.log_likelihood

        optimizer, variables = self.optimized()[1]
        self._minimize(critic_loss, variables, optimizer)
        return terms, loss

    def get_config(self):
        return {
            **super().get_config(),
            "correlation_weight": self.correlation_weight,
        }


def permuted(latents: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """`[B, D]` with the examples of each latent in an order of its own."""
    order = tf.argsort(tf.random.stateless_uniform(tf.shape(latents), seed), axis=0)
    return tf.transpose(tf.gather(tf.transpose(latents), tf.transpose(order), batch_dims=1))
