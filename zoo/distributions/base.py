"""What every distribution layer has: features in, parameter tensors out, a distribution over them.

A layer's `call` returns tensors only, so that Functional models, `predict`, saving and export
work; `distribution(parameters)` makes the TFP object wherever one is needed.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.errors import ConfigError, NotSupported

tfd = tfp.distributions

Parameters = dict[str, tf.Tensor]
Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Support:
    """The values that a likelihood gives a probability to.

    Args:
        name: of the likelihood, for messages.
        low: smallest value.
        high: largest value.
        integer: whether only the integers between them count.
        remedy: what to do with other data, for messages.
    """

    name: str
    low: float = -math.inf
    high: float = math.inf
    integer: bool = False
    remedy: str = "scale the data into this range"

    def __str__(self) -> str:
        if not self.integer:
            bounded = math.isfinite(self.low) or math.isfinite(self.high)
            return f"numbers in [{self.low:g}, {self.high:g}]" if bounded else "finite numbers"
        if (self.low, self.high) == (0, 1):
            return "the values 0 and 1"
        return f"the integers {self.low:g} to {self.high:g}"

    def violation(self, x: np.ndarray) -> str | None:
        """One line that says what is wrong with `x` and what to do, or None where nothing is."""
        x = np.asarray(x)
        if x.size == 0:
            return (
                f"{self.name} was given no data (shape {list(x.shape)}); check where they come from"
            )
        if x.dtype.kind not in "biuf":
            return (
                f"{self.name} takes numbers, but the data are of type {x.dtype}; make them float32"
            )
        low, high = float(x.min()), float(x.max())
        if not math.isfinite(low) or not math.isfinite(high):
            count = int(x.size - np.count_nonzero(np.isfinite(x)))
            return (
                f"{self.name} takes {self}, but {count} of {x.size} values are NaN or infinite; "
                "mend or drop these examples"
            )
        fractional = self.integer and x.dtype.kind == "f" and bool(np.any(x != np.rint(x)))
        if low >= self.low and high <= self.high and not fractional:
            return None
        found = f"{'fractional ' if fractional else ''}values from {low:g} to {high:g}"
        return f"{self.name} takes {self}, but the data have {found}; {self.remedy}"


class DistributionLayer(keras.layers.Layer):
    """Features -> parameters of a distribution over `event_shape`, by one linear projection.

    Features `[B, F]` go through one dense layer to all parameters of the event. Features
    `[B, H, W, F]` of a convolutional network, whose height and width are the event's, go through
    the same dense layer at each position (a 1x1 convolution). So do features with all dimensions of
    the event, `[B, *event_shape, F]`, where each element has parameters of its own. What is asked
    of a part of the positions, such as `[B, 1, 1, F]`, has the parameters of that part.

    The layer computes in float32 under any mixed-precision policy: sums of log-probabilities over
    an image do not survive 16 bits.

    Args:
        event_shape: shape of one draw, without the batch.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    Subclasses say `parameter_shapes`, and may map what the projection makes in `constrain`.
    """

    def __init__(self, event_shape: Sequence[int], **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self.event_shape = checked_shape(type(self).__name__, event_shape)
        self.projection: keras.layers.Dense | None = None

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Shape of each projected parameter of one event, by name."""
        raise NotImplementedError

    @property
    def params_size(self) -> int:
        """How many numbers the projection makes for one event."""
        return sum(math.prod(shape) for shape in self.parameter_shapes.values())

    @property
    def parameters_per_element(self) -> float:
        """`params_size` over the number of elements of the event."""
        return self.params_size / math.prod(self.event_shape)

    def distribution(self, parameters: Mapping[str, tf.Tensor]) -> tfd.Distribution:
        """The distribution with these parameters: `[..., *event_shape]`, any leading dimensions."""
        raise NotImplementedError

    def constrain(self, raw: Parameters) -> Parameters:
        """Maps what the projection made, any real numbers, to parameters."""
        return raw

    def build(self, input_shape: Sequence[int | None]) -> None:
        # A layer that comes out of a saved file is built already, and Keras builds it again.
        if self.projection is None:
            spatial = self._spatial_rank(tuple(input_shape))
            units = sum(math.prod(shape[spatial:]) for shape in self.parameter_shapes.values())
            # As many features of an element as it has parameters can be these themselves, where a
            # random matrix, of one number in the extreme, would only slow their network down.
            start = "identity" if spatial and input_shape[-1] == units else "glorot_uniform"
            self.projection = keras.layers.Dense(
                units, kernel_initializer=start, dtype="float32", name="projection"
            )
        if not self.projection.built:
            self.projection.build(input_shape)

    def call(self, features: tf.Tensor) -> Parameters:
        return self.constrain(self._project(features))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Always float32, so no argument of ours.
        del config["dtype"]
        return {**config, "event_shape": list(self.event_shape)}

    def _project(self, features: tf.Tensor) -> Parameters:
        shapes = self.parameter_shapes
        spatial = features.shape.rank - 2
        outputs = self.projection(features)
        places = [-1, *(features.shape[1:-1] if spatial else ())]
        sizes = [math.prod(shape[spatial:]) for shape in shapes.values()]
        # One contiguous block per parameter: an interleaved layout would cost strided copies.
        blocks = tf.split(outputs, sizes, axis=-1) if len(sizes) > 1 else [outputs]
        return {
            name: tf.reshape(block, [*places, *shape[spatial:]])
            for (name, shape), block in zip(shapes.items(), blocks, strict=True)
        }

    def _spatial_rank(self, input_shape: tuple[int | None, ...]) -> int:
        """How many dimensions of the event the features have too: 0, all but the last, or all."""
        if len(input_shape) == 2:
            return 0
        spatial, whole = self.event_shape[:-1], self.event_shape
        if spatial and input_shape[1:-1] == spatial:
            return len(spatial)
        own = all(s[: len(whole)] == whole for s in self.parameter_shapes.values())
        if own and input_shape[1:-1] == whole:
            return len(whole)
        wanted = "[B, F]" + (f" or [B, {', '.join(map(str, spatial))}, F]" if spatial else "")
        raise ConfigError(
            f"{type(self).__name__} of event shape {list(self.event_shape)} takes features "
            f"{wanted}, but was given [B, {', '.join(map(str, input_shape[1:]))}]; flatten them, "
            "or let the network before it end in this shape"
        )


