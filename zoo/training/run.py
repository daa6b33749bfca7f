"""A run: from a resolved config to trained weights in a folder.

config.yaml        the resolved config, written before the first step
log.csv            one row an epoch
backup/            state at the end of an epoch, for resuming
pictures/          grids during training
model.weights.h5   the selected weights, and `sha256` beside them
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo.data
import zoo.models
import zoo.networks
from zoo import plain_yaml
from zoo.data.text import NoText
from zoo.errors import ConfigError, NotSupported, TrainingError
from zoo.files import BACKUP, CHECKSUM, CONFIG, WEIGHTS, reason
from zoo.models.base import GenerativeModel
from zoo.models.counted import CountedModel
from zoo.models.weights import write_weights
from zoo.registration import TYPE, registered
from zoo.storing import LOG, built, in_memory, takes_seed
from zoo.training import callbacks as calls
from zoo.training.compilation import compile_arguments
from zoo.training.settings import TrainingSettings
from zoo.training.state import Backup, Selection, agree
from zoo.training.strategies import is_chief, make_strategy

# A resumed run with another of these would not go on as it began; more epochs are fine.
_FIXED = ("batch_size", "seed", "optimizer")
# What a run selects by if its config does not say: the first that its model reports.
_SELECTING = ("elbo", "log_likelihood", "squared_error")


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run leaves: the model with the selected weights, its data, its folder and its log."""

    model: GenerativeModel
    data: zoo.data.Splits
    directory: Path
    log: list[dict[str, str]]
    selected_epoch: int


def train(
    config: Mapping[str, Any],
    directory: Path,
    strategy: str = "auto",
    resume: bool = False,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    peer_seconds: float = 120.0,
    check: Callable[[GenerativeModel], None] | None = None,
) -> Run:
    """Trains as `config` says.

    Args:
        config: resolved, with the sections data, model and training.
        directory: the run's folder; it must not exist, unless `resume`.
        strategy: see `make_strategy`.
        resume: continue from the last backup. On one CPU device with `deterministic: true` the
            result is bit for bit that of an uninterrupted run; otherwise the state at the moment of
            resuming is equal, and later steps may differ in rounding.
        callbacks: further Keras callbacks.
        peer_seconds: how long several workers wait for each other at the start.
        check: looks at the built model before anything is written, and raises what is wrong.

    Raises:
        ConfigError, DataError: before anything is written.
        TrainingError: the folder exists, or there is nothing in it to resume; workers that do not
            come; a value that is not finite.
    """
    directory = Path(directory)
    settings = TrainingSettings.from_config(config.get("training", {}))
    _check_folder(directory, config, settings, resume)
    if counts(config):
        return _counted(config, directory, check)
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    distribution = make_strategy(strategy, peer_seconds)
    data = _load(config, settings)
    with _precision(settings.precision), distribution.scope():
        model = _model(config, settings, int(data.train.cardinality()))
    model.check(data.train)
    _check_levels(model.likelihood, data.train, ("model", "likelihood", "levels"))
    if check is not None:
        check(model)
    if settings.start_at_mean:
        _start_at_mean(model, data.train)
    if is_chief():
        _write_config(directory, config)
    selection = _fit(model, data, settings, directory, callbacks)
    log = calls.read_log(directory / LOG)
    selected = len(log)
    if selection and selection.best_file:
        model.load_weights(selection.best_file)
        selected = selection.best_epoch
    if is_chief():
        checksum = write_weights(model, directory / WEIGHTS)
        (directory / CHECKSUM).write_text(f"{checksum}  {WEIGHTS}\n", encoding="ascii")
    return Run(model, data, directory, log, selected)


def counts(config: Mapping[str, Any]) -> bool:
    """Whether the config's model is fitted by counting, without an epoch or a step."""
    builder = registered().get(str(config["model"].get(TYPE)))
    return isinstance(builder, type) and issubclass(builder, CountedModel)


