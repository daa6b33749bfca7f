"""A stack of dense layers."""

from collections.abc import Sequence

import keras

from zoo.networks.stack import Stack
from zoo.registration import register


@register
class MLP(Stack):
    """Dense layers, each followed by the activation; whatever comes in is flattened.

    Shapes: `[B, ...] -> [B, units[-1]]`.

    Args:
        units: width of each layer.
        activation: name of a Keras activation.
    """

    def __init__(self, units: Sequence[int], activation: str = "relu", **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation = tuple(units), activation
        self.stack = [
            keras.layers.Flatten(),
            *(keras.layers.Dense(n, activation=activation) for n in self.units),
        ]

    def get_config(self):
        return {**super().get_config(), "units": list(self.units), "activation": self.activation}
