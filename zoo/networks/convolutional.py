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
        batch_norm: normalize what each convolution but the first makes, as a DCGAN's discriminator
            does (Radford et al. 2016, arXiv 1511.06434).
    """

    def __init__(
        self,
        filters: Sequence[int],
        units: Sequence[int] = (),
        kernel_size: int = 3,
        activation: str = "relu",
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.units = tuple(filters), tuple(units)
        self.kernel_size, self.activation = kernel_size, activation
        self.batch_norm = batch_norm
        convolutions = [
            keras.layers.Conv2D(
                n, kernel_size, strides=2, padding="same", use_bias=i == 0 or not batch_norm
            )
            for i, n in enumerate(self.filters)
        ]
        self.stack = [
            *_activated(convolutions[:1], activation, False),
            *_activated(convolutions[1:], activation, batch_norm),
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
            "batch_norm": self.batch_norm,
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
        batch_norm: normalize what each layer after `units` makes, as a DCGAN's generator does.
    """

    def __init__(
        self,
        start: Sequence[int],
        filters: Sequence[int],
        units: Sequence[int] = (),
        kernel_size: int = 3,
        activation: str = "relu",
        batch_norm: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if len(start) != 3:
            raise ValueError(f"start is (height, width, channels), not {list(start)}")
        self.start, self.filters, self.units = tuple(start), tuple(filters), tuple(units)
        self.kernel_size, self.activation = kernel_size, activation
        self.batch_norm = batch_norm
        height, width, channels = self.start
        own_bias = not batch_norm
        self.stack = [
            *(keras.layers.Dense(n, activation=activation) for n in self.units),
            keras.layers.Dense(height * width * channels, use_bias=own_bias),
            *_activated([keras.layers.Reshape(self.start)], activation, batch_norm),
            *_activated(
                [
                    keras.layers.Conv2DTranspose(
                        n, kernel_size, strides=2, padding="same", use_bias=own_bias
                    )
                    for n in self.filters
                ],
                activation,
                batch_norm,
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
            "batch_norm": self.batch_norm,
        }


def _activated(
    layers: Sequence[keras.layers.Layer], activation: str, batch_norm: bool
) -> list[keras.layers.Layer]:
    """Each of `layers`, then normalization where asked for, then the activation."""
    made = []
    for layer in layers:
        normalization = [keras.layers.BatchNormalization()] if batch_norm else []
        made += [layer, *normalization, keras.layers.Activation(activation)]
    return made
