"""WaveNet: gated convolutions with holes, for sound sample by sample."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.networks.causal import CausalNetwork, remember
from zoo.networks.recurrent import PreviousLevel, check_sequences, value
from zoo.registration import register

#: The slowest wave of the code of time goes round once in so many seconds, the next one twice.
SLOWEST = 4.0

State = dict[str, Any]


@register
class WaveNet(CausalNetwork):
    """Features of each sample from all samples in a long field before it.

    Block k of K, with dilation d_k, on h_0(t) = E[x(t-1)]:

        f, g = W_k [h(t - d_k), h(t)] + V_k c + U_k p(t) + b_k
        z_k = tanh(f) * sigmoid(g);  h <- h + R_k z_k + r_k
        features = relu(A relu(sum_k S_k z_k + s) + a)

    At t = 0, a learned vector stands for the sample before, and what lies before that is zero. The
    likelihood's projection is the second 1x1 layer of the paper's end. A sample is seen from so far
    as `receptive_field` says.

    Args:
        levels: how many values a sample can take.
        filters: length of h and of z.
        skip: length of the sum over all blocks.
        units: length of the features.
        dilations: of one stack of blocks, each from 1, such as [1, 2, 4, 8].
        stacks: how often the dilations come, one stack on top of the other.
        positions: how many waves tell the time, p(t) = sin and cos of 2 pi 2^i time / SLOWEST, for
            i from 0; 0: none. With them the last entry of the context is the time of the first
            sample in seconds, and c is the rest.
        rate: samples in a second, for the time.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, T]`, float32 integers 0 to levels - 1, and a context `[B, C]` or none ->
    `[B, T, units]`. The weights serve any T. In x, `levels` may stand for what is no part of the
    example, at its end.

    Raises:
        ValueError: a number out of range, another rank of x, positions without a context, or a
            context against what was built.

    Reference: van den Oord et al. 2016, arXiv 1609.03499, sections 2.1 to 2.5, Eq. 2. Departures:
    the layer at the input looks at one sample, where the paper has a causal convolution; V_k and
    U_k p(t) are the paper's global and local condition at once; the last block has no R, which
    nothing would see.
    """

    takes_levels = True

    def __init__(
        self,
        levels: int,
        filters: int,
        skip: int,
        units: int,
        dilations: Sequence[int],
        stacks: int = 1,
        positions: int = 0,
        rate: float = 8000,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not dilations or min(filters, skip, units, stacks, *dilations) < 1:
            raise ValueError(
                "WaveNet takes filters, skip, units, stacks and dilations of 1 or more"
            )
        if positions < 0 or not rate > 0:
            raise ValueError("WaveNet takes positions from 0 and a rate above 0")
        self.levels, self.filters, self.skip, self.units = levels, filters, skip, units
        self.dilations, self.stacks = list(dilations), stacks
        self.positions, self.rate = positions, rate
        self.previous = PreviousLevel(levels, filters, name="previous")
        every = self.dilations * stacks
        self.blocks = [
            _Block(filters, dilation, last=i == len(every) - 1, name=f"block_{i}")
            for i, dilation in enumerate(every)
        ]
        # V and U, where they are needed.
        self.given: keras.layers.Dense | None = None
        self.time: keras.layers.Dense | None = None
        self.skips, self.hidden = _dense(skip, "skips"), _dense(units, "hidden")

    @property
    def feature_size(self) -> int:
        return self.units

    @property
    def receptive_field(self) -> int:
        """How many samples before it the features of a sample can depend on."""
        return 1 + self.stacks * sum(self.dilations)

    def build(self, input_shape, context_shape=None):
        check_sequences(self, input_shape)
        super().build(input_shape, context_shape)

    def build_for(self, context_size):
        if self.positions and context_size is None:
            raise ValueError("WaveNet takes positions with a context, which ends in the start")
        self.context_size = context_size
        rest = (context_size or 0) - (self.positions > 0)
        self.previous.build_for(None)
        # As S, of all blocks side by side: one product each, where a step has few numbers.
        size = 2 * self.filters * len(self.blocks)
        if self.positions:
            self.time = _dense(size, "time", use_bias=False)
            self.time.build((None, 2 * self.positions))
        if rest:
            self.given = _dense(size, "given", use_bias=False)
            self.given.build((None, rest))
        for block in self.blocks:
            block.build_for()
        self.skips.build((None, None, self.filters * len(self.blocks)))
        self.hidden.build((None, None, self.skip))

    def whole(self, x, context, seed=None):
        given, start = self._split(context)
        waves = None
        if start is not None:
            steps = tf.range(x.shape[1], dtype=tf.float32)
            waves = self._waves(start[:, tf.newaxis] + steps / self.rate)
            kernel = value(self.time.kernel, self.compute_dtype)
            kernels = tf.split(kernel, len(self.blocks), axis=1)
        h, zs = self.previous(x), []
        for i, block in enumerate(self.blocks):
            addend = None if given is None else given[:, i, tf.newaxis]
            if waves is not None:
                told = product(waves, kernels[i])
                addend = told if addend is None else told + addend
            z = block.gated(h, shifted(h, block.dilation), addend)
            zs.append(z)
            h = block.passed(h, z)
        return self._ended(zs)

    def start(self, batch, context) -> State:
        given, start = self._split(context)
        state = {"rings": [block.ring(batch) for block in self.blocks]}
        # Known before the first step: the loop carries it along.
        fixed = {"given": given, "start": start}
        return {**state, **{name: t for name, t in fixed.items() if t is not None}}

    def step(self, state, previous, index, context):
        addends = state.get("given")
        if "start" in state:
            waves = self._waves(state["start"] + tf.cast(index, tf.float32) / self.rate)
            told = self._by_block(self.time(waves))
            addends = told if addends is None else told + addends
        h, zs, rings = self.previous.step(previous, index, None), [], []
        for i, (block, ring) in enumerate(zip(self.blocks, state["rings"], strict=True)):
            place = index % block.dilation
            z = block.gated(h, ring[place], None if addends is None else addends[:, i])
            zs.append(z)
            rings.append(remember(ring, h, place))
            h = block.passed(h, z)
        return self._ended(zs), {**state, "rings": rings}

    def _ended(self, zs: list[tf.Tensor]) -> tf.Tensor:
        """The features, from z of all blocks."""
        total = self.skips(tf.concat(zs, axis=-1))
        return tf.nn.relu(self.hidden(tf.nn.relu(total)))

    def _split(self, context: tf.Tensor | None) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        """V c of all blocks `[B, K, 2 filters]`, and the start in seconds `[B]`, if they are."""
        size = None if context is None else context.shape[-1]
        if size != self.context_size:
            raise ValueError("a network takes a context if, and only if, it was built with one")
        if context is None:
            return None, None
        rest, start = context, None
        if self.positions:
            rest, start = context[:, :-1], tf.cast(context[:, -1], tf.float32)
        return None if self.given is None else self._by_block(self.given(rest)), start

    def _by_block(self, addends: tf.Tensor) -> tf.Tensor:
        return tf.reshape(addends, [-1, len(self.blocks), 2 * self.filters])

    def _waves(self, seconds: tf.Tensor) -> tf.Tensor:
        """p `[..., 2 positions]`, in float32 before it is cast: 16 bits do not hold the time."""
        turns = 2 * math.pi * 2.0 ** np.arange(self.positions) / SLOWEST
        angles = seconds[..., tf.newaxis] * turns.astype(np.float32)
        return tf.cast(tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        names = ("levels", "filters", "skip", "units", "dilations", "stacks", "positions", "rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class _Block(keras.layers.Layer):
    """The weights of one block, and its parts over `[B, T, ...]` or, at one step, `[B, ...]`.

    A convolution of kernel 2 is one product with what comes in beside what came in before: as fast
    on a CPU as oneDNN's convolutions, with XLA too, and with gradients, which TensorFlow's own
    convolutions with holes lack there.
    """

    def __init__(self, filters: int, dilation: int, last: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.filters, self.dilation, self.last = filters, dilation, last

    def build_for(self) -> None:
        """Makes the variables: W of h before, then of h; R, but not in the last block."""
        size = self.filters
        self.kernel = self._matrix("kernel", 2 * size, 2 * size)
        self.bias = self.add_weight(name="bias", shape=(2 * size,), initializer="zeros")
        if not self.last:
            self.residual = self._matrix("residual", size, size)
            self.residual_bias = self.add_weight(
                name="residual_bias", shape=(size,), initializer="zeros"
            )
        self.built = True

    def gated(self, h: tf.Tensor, before: tf.Tensor, addend: tf.Tensor | None) -> tf.Tensor:
        """z, from h and from what h was one dilation before."""
        gates = product(tf.concat([before, h], axis=-1), self._own(self.kernel))
        gates = gates + self._own(self.bias)
        f, g = tf.split(gates if addend is None else gates + addend, 2, axis=-1)
        return tf.tanh(f) * tf.sigmoid(g)

    def passed(self, h: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """h + R z + r; behind the last block nothing looks at h."""
        if self.last:
            return h
        return h + product(z, self._own(self.residual)) + self._own(self.residual_bias)

    def ring(self, batch: int | tf.Tensor) -> tf.Tensor:
        """The last `dilation` h, of no step yet."""
        return tf.zeros([self.dilation, batch, self.filters], self.compute_dtype)

    def _matrix(self, name: str, rows: int, columns: int) -> keras.Variable:
        return self.add_weight(name=name, shape=(rows, columns), initializer="glorot_uniform")

    def _own(self, variable: keras.Variable) -> tf.Tensor:
        return value(variable, self.compute_dtype)


def shifted(h: tf.Tensor, by: int) -> tf.Tensor:
    """h(t - by) at t, of h `[B, T, F]`; zeros where that is before the beginning."""
    kept = max(h.shape[1] - by, 0)
    return tf.pad(h[:, :kept], [[0, 0], [h.shape[1] - kept, 0], [0, 0]])


def product(h: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """h W at every place, as one product of two matrices."""
    return tf.tensordot(h, kernel, 1)


def _dense(units: int, name: str, use_bias: bool = True) -> keras.layers.Dense:
    # Scaled by what comes in alone: what goes out is of many blocks, side by side.
    return keras.layers.Dense(
        units, use_bias=use_bias, kernel_initializer="lecun_uniform", name=name
    )
