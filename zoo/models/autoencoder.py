"""Autoencoders without probability: plain, denoising, sparse, contractive."""

from collections.abc import Sequence

import tensorflow as tf

from zoo.data.corruptions import check_corruption
from zoo.models.latent import LatentModel
from zoo.noise import Seed, fold
from zoo.numerics import mean_event, sum_event
from zoo.objectives.reconstruction import ReconstructionTerms, SquaredError
from zoo.registration import register


@register
class Autoencoder(LatentModel):
    """z = posterior(encoder(c(x))); reconstruction = likelihood(decoder(z)).

    c corrupts the images in training and validation; the clean image is the target. The objective
    makes it a plain, a sparse or a contractive one. It has no density of its codes: it can be
    sampled once one is fitted (`zoo fit-density`).

    Args:
        encoder: network `[B, *event] -> [B, F]`.
        posterior: `VectorDeterministic`, features to the code.
        decoder: network `[B, D] -> [B, ...]`.
        likelihood: `IndependentDeterministic`, features to the image.
        objective: what is minimised; the squared error where none is given.
        corruption: what happens to the images on their way in, such as `GaussianCorruption`.
        prior: density of the codes, fitted afterwards.
        condition: network from y to `[B, C]`, where images are conditional on y.
        condition_shape: of one y; `()` for a label.
        seed: base of every random draw in training and validation.

    Reference: Hinton and Salakhutdinov 2006, Science 313; Vincent et al. 2008, Extracting and
    Composing Robust Features with Denoising Autoencoders. Departures: no layer-wise pretraining.
    """

    metric_names = ("squared_error",)
    parts = (*LatentModel.parts, "corruption")

    def __init__(
        self,
        encoder,
        posterior,
        decoder,
        likelihood,
        objective=None,
        corruption=None,
        prior=None,
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
            prior,
            objective or SquaredError(),
            condition=condition,
            condition_shape=condition_shape,
            seed=seed,
            **kwargs,
        )
        if corruption is not None:
            check_corruption(corruption)
        self.corruption = corruption

    def terms(self, x, y=None, training=False, seed=None) -> ReconstructionTerms:
        clean = self.likelihood.to_network(x)
        given = clean if self.corruption is None else self.corruption(clean, fold(seed, "corrupt"))
        code = self._encode(given, y, training).mean()
        image = self.likelihood.to_network(self.decode(code, y, training=training).mean())

        def sensitivity() -> tf.Tensor:
            return self.squared_jacobian(given, y, fold(seed, "sensitivity"), training)

        return ReconstructionTerms(mean_event((clean - image) ** 2), code, sensitivity)

    def squared_jacobian(self, x, y=None, seed: Seed = 0, training: bool = False) -> tf.Tensor:
        """`[B]`: an unbiased estimate of the squared Frobenius norm of d code / d x.

        E |v^T J|^2 = |J|_F^2 for v of independent entries with mean 0 and variance 1 (Hutchinson
        1990); v are signs.
        """
        x = tf.convert_to_tensor(x, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(x)
            code = self._encode(x, y, training).mean()
            key = fold(seed, "signs")
            signs = tf.random.stateless_uniform(tf.shape(code), key, 0, 2, tf.int32)
            projected = tf.reduce_sum(code * tf.cast(2 * signs - 1, code.dtype))
        return sum_event(tape.gradient(projected, x) ** 2)

    def code(self, x, y=None) -> tf.Tensor:
        """The codes `[B, D]` of images whose values may leave the support, such as noisy ones."""
        return self._encode(tf.convert_to_tensor(x, tf.float32), y).mean()

    def restore(self, x, y=None) -> tf.Tensor:
        """What it makes `[B, *event]` of images as `code` takes them."""
        return self.decode(self.code(x, y), y).mean()
