"""Strided convolutions down to features, and transposed ones back up to an image."""

from collections.abc import Sequence

import keras

from zoo.networks.stack import Stack
from zoo.registration import register


@register
class ConvEncoder(Stack):
    """Convolutions of stride 2, flattened, then dense layers.

    Shapes: `[B, H, W, C] -> [B, units[-1]]`, or `[B, H W / 4^n * filters[-1]]` without `units`,
    where n is the number of convolutions and H, W are divisible by 2^n.

    Args:
        filters: filters of each convolution.
        units: widths of the dense layers that follow.
        kernel_size: of every convolution.
        activation: name of a Keras activation.
    """

    def __init__(
        self,
        filters: Sequence[int],
        units: Sequence[int] = (),
        kernel_size: int = 3,
        activation: str = "relu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.units = tuple(filters), tuple(units)
        self.kernel_size, self.activation = kernel_size, activation
        self.stack = [
            *(
                keras.layers.Conv2D(
                    n, kernel_size, strides=2, padding="same", activation=activation
                )
                for n in self.filters
            ),
            keras.layers.Flatten(),
            *(keras.layers.Dense(n, activation=activation) for n in self.units),
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "filters": list(self.filters),
            "units": list(self.units),
            "kernel_size": self.kernel_size,
            "activation": self.activation,
        }


@register
class ConvDecoder(Stack):
    """Dense layers to a small image, then transposed convolutions of stride 2.

    Shapes: `[B, D] -> [B, h 2^n, w 2^n, filters[-1]]`, n the number of convolutions.

    Args:
        start: shape `(h, w, channels)` of the small image.
        filters: filters of each transposed convolution.
        units: widths of dense layers before the small image.
        kernel_size: of every convolution.
        activation: name of a Keras activation.
    """

    def __init__(
        self,
        start: Sequence[int],
        filters: Sequence[int],
        units: Sequence[int] = (),
        kernel_size: int = 3,
        activation: str = "relu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if len(start) != 3:
            raise ValueError(f"start is (height, width, channels), not {list(start)}")
        self.start, self.filters, self.units = tuple(start), tuple(filters), tuple(units)
        self.kernel_size, self.activation = kernel_size, activation
        height, width, channels = self.start
        self.stack = [
            *(keras.layers.Dense(n, activation=activation) for n in self.units),
            keras.layers.Dense(height * width * channels, activation=activation),
            keras.layers.Reshape(self.start),
            *(
                keras.layers.Conv2DTranspose(
                    n, kernel_size, strides=2, padding="same", activation=activation
                )
                for n in self.filters
            ),
        ]

    def get_config(self):
        return {
            **super().get_config(),
            "start": list(self.start),
            "filters": list(self.filters),
            "units": list(self.units),
            "kernel_size": self.kernel_size,
            "activation": self.activation,
        }