class Likelihood(DistributionLayer):
    """p(x | features) over whole images: `log_prob(x: [B, *event_shape]) -> [B]`, in nats.

    `distribution(parameters).mean()` and its samples are float32 images in the data's own scale.
    """

    #: Whether `log_prob` is a probability (of one of finitely many values) or a density.
    is_discrete: bool = False
    #: How many values an element can take; None where it is a real number.
    levels: int | None = None

    @property
    def support(self) -> Support:
        """The data that this likelihood takes."""
        return Support(type(self).__name__)

    def start_at(self, mean: np.ndarray) -> None:
        """Sets the biases of the built layer, so that features of zero give the image `mean`.

        Raises:
            NotSupported: this likelihood cannot.
        """
        raise NotSupported(f"{type(self).__name__} cannot start at the mean of the data")

    def raw_at(self, mean: np.ndarray) -> np.ndarray:
        """What the projection must make for the mean to be `mean` `[*event_shape]`, same shape.

        Raises:
            NotSupported: this likelihood cannot.
        """
        raise NotSupported(f"{type(self).__name__} cannot start at the mean of the data")

    def counted(self, x: tf.Tensor) -> tf.Tensor:
        """How many elements of each example `[B, *event_shape]` have a probability, `[B]`."""
        return tf.fill([tf.shape(x)[0]], float(math.prod(self.event_shape)))

    def sharpened(
        self,
        parameters: Mapping[str, tf.Tensor],
        temperature: float | tf.Tensor | None,
        top_k: int | None,
    ) -> Mapping[str, tf.Tensor]:
        """The parameters of p(x)^(1 / temperature), normalized, over the `top_k` likeliest values.

        Args:
            parameters: of this likelihood.
            temperature: below 1 prefers what is likely; None, as 1, changes nothing.
            top_k: how many values of an element keep their probability; None: all.

        Raises:
            NotSupported: this likelihood cannot.
        """
        if temperature is not None or top_k is not None:
            raise NotSupported(
                f"{type(self).__name__} is drawn at temperature 1 and without top_k: both need "
                "logits of each value, as IndependentCategorical has them"
            )
        return parameters

    def to_network(self, x: tf.Tensor) -> tf.Tensor:
        """Data of this support as float32 input of a network: levels are divided by the largest."""
        x = tf.cast(x, tf.float32)
        return x if self.levels in (None, 2) else x / (self.levels - 1)


def checked_shape(owner: str, shape: Sequence[int]) -> Shape:
    """`shape` as a tuple of positive ints."""
    if isinstance(shape, int) or not shape or any(int(n) != n or n < 1 for n in shape):
        raise ValueError(f"{owner} takes an event_shape such as [28, 28, 1], not {shape!r}")
    return tuple(int(n) for n in shape)
