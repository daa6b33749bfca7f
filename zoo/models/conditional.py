"""Models that may be given a condition beside x: a label, a vector, an image."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import DataError
from zoo.models.base import GenerativeModel
from zoo.models.parts import build_part


class ConditionalModel(GenerativeModel):
    """p(x) or p(x|y): y goes through a network of its own to features c(y).

    Args:
        event_shape: shape of one example.
        condition: network from y to `[B, C]`, such as `OneHot`; None: the model takes no y.
        condition_shape: of one y; `()` for a label.
        seed: base of every random draw.

    Raises:
        ValueError: a condition that is no layer.
    """

    def __init__(
        self,
        event_shape: Iterable[int],
        condition: keras.Layer | None = None,
        condition_shape: Sequence[int] = (),
        seed: int = 0,
        **kwargs: Any,
    ):
        if condition is not None and not isinstance(condition, keras.Layer):
            raise ValueError(f"the condition is {condition!r}, not a layer, such as OneHot(10)")
        super().__init__(event_shape=event_shape, seed=seed, **kwargs)
        self.condition, self.condition_shape = condition, tuple(condition_shape)

    def build_condition(self) -> tuple[int | None, ...]:
        """Builds the condition's network; the shape of c(y)."""
        shape = (None, *self.condition_shape)
        build_part(self.condition, shape)
        return self.condition.compute_output_shape(shape)

    def ensure_variables(self) -> None:
        if not self.built and self.condition is not None:
            # Keras remembers the shapes: a SavedModel traces `call` with them.
            with self.distribute_strategy.scope():
                self.build([(None, *self.event_shape), (None, *self.condition_shape)])
        super().ensure_variables()

    @property
    def condition_spec(self) -> tf.TensorSpec | None:
        """Shape and type of y; None without a condition."""
        if self.condition is None:
            return None
        kind = tf.float32 if self.condition_shape else tf.int32
        return tf.TensorSpec((None, *self.condition_shape), kind, name="y")

    def given(self, y, training: bool = False) -> tf.Tensor:
        """c(y) `[..., C]` of `y` `[..., *condition_shape]`.

        Raises:
            DataError: y is missing.
        """
        if y is None:
            raise DataError(self._missing())
        y = tf.cast(y, self.condition_spec.dtype)
        batch = tf.shape(y)[: y.shape.rank - len(self.condition_shape)]
        flat = self.condition(tf.reshape(y, (-1, *self.condition_shape)), training=training)
        return unflatten(flat, batch)

    # Data.

    def fit(self, x=None, y=None, *args, **kwargs):
        self._check_arrays(x, y)
        validation = kwargs.get("validation_data")
        if isinstance(validation, tuple):
            self._check_arrays(*(*validation, None)[:2])
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        self._check_arrays(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def check(self, data) -> None:
        super().check(data)
        if self.condition is not None and isinstance(data, tf.data.Dataset):
            x, y = _first_pair(data)
            self.check_given(y, (len(x),))

    def check_given(self, y, batch: Sequence[int]) -> None:
        """Raises DataError unless `y` is what the condition takes: None, where there is none.

        Args:
            y: of any type that numpy reads.
            batch: shape of the examples, of which y has one each, or one for each of the last
                dimensions.
        """
        if self.condition is None:
            if y is not None:
                raise DataError(f"{self.name} has no condition, so it takes no y")
            return
        if y is None:
            raise DataError(self._missing())
        y = np.asarray(y)
        own = y.ndim - len(self.condition_shape)
        if y.shape != (*batch[len(batch) - own :], *self.condition_shape):
            raise DataError(
                f"{self.name} takes y of shape {[*batch, *self.condition_shape]}, but was given "
                f"{list(y.shape)}"
            )
        if y.dtype.kind not in "biuf" or not np.isfinite(y).all():
            raise DataError(f"{self.name} takes y of finite numbers, but was given others")
        violation = getattr(self.condition, "violation", None)
        if violation and (fault := violation(y)):
            raise DataError(fault)

    def _check_arrays(self, x, y) -> None:
        """`check_given` of arrays; a data set's y is looked at by `check`."""
        if isinstance(x, np.ndarray | tf.Tensor | list | tuple):
            self.check_given(y, np.shape(x)[:1])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.condition is not None:
            config["condition_shape"] = list(self.condition_shape)
        return config

    def _missing(self) -> str:
        shape = ", ".join(map(str, ("B", *self.condition_shape)))
        return (
            f"{self.name} is conditional: give it y, of shape [{shape}], or data of (x, y), such "
            "as zoo.data.load(NAME, labels=True) or `labels: true` in a config's `data:`"
        )


def _first_pair(data: tf.data.Dataset) -> tuple[tf.Tensor, tf.Tensor | None]:
    # As in the base, looking does not count as an epoch.
    epoch = getattr(data, "epoch", None)
    before = None if epoch is None else int(epoch.numpy())
    first = next(iter(data.take(1)))
    if epoch is not None:
        epoch.assign(before)
    return (*first, None)[:2] if isinstance(first, tuple) else (first, None)


def unflatten(x: tf.Tensor, batch: tf.Tensor) -> tf.Tensor:
    """`[prod(batch), ...]` -> `[*batch, ...]`."""
    return tf.reshape(x, tf.concat([batch, tf.shape(x)[1:]], axis=0))
