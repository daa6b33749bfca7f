"""What networks over pixels share: the order of drawing, and the memory of pixels drawn."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.networks.causal import CausalNetwork, remember

ORDERS = ("forward", "reversed")


class PixelNetwork(CausalNetwork):
    """A causal network that goes row by row, in each from left to right, or all the way back.

    Args:
        order: "forward", or "reversed": from the last pixel to the first.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    A subclass defines `forward` for `whole`, in the forward order.
    """

    per_element = False

    def __init__(self, order: str = "forward", **kwargs: Any):
        super().__init__(**kwargs)
        if order not in ORDERS:
            raise ValueError(f"unknown order {order!r}; choose one of: {', '.join(ORDERS)}")
        self.drawing_order = order

    def forward(self, x: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        raise NotImplementedError

    def build(self, input_shape, context_shape=None):
        if len(input_shape) != 4:
            raise ValueError(
                f"{type(self).__name__} takes images [B, H, W, C], not {list(input_shape)}"
            )
        super().build(input_shape, context_shape)

    def whole(self, x, context, seed=None):
        if self.drawing_order == "forward":
            return self.forward(x, context)
        features = self.forward(tf.reverse(x, [1, 2]), context)
        return tf.reverse(features, [1, 2])

    @property
    def order(self) -> np.ndarray:
        places = np.arange(self.steps)
        return places if self.drawing_order == "forward" else places[::-1]

    @property
    def row_length(self) -> int:
        return self.columns

    @property
    def height(self) -> int:
        return self.event_shape[0]

    @property
    def columns(self) -> int:
        return self.event_shape[1]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "order": self.drawing_order}

    # The pixels drawn so far, `[W + H W, B, C]`: a row of zeros, then the image.

    def blank(self, batch: int | tf.Tensor, channels: int) -> tf.Tensor:
        return tf.zeros([(self.height + 1) * self.columns, batch, channels], self.compute_dtype)

    def drawn(self, pixels: tf.Tensor, previous: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """`pixels` with that of the step before `index`; at step 0, a zero into the row of them."""
        return remember(pixels, previous, index + self.columns - 1)

    def row_of(self, pixels: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        """The row i - 1 `[W, B, C]`; zeros above the first."""
        return tf.slice(pixels, [i * self.columns, 0, 0], [self.columns, -1, -1])


def cycled(dilations: Sequence[int], layers: int) -> list[int]:
    """The dilation of each of so many layers: `dilations` over and over.

    Raises:
        ValueError: there is none, or one below 1.
    """
    if not dilations or min(dilations) < 1:
        raise ValueError(f"dilations are 1 or more each, not {list(dilations)}")
    return [dilations[i % len(dilations)] for i in range(layers)]


def dense(units: int, name: str, bias: bool = True) -> keras.layers.Dense:
    """A product with the channels: a 1x1 convolution on images."""
    return keras.layers.Dense(units, use_bias=bias, name=name)


def gate(x: tf.Tensor) -> tf.Tensor:
    """tanh(a) sigmoid(b), a and b the halves of the channels."""
    a, b = tf.split(x, 2, axis=-1)
    return tf.tanh(a) * tf.sigmoid(b)
