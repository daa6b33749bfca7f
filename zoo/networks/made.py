"""MADE: a dense network over all elements, masked so that each sees only the ones before it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.networks.causal import CausalNetwork, remember
from zoo.networks.masked import MaskedMLP, hidden_degrees, positions
from zoo.registration import register


@register
class MADE(CausalNetwork):
    """Features of each element from the elements before it in any order, by one `MaskedMLP`.

    Args:
        units: widths of the hidden layers.
        outputs: features of an element.
        order: "forward", "reversed" or "random".
        activation: name of a Keras activation.
        seed: of the random order.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, *event]`, context `[B, C]` or none -> `[B, *event, outputs]`.

    Drawing computes each hidden unit once, in the step from which on all that it sees is known: an
    image costs as much as one pass.

    Raises:
        ValueError: as for `MaskedMLP`.

    Reference: Germain, Gregor, Murray and Larochelle 2015, arXiv 1502.03509. Departures: see
    `MaskedMLP`.
    """

    def __init__(
        self,
        units: Sequence[int],
        outputs: int = 1,
        order: str = "forward",
        activation: str = "relu",
        seed: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.mlp = MaskedMLP(units, outputs, order, activation, seed, name="mlp")

    @property
    def feature_size(self) -> int:
        return self.mlp.outputs

    @property
    def element_biases(self):
        return self.mlp.biases[-1]

    @property
    def order(self) -> np.ndarray:
        return np.argsort(positions(self.mlp.order, self.steps, self.mlp.seed))

    def build_for(self, context_size):
        context = None if context_size is None else (None, context_size)
        self.mlp.build((None, self.steps), context)

    def whole(self, x, context, seed=None):
        del seed
        features = self.mlp(tf.reshape(x, [-1, self.steps]), context)
        return tf.reshape(features, [-1, *self.event_shape, self.feature_size])

    def start(self, batch, context):
        del context
        widths = [self.steps, *self.mlp.units]
        # Beyond the last unit there is room for a step's share of units, however few are left.
        return [tf.zeros([w + self._share(w), batch], self.compute_dtype) for w in widths]

    def step(self, state, previous, index, context):
        order = tf.constant(self.order, tf.int32)
        known = remember(state[0], tf.squeeze(previous, axis=1), order[tf.maximum(index - 1, 0)])
        layers, below = [known], known[: self.steps]
        for layer, width in enumerate(self.mlp.units):
            count = self._share(width)
            first = tf.constant(self._firsts(width, context is not None), tf.int32)[index]
            kernel, bias = self._columns(layer, first, count)
            units = tf.einsum("ib,iu->ub", below, kernel) + bias[:, tf.newaxis]
            if layer == 0 and context is not None:
                given = tf.pad(tf.convert_to_tensor(self.mlp.context_kernel), [[0, 0], [0, count]])
                units += tf.einsum("bc,cu->ub", context, tf.slice(given, [0, first], [-1, count]))
            places = (first + tf.range(count))[:, tf.newaxis]
            hidden = tf.tensor_scatter_nd_update(state[layer + 1], places, self.mlp.activate(units))
            layers.append(hidden)
            below = hidden[:width]
        outputs = self.feature_size
        kernel, bias = self._columns(len(self.mlp.units), order[index] * outputs, outputs)
        features = tf.einsum("ib,iu->bu", below, kernel) + bias
        if not self.mlp.units and context is not None:
            given = tf.slice(self.mlp.context_kernel, [0, order[index] * outputs], [-1, outputs])
            features += tf.einsum("bc,cu->bu", context, given)
        return features, layers

    def _share(self, width: int) -> int:
        """At most so many of a layer's units see all that they ever will at the same step."""
        return -(-width // max(1, self.steps - 1))

    def _firsts(self, width: int, has_context: bool) -> np.ndarray:
        """The first unit that sees the element drawn before, for each step."""
        degrees = hidden_degrees(width, self.steps, has_context)
        return np.searchsorted(degrees, np.arange(self.steps) - 1)

    def _columns(self, layer: int, first: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
        """`count` columns of a layer's masked kernel and bias; zeros beyond the last."""
        kernel = self.mlp.kernels[layer] * tf.constant(self.mlp.masks[layer], self.compute_dtype)
        kernel = tf.pad(kernel, [[0, 0], [0, count]])
        bias = tf.pad(tf.convert_to_tensor(self.mlp.biases[layer]), [[0, count]])
        return tf.slice(kernel, [0, first], [-1, count]), tf.slice(bias, [first], [count])

    def get_config(self) -> dict[str, Any]:
        own = self.mlp.get_config()
        names = ("units", "outputs", "order", "activation", "seed")
        return {**super().get_config(), **{name: own[name] for name in names}}
