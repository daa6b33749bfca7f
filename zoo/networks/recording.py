"""Labels of a recording, and the time at which a piece of it begins, as one vector."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from zoo.registration import register


@register
class RecordingLabels(keras.layers.Layer):
    """`[B, K + 1]` to `[B, classes_1 + .. + classes_K + 1]`: K one-hot codes, and seconds.

    In y, K labels, integers 0 .. classes_k - 1, come before the number of the piece's first sample.

    Args:
        classes: how many values each label has, such as [10, 5] for digit and speaker.
        rate: samples in a second.
    """

    def __init__(self, classes: Sequence[int], rate: float = 8000, **kwargs):
        super().__init__(**kwargs)
        if not classes or any(not isinstance(n, int) or n < 1 for n in classes):
            raise ValueError(f"classes are whole numbers from 1, such as [10, 5], not {classes!r}")
        if not rate > 0:
            raise ValueError(f"a rate is above 0, not {rate!r}")
        self.classes, self.rate = list(classes), rate

    def call(self, y):
        labels = tf.unstack(tf.cast(y[:, :-1], tf.int32), len(self.classes), axis=-1)
        codes = [
            tf.one_hot(label, count, dtype=self.compute_dtype)
            for label, count in zip(labels, self.classes, strict=True)
        ]
        seconds = tf.cast(y[:, -1:], tf.float32) / self.rate
        return tf.concat([*codes, tf.cast(seconds, self.compute_dtype)], axis=-1)

    def known(self, y: tf.Tensor) -> tf.Tensor:
        """Which rows of y `[B, K + 1]` are labels and a place, `[B]`: what a graph can look at."""
        labels = (y[:, :-1] >= 0) & (y[:, :-1] < tf.constant(self.classes, y.dtype))
        return tf.reduce_all(labels, axis=-1) & (y[:, -1] >= 0)

    def violation(self, y: np.ndarray) -> str | None:
        """One line that says what is wrong with y `[B, K + 1]`, or None where nothing is."""
        y = np.asarray(y)
        if y.ndim != 2 or y.shape[1] != len(self.classes) + 1:
            return (
                f"y of a recording is [B, {len(self.classes) + 1}], {len(self.classes)} labels and "
                f"the number of the first sample, not {list(y.shape)}"
            )
        for place, count in enumerate(self.classes):
            label = y[:, place]
            wrong = (label < 0) | (label >= count) | (label != np.floor(label))
            if wrong.any():
                return (
                    f"label {place} of a recording is {label[wrong][0]:g}, none of the {count} "
                    f"classes, which are the integers 0 to {count - 1}"
                )
        start = y[:, -1]
        wrong = (start < 0) | (start != np.floor(start))
        if wrong.any():
            return f"a piece begins at a whole number of samples from 0, not {start[wrong][0]:g}"
        return None

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], sum(self.classes) + 1)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes, "rate": self.rate}
