"""Convolutions that look up, and left, of their own place: all of an image, a row, or a pixel."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from zoo.networks.causal import remember


class ShiftedConv(keras.layers.Layer):
    """output(i, j) = b + sum of kernel * x over rows i - h + 1 .. i and w columns.

    The columns are j - (w - 1) / 2 .. j + (w - 1) / 2 if `centred`, otherwise j - w + 1 .. j; with
    a dilation d, the distances from (i, j) are d times as long. Outside the image x is 0. On an
    image that was moved down (or right) by one, the output thus sees what is above (or left) of its
    place.

    A whole image is a convolution. For drawing, a `memory` keeps what has been seen of x: `push`
    puts a pixel or a row into it, `pixel` and `row` make the output there.

    Shapes: x `[B, H, W, C]` -> `[B, H / stride, W / stride, filters]`; memory
    `[H + d (h - 1), W + d (w - 1), B, C]`, a pixel `[B, C]`, a row `[W, B, C]`.

    Args:
        filters: channels of the output.
        kernel_size: (h, w).
        centred: see above; w is odd then.
        stride: of both axes; the output (r, c) is the one at (stride r, stride c).
        dilation: of both axes; with a stride it is 1.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Sequence[int],
        centred: bool,
        stride: int = 1,
        dilation: int = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.height, self.width = kernel_size
        if centred and self.width % 2 == 0:
            raise ValueError(f"a centred convolution has an odd width, not {self.width}")
        self.filters, self.stride, self.dilation = filters, stride, dilation
        # So many rows and columns beside its own does it look up, left and right.
        self.up, across = dilation * (self.height - 1), dilation * (self.width - 1)
        self.left = across // 2 if centred else across
        self.right = across - self.left

    def build(self, input_shape):
        shape = (self.height, self.width, input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def weight(self) -> tf.Tensor:
        """The kernel as it is applied."""
        return tf.convert_to_tensor(self.kernel)

    def call(self, x):
        padded = tf.pad(x, [[0, 0], [self.up, 0], [self.left, self.right], [0, 0]])
        convolved = tf.nn.conv2d(
            padded, self.weight(), self.stride, "VALID", dilations=self.dilation
        )
        return convolved + self.bias

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, height // self.stride, width // self.stride, self.filters)

    # Step by step.

    def memory(self, batch: int | tf.Tensor, height: int, width: int) -> tf.Tensor:
        """What has been seen of an image of this size: nothing."""
        channels = self.kernel.shape[2]
        size = [height + self.up, width + self.left + self.right]
        return tf.zeros([*size, batch, channels], self.compute_dtype)

    def push(self, memory: tf.Tensor, pixel: tf.Tensor, i, j) -> tf.Tensor:
        """Puts the pixel (i, j) of x into the memory."""
        return remember(memory, pixel, i + self.up, j + self.left)

    def push_row(self, memory: tf.Tensor, row: tf.Tensor, i) -> tf.Tensor:
        """Puts the row i of x into the memory."""
        padded = tf.pad(row, [[self.left, self.right], [0, 0], [0, 0]])
        return remember(memory, padded, i + self.up)

    def pixel(self, memory: tf.Tensor, i, j) -> tf.Tensor:
        """The output `[B, filters]` whose last seen pixel of x is (i, j) (and right of it)."""
        size = [self.up + 1, self.left + self.right + 1, memory.shape[2] or -1, -1]
        window = tf.slice(memory, [i, j, 0, 0], size)[:: self.dilation, :: self.dilation]
        return tf.einsum("hwbc,hwcf->bf", window, self.weight()) + self.bias

    def row(self, memory: tf.Tensor, i) -> tf.Tensor:
        """The output's row `[W / stride, B, filters]` whose last seen row of x is i."""
        rows = tf.slice(memory, [i, 0, 0, 0], [self.up + 1, -1, -1, -1])[:: self.dilation]
        end = memory.shape[1] - self.left - self.right
        starts = [k * self.dilation for k in range(self.width)]
        windows = [rows[:, k : k + end : self.stride] for k in starts]
        return tf.einsum("khjbc,hkcf->jbf", tf.stack(windows), self.weight()) + self.bias


def moved_down(x: tf.Tensor) -> tf.Tensor:
    """`[B, H, W, C]` by one row; zeros come in."""
    return tf.pad(x, [[0, 0], [1, 0], [0, 0], [0, 0]])[:, :-1]


def moved_right(x: tf.Tensor) -> tf.Tensor:
    """`[B, H, W, C]` by one column; zeros come in."""
    return tf.pad(x, [[0, 0], [0, 0], [1, 0], [0, 0]])[:, :, :-1]
