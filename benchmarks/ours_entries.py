"""Latent Zoo's entries, each built from its config, with the first weights that everybody has."""

import keras
import numpy as np
import tensorflow as tf

import zoo
from benchmarks import ours
from benchmarks.entries import Entry, FirstWeights
from benchmarks.problem import LEARNING_RATE
from zoo import storing
from zoo.models import VAE, VQVAE
from zoo.noise import fold
from zoo.training.settings import TrainingSettings

#: Of all models, in the order of their first weights.
PARTS = ("network", "encoder", "posterior", "decoder", "likelihood", "projection")


class Zoo(ours.Fit):
    """`model.fit`.

    Args:
        problem: what to train.
        threads: of TensorFlow's pools.
    """

    def __init__(self, problem: Entry, threads: int):
        ours.prepare(threads)
        model = storing.build_model(problem.resolved)
        _set_weights(model)
        settings = TrainingSettings.from_config(problem.resolved.values["training"])
        super().__init__(model, _data_set(problem), LEARNING_RATE, settings)

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """Of the first weights, before the optimizer; a VAE decodes the posterior's mean."""
        x, y = tf.constant(probe[0], tf.float32), probe[1] if len(probe) > 1 else None
        if isinstance(self.model, VAE):
            return -ours.elbo(self.model, x)
        terms = self.model.terms(x, y, training=False, seed=fold(0))
        return float(tf.reduce_mean(self.model.objective(terms)))


def _data_set(problem: Entry) -> tf.data.Dataset:
    x, *labels = problem.data()
    return zoo.data.from_array(
        x,
        *labels,
        binarize="dynamic" if problem.binary else "none",
        # Padding is a level of the data.
        levels=None if x.ndim == 4 else int(problem.model["likelihood"]["levels"]) + bool(labels),
        batch_size=problem.batch_size,
        shuffle=True,
    )


def _set_weights(model: keras.Model) -> None:
    weights = FirstWeights()
    for part in filter(None, (getattr(model, name, None) for name in PARTS)):
        for variable in part.trainable_variables:
            variable.assign(weights.next(variable.shape, float(variable.name == "gamma")))
    if isinstance(model, VQVAE):
        quantizer = model.quantizer
        quantizer.book.assign(weights.next(quantizer.book.shape))
        quantizer.sums.assign(quantizer.counts.numpy()[:, np.newaxis] * quantizer.book.numpy())
