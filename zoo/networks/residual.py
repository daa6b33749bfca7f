"""Residual convolutional networks without batch normalization, down to features and back up.

They keep to what is cheap on a CPU: 3x3 convolutions, shortcuts that are the identity, and no work
at the full resolution beyond one convolution of stride 2.
"""

from collections.abc import Sequence
from typing import Any

import keras

from zoo.networks.stack import Stack
from zoo.registration import register

# How large the last weights of a branch begin, relative to Glorot's: a deep stack then begins near
# the identity, which is what normalization would otherwise be needed for. Not 0, because weights
# behind a 0 get no gradient.
_BRANCH_SCALE = 0.1


class ResidualBlock(keras.layers.Layer):
    """x + conv(a(conv(a(x)))), both convolutions 3x3 and as wide as x, the outer without bias.

    Shapes: `[B, H, W, C] -> [B, H, W, C]`.

    Args:
        activation: name of a Keras activation, a in the formula.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Reference: He, Zhang, Ren and Sun 2016, arXiv 1603.05027, figure 4(e). Departures: no
    normalization; the branch begins small.
    """

    def __init__(self, activation: str = "elu", **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activation
        self.activate = keras.activations.get(activation)
        self.first: keras.layers.Conv2D | None = None
        self.second: keras.layers.Conv2D | None = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        if self.first is None:
            channels = input_shape[-1]
            small = keras.initializers.VarianceScaling(_BRANCH_SCALE**2, "fan_avg", "uniform")
            # The policy is handed on: without it, they would take the global one.
            same = {"padding": "same", "dtype": self.dtype_policy}
            self.first = keras.layers.Conv2D(channels, 3, activation=self.activation, **same)
            # No bias: TensorFlow 2.21 fails to fuse convolution, bias, shortcut and ELU, and then
            # leaves the whole graph as it is.
            self.second = keras.layers.Conv2D(
                channels, 3, kernel_initializer=small, use_bias=False, **same
            )
        for layer in (self.first, self.second):
            if not layer.built:
                layer.build(input_shape)

    def call(self, x):
        return x + self.second(self.first(self.activate(x)))

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}


@register
class ResidualEncoder(Stack):
    """Stages of a convolution of stride 2 and residual blocks, flattened, then dense layers.

    Shapes: `[B, H, W, C] -> [B, units[-1]]`, or `[B, H W / 4^n * filters[-1]]` without `units`,
    where n is the number of stages and H, W are divisible by 2^n.

    Args:
        filters: width of each stage.
        blocks: residual blocks per stage.
        units: widths of the dense layers that follow.
        activation: name of a Keras activation.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Reference: He et al. 2016, arXiv 1603.05027, for the blocks; Kingma et al. 2016,
    arXiv 1606.04934, appendix C, for their use in a VAE. Departures: the first stage halves the
    resolution too; see `ResidualBlock`.
    """

    def __init__(
        self,
        filters: Sequence[int],
        blocks: int = 2,
        units: Sequence[int] = (),
        activation: str = "elu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.filters, self.blocks = tuple(filters), _checked_blocks(blocks)
        self.units, self.activation = tuple(units), activation
        same = {"dtype": self.dtype_policy}
        self.stack: list[keras.layers.Layer] = []
        for i, width in enumerate(self.filters):
            if i > 0:
                self.stack.append(keras.layers.Activation(activation, **same))
            self.stack.append(keras.layers.Conv2D(width, 3, strides=2, padding="same", **same))
            self.stack += [ResidualBlock(activation, **same) for _ in range(blocks)]
        self.stack += [
            keras.layers.Activation(activation, **same),
            keras.layers.Flatten(**same),
            *(keras.layers.Dense(n, activation=activation, **same) for n in self.units),
        ]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "blocks": self.blocks,
            "units": list(self.units),
            "activation": self.activation,
        }


@register
class ResidualDecoder(Stack):
    """Dense layers to a small image, then stages of residual blocks and a doubling of the size.

    The doubling is a transposed convolution of 4x4 and stride 2: its size is a multiple of its
    stride, so that every pixel gets as many contributions as its neighbours.

    Shapes: `[B, D] -> [B, h 2^n, w 2^n, filters[-1]]`, n the number of stages.

    Args:
        start: shape `(h, w, channels)` of the small image, where the first blocks work.
        filters: width after each doubling.
        blocks: residual blocks per stage, before its doubling.
        units: widths of dense layers before the small image.
        activation: name of a Keras activation.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Raises:
        ValueError: a start that is no image, or a negative number of blocks.

    Reference: as `ResidualEncoder`, whose mirror image it is. Departures: no block works at the
    full resolution.
    """

    def __init__(
        self,
        start: Sequence[int],
        filters: Sequence[int],
        blocks: int = 2,
        units: Sequence[int] = (),
        activation: str = "elu",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if len(start) != 3:
            raise ValueError(f"start is (height, width, channels), not {list(start)}")
        self.start, self.filters, self.units = tuple(start), tuple(filters), tuple(units)
        self.blocks, self.activation = _checked_blocks(blocks), activation
        height, width, channels = self.start
        same = {"dtype": self.dtype_policy}
        self.stack: list[keras.layers.Layer] = [
            *(keras.layers.Dense(n, activation=activation, **same) for n in self.units),
            keras.layers.Dense(height * width * channels, **same),
            keras.layers.Reshape(self.start, **same),
        ]
        for n in self.filters:
            self.stack += [ResidualBlock(activation, **same) for _ in range(blocks)]
            self.stack.append(keras.layers.Activation(activation, **same))
            self.stack.append(keras.layers.Conv2DTranspose(n, 4, strides=2, padding="same", **same))
        self.stack.append(keras.layers.Activation(activation, **same))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "start": list(self.start),
            "filters": list(self.filters),
            "blocks": self.blocks,
            "units": list(self.units),
            "activation": self.activation,
        }


def _checked_blocks(blocks: int) -> int:
    if not isinstance(blocks, int) or blocks < 0:
        raise ValueError(f"blocks is a whole number from 0, not {blocks!r}")
    return blocks
