"""Codes and images without probability, as the distributions that put all mass on one value."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import DistributionLayer, Likelihood, Parameters, Shape, Support
from zoo.registration import register

tfd = tfp.distributions


@register
class VectorDeterministic(DistributionLayer):
    """q(z | features): z = activation(W features + b), with certainty.

    Args:
        size: length of the code.
        activation: name of a Keras activation; "relu" makes codes that can be sparse.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Shapes: features `[B, F]` -> `{"loc": [B, size]}`. Mean and samples are `loc`; `log_prob` is 0
    there and -inf elsewhere, so no bound can be made of it.

    Raises:
        ValueError: `size` is no positive int, or an unknown activation.
    """

    def __init__(self, size: int, activation: str = "linear", **kwargs: Any):
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"{type(self).__name__} takes a size of 1 or more, not {size!r}")
        super().__init__([size], **kwargs)
        self.size, self.activation = size, activation
        self._activate = keras.activations.get(activation)

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"loc": (self.size,)}

    def constrain(self, raw: Parameters) -> Parameters:
        return {"loc": self._activate(raw["loc"])}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        return tfd.VectorDeterministic(parameters["loc"], validate_args=False)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["event_shape"]
        return {**config, "size": self.size, "activation": self.activation}


@register
class IndependentDeterministic(Likelihood):
    """x = activation(W features + b), with certainty: the output of a model without likelihood.

    Args:
        event_shape: shape of one image.
        activation: name of a Keras activation; "sigmoid" suits images in [0, 1].
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Support: [0, 1] with a sigmoid, otherwise finite numbers. Parameters: one per element.
    Shapes: features `[B, F]` or `[B, H, W, F]` -> `{"loc": [B, *event_shape]}`. Mean and samples
    are `loc`; its `log_prob` is of no use.

    Raises:
        ValueError: `event_shape` is no list of positive ints, or an unknown activation.
        ConfigError: the features' height and width are not the event's.
    """

    def __init__(self, event_shape: Sequence[int], activation: str = "sigmoid", **kwargs: Any):
        super().__init__(event_shape, **kwargs)
        self.activation = activation
        self._activate = keras.activations.get(activation)

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        return {"loc": self.event_shape}

    @property
    def support(self) -> Support:
        if self.activation != "sigmoid":
            return super().support
        remedy = 'scale them: zoo.data.from_array(x, values="unit")'
        return Support(type(self).__name__, 0, 1, remedy=remedy)

    def constrain(self, raw: Parameters) -> Parameters:
        return {"loc": self._activate(raw["loc"])}

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        pixels = tfd.Deterministic(parameters["loc"], validate_args=False)
        return tfd.Independent(pixels, len(self.event_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": self.activation}
