"""The contract that every gradient-trained family keeps, and the one train step.

A family says `terms(x, y, training, seed)`: per-example quantities in nats. Its objective turns
terms into a loss. Everything else is here: gradients, replicas, noise, metrics, checks.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.errors import DataError, NotSupported, TrainingError
from zoo.models.averaging import WeightAverage
from zoo.models.finite import FiniteGuard
from zoo.models.parts import MadeOfParts
from zoo.networks.shifted import ShiftedConv
from zoo.noise import fold

# Data that Keras cuts into batches itself; anything else brings its own batches.
_ARRAYS = (np.ndarray, tf.Tensor, list, tuple)
# What is surely neither an array nor anything that yields batches.
_NO_DATA = (type(None), str, bytes, int, float, dict)
_CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    ShiftedConv,
)
# Private methods of Keras's that `GenerativeModel` replaces for several workers.
_HOOKS = ("_maybe_symbolic_build", "_make_function")


class GenerativeModel(MadeOfParts, keras.Model):
    """A `keras.Model` that is trained on terms in nats.

    Args:
        event_shape: shape of one example.
        seed: base of every random draw in training and validation.

    A family defines `parts`, `terms`, `objective`, `metric_names`, and what it can of `encode`,
    `decode`, `sample`, `reconstruct`, `log_prob`. Its `likelihood` says which values x can have, or
    it defines `check_values`.
    """

    #: kind of number that `log_prob` returns: "exact", "importance" or "elbo"; None without one.
    likelihood_kind: str | None = None
    #: distribution layer of x, which says what values x can have; None: any.
    likelihood: keras.Layer | None = None
    #: keys of `terms(...).metrics()`, in the order in which a fault is looked for.
    metric_names: tuple[str, ...] = ()

    def __init__(self, event_shape: Iterable[int], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.event_shape = tuple(event_shape)
        self.seed = int(seed)
        self.trackers = {n: keras.metrics.Mean(name=n) for n in ("loss", *self.metric_names)}
        # int64, because int32 variables cannot live on a GPU.
        self.train_steps, self.test_steps = _counter(), _counter()
        self.guard = FiniteGuard((*self.metric_names, "loss", "gradients"))
        self.average = WeightAverage()

    # What a family defines.

    def terms(self, x: tf.Tensor, y: tf.Tensor | None, training: bool, seed: tf.Tensor) -> Any:
        """Per-example terms of a batch, with a method `metrics() -> {name: [B]}`."""
        raise NotSupported(f"{type(self).__name__} defines no terms")

    def check_values(self, x: np.ndarray) -> None:
        """Raises DataError if `x` has values that the model gives no probability."""
        if self.likelihood is not None and (fault := self.likelihood.support.violation(x)):
            raise DataError(fault)

    def can(self, name: str) -> bool:
        """Whether the model has `name` of the contract, such as "sample"."""
        return getattr(type(self), name) is not getattr(GenerativeModel, name)

    def start_at(self, mean: np.ndarray) -> None:
        """Lets an untrained model's output begin at the data's mean image `[*event]`."""
        raise NotSupported(f"{type(self).__name__} cannot start at the mean of the data")

    def encode(self, x, y=None):
        raise NotSupported(f"{type(self).__name__} has no encoder")

    def decode(self, z, y=None):
        raise NotSupported(f"{type(self).__name__} has no decoder")

    def sample(self, n, y=None, seed=None):
        raise NotSupported(f"{type(self).__name__} cannot be sampled")

    def reconstruct(self, x, y=None):
        raise NotSupported(f"{type(self).__name__} does not reconstruct")

    def complete(self, x, known, y=None, seed=None):
        raise NotSupported(f"{type(self).__name__} does not complete")

    def log_prob(self, x, y=None, num_samples=None, seed=0):
        raise NotSupported(f"{type(self).__name__} has no log-probability")

    # Training.

    def compile(self, optimizer="adam", average: float | None = None, **kwargs):
        """As `keras.Model.compile`, without `loss` and `metrics`: the objective is the model's.

        Args:
            optimizer: as in Keras.
            average: decay of a running average of the weights, see `WeightAverage`; it is what
                `zoo.save` and `zoo.export` then write. The model itself goes on with its weights.
            **kwargs: as in Keras.

        Raises:
            ValueError: a loss or metrics; a decay that is none.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    f"{type(self).__name__} has its own objective and metrics: "
                    f"compile it without `{name}`"
                )
        if _several_workers(self.distribute_strategy):
            require_hooks(keras.Model)
        super().compile(optimizer=optimizer, **kwargs)
        if average is not None:
            self.ensure_variables()
        with self.distribute_strategy.scope():
            self.average.begin(average, self.trainable_variables)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            config["average"] = self.average.decay
        return config

    def kept_weights(self) -> list[np.ndarray]:
        """The weights as they are saved and exported, in the order of a model that was not
        compiled: averages in place of what was averaged."""
        return self.average.in_place_of(self.variables, self.trainable_variables)

    def compile_from_config(self, config):
        """Compiles as `get_compile_config` recorded, ready to load the optimizer's state."""
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**{k: v for k, v in config.items() if v is not None})
        self.ensure_built()

    def fit(self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", **kwargs):
        """As `keras.Model.fit`; the data's shape and values are checked before the first step.

        Arrays are checked whole, of a `tf.data.Dataset` the first batch; what later batches bring
        shows in the terms.

        Raises:
            DataError: another shape, values outside the support, or an unknown number of batches.
            TrainingError: a term was not finite at some step.
            ValueError: weights of examples or classes, which an objective in nats has not.
        """
        for name in ("sample_weight", "class_weight"):
            if kwargs.get(name) is not None:
                raise ValueError(f"{type(self).__name__} takes no `{name}`: every example counts")
        self._check_data(x, kwargs.get("steps_per_epoch"), "steps_per_epoch")
        validation = kwargs.get("validation_data")
        if validation is not None:
            first = validation[0] if isinstance(validation, tuple) else validation
            self._check_data(first, kwargs.get("validation_steps"), "validation_steps")
        if isinstance(x, tf.data.Dataset):
            # Keras's default asks to shuffle, and then warns that a data set shuffles itself.
            kwargs.setdefault("shuffle", False)
        self.guard.reset()
        history = super().fit(x, y, batch_size=batch_size, epochs=epochs, verbose=verbose, **kwargs)
        if fault := self.guard.first():
            raise TrainingError(f"{fault[1]} is not finite at step {fault[0]} (counted from 0)")
        return history

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", **kwargs):
        """As `keras.Model.evaluate`; the same data give the same noise each time."""
        if kwargs.get("sample_weight") is not None:
            raise ValueError(
                f"{type(self).__name__} takes no `sample_weight`: every example counts"
            )
        if not kwargs.get("_use_cached_eval_dataset"):
            self._check_data(x, kwargs.get("steps"), "steps")
        self.test_steps.assign(0)
        return super().evaluate(x, y, batch_size=batch_size, verbose=verbose, **kwargs)

    def train_step(self, data):
        x, y = _unpack(data)
        seed = fold(self.seed, "train", self.train_steps, _replica())
        terms, loss = self._update(x, y, seed)
        self.average.update(self.trainable_variables, self.train_steps)
        self.train_steps.assign_add(1)
        return self._report(terms, loss)

    def _update(self, x, y, seed) -> tuple[Any, tf.Tensor]:
        """What one training step does to the weights; a model of two players does more."""
        optimizer, variables = self.optimized()[0]
        return self._minimize(lambda: self._loss(x, y, True, seed), variables, optimizer)

    def optimized(self) -> list[tuple[keras.optimizers.Optimizer, list[keras.Variable]]]:
        """Each optimizer with the variables that it moves; the compiled one first."""
        return [(self.optimizer, self.trainable_variables)]

    def test_step(self, data):
        x, y = _unpack(data)
        seed = fold(self.seed, "test", self.test_steps, _replica())
        terms, loss = self._loss(x, y, False, seed)
        self.test_steps.assign_add(1)
        return self._report(terms, loss)

    def _loss(self, x, y, training, seed) -> tuple[Any, tf.Tensor]:
        """Terms, and the loss of each example `[B]`, regularisers included."""
        terms = self.terms(x, y, training, seed)
        loss = self.objective(terms, self.train_steps)
        return terms, loss + sum(self.losses) if self.losses else loss

    def _minimize(
        self, compute: Callable[[], tuple[Any, tf.Tensor]], variables, optimizer
    ) -> tuple[Any, tf.Tensor]:
        """One descent step: the only place where a gradient is taken.

        The mean over this replica's batch is divided by the number of replicas, because gradients
        are summed over them. Returns what `compute` returned, unscaled.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        with tf.GradientTape() as tape:
            terms, loss = compute()
            objective = optimizer.scale_loss(tf.reduce_mean(loss) / replicas)
        # Of a looked-up table the tape keeps one row for each look. Keras's Adam squares such rows
        # before it adds those of one entry, and so takes steps that are too large.
        gradients = [
            None if g is None else tf.convert_to_tensor(g)
            for g in tape.gradient(objective, variables)
        ]
        # A loss scale is found by overflowing now and then: the optimizer skips such a step.
        skips = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        watched = [] if skips else [g for g in gradients if g is not None]
        self.guard.watch(self.train_steps, terms.metrics(), loss, watched)
        optimizer.apply(gradients, variables)
        return terms, loss

    def _report(self, terms, loss: tf.Tensor) -> dict[str, tf.Tensor]:
        self.trackers["loss"].update_state(loss)
        for name, value in terms.metrics().items():
            self.trackers[name].update_state(value)
        return {m.name: m.result() for m in self.metrics}

    @property
    def metrics(self):
        # Keras would add a `loss` of its own, which stays 0.
        return list(self.trackers.values())

    # Keras's private hooks. Both are repaired for strategies; a two-process test is the canary.

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would trace `call` on a batch of data, which fails with several workers. The model
        # knows its own shapes.
        self.ensure_built()

    def _make_function(self, step_function):
        if not _several_workers(self.distribute_strategy):
            return super()._make_function(step_function)

        def one_element_logs(data):
            # Keras concatenates the logs of the workers, and scalars have no axis for that.
            return {k: tf.reshape(v, (1,)) for k, v in step_function(data).items()}

        return super()._make_function(one_element_logs)

    def ensure_variables(self) -> None:
        """Makes the model's own variables, inside the strategy's scope."""
        if not self.built:
            with self.distribute_strategy.scope():
                self.build((None, *self.event_shape))

    def ensure_built(self) -> None:
        """Makes every variable, the optimizer's too, inside the strategy's scope."""
        self.ensure_variables()
        with self.distribute_strategy.scope():
            for optimizer, variables in self.optimized() if self.compiled else ():
                if not optimizer.built:
                    optimizer.build(variables)

    def prefers_xla(self) -> bool:
        """Whether XLA pays on a CPU: it does where nothing convolves, oneDNN is faster there."""
        return not any(isinstance(layer, _CONVOLUTIONS) for layer in self._flatten_layers())

    # Data.

    def check(self, data) -> None:
        """Raises DataError unless the examples have the model's shape and values it can take.

        Arrays are checked whole; of a `tf.data.Dataset`, the first batch.
        """
        if isinstance(data, tf.data.Dataset):
            data = _first_batch(data)
        elif isinstance(data, _NO_DATA):
            raise DataError(f"{self.name} takes an array of examples, not {data!r:.40}")
        elif not isinstance(data, _ARRAYS):
            return
        self.check_shape(data)
        self.check_values(np.asarray(data))

    def check_shape(self, x) -> None:
        """Raises DataError unless the examples `[B, ...]` have the model's shape."""
        x = np.asarray(x)
        if x.shape == self.event_shape:
            raise DataError(
                f"{self.name} takes examples of shape {list(x.shape)} in a batch: of one example x "
                "that is x[np.newaxis]"
            )
        if x.shape[1:] != self.event_shape:
            fits = x.size and x.size % int(np.prod(self.event_shape)) == 0
            remedy = f"reshape to {[-1, *self.event_shape]}" if fits else "is it another data set?"
            raise DataError(
                f"{self.name} takes examples of shape {list(self.event_shape)}, but the data have "
                f"shape {list(x.shape)}: {remedy}"
            )

    def _check_data(self, data, steps: int | None, steps_name: str) -> None:
        """`check`, and whether Keras can know where an epoch ends."""
        self.check(data)
        if steps is not None:
            return
        if isinstance(data, Iterator):
            raise DataError(
                "a Python iterator does not say how many batches it has: make it a tf.data set "
                f"with tf.data.experimental.assert_cardinality(n), or give {steps_name}="
            )
        if isinstance(data, tf.data.Dataset) and data.cardinality() < 0:
            endless = data.cardinality() == tf.data.INFINITE_CARDINALITY
            fault = "never ends" if endless else "does not say how many batches it has"
            raise DataError(
                f"the data set {fault}: use data.apply(tf.data.experimental.assert_cardinality(n)) "
                f"with the number n of batches, or give {steps_name}="
            )


def require_hooks(trainer: type) -> None:
    """Raises NotSupported if `trainer` lacks the private methods that several workers need."""
    missing = [name for name in _HOOKS if not callable(getattr(trainer, name, None))]
    if missing:
        raise NotSupported(
            f"Keras {keras.__version__} has no {' and no '.join(missing)}, which training with "
            "several workers needs: install keras>=3.15.1,<3.16"
        )


def _several_workers(strategy: tf.distribute.Strategy) -> bool:
    return getattr(strategy.extended, "_in_multi_worker_mode", lambda: False)()


def _unpack(data) -> tuple[tf.Tensor, tf.Tensor | None]:
    x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
    if weights is not None:
        raise ValueError("batches are x or (x, y): a weight of examples is not supported")
    # What images often come as.
    other = x.dtype in (tf.bool, tf.uint8, tf.float64)
    return (tf.cast(x, tf.float32) if other else x), y


def _first_batch(data: tf.data.Dataset) -> tf.Tensor:
    # Looking must not count as an epoch: a training set's order depends on how many there were.
    epoch = getattr(data, "epoch", None)
    before = None if epoch is None else int(epoch.numpy())
    first = next(iter(data.take(1)), None)
    if epoch is not None:
        epoch.assign(before)
    if first is None:
        raise DataError("the data set is empty")
    return first[0] if isinstance(first, tuple) else first


def _counter() -> tf.Variable:
    return tf.Variable(
        0,
        dtype=tf.int64,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _replica():
    return tf.distribute.get_replica_context().replica_id_in_sync_group
