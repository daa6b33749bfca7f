"""A transformer that sees what was drawn before, and keeps keys and values while it draws."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.networks.causal import CausalNetwork, checked_dropout, dropped, remember
from zoo.networks.recurrent import PreviousLevel, check_sequences
from zoo.noise import Seed, fold
from zoo.registration import register

#: The longest wave of the rotary code has 2 pi times so many steps.
ROTARY_BASE = 10_000.0


@register
class Transformer(CausalNetwork):
    """Features of each step by attention to all levels before it.

        e_i = E[x_(i-1)] + W c;  h <- h + attention(norm(h));  h <- h + mlp(norm(h));  norm(h)

    At step 0, a learned vector stands for the level before. Attention is softmax(q k / sqrt(d)) v
    over steps up to its own, where q and k are turned by angles in proportion to their step, so
    that q k depends on the distance only. The mlp has one hidden layer, with GELU.

    Args:
        levels: how many values an element can take.
        size: length of h; a multiple of 2 heads.
        layers: how many attentions and mlps.
        heads: in each attention.
        ratio: hidden units of the mlp, over size.
        dropout: of the vectors e, and of what each attention and mlp adds, in training.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, T]`, float32 integers 0 to levels - 1, and a context `[B, C]` or none ->
    `[B, T, size]`. The weights serve any T.

    Raises:
        ValueError: `layers`, `heads` or `ratio` below 1, a size that the heads do not divide into
            even parts, fewer than 2 levels, a dropout that is no share, another rank of x, or a
            context against what was built.

    Reference: Vaswani et al. 2017, arXiv 1706.03762; norms before each part and the initial scale
    as in Radford et al. 2019 (GPT-2), section 2.3; rotary positions of Su et al. 2021, arXiv
    2104.09864, Eq. 34. Departures: no dropout of attention weights; no bias in q, k and v; the two
    numbers that are turned together are half a head apart, not neighbours.
    """

    takes_levels = True

    def __init__(
        self,
        levels: int,
        size: int,
        layers: int,
        heads: int = 4,
        ratio: int = 4,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if layers < 1 or heads < 1 or ratio < 1 or size < 1 or size % (2 * heads):
            raise ValueError(
                "Transformer takes layers, heads and a ratio of 1 or more, and a size that is a "
                "multiple of 2 heads"
            )
        self.levels, self.size, self.depth = levels, size, layers
        self.heads, self.ratio, self.dropout = heads, ratio, checked_dropout(dropout)
        self.previous = PreviousLevel(levels, size, _normal, name="previous")
        self.blocks = [
            _Block(
                size, heads, ratio, self.dropout, scale=1 / math.sqrt(2 * layers), name=f"block_{i}"
            )
            for i in range(layers)
        ]
        self.norm = _norm("norm")

    @property
    def feature_size(self) -> int:
        return self.size

    def build(self, input_shape, context_shape=None):
        check_sequences(self, input_shape)
        super().build(input_shape, context_shape)

    def build_for(self, context_size):
        self.previous.build_for(context_size)
        for block in self.blocks:
            block.build((None, None, self.size))
        self.norm.build((None, self.size))

    def whole(self, x, context, seed=None):
        h = dropped(self.previous(x, context), self.dropout, seed, "previous")
        for block in self.blocks:
            h = block(h, None if seed is None else fold(seed, block.name))
        return self.norm(h)

    def start(self, batch, context):
        return [block.memory(self.steps, batch) for block in self.blocks]

    def step(self, state, previous, index, context):
        h, memories = self.previous.step(previous, index, context), []
        for block, memory in zip(self.blocks, state, strict=True):
            h, memory = block.step(h, memory, index)
            memories.append(memory)
        return self.norm(h), memories

    def get_config(self) -> dict[str, Any]:
        own = {
            "levels": self.levels,
            "size": self.size,
            "layers": self.depth,
            "heads": self.heads,
            "ratio": self.ratio,
            "dropout": self.dropout,
        }
        return {**super().get_config(), **own}


class _Block(keras.layers.Layer):
    """h + attention(norm(h)), then h + mlp(norm(h)): `[B, T, size]`, or one step of it.

    The memory of the steps before is their keys and values, `[T, B, heads, d]` each.
    """

    def __init__(
        self, size: int, heads: int, ratio: int, dropout: float, scale: float, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.size, self.heads, self.head_size = size, heads, size // heads
        self.dropout = dropout
        self.norms = [_norm("attention_norm"), _norm("mlp_norm")]
        self.qkv = _dense(3 * size, "qkv", bias=False)
        self.out = _dense(size, "out", scale)
        self.up = _dense(ratio * size, "up")
        self.down = _dense(size, "down", scale)

    def build(self, input_shape):
        for layer in (*self.norms, self.qkv, self.out, self.up):
            layer.build(input_shape)
        self.down.build((None, None, self.up.units))
        self.built = True

    def call(self, h, seed=None):
        steps = h.shape[1]
        q, k, v = self._heads(h)
        cos, sin = angles(tf.range(steps), self.head_size)
        q, k = turned(q, cos, sin), turned(k, cos, sin)
        later = np.triu(np.full((steps, steps), -np.inf, np.float32), 1)
        weights = _softmax(tf.matmul(q, k, transpose_b=True), later, self.head_size)
        seen = tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3])
        return self._finished(h, tf.reshape(seen, tf.shape(h)), seed)

    def memory(self, steps: int, batch: int | tf.Tensor) -> dict[str, tf.Tensor]:
        """Of no step yet."""
        shape = [steps, batch, self.heads, self.head_size]
        return {name: tf.zeros(shape, self.compute_dtype) for name in ("keys", "values")}

    def step(self, h: tf.Tensor, memory: dict[str, tf.Tensor], index: tf.Tensor):
        """From h `[B, size]` of step `index`: h after this block, and the memory."""
        q, k, v = self._heads(h[:, tf.newaxis])
        cos, sin = angles(tf.reshape(index, [1]), self.head_size)
        q, k = turned(q, cos, sin)[:, :, 0], turned(k, cos, sin)[:, :, 0]
        keys = remember(memory["keys"], k, index)
        values = remember(memory["values"], v[:, :, 0], index)
        later = tf.where(tf.range(keys.shape[0]) > index, -np.inf, 0.0)
        # Products, not sums over d: those cost XLA four times the time.
        scores = tf.einsum("bhd,tbhd->bht", q, keys)
        weights = _softmax(scores, later, self.head_size)
        seen = tf.einsum("bht,tbhd->bhd", weights, values)
        h = self._finished(h, tf.reshape(seen, tf.shape(h)))
        return h, {"keys": keys, "values": values}

    def _heads(self, h: tf.Tensor) -> list[tf.Tensor]:
        """q, k and v of norm(h), `[B, heads, T, d]` each."""
        product = self.qkv(self.norms[0](h))
        parts = tf.reshape(product, [-1, h.shape[1], 3, self.heads, self.head_size])
        return tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4]))

    def _finished(self, h: tf.Tensor, seen: tf.Tensor, seed: Seed | None = None) -> tf.Tensor:
        """h and what attention saw, through the rest of the block."""
        h = h + dropped(self.out(seen), self.dropout, seed, "attention")
        mlp = self.down(tf.nn.gelu(self.up(self.norms[1](h))))
        return h + dropped(mlp, self.dropout, seed, "mlp")


def _softmax(scores: tf.Tensor, later, head_size: int) -> tf.Tensor:
    """Of the scaled scores, -inf added at steps to come; in float32 under any policy."""
    scaled = tf.cast(scores, tf.float32) / math.sqrt(head_size)
    return tf.cast(tf.nn.softmax(scaled + later), scores.dtype)


def angles(steps: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Cosine and sine `[T, size / 2]` of step * ROTARY_BASE^(-2 i / size)."""
    waves = (ROTARY_BASE ** (-2 * np.arange(size // 2) / size)).astype(np.float32)
    angles = tf.cast(steps, tf.float32)[:, tf.newaxis] * waves
    return tf.cos(angles), tf.sin(angles)


def turned(x: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor) -> tf.Tensor:
    """x `[..., T, d]`, each number of its first half turned with that of its second."""
    a, b = tf.split(x, 2, axis=-1)
    cos, sin = tf.cast(cos, x.dtype), tf.cast(sin, x.dtype)
    return tf.concat([a * cos - b * sin, a * sin + b * cos], axis=-1)


def _dense(units: int, name: str, scale: float = 1.0, bias: bool = True) -> keras.layers.Dense:
    return keras.layers.Dense(units, use_bias=bias, kernel_initializer=_normal(scale), name=name)


def _normal(scale: float = 1.0) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.02 * scale)


def _norm(name: str) -> keras.layers.LayerNormalization:
    return keras.layers.LayerNormalization(epsilon=1e-5, name=name)
