"""Labels as vectors."""

import keras
import numpy as np
import tensorflow as tf

from zoo.registration import register


@register
class OneHot(keras.layers.Layer):
    """`[B]` integers 0 .. classes - 1 to `[B, classes]`.

    Args:
        classes: how many.
    """

    def __init__(self, classes: int, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(classes, int) or classes < 1:
            raise ValueError(f"a number of classes is a whole number from 1, not {classes!r}")
        self.classes = classes

    def call(self, labels):
        return tf.one_hot(tf.cast(labels, tf.int32), self.classes, dtype=self.compute_dtype)

    def known(self, labels: np.ndarray | tf.Tensor) -> np.ndarray | tf.Tensor:
        """Which integer labels `[B]` are classes, as `[B]`; of tensors, in a graph too."""
        return (labels >= 0) & (labels < self.classes)

    def violation(self, labels: np.ndarray) -> str | None:
        """One line that says which labels are none of the classes, or None where all are."""
        labels = np.asarray(labels)
        wrong = ~self.known(labels) | (labels != np.floor(labels))
        if not wrong.any():
            return None
        return (
            f"label {labels[wrong][0]:g} is none of the {self.classes} classes, which are the "
            f"integers 0 to {self.classes - 1}"
        )

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.classes)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes}
