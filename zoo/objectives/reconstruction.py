"""Objectives of autoencoders without probability: squared error, and what keeps a code simple."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from zoo.objectives.base import Objective
from zoo.objectives.schedules import not_negative
from zoo.registration import register

# Keeps the logarithms of an activation finite.
_LOWEST = 1e-6


@dataclasses.dataclass(frozen=True)
class RestorationTerms:
    """Per-example terms of whatever maps an image to the clean image.

    Attributes:
        squared_error: `[B]`, mean over the pixels of (x - what the model makes)^2, x the clean
            image.
    """

    squared_error: tf.Tensor

    def metrics(self) -> dict[str, tf.Tensor]:
        return {"squared_error": self.squared_error}


@dataclasses.dataclass(frozen=True)
class ReconstructionTerms(RestorationTerms):
    """Per-example terms of an autoencoder.

    Attributes:
        code: `[B, D]`.
        sensitivity: computes `[B]`, an unbiased estimate of the squared Frobenius norm of d code /
            d x; a function, because few ask for it.
    """

    code: tf.Tensor
    sensitivity: Callable[[], tf.Tensor]


@register
class SquaredError(Objective):
    """loss = mean over the pixels of (x - reconstruction)^2.

    Reference: Hinton and Salakhutdinov 2006, Science 313; Vincent et al. 2008 where x was
    corrupted. Departures: squared error instead of their cross-entropy.
    """

    def __call__(self, terms: RestorationTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        return terms.squared_error


@register
class SparseCode(Objective):
    """loss = squared error + weight sum_d |code_d|.

    Args:
        weight: of the L1 norm.

    Reference: Ng 2011, CS294A Lecture notes, with an L1 norm as in sparse coding (Olshausen and
    Field 1996). Departures: none.
    """

    def __init__(self, weight: float = 1e-4):
        self.weight = not_negative("weight", weight)

    def __call__(self, terms: ReconstructionTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        return terms.squared_error + self.weight * tf.reduce_sum(tf.abs(terms.code), axis=-1)


@register
class SparseTarget(Objective):
    """loss = mean squared error + weight sum_d KL(target || mean_x code_d), codes in (0, 1).

    Args:
        target: rho, the wanted mean activation of each unit, in (0, 1).
        weight: of the divergence between Bernoulli distributions with these means.

    Reference: Ng 2011, CS294A Lecture notes, section 3. Departures: the mean is over a minibatch,
    on several replicas over one replica's examples.
    """

    couples_batch = True

    def __init__(self, target: float = 0.05, weight: float = 1e-3):
        if not 0 < target < 1:
            raise ValueError(f"a target activation is in (0, 1), not {target!r}")
        self.target, self.weight = float(target), not_negative("weight", weight)

    def __call__(self, terms: ReconstructionTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss, a scalar."""
        mean = tf.clip_by_value(tf.reduce_mean(terms.code, axis=0), _LOWEST, 1 - _LOWEST)
        on = self.target * tf.math.log(self.target / mean)
        off = (1 - self.target) * tf.math.log((1 - self.target) / (1 - mean))
        return tf.reduce_mean(terms.squared_error) + self.weight * tf.reduce_sum(on + off)


@register
class Contractive(Objective):
    """loss = squared error + weight |d code / d x|^2, the squared Frobenius norm.

    Args:
        weight: lambda.

    Reference: Rifai et al. 2011, Contractive Auto-Encoders, Eq. 2. Departures: the norm is
    estimated without bias by one random projection of the code, so that any encoder will do.
    """

    def __init__(self, weight: float = 1e-3):
        self.weight = not_negative("weight", weight)

    def __call__(self, terms: ReconstructionTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        return terms.squared_error + self.weight * terms.sensitivity()
