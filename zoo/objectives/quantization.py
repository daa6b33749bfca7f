"""What a model with quantized codes is trained on (van den Oord et al. 2017, Eq. 3).

    loss = |x - decode(q)|^2 / variance of x   +   |sg[z] - e|^2   +   beta |z - sg[e]|^2
           reconstruction                          book                commitment

z is the encoder's output, e the nearest code, q = z + sg[e - z] the code with z's gradient, and
sg[] stops gradients.
"""

import dataclasses

import tensorflow as tf

from zoo.objectives.base import Objective
from zoo.objectives.schedules import not_negative
from zoo.registration import register


@dataclasses.dataclass(frozen=True)
class QuantizationTerms:
    """Per-example terms of a model with quantized codes.

    Attributes:
        squared_error: `[B]`, of the reconstruction, the mean over an image's elements.
        commitment: `[B]`, squared distance of the encoder's output from its code, the mean over
            positions and their elements; its gradient moves the encoder.
        codebook: `[B]`, the same number, whose gradient moves the code; zero where the book follows
            moving averages.
        perplexity: `[]`, exp of the entropy of the codes' use in the batch of all replicas.
    """

    squared_error: tf.Tensor
    commitment: tf.Tensor
    codebook: tf.Tensor
    perplexity: tf.Tensor

    def metrics(self) -> dict[str, tf.Tensor]:
        """What every such model reports, `[B]` each."""
        return {
            "squared_error": self.squared_error,
            "commitment": self.commitment,
            "perplexity": tf.fill(tf.shape(self.squared_error), self.perplexity),
        }


@register
class VectorQuantization(Objective):
    """squared_error / data_variance + codebook_weight codebook + commitment_weight commitment.

    Args:
        commitment_weight: beta in Eq. 3.
        codebook_weight: of the term that moves the codes; it is zero under moving averages.
        data_variance: of the elements of the data, so that one number serves all data sets: an
            error of 1 is then that of the mean.

    Reference: van den Oord, Vinyals and Kavukcuoglu 2017, arXiv 1711.00937, Eq. 3. Departures, as
    in the authors' code: means in place of sums, and the reconstruction as squared error over the
    variance of the data. A sum over D elements would multiply the terms of the codes by D.
    """

    def __init__(
        self,
        commitment_weight: float = 0.25,
        codebook_weight: float = 1.0,
        data_variance: float = 1.0,
    ):
        self.commitment_weight = not_negative("commitment_weight", commitment_weight)
        self.codebook_weight = not_negative("codebook_weight", codebook_weight)
        self.data_variance = not_negative("data_variance", data_variance)
        if not self.data_variance:
            raise ValueError("data_variance is 0: the data are all the same")

    def __call__(self, terms: QuantizationTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        del step
        return (
            terms.squared_error / self.data_variance
            + self.codebook_weight * terms.codebook
            + self.commitment_weight * terms.commitment
        )
