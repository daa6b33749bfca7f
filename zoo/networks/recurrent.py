"""Gated recurrent units over sequences of levels, and the input that such networks share."""

from typing import Any

import keras
import tensorflow as tf

from zoo.networks.causal import CausalNetwork, checked_dropout, dropped
from zoo.registration import register


class PreviousLevel(keras.layers.Layer):
    """The level drawn before each step as a vector; at step 0 a vector of its own; plus W c.

    Args:
        levels: how many values an element can take.
        size: of the vectors.
        initializer: makes a new initializer for each weight; None: Glorot's.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, T]`, of integers 0 to levels - 1 in any dtype, and a context `[B, C]` or none
    -> `[B, T, size]`.

    Raises:
        ValueError: fewer than 2 levels, or a context that was not built for, or none where one was.
    """

    def __init__(self, levels: int, size: int, initializer=None, **kwargs: Any):
        super().__init__(**kwargs)
        if levels < 2:
            raise ValueError(f"a network over levels takes 2 of them or more, not {levels}")
        self.levels, self.size = levels, size
        self.make = initializer or keras.initializers.GlorotUniform
        self.context: keras.layers.Dense | None = None

    def build_for(self, context_size: int | None) -> None:
        """Makes the variables, for a context of this size or for none."""
        # The last row is the start: no level has its index.
        shape = (self.levels + 1, self.size)
        self.table = self.add_weight(name="table", shape=shape, initializer=self.make())
        if context_size is not None:
            self.context = keras.layers.Dense(
                self.size, use_bias=False, kernel_initializer=self.make(), name="context"
            )
            self.context.build((None, context_size))
        self.built = True

    def call(self, x, context=None):
        before = tf.cast(x[:, :-1], tf.int32)
        start = tf.fill([tf.shape(x)[0], 1], self.levels)
        vectors = self._rows(tf.concat([start, before], axis=1))
        given = self._given(context)
        return vectors if given is None else vectors + given[:, tf.newaxis]

    def step(self, previous: tf.Tensor, index: tf.Tensor, context: tf.Tensor | None) -> tf.Tensor:
        """The same `[B, size]` at one step; `previous` is `[B, 1]`, not looked at in step 0."""
        level = tf.where(tf.equal(index, 0), self.levels, tf.cast(previous[:, 0], tf.int32))
        given = self._given(context)
        return self._rows(level) if given is None else self._rows(level) + given

    def _rows(self, indices: tf.Tensor) -> tf.Tensor:
        return tf.gather(value(self.table, self.compute_dtype), indices)

    def _given(self, context: tf.Tensor | None) -> tf.Tensor | None:
        if (context is None) != (self.context is None):
            raise ValueError("a network takes a context if, and only if, it was built with one")
        return None if context is None else self.context(context)


