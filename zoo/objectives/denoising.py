"""What a diffusion is trained for: to see the image in the noise, and by that, a bound.

A diffusion is a variational autoencoder with T latents x_1 .. x_T as large as the image and an
encoder q that is fixed (see `zoo.objectives.noising`). Only the decoder p(x_(t-1) | x_t) is
learned: it is q(x_(t-1) | x_t, x_0) with the network's guess of x_0 in place of x_0. The bound is
the VAE's, and because q is Gaussian and Markov, it is a sum of KLs of Gaussians:

    ELBO  = E_q log p(x_0 .. x_T) - log q(x_1 .. x_T | x_0)  <=  log p(x_0)
    -ELBO = KL(q(x_T | x_0) || N(0, I))  +  sum_(t = 2)^T KL_t  -  E log p(x_0 | x_1)
    KL_t  = E KL(q(x_(t-1) | x_t, x_0) || p(x_(t-1) | x_t)) = w_t E |x_0 - guess|^2
    w_t   = (a_(t-1) / (1 - a_(t-1)) - a_t / (1 - a_t)) / 2

One t, drawn evenly from 1 to T, gives an unbiased estimate of the sum: T times its term. What is
usually minimised is the same sum with other weights, the squared error of the predicted noise.

Reference: Ho et al. 2020, arXiv 2006.11239, Eq. 3 to 14; w_t in this form: Kingma et al. 2021,
arXiv 2107.00630, Eq. 14.
"""

import dataclasses

import tensorflow as tf

from zoo.numerics import sum_event
from zoo.objectives.base import Objective
from zoo.objectives.noising import NoiseSchedule
from zoo.registration import register

PREDICTIONS = ("noise", "image", "velocity")
WEIGHTS = ("simple", "bound")


@dataclasses.dataclass(frozen=True)
class DenoisingTerms:
    """Per-example terms of a diffusion at one time each.

    Attributes:
        elbo: `[B]`, an estimate of the bound in nats, unbiased if t was drawn evenly.
        prior_kl: `[B]`, the bound's term of x_T, which no t changes.
        squared_error: `[B]`, of what the network predicts, mean over the elements.
        t: `[B]`, the times.
        dimensions: elements of an example.
    """

    elbo: tf.Tensor
    prior_kl: tf.Tensor
    squared_error: tf.Tensor
    t: tf.Tensor
    dimensions: int

    def metrics(self) -> dict[str, tf.Tensor]:
        return {"elbo": self.elbo, "squared_error": self.squared_error}

    def cost(self, rarity: tf.Tensor | float = 1.0) -> tf.Tensor:
        """An estimate `[B]` of the bound's other terms, in nats and positive where they cost.

        Args:
            rarity: 1 / (T p(t)) `[B]`, where t was not drawn evenly but from p.
        """
        return -rarity * (self.elbo + self.prior_kl)


@register
class Denoising(Objective):
    """What the network predicts, and how its errors at different times are weighted.

    "noise": e of x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) e; "image": x_0; "velocity": v =
    sqrt(a_t) e - sqrt(1 - a_t) x_0.

    Args:
        predicts: "noise", "image" or "velocity".
        weights: "simple": the squared length of the error in what is predicted, all times alike.
            "bound": the negative ELBO.

    Raises:
        ValueError: anything else.

    Reference: Ho et al. 2020, Eq. 14, for the simple weights; Salimans and Ho 2022, arXiv
    2202.00512, section 4 and appendix D, for the velocity.
    """

    def __init__(self, predicts: str = "noise", weights: str = "simple"):
        for name, value, valid in (
            ("predicts", predicts, PREDICTIONS),
            ("weights", weights, WEIGHTS),
        ):
            if value not in valid:
                raise ValueError(f"{name} is one of {', '.join(valid)}, not {value!r}")
        self.predicts, self.weights = predicts, weights

    def __call__(self, terms: DenoisingTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        simple = terms.squared_error * terms.dimensions
        return simple if self.weights == "simple" else -terms.elbo

    def target(
        self, x: tf.Tensor, noise: tf.Tensor, t: tf.Tensor, schedule: NoiseSchedule
    ) -> tf.Tensor:
        """What the network should predict at x_t = sqrt(a_t) x + sqrt(1 - a_t) noise."""
        if self.predicts == "noise":
            return noise
        if self.predicts == "image":
            return x
        signal, rest = tf.sqrt(schedule.signal(t, x)), tf.sqrt(schedule.noise(t, x))
        return signal * noise - rest * x

    def image(
        self, predicted: tf.Tensor, x_t: tf.Tensor, t: tf.Tensor, schedule: NoiseSchedule
    ) -> tf.Tensor:
        """The guess of x_0 that a prediction is."""
        signal, rest = tf.sqrt(schedule.signal(t, x_t)), tf.sqrt(schedule.noise(t, x_t))
        if self.predicts == "noise":
            return (x_t - rest * predicted) / signal
        if self.predicts == "image":
            return predicted
        return signal * x_t - rest * predicted


def step_kl(
    x: tf.Tensor, guess: tf.Tensor, x_t: tf.Tensor, t: tf.Tensor, schedule: NoiseSchedule
) -> tf.Tensor:
    """KL(q(x_(t-1) | x_t, x_0 = x) || the same with x_0 = guess) `[B]` in nats, for t from 2."""
    own = schedule.posterior(x, x_t, t, t - 1)
    other = schedule.posterior(guess, x_t, t, t - 1)
    # Where t is 1 there is no such KL, and its variance is 0.
    variance = tf.where(own.variance > 0, own.variance, 1.0)
    return sum_event(tf.square(own.mean - other.mean) / (2 * variance))


def prior_kl(x: tf.Tensor, schedule: NoiseSchedule) -> tf.Tensor:
    """KL(q(x_T | x_0 = x) || N(0, I)) `[B]` in nats."""
    mean = schedule.marginal(x, tf.constant(schedule.steps)).mean
    # In float64: the terms cancel down to a few thousandths.
    a = tf.constant(schedule.signals[-1], tf.float64)
    rest = tf.cast(-a - tf.math.log1p(-a), tf.float32)
    return sum_event((tf.square(mean) + rest) / 2)
