"""Latent Zoo's entries, each built from its config, with the first weights that everybody has."""

import time

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks import ours
from benchmarks.drawings import Drawing
from benchmarks.entries import Entry, FirstWeights
from zoo import storing
from zoo.distributions.discretized_logistic import to_line
from zoo.models import DDIM, GAN, VAE, VQVAE, Diffusion
from zoo.models.base import GenerativeModel
from zoo.noise import fold
from zoo.numerics import mean_event
from zoo.objectives.adversarial import AdversarialTerms
from zoo.objectives.denoising import DenoisingTerms
from zoo.training.settings import TrainingSettings

#: Of all models, in the order of their first weights.
PARTS = (
    "network",
    "encoder",
    "posterior",
    "decoder",
    "likelihood",
    "projection",
    "discriminator",
    "discriminator_logit",
)


class Zoo(ours.Fit):
    """`model.fit`.

    Args:
        problem: what to train.
        threads: of TensorFlow's pools.
    """

    def __init__(self, problem: Entry, threads: int):
        ours.prepare(threads)
        settings = TrainingSettings.from_config(problem.resolved.values["training"])
        adam = keras.optimizers.Adam(**problem.adam)
        super().__init__(_model(problem), _data_set(problem), adam, settings)

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """Of the first weights, before the optimizer; a VAE decodes the posterior's mean.

        Of a GAN it is the discriminator's. It, and a diffusion, take the probe's random numbers.
        """
        x, y = tf.constant(probe[0], tf.float32), probe[1] if len(probe) > 1 else None
        if isinstance(self.model, VAE):
            return -ours.elbo(self.model, x)
        if isinstance(self.model, Diffusion):
            return _denoising_loss(self.model, x, *probe[1:])
        if isinstance(self.model, GAN):
            return _discriminator_loss(self.model, x, *probe[1:])
        terms = self.model.terms(x, y, training=False, seed=fold(0))
        return float(tf.reduce_mean(self.model.objective(terms)))


class Sampler:
    """`model.sample` of a diffusion.

    Args:
        problem: what to draw.
        threads: of TensorFlow's pools.
    """

    note = ""

    def __init__(self, problem: Drawing, threads: int):
        ours.prepare(threads)
        self.model, self.problem, self.turns = _model(problem.entry), problem, 0
        # PyTorch's loop has no fresh noise either, whatever the entry's sampler has.
        self.model.sampler = DDIM(problem.steps)

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """Mean square of what the first weights make of the probe's noise, on [-1, 1]."""
        start = tf.constant(probe[0])

        @tf.function(autograph=False)
        def draw():
            def denoise(x_t, t):
                return self.model.guess(x_t, tf.fill(start.shape[:1], t))

            return self.model.sampler.run(denoise, self.model.schedule, start, fold(0))

        return float(tf.reduce_mean(tf.square(draw())))

    def turn(self) -> dict[str, float]:
        """As many images as the problem says."""
        begin = time.perf_counter()
        for _ in range(self.problem.batches):
            self.turns += 1
            np.asarray(self.model.sample(self.problem.images, seed=self.turns))
        return {"seconds": time.perf_counter() - begin}


def _data_set(problem: Entry) -> tf.data.Dataset:
    x, *labels = problem.data()
    return zoo.data.from_array(
        x,
        *labels,
        binarize="dynamic" if problem.binary else "none",
        values=problem.values,
        # Padding is a level of the data.
        levels=None if x.ndim == 4 else int(problem.model["likelihood"]["levels"]) + bool(labels),
        batch_size=problem.batch_size,
        shuffle=True,
    )


def _denoising_loss(model: Diffusion, x: tf.Tensor, t: np.ndarray, noise: np.ndarray) -> float:
    """Of what the network predicts of images of levels, at those times and with that noise."""
    image, t = to_line(x, model.likelihood.levels), tf.constant(t, tf.int32)
    x_t = model.schedule.marginal(image, t).sample(noise)
    error = model.predict_from(x_t, t) - model.objective.target(image, noise, t, model.schedule)
    squares = mean_event(tf.square(error))
    # The simple loss makes nothing of the bound.
    none = tf.zeros_like(squares)
    terms = DenoisingTerms(none, none, squares, t, int(np.prod(model.event_shape)))
    return float(tf.reduce_mean(model.objective(terms)))


def _discriminator_loss(model: GAN, x: tf.Tensor, codes: np.ndarray) -> float:
    """With batch normalization as in training."""
    fake = model.decode(codes, training=True).mean()
    terms = AdversarialTerms(model.logit(fake, training=True), model.logit(x, training=True))
    return float(tf.reduce_mean(model.objective.discriminator_loss(terms)))


def _model(problem: Entry) -> GenerativeModel:
    model, weights = storing.build_model(problem.resolved), FirstWeights()
    for part in filter(None, (getattr(model, name, None) for name in PARTS)):
        for variable in part.trainable_variables:
            variable.assign(weights.next(variable.shape, float(variable.name == "gamma")))
    if isinstance(model, VQVAE):
        quantizer = model.quantizer
        quantizer.book.assign(weights.next(quantizer.book.shape))
        quantizer.sums.assign(quantizer.counts.numpy()[:, np.newaxis] * quantizer.book.numpy())
    return model
