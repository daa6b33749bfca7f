"""A dense network whose masks keep each output from seeing its own and later inputs."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.registration import register

ORDERS = ("forward", "reversed", "random")


def positions(order: str, size: int, seed: int = 0) -> np.ndarray:
    """The place of each of `size` elements in an order: a permutation of 0 to size - 1.

    Its `argsort` is the sequence in which the elements are drawn.

    Args:
        order: "forward" (as they are stored), "reversed" or "random".
        size: how many elements.
        seed: of the random order.
    """
    if order == "forward":
        return np.arange(size)
    if order == "reversed":
        return np.arange(size)[::-1]
    return np.random.RandomState(seed).permutation(size)


def hidden_degrees(width: int, size: int, has_context: bool) -> np.ndarray:
    """The last place that each of `width` hidden units sees, ascending; -1: none."""
    # The last place has no successor to inform. A unit that sees no element at all is of use where
    # there is a context to see: without it the first element would get none.
    degrees = np.arange(-1 if has_context else 0, size - 1)
    return degrees[np.arange(width) * len(degrees) // width]


@register
class MaskedMLP(keras.layers.Layer):
    """Output i is a function of the elements that stand before i in the order, and of a context.

        h_1 = a((W_1 * M_1) z + V c + b_1),  h_l = a((W_l * M_l) h_(l-1) + b_l),  o = (W * M) h + b

    Every input and hidden unit has a degree: that of an input is its place in the order, that of a
    hidden unit the last place it may see. A weight is kept where degrees do not fall, and the last
    layer keeps those whose degree is below its output's place. The first element of the order thus
    has constant outputs, or outputs of the context alone.

    Args:
        units: widths of the hidden layers; none makes the outputs linear in z.
        outputs: numbers per element.
        order: "forward", "reversed" or "random".
        activation: name of a Keras activation, of the hidden layers.
        seed: of the random order.
        output_scale: of the last layer's first weights, relative to Glorot's; a small one lets
            all outputs begin near 0.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: z `[..., D]` and an optional context c `[..., C]` that broadcasts against it ->
    `[..., D, outputs]`.

    Raises:
        ValueError: an unknown order, `outputs` below 1, or D = 1 without a context, where no
            weight would have an effect.

    Reference: Germain, Gregor, Murray and Larochelle 2015, arXiv 1502.03509, Eq. 8 to 15; the
    context as in Kingma et al. 2016, arXiv 1606.04934, appendix C.1. Departures: hidden degrees are
    spread evenly instead of drawn; one order per network; no direct connections.
    """

    def __init__(
        self,
        units: Sequence[int],
        outputs: int = 1,
        order: str = "forward",
        activation: str = "relu",
        seed: int = 0,
        output_scale: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if order not in ORDERS:
            raise ValueError(f"unknown order {order!r}; choose one of: {', '.join(ORDERS)}")
        if outputs < 1 or output_scale <= 0:
            raise ValueError("MaskedMLP takes outputs of 1 or more and an output_scale above 0")
        self.units, self.outputs = tuple(units), outputs
        self.order, self.seed = order, seed
        self.activation, self.output_scale = activation, output_scale
        self.activate = keras.activations.get(activation)
        self.masks: list[np.ndarray] = []
        self.kernels: list[keras.Variable] = []
        self.biases: list[keras.Variable] = []
        self.context_kernel: keras.Variable | None = None

    def build(
        self, z_shape: Sequence[int | None], context_shape: Sequence[int | None] | None = None
    ) -> None:
        # A layer that comes out of a saved file is built already, and Keras builds it again.
        if self.kernels:
            return
        size = z_shape[-1]
        if size < 2 and context_shape is None:
            raise ValueError("MaskedMLP without a context takes vectors of 2 elements or more")
        self.masks = self._masks(size, has_context=context_shape is not None)
        for i, mask in enumerate(self.masks):
            last = i == len(self.masks) - 1
            self.kernels.append(self._kernel(f"kernel_{i}", mask.shape, last, mask))
            self.biases.append(
                self.add_weight(name=f"bias_{i}", shape=mask.shape[1:], initializer="zeros")
            )
        if context_shape is not None:
            shape = (context_shape[-1], self.masks[0].shape[1])
            self.context_kernel = self._kernel("context_kernel", shape, last=not self.units)

    def call(self, z, context=None):
        if (context is None) != (self.context_kernel is None):
            raise ValueError("MaskedMLP takes a context if, and only if, it was built with one")
        hidden = z
        for i, (kernel, mask, bias) in enumerate(
            zip(self.kernels, self.masks, self.biases, strict=True)
        ):
            if i > 0:
                hidden = self.activate(hidden)
            mask = keras.ops.convert_to_tensor(mask, self.compute_dtype)
            hidden = keras.ops.matmul(hidden, kernel * mask) + bias
            if i == 0 and context is not None:
                hidden = hidden + keras.ops.matmul(context, self.context_kernel)
        # The static shape where it is known, for whoever builds on this symbolically.
        leading = [keras.ops.shape(hidden)[j] for j in range(len(hidden.shape) - 1)]
        return keras.ops.reshape(hidden, (*leading, z.shape[-1], self.outputs))

    def compute_output_shape(self, z_shape, context_shape=None):
        del context_shape
        return (*z_shape, self.outputs)

    def get_config(self) -> dict[str, Any]:
        own = {
            "units": list(self.units),
            "outputs": self.outputs,
            "order": self.order,
            "activation": self.activation,
            "seed": self.seed,
            "output_scale": self.output_scale,
        }
        return {**super().get_config(), **own}

    def _masks(self, size: int, has_context: bool) -> list[np.ndarray]:
        """One matrix of 0 and 1 per layer, `[inputs, outputs]`."""
        places = positions(self.order, size, self.seed)
        before, masks = places, []
        for width in self.units:
            after = hidden_degrees(width, size, has_context)
            masks.append(before[:, np.newaxis] <= after)
            before = after
        masks.append(before[:, np.newaxis] < np.repeat(places, self.outputs))
        return [mask.astype(np.float32) for mask in masks]

    def _kernel(self, name: str, shape: tuple[int, ...], last: bool, mask=1.0) -> keras.Variable:
        # Glorot's uniform initializer, scaled.
        glorot = keras.initializers.VarianceScaling(
            self.output_scale**2 if last else 1.0, "fan_avg", "uniform"
        )

        def start(shape, dtype=None):
            # What is masked has no gradient: it stays 0, and takes next to no room in a file.
            return glorot(shape, dtype) * mask

        return self.add_weight(name=name, shape=shape, initializer=start)