def _counted(config: Mapping[str, Any], directory: Path, check) -> Run:
    """The run of a model without gradients: one look at the training data."""
    arguments = data_section(config)
    data = zoo.data.load(**arguments)
    model = built(config["model"])
    model.check(next(iter(data.train)))
    _check_levels(model, data.train, ("model", "levels"))
    if check is not None:
        check(model)
    try:
        # A text's contexts cross the borders of its sequences.
        model.fit_stream(zoo.data.stream(**arguments))
    except NoText:
        model.fit(data.train)
    _write_config(directory, config)
    checksum = write_weights(model, directory / WEIGHTS)
    (directory / CHECKSUM).write_text(f"{checksum}  {WEIGHTS}\n", encoding="ascii")
    return Run(model, data, directory, [], 0)


def _check_levels(part, train: tf.data.Dataset, path: tuple[str, ...]) -> None:
    """Raises a ConfigError if `part` gives probability to levels that the data do not have."""
    found, levels = zoo.data.description(train), getattr(part, "levels", None)
    if levels is not None and found.values == "levels" and found.levels != levels:
        raise ConfigError(
            f"{found.name} has {found.levels} levels, and {'.'.join(path)} is {levels}", path
        )


def monitored(model: GenerativeModel, settings: TrainingSettings) -> str | None:
    """The metric that the run selects by; None where it does not select.

    Raises:
        ConfigError: one that the model does not report, or none is named and it has none to offer.
    """
    if not settings.selects:
        return None
    valid = [f"{prefix}{name}" for prefix in ("val_", "") for name in model.trackers]
    own = next((f"val_{name}" for name in _SELECTING if name in model.trackers), None)
    asked = settings.monitor or own
    if asked is None:
        raise ConfigError(
            f"{type(model).__name__} has no metric to select by: say `keep: last` and no patience",
            ("training", "keep"),
        )
    if asked not in valid:
        raise ConfigError(
            f"training.monitor is {asked!r}; valid: {', '.join(valid)}", ("training", "monitor")
        )
    return asked


