"""The `training:` section of a config."""

import dataclasses
import importlib.util
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import keras

from zoo.errors import ConfigError
from zoo.models.optimizers import OPTIMIZERS
from zoo.registration import TYPE, build, register

# What TensorFlow's int32 holds; and numbers that float32 holds.
_LARGEST, _HUGE = 2**31 - 1, 1e38


def _whole(value: Any, low: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= _LARGEST


def _number(value: Any) -> bool:
    # A comparison refuses NaN, and takes integers that no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and -_HUGE < value < _HUGE


def _boolean(value: Any) -> bool:
    return isinstance(value, bool)


_PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
_COUNT = f"a whole number from 1 to {_LARGEST}"
# What each setting may be, and how to say it; `optimizer` and `learning_rate` check themselves.
_VALID: dict[str, tuple[Callable[[Any], bool], str]] = {
    "epochs": (_whole, _COUNT),
    "batch_size": (_whole, _COUNT),
    "monitor": (lambda v: v is None or isinstance(v, str), "the name of a metric"),
    "keep": (lambda v: v in ("best", "last"), "best or last"),
    "patience": (lambda v: v is None or _whole(v), f"null or {_COUNT}"),
    "jit_compile": (lambda v: v == "auto" or _boolean(v), "auto, true or false"),
    "steps_per_execution": (lambda v: v == "auto" or _whole(v), f"auto or {_COUNT}"),
    "precision": (lambda v: v in _PRECISIONS, ", ".join(_PRECISIONS)),
    "deterministic": (_boolean, "true or false"),
    "pictures_every": (lambda v: _whole(v, 0), f"a whole number from 0 to {_LARGEST}"),
    "backup_seconds": (lambda v: _number(v) and v >= 0, "a number from 0"),
    "average": (lambda v: v is None or (_number(v) and 0 <= v < 1), "null, or from 0 and below 1"),
    "tensorboard": (_boolean, "true or false"),
    "start_at_mean": (_boolean, "true or false"),
    "seed": (lambda v: _whole(v, 0), f"a whole number from 0 to {_LARGEST}"),
}


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained.

    Attributes:
        epochs: at most so many passes over the training set (or virtual epochs of the data).
        batch_size: of all replicas together.
        optimizer: spec of a Keras optimizer, without its learning rate.
        learning_rate: a number, or the spec of a schedule (`Cosine`, `Stages`).
        monitor: the metric that selects and stops; those that start with `val_` need validation
            data. None: the model's own, such as `val_elbo` or `val_log_likelihood`.
        keep: "best" ships the epoch with the best `monitor`, "last" the last one.
        patience: stop after so many epochs without a better `monitor`; None never stops early.
        jit_compile: XLA; "auto" decides by `zoo.training.compilation`.
        steps_per_execution: steps per call of the compiled loop; "auto" likewise.
        precision: Keras's policy: "float32", "mixed_float16" (GPU) or "mixed_bfloat16".
        deterministic: bit-exact runs (TensorFlow's op determinism), slower.
        pictures_every: epochs between picture grids; 0 for none.
        backup_seconds: state is saved at the first end of an epoch after so many seconds.
        average: decay of a running average of the weights, which is what is kept; null keeps the
            last weights.
        tensorboard: also write TensorBoard logs.
        start_at_mean: the output begins at the mean of the training data instead of at its middle.
        seed: of weights, noise and data order.
    """

    epochs: int = 100
    batch_size: int = 128
    optimizer: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"type": "Adam"})
    learning_rate: float | Mapping[str, Any] = 1e-3
    monitor: str | None = None
    keep: str = "best"
    patience: int | None = None
    jit_compile: bool | str = "auto"
    steps_per_execution: int | str = "auto"
    precision: str = "float32"
    deterministic: bool = False
    pictures_every: int = 0
    backup_seconds: float = 20.0
    average: float | None = None
    tensorboard: bool = False
    start_at_mean: bool = False
    seed: int = 0

    def __post_init__(self):
        for name, (valid, wanted) in _VALID.items():
            if not valid(getattr(self, name)):
                raise self._refuse(name, wanted)
        self._check_optimizer()
        self._schedule()
        if self.tensorboard and importlib.util.find_spec("tensorboard") is None:
            raise ConfigError(
                "training.tensorboard needs a package that is not installed: "
                "pip install 'latent-zoo[tensorboard]'",
                ("training", "tensorboard"),
            )

    @property
    def selects(self) -> bool:
        """Whether a metric decides anything."""
        return self.keep == "best" or self.patience is not None

    def _refuse(self, name: str, valid: str) -> ConfigError:
        return ConfigError(
            f"training.{name} is {getattr(self, name)!r}; valid: {valid}", ("training", name)
        )

    @classmethod
    def from_config(cls, section: Mapping[str, Any]) -> "TrainingSettings":
        """Reads the section; raises ConfigError at an unknown key, listing the valid ones."""
        valid = [f.name for f in dataclasses.fields(cls)]
        for key in section:
            if key not in valid:
                raise ConfigError(
                    f"training has no key {key!r}; valid keys: {', '.join(valid)}",
                    ("training", key),
                )
        return cls(**section)

    def build_optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        """The optimizer with its schedule, which is written in epochs and runs in steps."""
        rate = self._schedule()
        if isinstance(rate, Cosine | Stages):
            rate = rate.over(steps_per_epoch, self.epochs)
        return build({**self.optimizer, "learning_rate": rate}, ("training", "optimizer"))

    def _check_optimizer(self) -> None:
        path = ("training", "optimizer")
        section = self.optimizer
        if not isinstance(section, Mapping) or section.get(TYPE) not in OPTIMIZERS:
            raise self._refuse("optimizer", f"{{type: NAME}} with {', '.join(OPTIMIZERS)}")
        if "learning_rate" in section:
            raise ConfigError(
                "training.optimizer has no key 'learning_rate': the rate stands in "
                "training.learning_rate",
                (*path, "learning_rate"),
            )
        # Keras takes what it is given, and fails in the first step.
        for key, value in section.items():
            if key not in (TYPE, "name") and not (
                value is None or isinstance(value, bool) or _number(value)
            ):
                raise ConfigError(
                    f"training.optimizer.{key} is {value!r}; valid: a number, true, false or null",
                    (*path, key),
                )

    def _schedule(self) -> "float | Cosine | Stages":
        """The learning rate as a number, or its schedule."""
        rate, path = self.learning_rate, ("training", "learning_rate")
        if not isinstance(rate, Mapping):
            if not _number(rate) or rate <= 0:
                raise self._refuse("learning_rate", "a number above 0, or a schedule")
            return rate
        if rate.get(TYPE) not in ("Cosine", "Stages"):
            raise self._refuse("learning_rate", "a number above 0, or {type: Cosine or Stages}")
        return build(rate, path)


@register
class Cosine:
    """A learning rate that falls as half a cosine from `initial` to `final` over all epochs.

    Args:
        initial: the rate after the warm-up.
        final: the rate at the end.
        warmup_epochs: epochs of linear growth from 0, before.

    Reference: Loshchilov and Hutter 2017, arXiv 1608.03983, Eq. 5, without restarts.
    """

    def __init__(self, initial: float, final: float = 0.0, warmup_epochs: float = 0.0):
        if not _number(initial) or initial <= 0:
            raise ValueError(f"initial is {initial!r}; valid: a number above 0")
        for name, value in {"final": final, "warmup_epochs": warmup_epochs}.items():
            if not _number(value) or value < 0:
                raise ValueError(f"{name} is {value!r}; valid: a number from 0")
        self.initial, self.final, self.warmup_epochs = initial, final, warmup_epochs

    def get_config(self):
        return dict(vars(self))

    def over(self, steps_per_epoch: int, epochs: int):
        warmup = round(self.warmup_epochs * steps_per_epoch)
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else self.initial,
            decay_steps=max(1, steps_per_epoch * epochs - warmup),
            alpha=self.final / self.initial,
            warmup_target=self.initial if warmup else None,
            warmup_steps=warmup,
        )


@register
class Stages:
    """Constant rates, one after the other; the last one stays.

    Args:
        rates: learning rates.
        epochs: epochs of each stage.
    """

    def __init__(self, rates: list[float], epochs: list[int]):
        for name, values, valid, wanted in (
            ("rates", rates, lambda v: _number(v) and v >= 0, "numbers from 0"),
            ("epochs", epochs, _whole, "whole numbers from 1"),
        ):
            if not isinstance(values, list | tuple) or not values or not all(map(valid, values)):
                raise ValueError(f"{name} is {values!r}; valid: a list of {wanted}")
        if len(rates) != len(epochs):
            raise ValueError(f"{len(rates)} rates for {len(epochs)} stages")
        self.rates, self.epochs = list(rates), list(epochs)

    def get_config(self):
        return dict(vars(self))

    def over(self, steps_per_epoch: int, epochs: int):
        del epochs
        # Keras's boundaries are the last steps, counted from 0, that have the rate before them.
        ends = [e * steps_per_epoch - 1 for e in itertools.accumulate(self.epochs)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(ends[:-1], self.rates)