@register
class GRU(CausalNetwork):
    """Features of each step from a state that gated units carry over all levels before it.

        z, r = sigmoid(W_zr e + U_zr h + b_zr);  c = tanh(W_c e + b_c + r * (U_c h + d_c))
        h' = z * h + (1 - z) * c;  the features are the last layer's h'

    e is the vector of the level before (at step 0, a learned one), plus a linear map of the
    context; in layers after the first it is the h' of the layer below.

    Args:
        levels: how many values an element can take.
        units: length of h, in every layer.
        layers: how many.
        embedding: length of a level's vector, standard normal at first; None: its one-hot code,
            which the first layer's W reads as a row.
        dropout: of every layer's h' on its way up, and of the embedding, in training.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, T]`, float32 integers 0 to levels - 1, and a context `[B, C]` or none ->
    `[B, T, units]`. The weights serve any T.

    Raises:
        ValueError: `units`, `layers` or `embedding` below 1, fewer than 2 levels, a dropout that
            is no share, another rank of x, or a context against what was built.

    Reference: Cho et al. 2014, arXiv 1406.1078, section 2.3; dropout where nothing recurs, as in
    Zaremba et al. 2014, arXiv 1409.2329. Departures: r scales the candidate's
    recurrent product after it is made, as cuDNN and Keras's `reset_after` do; so one product serves
    all gates, and the weights are those of `keras.layers.GRU`.
    """

    takes_levels = True

    def __init__(
        self,
        levels: int,
        units: int,
        layers: int = 1,
        embedding: int | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if units < 1 or layers < 1 or (embedding is not None and embedding < 1):
            raise ValueError("GRU takes units, layers and an embedding of 1 or more")
        self.levels, self.units, self.depth, self.embedding = levels, units, layers, embedding
        self.dropout = checked_dropout(dropout)
        self.previous = PreviousLevel(
            levels,
            embedding or 3 * units,
            _standard_normal if embedding is not None else None,
            name="previous",
        )
        self.cells = [GatedUnits(units, name=f"cell_{i}") for i in range(layers)]

    @property
    def feature_size(self) -> int:
        return self.units

    def build(self, input_shape, context_shape=None):
        check_sequences(self, input_shape)
        super().build(input_shape, context_shape)

    def build_for(self, context_size):
        self.previous.build_for(context_size)
        for i, cell in enumerate(self.cells):
            cell.build_for(self.units if i else self.embedding)

    def whole(self, x, context, seed=None):
        # Time first: a step then reads and writes one block of memory.
        h = tf.transpose(self.previous(x, context), [1, 0, 2])
        if self.embedding is not None:
            h = dropped(h, self.dropout, seed, "embedding")
        for cell in self.cells:
            h = scan(cell.inputs(h), *cell.recurrent())
            h = dropped(h, self.dropout, seed, cell.name)
        return tf.transpose(h, [1, 0, 2])

    def start(self, batch, context):
        return [tf.zeros([batch, self.units], self.compute_dtype) for _ in self.cells]

    def step(self, state, previous, index, context):
        h, states = self.previous.step(previous, index, context), []
        for cell, before in zip(self.cells, state, strict=True):
            h = _step(cell.inputs(h), before, *cell.recurrent())[0]
            states.append(h)
        return h, states

    def get_config(self) -> dict[str, Any]:
        own = {
            "levels": self.levels,
            "units": self.units,
            "layers": self.depth,
            "embedding": self.embedding,
            "dropout": self.dropout,
        }
        return {**super().get_config(), **own}


class GatedUnits(keras.layers.Layer):
    """The weights of one layer, in the shapes and order (z, r, c) of `keras.layers.GRU`.

    Args:
        units: length of h.
    """

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self.kernel: keras.Variable | None = None

    def build_for(self, inputs: int | None) -> None:
        """Makes the variables; None: what comes in has been multiplied with W already."""
        gates = 3 * self.units
        if inputs is not None:
            self.kernel = self.add_weight(
                name="kernel", shape=(inputs, gates), initializer="glorot_uniform"
            )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, gates), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(2, gates), initializer="zeros")
        self.built = True

    def inputs(self, e: tf.Tensor) -> tf.Tensor:
        """W e + b `[..., 3 units]`, for all steps at once."""
        if self.kernel is not None:
            e = tf.tensordot(e, value(self.kernel, self.compute_dtype), 1)
        return e + value(self.bias, self.compute_dtype)[0]

    def recurrent(self) -> tuple[tf.Tensor, tf.Tensor]:
        """U and d."""
        return (
            value(self.recurrent_kernel, self.compute_dtype),
            value(self.bias, self.compute_dtype)[1],
        )


def _standard_normal() -> keras.initializers.Initializer:
    # Glorot's deviation counts all levels as inputs, where one of them is there at a time: the rows
    # of thousands of words would be so short that the state hardly hears them for whole epochs.
    return keras.initializers.RandomNormal(stddev=1.0)


