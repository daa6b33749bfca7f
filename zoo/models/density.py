"""Densities of vectors: a prior as a model of its own."""

import numpy as np
import tensorflow as tf

from zoo.errors import DataError
from zoo.models.base import GenerativeModel
from zoo.models.parts import build_part
from zoo.models.requests import as_key
from zoo.noise import Seed
from zoo.objectives.likelihood import LikelihoodTerms, MaximumLikelihood
from zoo.registration import register


@register
class Density(GenerativeModel):
    """p(x) = density, x `[B, D]` finite numbers, such as the codes of an autoencoder.

    Args:
        density: a prior, such as `MixtureOfNormals`, `RealNVP` or `MaskedAutoregressiveFlow`.
        seed: base of every random draw.
    """

    likelihood_kind = "exact"
    metric_names = ("log_likelihood",)
    parts = ("density",)

    def __init__(self, density, seed: int = 0, **kwargs):
        super().__init__(event_shape=(density.size,), seed=seed, **kwargs)
        self.density = density
        self.objective = MaximumLikelihood()

    def build(self, input_shape=None):
        build_part(self.density, (None, *self.event_shape))
        self.built = True

    def distribution(self):
        """p(x), batch `[]`, event `[D]`."""
        return self.density.distribution(self.density(None))

    def terms(self, x, y=None, training=False, seed=None) -> LikelihoodTerms:
        return LikelihoodTerms(self.distribution().log_prob(x))

    def call(self, x, training=False):
        """`log_prob` `[B]`."""
        return {"log_prob": self.distribution().log_prob(x)}

    def log_prob(self, x, y=None, num_samples=None, seed=0) -> tf.Tensor:
        """log p(x) `[B]` in nats, exact."""
        if tf.executing_eagerly():
            self.check(x)
        return self.distribution().log_prob(tf.convert_to_tensor(x, tf.float32))

    def sample(self, n: int, y=None, seed: Seed | None = None) -> tf.Tensor:
        """n vectors `[n, D]`."""
        return self.distribution().sample(n, seed=as_key(seed, "sample"))

    def check_values(self, x: np.ndarray) -> None:
        if x.size == 0 or not np.isfinite(x).all():
            raise DataError("a density takes finite numbers, and some of them")
