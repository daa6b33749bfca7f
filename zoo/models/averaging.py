"""A running average of the weights, which is often the better model than the last step's."""

import numbers
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf


class WeightAverage(keras.layers.Layer):
    """average <- d average + (1 - d) weight after each step,   d = min(decay, (1 + n) / (10 + n)).

    n is the number of steps before: the first ones count for little. It is a layer so that Keras
    saves it with the model. It is empty until `begin`, which `compile` calls: what is trained has
    averages, what was loaded has none.

    Reference: Polyak and Juditsky 1992, SIAM Journal on Control and Optimization 30; the growing
    decay as in TensorFlow's `tf.train.ExponentialMovingAverage`.
    """

    def __init__(self):
        super().__init__(name="average", trainable=False)
        self.decay: float | None = None
        self.averages: list[keras.Variable] = []

    def begin(self, decay: float | None, variables: Sequence[keras.Variable]) -> None:
        """Begins anew, from the weights as they are.

        Args:
            decay: from 0 and below 1; None ends averaging.
            variables: the weights, always the same ones.

        Raises:
            ValueError: a decay that is none.
        """
        self.decay = None if decay is None else _checked(decay)
        if decay is None:
            return
        if not self.averages:
            self.averages = [self._like(v, f"average_{i}") for i, v in enumerate(variables)]
        for average, variable in zip(self.averages, variables, strict=True):
            average.assign(variable)

    def _like(self, variable: keras.Variable, name: str) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=variable.shape,
            dtype=variable.dtype,
            initializer="zeros",
            trainable=False,
            # Weights are the same on all replicas, and so are their averages.
            aggregation="only_first_replica",
        )

    def update(self, variables: Sequence[keras.Variable], step: tf.Variable) -> None:
        """Takes in the weights after step `step`, counted from 0."""
        if self.decay is None:
            return
        before = tf.cast(step, tf.float32)
        decay = tf.minimum(self.decay, (1 + before) / (10 + before))
        for average, variable in zip(self.averages, variables, strict=True):
            own = tf.cast(decay, average.dtype)
            average.assign(own * average + (1 - own) * tf.convert_to_tensor(variable))

    def in_place_of(
        self, variables: Sequence[keras.Variable], trained: Sequence[keras.Variable]
    ) -> list[np.ndarray]:
        """Values of `variables`, its own left out, with the averages of those in `trained`."""
        own, averages = {id(v) for v in self.averages}, {}
        if self.decay is not None:
            averages = {id(v): a for v, a in zip(trained, self.averages, strict=True)}
        return [averages.get(id(v), v).numpy() for v in variables if id(v) not in own]


def _checked(decay: float) -> float:
    real = isinstance(decay, numbers.Real) and not isinstance(decay, bool)
    if not real or not 0 <= decay < 1:
        raise ValueError(f"the decay of an average is from 0 and below 1, not {decay!r}")
    return float(decay)