@tf.custom_gradient
def scan(inputs: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor):
    """All states h of one layer, from h = 0.

    Backwards, a step needs dh only, which is linear in the dh of the step behind: what multiplies
    it is made for all steps at once before the loop, and U's gradient in one product after it.

    Args:
        inputs: W e + b, `[T, B, 3 units]`.
        kernel: U, `[units, 3 units]`.
        bias: d, `[3 units]`.

    Returns:
        `[T, B, units]`.
    """
    states, gates, candidates, inner = _forward(inputs, kernel, bias)

    def gradient(upstream: tf.Tensor):
        units = kernel.shape[0]
        before = tf.concat([tf.zeros_like(states[:1]), states[:-1]], axis=0)
        z, r = tf.split(gates, 2, axis=-1)
        # d of the gates before their nonlinearity, for dh = 1: of z, r and U_c h + d_c. The
        # candidate's own is `slope`.
        slope = (1 - z) * (1 - tf.square(candidates))
        slopes = tf.stack(
            [(before - candidates) * z * (1 - z), slope * inner * r * (1 - r), slope * r], axis=2
        )
        d_states = _backward(upstream, slopes, z, kernel)
        d_inner = tf.reshape(d_states[:, :, tf.newaxis] * slopes, [-1, 3 * units])
        d_kernel = tf.matmul(tf.reshape(before, [-1, units]), d_inner, transpose_a=True)
        d_gates = tf.reshape(d_inner[:, : 2 * units], tf.shape(gates))
        d_inputs = tf.concat([d_gates, d_states * slope], axis=-1)
        return d_inputs, d_kernel, tf.reduce_sum(d_inner, axis=0)

    return states, gradient


def _step(inputs, before, kernel, bias):
    """h' of one step, and what its gradient needs: z with r, c, and U_c h + d_c."""
    units = kernel.shape[0]
    product = tf.matmul(before, kernel) + bias
    gates = tf.sigmoid(inputs[:, : 2 * units] + product[:, : 2 * units])
    inner = product[:, 2 * units :]
    z, r = gates[:, :units], gates[:, units:]
    candidate = tf.tanh(inputs[:, 2 * units :] + r * inner)
    return candidate + z * (before - candidate), gates, candidate, inner


def _forward(inputs, kernel, bias):
    """What `_step` returns, of all steps: `[T, B, ...]` each."""
    steps, batch = inputs.shape[0] or tf.shape(inputs)[0], tf.shape(inputs)[1]
    units = kernel.shape[0]
    widths = (units, 2 * units, units, units)

    def body(t, h, kept):
        made = _step(inputs[t], h, kernel, bias)
        return t + 1, made[0], [k.write(t, m) for k, m in zip(kept, made, strict=True)]

    h = tf.zeros([batch, units], inputs.dtype)
    kept = [_memory(inputs.dtype, steps, width) for width in widths]
    _, _, kept = tf.while_loop(lambda t, *_: t < steps, body, (0, h, kept))
    return [k.stack() for k in kept]


def _backward(upstream, slopes, z, kernel):
    """dh of all steps, `[T, B, units]`: what the loss has, and what comes from the step behind."""
    steps, batch = upstream.shape[0] or tf.shape(upstream)[0], tf.shape(upstream)[1]
    units = kernel.shape[0]
    turned = tf.transpose(kernel)

    def body(t, carried, kept):
        d_state = upstream[t] + carried
        d_inner = tf.reshape(d_state[:, tf.newaxis] * slopes[t], [-1, 3 * units])
        carried = d_state * z[t] + tf.matmul(d_inner, turned)
        return t - 1, carried, kept.write(t, d_state)

    nothing = tf.zeros([batch, units], upstream.dtype)
    kept = _memory(upstream.dtype, steps, units)
    return tf.while_loop(lambda t, *_: t >= 0, body, (steps - 1, nothing, kept))[2].stack()


def _memory(dtype, steps, width: int) -> tf.TensorArray:
    return tf.TensorArray(dtype, steps, element_shape=[None, width])


def value(variable: keras.Variable, dtype: str) -> tf.Tensor:
    """The variable in the dtype of the computation, whether Keras is casting already or not."""
    return tf.cast(tf.convert_to_tensor(variable), dtype)


def check_sequences(network: CausalNetwork, input_shape) -> None:
    """Raises ValueError for any input but `[B, T]`."""
    if len(input_shape) != 2:
        raise ValueError(
            f"{type(network).__name__} takes sequences [B, T], not {list(input_shape)}"
        )
