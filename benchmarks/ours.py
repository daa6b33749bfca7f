"""Latent Zoo through its public API: `model.fit`, and the VAEs on dynamically binarized data."""

import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import zoo
from benchmarks import problem as problems
from benchmarks.problem import BATCH, LATENT, Convolution, VAEProblem
from zoo.distributions import IndependentBernoulli, MultivariateNormalDiag
from zoo.models import VAE
from zoo.models.base import GenerativeModel
from zoo.networks import MLP, ConvDecoder, ConvEncoder
from zoo.numerics import inverse_positive
from zoo.training.compilation import compile_arguments
from zoo.training.settings import TrainingSettings


class Fit:
    """One epoch of `model.fit` in each turn, compiled as `zoo train` compiles.

    Args:
        model: with its first weights.
        data: a training set.
        optimizer: of the model, or of the first of its players.
        settings: of which `jit_compile` and `steps_per_execution` count.
    """

    def __init__(
        self,
        model: GenerativeModel,
        data: tf.data.Dataset,
        optimizer: keras.optimizers.Optimizer,
        settings: TrainingSettings,
    ):
        self.model, self.data = model, data
        arguments = compile_arguments(model, settings, int(data.cardinality()))
        model.compile(optimizer, **arguments)
        self.note = ", ".join(f"{key}={value}" for key, value in arguments.items())

    def turn(self) -> dict[str, float]:
        """One epoch."""
        clock = _Clock()
        history = self.model.fit(self.data, verbose=0, callbacks=[clock]).history
        return {"seconds": clock.seconds, "loss": history["loss"][0]}


class Zoo(Fit):
    """A VAE on a dynamically binarized data set.

    Args:
        problem: what to train.
        threads: of TensorFlow's pools.
    """

    def __init__(self, problem: VAEProblem, threads: int):
        prepare(threads)
        data = zoo.data.from_array(
            problems.grey_images(problem.units),
            binarize="dynamic",
            batch_size=BATCH,
            shuffle=True,
        )
        adam = keras.optimizers.Adam(problems.LEARNING_RATE)
        super().__init__(_model(problem), data, adam, TrainingSettings())

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """The negative ELBO of the first weights, in nats, decoding the posterior's mean."""
        return -elbo(self.model, *probe)


def prepare(threads: int) -> None:
    """Threads of this process."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def elbo(model: VAE, x: np.ndarray) -> float:
    """Mean over the images, in nats, decoding the posterior's mean."""
    posterior = model.encode(x)
    log_likelihood = model.decode(posterior.mean()).log_prob(x)
    kl = tfp.distributions.kl_divergence(posterior, model.prior_distribution())
    return float(tf.reduce_mean(log_likelihood - kl))


class _Clock(keras.callbacks.Callback):
    # What `fit` does once, however many epochs follow, is no part of an epoch.
    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()

    def on_train_end(self, logs=None):
        self.seconds = time.perf_counter() - self.start


def _model(problem: VAEProblem) -> VAE:
    if problem.convolutional:
        down = [layer for layer in problem.encoder if isinstance(layer, Convolution)]
        up = [layer for layer in problem.decoder if isinstance(layer, Convolution)]
        encoder = ConvEncoder([layer.outputs for layer in down], kernel_size=down[0].taps)
        decoder = ConvDecoder(
            [up[0].small, up[0].small, up[0].inputs],
            [layer.outputs for layer in up],
            kernel_size=up[0].taps,
        )
    else:
        encoder = MLP([layer.outputs for layer in problem.encoder[:-1]])
        decoder = MLP([layer.outputs for layer in problem.decoder[:-1]])
    posterior = MultivariateNormalDiag(LATENT)
    likelihood = IndependentBernoulli([problems.SIZE, problems.SIZE, 1])
    model = VAE(encoder, posterior, decoder, likelihood)
    model.ensure_built()

    first, second = problem.weights()
    # softplus(raw + c) + floor = scale, where c makes the scale 1 at raw = 0.
    shift = inverse_positive(1.0, posterior.floor)
    raw = [inverse_positive(float(scale), posterior.floor) - shift for scale in problems.SCALES]
    first[-1][1][LATENT:] = raw
    for part, weights in (
        (encoder, first[:-1]),
        (posterior, first[-1:]),
        (decoder, second[:-1]),
        (likelihood, second[-1:]),
    ):
        part.set_weights([array for pair in weights for array in pair])
    return model
