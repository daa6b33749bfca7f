"""What a network must keep so that a product of its conditionals is a density."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.noise import Seed, fold

State = Any


class CausalNetwork(keras.layers.Layer):
    """Features of a step are a function of the elements drawn before it, and of a context.

    A step draws one element, or, where `per_element` is False, all channels of one pixel. Steps
    have an order. The same network is asked in two ways, which must agree: whole, with all elements
    at hand, and step by step, with a state that remembers what was computed before.

    Shapes: whole, x `[B, *event]` and an optional context `[B, C]` -> `[B, *event, F]` per element,
    `[B, *event[:-1], F]` per pixel.

    A subclass defines `build_for`, `whole`, `start` and `step`.
    """

    #: whether a step is one element; otherwise it is a pixel with all its channels.
    per_element = True
    #: whether x are the levels themselves; otherwise they come scaled to about [0, 1].
    takes_levels = False

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.event_shape: tuple[int, ...] = ()

    # What a subclass defines.

    def build_for(self, context_size: int | None) -> None:
        """Makes all variables, for `self.event_shape`."""
        raise NotImplementedError

    def whole(self, x: tf.Tensor, context: tf.Tensor | None, seed: Seed | None = None) -> tf.Tensor:
        """Features at every step; see the class for shapes.

        Args:
            x, context: see the class.
            seed: of what training adds, such as dropout; None: nothing is added.
        """
        raise NotImplementedError

    def start(self, batch: int | tf.Tensor, context: tf.Tensor | None) -> State:
        """The state before the first step."""
        raise NotImplementedError

    def step(
        self, state: State, previous: tf.Tensor, index: tf.Tensor, context: tf.Tensor | None
    ) -> tuple[tf.Tensor, State]:
        """Features `[B, F]` of step `index`.

        Args:
            state: of the step before.
            previous: `[B, numbers]`, what the step before drew, as `whole` would see it; zeros at
                the first step.
            index: `[]` int32, the step, counted from 0.
            context: as for `whole`.
        """
        raise NotImplementedError

    def start_row(
        self, state: State, previous: tf.Tensor, index: tf.Tensor, context: tf.Tensor | None
    ) -> State:
        """The state with what all steps of a row share; called before a row's first step.

        Args:
            state, previous, index, context: as `step` gets them next.
        """
        del previous, index, context
        return state

    @property
    def row_length(self) -> int:
        """Steps in a row; those of a sequence are all in one."""
        return self.steps

    @property
    def order(self) -> np.ndarray:
        """Places of the steps, in the order in which they are drawn: the first is `order[0]`.

        A place is the index of an element, or of a pixel, in the flattened event.
        """
        return np.arange(self.steps)

    @property
    def element_biases(self) -> keras.Variable | None:
        """Where each feature of each element has a bias of its own: these, flattened."""
        return None

    # Shared.

    @property
    def steps(self) -> int:
        """How many steps make one example."""
        return int(np.prod(self.event_shape)) // self.step_size

    @property
    def step_size(self) -> int:
        """Numbers that a step draws."""
        return 1 if self.per_element else self.event_shape[-1]

    def build(self, input_shape, context_shape=None) -> None:
        self.event_shape = tuple(input_shape[1:])
        self.build_for(None if context_shape is None else context_shape[-1])
        self.built = True

    def call(self, x, context=None, seed=None):
        return self.whole(x, context, seed)

    def compute_output_shape(self, input_shape, context_shape=None):
        dims = tuple(input_shape) if self.per_element else tuple(input_shape)[:-1]
        return (*dims, self.feature_size)

    @property
    def feature_size(self) -> int:
        """F, the length of a step's features."""
        raise NotImplementedError


def dropped(x: tf.Tensor, rate: float, seed: Seed | None, purpose: str) -> tf.Tensor:
    """x with a share `rate` of its numbers at 0 and the others over 1 - rate; x, if seed is None.

    Reference: Srivastava et al. 2014, JMLR 15, section 10 (scaled in training, not at test).
    """
    if seed is None or not rate:
        return x
    return tf.nn.experimental.stateless_dropout(x, rate, fold(seed, purpose))


def checked_dropout(rate: float) -> float:
    """Raises ValueError unless `rate` is a share below 1."""
    if not 0 <= rate < 1:
        raise ValueError(f"dropout is a share from 0 and below 1, not {rate}")
    return float(rate)


def remember(memory: tf.Tensor, value: tf.Tensor, *place: int | tf.Tensor) -> tf.Tensor:
    """`memory` `[P, Q, ..., *value.shape]` with `value` at `place`."""
    index = tf.stack([tf.cast(p, tf.int32) for p in place])
    return tf.tensor_scatter_nd_update(memory, index[tf.newaxis], value[tf.newaxis])
