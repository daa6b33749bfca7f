"""What two players of an adversarial game minimise: pure functions of logits.

The discriminator has a logit T(x), and D(x) = sigmoid(T(x)) is its probability that x is data. Of
the value V = E log D(x) + E log(1 - D(G(z))), it is a maximum over D at T = log p(x) / q(x), where
q is the density of G(z): there V = 2 JSD(p, q) - log 4.

Reference: Goodfellow et al. 2014, arXiv 1406.2661, Eq. 1, proposition 1 and theorem 1.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from zoo.objectives.base import Objective
from zoo.objectives.schedules import not_negative
from zoo.registration import register


@dataclasses.dataclass(frozen=True)
class AdversarialTerms:
    """What one player has seen of a batch.

    Attributes:
        fake_logit: `[B]`, T of generated examples.
        real_logit: `[B]`, T of data; None in the generator's turn.
        gradient_norm: `[B]`, ||dT/dx|| between data and generated examples; None where no penalty
            is asked for.
        others: further quantities to report, by name.
    """

    fake_logit: tf.Tensor
    real_logit: tf.Tensor | None = None
    gradient_norm: tf.Tensor | None = None
    others: dict[str, tf.Tensor] = dataclasses.field(default_factory=dict)

    def metrics(self) -> dict[str, tf.Tensor]:
        real = {} if self.real_logit is None else {"real_logit": self.real_logit}
        return {**real, "fake_logit": self.fake_logit, **self.others}


class AdversarialObjective(Objective):
    """Losses of both players; the generator's is the objective's value.

    Args:
        gradient_penalty: weight of (||dT/dx|| - 1)^2 in the discriminator's loss, lambda.

    Attributes:
        has_zero: whether T tells data from the rest by its sign; a critic's zero is anywhere.

    A subclass says `generator` and `discriminator`.

    Raises:
        ValueError: a negative weight.

    Reference of the penalty: Gulrajani et al. 2017, arXiv 1704.00028, Eq. 3.
    """

    has_zero = True

    def __init__(self, gradient_penalty: float = 0.0):
        self.gradient_penalty = not_negative("gradient_penalty", gradient_penalty)

    def __call__(self, terms: AdversarialTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """The generator's loss `[B]`."""
        return self.generator(terms.fake_logit)

    def discriminator_loss(self, terms: AdversarialTerms) -> tf.Tensor:
        """The discriminator's loss `[B]`, with its penalty."""
        loss = self.discriminator(terms.real_logit, terms.fake_logit)
        if terms.gradient_norm is None:
            return loss
        return loss + self.gradient_penalty * tf.square(terms.gradient_norm - 1)

    def generator(self, fake: tf.Tensor) -> tf.Tensor:
        """From the logits of generated examples."""
        raise NotImplementedError

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """From the logits of data and of generated examples; without the penalty."""
        raise NotImplementedError


@register
class Minimax(AdversarialObjective):
    """The game itself: the generator minimises log(1 - D(G(z))), the other maximises V.

    Where D is sure, the generator's gradient vanishes.

    Reference: Goodfellow et al. 2014, Eq. 1.
    """

    def generator(self, fake):
        return -tf.nn.softplus(fake)

    def discriminator(self, real, fake):
        return tf.nn.softplus(-real) + tf.nn.softplus(fake)


@register
class NonSaturating(Minimax):
    """As `Minimax`, but the generator maximises log D(G(z)): same fixed point, larger gradients.

    Reference: Goodfellow et al. 2014, end of section 3.
    """

    def generator(self, fake):
        return tf.nn.softplus(-fake)


@register
class Hinge(AdversarialObjective):
    """The discriminator wants T above 1 on data and below -1 elsewhere; the generator raises T.

    Reference: Lim and Ye 2017, arXiv 1705.02894; Miyato et al. 2018, arXiv 1802.05957, Eq. 16, 17.
    """

    def generator(self, fake):
        return -fake

    def discriminator(self, real, fake):
        return tf.nn.relu(1 - real) + tf.nn.relu(1 + fake)


@register
class Wasserstein(AdversarialObjective):
    """E T(G(z)) - E T(x), for T of slope 1 at most: an estimate of the earth mover's distance.

    Args:
        gradient_penalty: see `AdversarialObjective`; it is what keeps the slope near 1.

    Reference: Arjovsky et al. 2017, arXiv 1701.07875; Gulrajani et al. 2017, Eq. 3 (lambda = 10).
    """

    has_zero = False

    def __init__(self, gradient_penalty: float = 10.0):
        super().__init__(gradient_penalty)

    def generator(self, fake):
        return -fake

    def discriminator(self, real, fake):
        return fake - real


def gradient_norm(
    logit: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, share: tf.Tensor
) -> tf.Tensor:
    """||dT/dx|| `[B]` at share * real + (1 - share) * fake.

    Args:
        logit: T, from `[B, *event]` to `[B]`.
        real: `[B, *event]`.
        fake: as `real`.
        share: `[B]`, drawn evenly from [0, 1].
    """
    share = tf.reshape(share, [-1, *[1] * (real.shape.rank - 1)])
    between = tf.stop_gradient(share * real + (1 - share) * fake)
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = logit(between)
    gradient = tf.cast(tape.gradient(logits, between), tf.float32)
    squares = tf.reduce_sum(tf.square(gradient), axis=list(range(1, real.shape.rank)))
    # A root has no slope at 0, which a discriminator that sees nothing would reach.
    return tf.sqrt(squares + 1e-12)
