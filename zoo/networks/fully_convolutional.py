"""Convolutions down to a small map of features, and back up to an image."""

from collections.abc import Sequence
from typing import Any

import keras

from zoo.networks.stack import Stack
from zoo.registration import register

# Of the strided convolutions: with twice the stride, no pixel counts more often than another.
_KERNEL = 4


class _FullyConvolutional(Stack):
    """What both directions share: arguments, and residual blocks at the small end."""

    def __init__(
        self,
        filters: Sequence[int],
        blocks: int = 2,
        block_filters: int | None = None,
        activation: str = "relu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not filters:
            raise ValueError("filters has a number for each strided convolution: it is empty")
        if not isinstance(blocks, int) or blocks < 0:
            raise ValueError(f"blocks is a whole number from 0, not {blocks!r}")
        self.filters, self.blocks = tuple(filters), blocks
        self.block_filters, self.activation = block_filters, activation
        self.stack = self._make()

    def _make(self) -> list[keras.layers.Layer]:
        raise NotImplementedError

    def _residual(self, filters: int) -> list[keras.layers.Layer]:
        """The blocks, and the activation that ends them; nothing for none."""
        if not self.blocks:
            return []
        inner = self.block_filters or filters
        blocks = [
            Block(filters, inner, self.activation, dtype=self.dtype_policy)
            for _ in range(self.blocks)
        ]
        return [*blocks, keras.layers.Activation(self.activation, dtype=self.dtype_policy)]

    def _strided(self) -> dict[str, Any]:
        return {"strides": 2, **self._same()}

    def _same(self) -> dict[str, Any]:
        # The policy is handed on: without it, the layers would take the global one.
        return {"padding": "same", "activation": self.activation, "dtype": self.dtype_policy}

    def get_config(self):
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "blocks": self.blocks,
            "block_filters": self.block_filters,
            "activation": self.activation,
        }


@register
class DownEncoder(_FullyConvolutional):
    """Convolutions of stride 2, then residual blocks.

    Shapes: `[B, H, W, C] -> [B, H / 2^n, W / 2^n, filters[-1]]`, where n is the number of
    convolutions and H, W are divisible by 2^n.

    Args:
        filters: filters of each convolution of stride 2.
        blocks: number of residual blocks.
        block_filters: filters of the 3x3 convolution in a block; None: as many as come in.
        activation: name of a Keras activation.

    Reference: van den Oord et al. 2017, arXiv 1711.00937, section 4.1. Departures: an activation
    follows each strided convolution and the last block, and widths are free.
    """

    def _make(self):
        strided = [keras.layers.Conv2D(n, _KERNEL, **self._strided()) for n in self.filters]
        return [*strided, *self._residual(self.filters[-1])]


@register
class UpDecoder(_FullyConvolutional):
    """A 3x3 convolution, residual blocks, then transposed convolutions of stride 2.

    Shapes: `[B, h, w, D] -> [B, h 2^n, w 2^n, filters[-1]]`, n the number of transposed ones.

    Args:
        filters: filters of each transposed convolution; what stands before them has as many as the
            first.
        blocks: number of residual blocks.
        block_filters: filters of the 3x3 convolution in a block; None: as many as come in.
        activation: name of a Keras activation.

    Reference and departures: as for `DownEncoder`; the pixels themselves are the likelihood's.
    """

    def _make(self):
        first = self.filters[0]
        strided = [
            keras.layers.Conv2DTranspose(n, _KERNEL, **self._strided()) for n in self.filters
        ]
        return [
            keras.layers.Conv2D(first, 3, **self._same()),
            *self._residual(first),
            *strided,
        ]


class Block(keras.layers.Layer):
    """x + conv1x1(a(conv3x3(a(x)))), `[B, H, W, F] -> [B, H, W, F]`; `inner` filters in between."""

    def __init__(self, filters: int, inner: int, activation: str, **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        same = {"dtype": self.dtype_policy}
        self.inner = keras.layers.Conv2D(inner, 3, padding="same", activation=activation, **same)
        self.outer = keras.layers.Conv2D(filters, 1, **same)

    def build(self, input_shape):
        self.inner.build(input_shape)
        self.outer.build(self.inner.compute_output_shape(input_shape))
        self.built = True

    def call(self, inputs):
        return inputs + self.outer(self.inner(self.activation(inputs)))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)
