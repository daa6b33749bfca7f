"""A U-Net: down to a small image and back up, with shortcuts between equal sizes."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from zoo.registration import register

# How large the last weights of a branch begin, relative to Glorot's; not 0, because weights behind
# a 0 get no gradient.
_BRANCH_SCALE = 0.1


@register
class UNet(keras.layers.Layer):
    """Image to image: residual blocks with group normalization, attention at the smallest size.

        down: at each size `blocks` residual blocks, then a convolution of stride 2
        middle: block, self-attention, block
        up: at each size `blocks` + 1 blocks, each beside a result of the way down, then a doubling

    A context goes through two dense layers, and scales and shifts the middle of every block.

    Args:
        filters: channels at each size, the full one first.
        blocks: residual blocks at each size on the way down.
        groups: of every normalization; divides all `filters`.
        attention: whether the middle has self-attention.
        outputs: channels of the result; None: as many as x has.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, H, W, C]` and a context `[B, F]` or none -> `[B, H, W, outputs]`; H and W are
    divisible by 2^(len(filters) - 1).

    Raises:
        ValueError: no filters, groups that do not divide them, no blocks, sizes that do not halve,
            or a context against what was built.

    Reference: Ronneberger et al. 2015, arXiv 1505.04597; blocks, attention and the place of the
    context as in Ho et al. 2020, arXiv 2006.11239, appendix B, scaling as well as shifting as in
    Dhariwal and Nichol 2021, arXiv 2105.05233, section 4.3. Departures: no dropout; one head.
    """

    def __init__(
        self,
        filters: Sequence[int],
        blocks: int = 1,
        groups: int = 8,
        attention: bool = True,
        outputs: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        whole = isinstance(filters, list | tuple) and all(
            type(n) is int and n > 0 for n in (*filters, blocks, groups)
        )
        if not whole or not filters or any(n % groups for n in filters):
            raise ValueError(
                f"UNet takes a list of filters that are multiples of its {groups!r} groups, and 1 "
                f"block or more, not filters {filters!r} and {blocks!r} blocks"
            )
        if outputs is not None and (type(outputs) is not int or outputs < 1):
            raise ValueError(f"outputs is a whole number from 1, not {outputs!r}")
        self.filters, self.blocks, self.groups = tuple(filters), blocks, groups
        self.attention, self.outputs = attention, outputs
        self.embed: list[keras.layers.Dense] = []

    def build(self, x_shape, context_shape=None):
        # A layer that comes out of a saved file is built already, and Keras builds it again.
        if self.built:
            return
        if len(x_shape) != 4:
            raise ValueError(f"a UNet takes images [H, W, C], not {list(x_shape[1:])}")
        sizes = len(self.filters)
        if any(n % 2 ** (sizes - 1) for n in x_shape[1:3]):
            raise ValueError(
                f"a UNet of {sizes} sizes halves an image {sizes - 1} times, which "
                f"{x_shape[1]} x {x_shape[2]} pixels do not take"
            )
        context = None
        if context_shape is not None:
            context = 4 * self.filters[0]
            self.embed = [keras.layers.Dense(context, activation="silu") for _ in range(2)]
            self.embed[0].build(context_shape)
            self.embed[1].build((None, context))
        self._build_down(x_shape[-1], context)
        self._build_up(context)
        self.norm = _norm(self.groups, self.filters[0])
        channels = self.outputs or x_shape[-1]
        self.last = _conv(self.filters[0], channels, scale=_BRANCH_SCALE)
        self.built = True

    def _build_down(self, channels: int, context: int | None) -> None:
        self.first = _conv(channels, self.filters[0])
        # The channels of what is handed over to the way up.
        self.widths = [self.filters[0]]
        self.down: list[list[keras.layers.Layer]] = []
        width = self.filters[0]
        for i, wide in enumerate(self.filters):
            here = []
            for _ in range(self.blocks):
                here.append(self._block(width, wide, context))
                width = wide
                self.widths.append(width)
            if i < len(self.filters) - 1:
                here.append(_conv(width, width, strides=2))
                self.widths.append(width)
            self.down.append(here)
        self.middle = [self._block(width, width, context) for _ in range(2)]
        self.attend = _Attention(width, self.groups) if self.attention else None

    def _build_up(self, context: int | None) -> None:
        self.up: list[list[keras.layers.Layer]] = []
        widths, width = list(self.widths), self.filters[-1]
        for i, wide in reversed(list(enumerate(self.filters))):
            here = []
            for _ in range(self.blocks + 1):
                here.append(self._block(width + widths.pop(), wide, context))
                width = wide
            if i > 0:
                here.append(_conv(width, width))
            self.up.append(here)

    def _block(self, width: int, wide: int, context: int | None) -> "_Block":
        return _Block(width, wide, context, self.groups)

    def call(self, x, context=None):
        if (context is None) != (not self.embed):
            raise ValueError("UNet takes a context if, and only if, it was built with one")
        for layer in self.embed:
            context = layer(context)
        h = self.first(x)
        kept = [h]
        for layers in self.down:
            for layer in layers:
                h = layer(h, context) if isinstance(layer, _Block) else layer(h)
                kept.append(h)
        h = self.middle[0](h, context)
        if self.attend is not None:
            h = self.attend(h)
        h = self.middle[1](h, context)
        for layers in self.up:
            for layer in layers:
                if isinstance(layer, _Block):
                    h = layer(tf.concat([h, kept.pop()], axis=-1), context)
                else:
                    h = layer(tf.repeat(tf.repeat(h, 2, axis=1), 2, axis=2))
        return self.last(_activated(self.norm, h))

    def compute_output_shape(self, x_shape, context_shape=None):
        del context_shape
        return (*x_shape[:-1], self.outputs or x_shape[-1])

    def get_config(self) -> dict[str, Any]:
        own = {
            "filters": list(self.filters),
            "blocks": self.blocks,
            "groups": self.groups,
            "attention": self.attention,
            "outputs": self.outputs,
        }
        return {**super().get_config(), **own}


class _Block(keras.layers.Layer):
    """x + conv(silu((1 + s) norm(conv(silu(norm(x)))) + b)), s and b linear in the context."""

    def __init__(self, width: int, wide: int, context: int | None, groups: int):
        super().__init__()
        self.norms = [_norm(groups, width), _norm(groups, wide)]
        self.convs = [_conv(width, wide), _conv(wide, wide, scale=_BRANCH_SCALE)]
        self.given = None if context is None else _dense(context, 2 * wide)
        self.short = None if width == wide else _dense(width, wide)
        self.built = True

    def call(self, x, context=None):
        h = self.convs[0](_activated(self.norms[0], x))
        h = self.convs[1](_activated(self.norms[1], h, self._scale_and_shift(context)))
        return h + (x if self.short is None else self.short(x))

    def _scale_and_shift(self, context) -> tuple[tf.Tensor, tf.Tensor] | None:
        if self.given is None:
            return None
        scale, shift = tf.split(self.given(context), 2, axis=-1)
        return 1 + scale, shift


class _Attention(keras.layers.Layer):
    """x + W softmax(q k / sqrt(C)) v of norm(x), over all places."""

    def __init__(self, width: int, groups: int):
        super().__init__()
        self.norm, self.qkv = _norm(groups, width), _dense(width, 3 * width)
        self.out = _dense(width, width, scale=_BRANCH_SCALE)
        self.built = True

    def call(self, x):
        places = tf.reshape(self.norm(x), [tf.shape(x)[0], -1, x.shape[-1]])
        q, k, v = tf.split(self.qkv(places), 3, axis=-1)
        scores = tf.matmul(q, k, transpose_b=True) / x.shape[-1] ** 0.5
        seen = tf.matmul(tf.nn.softmax(scores), v)
        return x + tf.reshape(self.out(seen), tf.shape(x))


def _activated(norm: keras.layers.GroupNormalization, x, then=None) -> tf.Tensor:
    """silu of norm(x) `[B, H, W, C]`, or of scale norm(x) + shift, `then` being both, `[B, C]`.

    What is known of a channel goes into one product and one sum. Keras's layer passes over the
    image about twice as often, which takes longer than the convolutions.
    """
    each = x.shape[-1] // norm.groups

    def of_groups(of_channels: tf.Tensor) -> tf.Tensor:
        means = tf.reduce_mean(tf.reshape(of_channels, [-1, norm.groups, each]), axis=-1)
        return tf.repeat(means, each, axis=-1)

    # Sums over an image take 32 bits, whatever the image has.
    image = tf.cast(x, tf.float32)
    gamma, beta, *then = (tf.cast(v, tf.float32) for v in (norm.gamma, norm.beta, *(then or ())))
    mean = of_groups(tf.reduce_mean(image, axis=[1, 2]))
    squares = tf.math.squared_difference(image, mean[:, tf.newaxis, tf.newaxis])
    variance = of_groups(tf.reduce_mean(squares, axis=[1, 2]))
    scale = gamma * tf.math.rsqrt(variance + norm.epsilon)
    shift = beta - mean * scale
    if then:
        scale, shift = then[0] * scale, then[0] * shift + then[1]
    line = scale[:, tf.newaxis, tf.newaxis] * image + shift[:, tf.newaxis, tf.newaxis]
    return tf.nn.silu(tf.cast(line, x.dtype))


def _norm(groups: int, width: int) -> keras.layers.Layer:
    layer = keras.layers.GroupNormalization(groups)
    layer.build((None, None, None, width))
    return layer


def _conv(width: int, wide: int, strides: int = 1, scale: float = 1.0) -> keras.layers.Layer:
    start = keras.initializers.VarianceScaling(scale**2, "fan_avg", "uniform")
    layer = keras.layers.Conv2D(wide, 3, strides, padding="same", kernel_initializer=start)
    layer.build((None, None, None, width))
    return layer


def _dense(width: int, wide: int, scale: float = 1.0) -> keras.layers.Layer:
    start = keras.initializers.VarianceScaling(scale**2, "fan_avg", "uniform")
    layer = keras.layers.Dense(wide, kernel_initializer=start)
    layer.build((None, width))
    return layer
