"""Notices the first step at which a number stops being finite, also within a compiled loop."""

import tensorflow as tf


class FiniteGuard:
    """Remembers, for each named quantity, the first step at which it was NaN or infinite.

    It lives in the step, so it sees every step even where Keras runs many per call.

    Args:
        names: the quantities, causes before consequences.
    """

    def __init__(self, names: tuple[str, ...]):
        self.names = names
        self._first = tf.Variable(
            [-1] * len(names),
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def reset(self) -> None:
        self._first.assign([-1] * len(self.names))

    def watch(self, step: tf.Variable, metrics: dict, loss: tf.Tensor, gradients: list) -> None:
        """Looks at one step's values on this replica; all replicas agree on the outcome."""
        values = {
            **{name: [value] for name, value in metrics.items()},
            "loss": [loss],
            "gradients": gradients,
        }
        bad = tf.stack([_any_not_finite(values.get(name, [])) for name in self.names])
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            bad = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(bad, tf.float32)) > 0
        new = bad & (self._first < 0)
        self._first.assign(tf.where(new, tf.cast(step, tf.int64), self._first))

    def first(self) -> tuple[int, str] | None:
        """`(step, name)` of the first fault, or None."""
        steps = self._first.numpy()
        faults = [(int(s), i) for i, s in enumerate(steps) if s >= 0]
        if not faults:
            return None
        step, index = min(faults)
        return step, self.names[index]


def _any_not_finite(values: list) -> tf.Tensor:
    # A sum is finite only if every addend is, and costs one pass.
    sums = [tf.reduce_sum(tf.cast(v, tf.float32)) for v in values]
    return ~tf.math.is_finite(tf.add_n(sums)) if sums else tf.constant(False)