def data_section(config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `zoo.data.load`, the name among them; raises a ConfigError without one."""
    section = config.get("data")
    if not isinstance(section, Mapping) or not isinstance(section.get("name"), str):
        raise ConfigError("the config has no `data:` with a `name:` to train on", ("data",))
    if "batch_size" in section:
        raise ConfigError(
            "data has no key 'batch_size': it stands in training.batch_size",
            ("data", "batch_size"),
        )
    return dict(section)


def _write_config(directory: Path, config: Mapping[str, Any]) -> None:
    """Makes the folder; the config appears in it, or replaces the one before, in one step."""
    temporary = directory / f"new.{CONFIG}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        temporary.write_text(plain_yaml.dump(dict(config)), encoding="utf-8")
        os.replace(temporary, directory / CONFIG)
    except OSError as error:
        raise TrainingError(f"cannot write {directory}: {reason(error)}") from error


def _check_folder(
    directory: Path, config: Mapping[str, Any], settings: TrainingSettings, resume: bool
) -> None:
    if not resume:
        if is_chief() and directory.exists():
            raise TrainingError(
                f"{directory} exists: choose another folder, or resume the run in it"
            )
        return
    if not (directory / CONFIG).is_file():
        raise TrainingError(f"there is no run to resume in {directory}: it has no {CONFIG}")
    path = directory / CONFIG
    before, _ = plain_yaml.parse(path.read_text(encoding="utf-8"), str(path))
    now, _ = plain_yaml.parse(plain_yaml.dump(dict(config)), "the config")
    for section in ("data", "model"):
        if before.get(section) != now.get(section):
            raise ConfigError(
                f"the run in {directory} has another `{section}:`; start a new one for that",
                (section,),
            )
    begun = TrainingSettings.from_config(before.get("training", {}))
    for name in _FIXED:
        if getattr(begun, name) != getattr(settings, name):
            raise ConfigError(
                f"the run in {directory} began with training.{name} {getattr(begun, name)!r}, not "
                f"{getattr(settings, name)!r}; start a new one for that",
                ("training", name),
            )
    if (done := len(calls.read_log(directory / LOG))) > settings.epochs:
        raise ConfigError(
            f"the run in {directory} has taken {done} epochs, more than {settings.epochs}: "
            "resume it for as many or more, or start a new one",
            ("training", "epochs"),
        )


def _load(config: Mapping[str, Any], settings: TrainingSettings) -> zoo.data.Splits:
    arguments = data_section(config)
    data = zoo.data.load(
        arguments.pop("name"),
        batch_size=settings.batch_size,
        seed=arguments.pop("seed", settings.seed),
        **arguments,
    )
    held_out = (settings.monitor or "val_").startswith("val_")
    if data.valid is None and settings.selects and held_out:
        raise ConfigError(
            f"training selects by {settings.monitor or 'held-out examples'}, but data.valid is 0: "
            "hold some out, or say `keep: last` and no patience",
            ("training", "keep"),
        )
    return data


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def _model(config, settings: TrainingSettings, steps_per_epoch: int) -> GenerativeModel:
    keras.utils.set_random_seed(settings.seed)
    section = config["model"]
    model = built({"seed": settings.seed, **section} if takes_seed(section) else section)
    monitored(model, settings)
    model.compile(
        optimizer=settings.build_optimizer(steps_per_epoch),
        average=settings.average,
        **compile_arguments(model, settings, steps_per_epoch),
    )
    with in_memory():
        model.ensure_built()
    return model


def _start_at_mean(model: GenerativeModel, train: tf.data.Dataset) -> None:
    try:
        model.start_at(_mean(train))
    except NotSupported as error:
        raise NotSupported(f"{error}: leave out training.start_at_mean") from error


def _mean(train: tf.data.Dataset) -> np.ndarray:
    """The mean training image; looking does not count as an epoch."""
    epoch = train.epoch.numpy()
    total, count = 0.0, 0
    for batch in train:
        x = (batch[0] if isinstance(batch, tuple) else batch).numpy()
        total, count = total + x.sum(axis=0, dtype=np.float64), count + len(x)
    train.epoch.assign(epoch)
    return total / count


def _fit(model, data, settings, directory, extra) -> Selection | None:
    examples = int(data.train.cardinality()) * settings.batch_size
    backup = Backup(directory / BACKUP, settings.backup_seconds, write=is_chief())
    epoch = backup.restore(model)
    backup.selection = selection = _selection(model, settings, directory, epoch)
    # Selection and log come before the state that relies on them.
    steps = [calls.Exact(data.train), calls.StopAtNaN(), *([selection] if selection else [])]
    if is_chief():
        steps += [
            calls.Log(directory / LOG, examples),
            calls.Progress(examples, settings.epochs),
            *_recorders(data, settings, directory),
        ]
    if epoch < settings.epochs and not (selection and selection.exhausted):
        model.fit(
            data.train,
            validation_data=data.valid,
            epochs=settings.epochs,
            initial_epoch=epoch,
            callbacks=[*steps, backup, *extra],
            verbose=0,
        )
    # The chief's files are complete when all workers have come here.
    agree(model)
    return selection


def _selection(model, settings: TrainingSettings, directory, epoch: int) -> Selection | None:
    monitor = monitored(model, settings)
    if monitor is None:
        return None
    rows = calls.read_log(directory / LOG)[:epoch]
    if len(rows) < epoch or any(monitor not in row for row in rows):
        raise TrainingError(
            f"{directory / LOG} does not tell {monitor} of the {epoch} epochs before: "
            "remove the run and start it again"
        )
    selection = Selection(
        monitor,
        directory / BACKUP if settings.keep == "best" else None,
        settings.patience,
        history=[row[monitor] for row in rows],
        write=is_chief(),
    )
    if rows and selection.best_file and not selection.best_file.is_file():
        raise TrainingError(
            f"{selection.best_file}, the best weights so far, is missing: remove the run and start "
            "it again"
        )
    return selection


def _recorders(data, settings, directory) -> list[keras.callbacks.Callback]:
    recorders = []
    if settings.tensorboard:
        recorders.append(keras.callbacks.TensorBoard(directory / "tensorboard"))
    if settings.pictures_every:
        from zoo.training.grids import PictureGrids

        held_out = data.train if data.valid is None else data.valid
        recorders.append(
            PictureGrids(directory / "pictures", held_out, every=settings.pictures_every)
        )
    return recorders
