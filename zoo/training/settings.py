"""The `training:` section of a config."""

import dataclasses
import importlib.util
import itertools
from collections.abc import Mapping
from typing import Any

import keras

from zoo.errors import ConfigError
from zoo.registration import build, register, register_builder

for _optimizer in (keras.optimizers.Adam, keras.optimizers.AdamW, keras.optimizers.SGD):
    register_builder(_optimizer.__name__, _optimizer)


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained.

    Attributes:
        epochs: at most so many passes over the training set (or virtual epochs of the data).
        batch_size: of all replicas together.
        optimizer: spec of a Keras optimizer, without its learning rate.
        learning_rate: a number, or the spec of a schedule (`Cosine`, `Stages`).
        monitor: the metric that selects and stops; those that start with `val_` need validation
            data. The larger the better.
        keep: "best" ships the epoch with the best `monitor`, "last" the last one.
        patience: stop after so many epochs without a better `monitor`; None never stops early.
        jit_compile: XLA; "auto" decides by `zoo.training.compilation`.
        steps_per_execution: steps per call of the compiled loop; "auto" likewise.
        precision: Keras's policy: "float32", "mixed_float16" (GPU) or "mixed_bfloat16".
        deterministic: bit-exact runs (TensorFlow's op determinism), slower.
        pictures_every: epochs between picture grids; 0 for none.
        backup_seconds: state is saved at the first end of an epoch after so many seconds.
        tensorboard: also write TensorBoard logs.
        seed: of weights, noise and data order.
    """

    epochs: int = 100
    batch_size: int = 128
    optimizer: Mapping[str, Any] = dataclasses.field(default_factory=lambda: {"type": "Adam"})
    learning_rate: float | Mapping[str, Any] = 1e-3
    monitor: str = "val_elbo"
    keep: str = "best"
    patience: int | None = None
    jit_compile: bool | str = "auto"
    steps_per_execution: int | str = "auto"
    precision: str = "float32"
    deterministic: bool = False
    pictures_every: int = 0
    backup_seconds: float = 20.0
    tensorboard: bool = False
    seed: int = 0

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise self._refuse(name, "a whole number from 1")
        if self.keep not in ("best", "last"):
            raise self._refuse("keep", "best or last")
        if self.precision not in ("float32", "mixed_float16", "mixed_bfloat16"):
            raise self._refuse("precision", "float32, mixed_float16 or mixed_bfloat16")
        if self.jit_compile not in ("auto", True, False):
            raise self._refuse("jit_compile", "auto, true or false")
        steps = self.steps_per_execution
        if steps != "auto" and (not isinstance(steps, int) or steps < 1):
            raise self._refuse("steps_per_execution", "auto or a whole number from 1")
        if self.patience is not None and (not isinstance(self.patience, int) or self.patience < 1):
            raise self._refuse("patience", "null or a whole number from 1")
        if self.tensorboard and importlib.util.find_spec("tensorboard") is None:
            raise ConfigError(
                "training.tensorboard needs a package that is not installed: "
                "pip install 'latent-zoo[tensorboard]'",
                ("training", "tensorboard"),
            )

    @property
    def selects(self) -> bool:
        """Whether `monitor` decides anything."""
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
        rate = self.learning_rate
        if isinstance(rate, Mapping):
            path = ("training", "learning_rate")
            rate = build(rate, path).over(steps_per_epoch, self.epochs)
        return build({**self.optimizer, "learning_rate": rate}, ("training", "optimizer"))


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
