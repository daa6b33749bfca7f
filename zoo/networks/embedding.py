"""Times as vectors, and a dense network that is told one."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.registration import register

#: The longest wave of the features of a time has 2 pi times so many steps.
_BASE = 10_000.0


def time_features(t: tf.Tensor, size: int) -> tf.Tensor:
    """Sines and cosines of integer times `[B]` -> `[B, size]`, of waves from 2 pi steps on.

    Reference: Vaswani et al. 2017, arXiv 1706.03762, section 3.5.
    """
    waves = _BASE ** (-np.arange(size // 2) / (size // 2))
    angles = tf.cast(t, tf.float32)[:, tf.newaxis] * waves.astype(np.float32)
    return tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)


@register
class ContextMLP(keras.layers.Layer):
    """Dense layers over vectors, each of which also sees a context.

        h_l = a(W_l h_(l-1) + V_l c + b_l), then a linear layer as wide as x

    Args:
        units: widths of the hidden layers.
        activation: name of a Keras activation, a.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, D]`, context `[B, C]` -> `[B, D]`.

    Raises:
        ValueError: no hidden layer.
    """

    def __init__(self, units: Sequence[int], activation: str = "silu", **kwargs: Any):
        super().__init__(**kwargs)
        if not units:
            raise ValueError("ContextMLP takes one hidden layer or more")
        self.units, self.activation = tuple(units), activation
        self.activate = keras.activations.get(activation)
        self.hidden = [keras.layers.Dense(n, name=f"hidden_{i}") for i, n in enumerate(self.units)]
        self.given = [
            keras.layers.Dense(n, use_bias=False, name=f"given_{i}")
            for i, n in enumerate(self.units)
        ]
        self.out: keras.layers.Dense | None = None

    def build(self, x_shape, context_shape=None):
        if self.out is None:
            self.out = keras.layers.Dense(x_shape[-1], name="out")
        width = x_shape[-1]
        for hidden, given in zip(self.hidden, self.given, strict=True):
            hidden.build((None, width))
            given.build(context_shape)
            width = hidden.units
        self.out.build((None, width))
        self.built = True

    def call(self, x, context):
        for hidden, given in zip(self.hidden, self.given, strict=True):
            x = self.activate(hidden(x) + given(context))
        return self.out(x)

    def compute_output_shape(self, x_shape, context_shape=None):
        del context_shape
        return tuple(x_shape)

    def get_config(self) -> dict[str, Any]:
        own = {"units": list(self.units), "activation": self.activation}
        return {**super().get_config(), **own}
