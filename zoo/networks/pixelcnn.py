"""PixelCNN: convolutions whose kernels are masked behind the present pixel and channel."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.networks.pixels import PixelNetwork, cycled
from zoo.networks.shifted import ShiftedConv
from zoo.registration import register


class MaskedConv(ShiftedConv):
    """A convolution that sees the rows above, what is left of its place, and a part of the place.

    Channels come in equal groups, one per channel of the image: group c of an output sees at its
    own place the groups before c, and with `own` group c too.

    Args:
        filters: channels of the output, a multiple of `groups`.
        kernel: odd, height and width of the kernel of which the mask leaves the first half.
        groups: channels of the image.
        own: False is the papers' mask A, True mask B.
        **kwargs: `dilation`, and those of any Keras layer.
    """

    def __init__(self, filters: int, kernel: int, groups: int, own: bool, **kwargs: Any):
        super().__init__(filters, (kernel // 2 + 1, kernel), centred=True, **kwargs)
        self.groups, self.own = groups, own

    def build(self, input_shape):
        super().build(input_shape)
        height, width, inputs, outputs = self.kernel.shape
        mask = np.ones((height, width, inputs, outputs), np.float32)
        middle = width // 2
        mask[-1, middle + 1 :] = 0
        before = np.arange(inputs) * self.groups // inputs
        after = np.arange(outputs) * self.groups // outputs
        mask[-1, middle] = before[:, None] < after + self.own
        self.mask = mask

    def weight(self):
        return self.kernel * tf.constant(self.mask, self.compute_dtype)

    def at(self, x: tf.Tensor) -> tf.Tensor:
        """The output of a 1x1 kernel for channels `[..., C]`."""
        return tf.matmul(x, self.weight()[0, 0]) + self.bias


class _Block(keras.layers.Layer):
    """h + W_2 a(conv(a(W_1 a(h)))), a = relu; the convolution and W_1 half as wide as h."""

    def __init__(self, filters: int, kernel: int, groups: int, dilation: int, **kwargs: Any):
        super().__init__(**kwargs)
        half = filters // 2
        self.narrow = MaskedConv(half, 1, groups, own=True, name="narrow")
        self.conv = MaskedConv(half, kernel, groups, own=True, dilation=dilation, name="conv")
        self.widen = MaskedConv(filters, 1, groups, own=True, name="widen")

    def build(self, input_shape):
        self.narrow.build(input_shape)
        shape = (*input_shape[:-1], self.narrow.filters)
        self.conv.build(shape)
        self.widen.build(shape)
        self.built = True

    def before(self, h: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self.narrow.at(tf.nn.relu(h)))

    def after(self, h: tf.Tensor, convolved: tf.Tensor) -> tf.Tensor:
        return h + self.widen.at(tf.nn.relu(convolved))


@register
class PixelCNN(PixelNetwork):
    """Features of each channel of each pixel from the pixels before it and its earlier channels.

    A kernel's masked half leaves a blind spot above and right of a pixel, which
    `GatedPixelCNN` does not have.

    Args:
        filters: channels between blocks, a multiple of twice the image's channels.
        layers: residual blocks.
        first_kernel: odd, of the first convolution (mask A).
        kernel: odd, of the blocks (mask B).
        units: channels of the 1x1 convolution at the end, a multiple of the image's channels.
        dilations: of the blocks, over and over, such as [1, 2, 4]: they see further at no cost. By
            default all are 1, as in the paper.
        order: "forward" or "reversed" pixels; channels are drawn from the first to the last.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, H, W, C]`, context `[B, C']` or none -> `[B, H, W, C, units / C]`.

    Raises:
        ValueError: even kernels, widths that C does not divide, or anything but images.

    Reference: van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv 1601.06759, section 3.3 and
    Figure 5. Departures: one layer between the blocks and the likelihood instead of two; a context
    is added after the first convolution.
    """

    per_element = True

    def __init__(
        self,
        filters: int,
        layers: int,
        first_kernel: int = 7,
        kernel: int = 3,
        units: int = 64,
        dilations: Sequence[int] = (1,),
        order: str = "forward",
        **kwargs: Any,
    ):
        super().__init__(order, **kwargs)
        if layers < 1 or first_kernel % 2 == 0 or kernel % 2 == 0 or first_kernel < 3:
            raise ValueError("PixelCNN takes 1 layer or more, and odd kernels; the first from 3 on")
        self.filters, self.depth, self.units = filters, layers, units
        self.first_kernel, self.kernel = first_kernel, kernel
        self.dilations, self.each_dilation = list(dilations), cycled(dilations, layers)
        self.given = keras.layers.Dense(filters, use_bias=False, name="context")

    @property
    def feature_size(self) -> int:
        return self.units // self.event_shape[-1]

    @property
    def order(self) -> np.ndarray:
        channels = self.event_shape[-1]
        pixels = np.arange(self.steps).reshape(-1, channels)
        return (pixels if self.drawing_order == "forward" else pixels[::-1]).reshape(-1)

    def build_for(self, context_size):
        channels = self.event_shape[-1]
        if self.filters % (2 * channels) or self.units % channels:
            raise ValueError(
                f"PixelCNN over {channels} channels takes filters that are a multiple of "
                f"{2 * channels}, and units of {channels}, not {self.filters} and {self.units}"
            )
        places = (None, None, None)
        self.first = MaskedConv(self.filters, self.first_kernel, channels, own=False, name="first")
        self.first.build((*places, channels))
        self.blocks = [
            _Block(self.filters, self.kernel, channels, dilation, name=f"block_{i}")
            for i, dilation in enumerate(self.each_dilation)
        ]
        for block in self.blocks:
            block.build((*places, self.filters))
        self.top = MaskedConv(self.units, 1, channels, own=True, name="top")
        self.top.build((*places, self.filters))
        if context_size is not None:
            self.given.build((None, context_size))

    def forward(self, x, context):
        h = self.first(x)
        if context is not None:
            h += self.given(context)[:, tf.newaxis, tf.newaxis]
        for block in self.blocks:
            h = block.after(h, block.conv(block.before(h)))
        return self._finished(h, tf.shape(x)[:3])

    def start(self, batch, context):
        size = (batch, self.height, self.columns)
        return {
            "pixel": tf.zeros([batch, self.event_shape[-1]], self.compute_dtype),
            "first": self.first.memory(*size),
            "blocks": [block.conv.memory(*size) for block in self.blocks],
        }

    def step(self, state, previous, index, context):
        channels = self.event_shape[-1]
        last = tf.maximum(index - 1, 0)
        # A new pixel begins empty; at step 0 a zero goes where a zero is.
        begun = tf.where(
            tf.equal(last % channels, 0), tf.zeros_like(state["pixel"]), state["pixel"]
        )
        own = tf.one_hot(last % channels, channels, dtype=begun.dtype)
        pixel = begun + own * previous
        place = last // channels
        first = self.first.push(state["first"], pixel, place // self.columns, place % self.columns)
        place = index // channels
        i, j = place // self.columns, place % self.columns
        h = self.first.pixel(first, i, j)
        if context is not None:
            h += self.given(context)
        memories = []
        for block, memory in zip(self.blocks, state["blocks"], strict=True):
            memory = block.conv.push(memory, block.before(h), i, j)
            h = block.after(h, block.conv.pixel(memory, i, j))
            memories.append(memory)
        features = self._finished(h, tf.shape(h)[:1])[:, index % channels]
        return features, {"pixel": pixel, "first": first, "blocks": memories}

    def _finished(self, h: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        features = tf.nn.relu(self.top.at(tf.nn.relu(h)))
        groups = [self.event_shape[-1], self.feature_size]
        return tf.reshape(features, tf.concat([places, groups], axis=0))

    def get_config(self) -> dict[str, Any]:
        own = {
            "filters": self.filters,
            "layers": self.depth,
            "first_kernel": self.first_kernel,
            "kernel": self.kernel,
            "units": self.units,
            "dilations": self.dilations,
        }
        return {**super().get_config(), **own}
