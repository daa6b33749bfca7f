"""From a config to a model, from a model to a folder, and back.

A folder holds `config.yaml` (resolved), `model.weights.h5`, `sha256` (as `sha256sum` writes it) and
perhaps `card.json` (what was measured). Reading one trusts nothing: strict schema, known builder
names, checksum, then weights, of which none may be missing and none left over.
"""

import contextlib
import copy
import importlib
import json
import math
import os
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import configuration, plain_yaml, registration
from zoo.backend import require_tensorflow
from zoo.configuration import Config
from zoo.errors import ConfigError, NotSupported, WeightsError, ZooError
from zoo.files import BACKUP, CARD, CHECKSUM, CONFIG, STATE, WEIGHTS, check_room, new_folder, reason
from zoo.registration import TYPE

if TYPE_CHECKING:
    import keras

    from zoo.models.base import GenerativeModel

# Importing these registers every builder that a config can name.
_BUILDERS = (
    "zoo.data.corruptions",
    "zoo.networks",
    "zoo.distributions",
    "zoo.objectives",
    "zoo.models",
)
# A run has it from its first epoch on.
LOG = "log.csv"
# Keras's own arguments of every layer: no part of what a model is.
_OF_KERAS = ("name", "dtype", "trainable")


def register_all() -> None:
    """Imports TensorFlow and every package whose classes configs name."""
    require_tensorflow()
    for package in _BUILDERS:
        importlib.import_module(package)


def build_model(config: Config, seed: int | None = None, name: str | None = None) -> "keras.Model":
    """The untrained model of a config, built, with the config as plain data in `model.config`.

    Args:
        config: resolved.
        seed: of the initial weights and of the model's noise; None: what the config's model says,
            otherwise 0. The same seed gives the same weights.
        name: what messages and pictures call the model; None: as the config is called.

    Raises:
        ConfigError: with file and line.
    """
    register_all()
    values = copy.deepcopy(config.values)
    if seed is not None and takes_seed(values["model"]):
        values["model"]["seed"] = seed
    seed = values["model"].get("seed", 0) if seed is None else seed
    with configuration.located(config), _initializers(seed):
        model = built(values["model"])
    # Set once its variables are there, so that their paths are the same under any name.
    model.name = _scope(name or config.name)
    # Not by assignment: Keras would track the dictionary, and wrap it.
    object.__setattr__(model, "config", values)
    return model


def _scope(name: str) -> str:
    """The name with what TensorFlow does not take in the name of a scope replaced."""
    return re.sub("[^A-Za-z0-9_.-]", "_", name).lstrip("_-") or "model"


def built(section: Any) -> "GenerativeModel":
    """The model of a config's `model:` section, with all its variables.

    Raises:
        ConfigError: the section names no model, or one that memory cannot take.
    """
    from zoo.models.base import GenerativeModel
    from zoo.models.counted import CountedModel

    with in_memory():
        model = registration.build(section, ("model",))
        if not isinstance(model, GenerativeModel | CountedModel):
            raise ConfigError(f"model: {section[TYPE]} is a part, not a model", ("model", TYPE))
        try:
            model.ensure_built()
        except ZooError:
            raise
        except ValueError as error:
            raise ConfigError(str(error).splitlines()[0], ("model",)) from error
    return model


@contextlib.contextmanager
def in_memory() -> Iterator[None]:
    """Turns what TensorFlow says of variables that memory cannot take into a ConfigError."""
    import tensorflow as tf

    try:
        yield
    except (MemoryError, OverflowError, tf.errors.ResourceExhaustedError) as error:
        raise ConfigError(
            "the model is too large for this machine's memory: choose smaller sizes", ("model",)
        ) from error


def spec(part: Any) -> dict[str, Any]:
    """What `registration.build` builds `part` from: `{"type": NAME, **arguments}`, plain data.

    The arguments are the constructor's named parameters, from `get_config()`, or, where a class has
    none, from the attributes of the same names.

    Raises:
        NotSupported: a class that is not registered, or a value that is not plain data.
    """
    get_config = getattr(part, "get_config", None)
    names = registration.parameters(type(part))
    values = get_config() if get_config else {n: getattr(part, n) for n in names}
    return _spec(type(part), values)


def write(model: "keras.Model", folder: str | os.PathLike, half: bool = False) -> None:
    """Writes config, weights and checksum into an existing folder; `half` as for `save`.

    Raises:
        OSError: the folder cannot take them.
        NotSupported: the model has parts that no config can name.
    """
    from zoo.models.weights import write_weights

    folder = Path(folder)
    model.ensure_built()
    values = getattr(model, "config", None) or {"model": spec(model)}
    check_room(folder, _bytes(model))
    (folder / CONFIG).write_text(plain_yaml.dump(values), encoding="utf-8")
    digest = write_weights(model, folder / WEIGHTS, half)
    (folder / CHECKSUM).write_text(f"{digest}  {WEIGHTS}\n", encoding="utf-8")


def save(
    model: "keras.Model",
    directory: str | os.PathLike,
    card: Mapping[str, Any] | None = None,
    half: bool = False,
) -> None:
    """Saves a model as a new folder: config, weights, checksum, and what was measured.

    Args:
        model: made by `zoo.create` or `zoo.load`, or of registered parts.
        directory: must not exist; appears when all is written.
        card: plain data for `card.json`.
        half: store the weights in 16 bits; what is loaded then differs by their rounding.

    Raises:
        ZooError: the folder exists or cannot be written.
        NotSupported: the model has parts that no config can name.
    """
    with new_folder(directory) as folder:
        write(model, folder, half)
        if card is not None:
            (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def read(folder: str | os.PathLike, checksum: str | None = None) -> "keras.Model":
    """The model of a saved folder.

    Args:
        folder: what `save` wrote.
        checksum: SHA-256 of the weights; None: the folder's own.

    Raises:
        ConfigError: the config is not one of ours, or asks for an unknown class.
        WeightsError: the weights are missing, damaged, or of another model.
    """
    folder = Path(folder)
    config = configuration.read(folder / CONFIG)
    checksum = checksum or _own_checksum(folder)
    model = build_model(config, name=folder.resolve().name)
    from zoo.models.weights import read_weights

    try:
        read_weights(model, folder / WEIGHTS, checksum)
    except OSError as error:
        raise WeightsError(f"cannot read {folder / WEIGHTS}: {reason(error)}") from error
    return model


def takes_seed(section: Mapping[str, Any]) -> bool:
    """Whether what a spec names has an argument `seed`."""
    builder = registration.registered().get(str(section.get(TYPE)))
    return builder is not None and "seed" in registration.parameters(builder)


@contextlib.contextmanager
def _initializers(seed: int) -> Iterator[None]:
    """Keras seeds its initializers from Python's `random`: fix that, and leave no trace."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)


def _spec(builder: type, values: Mapping[str, Any]) -> dict[str, Any]:
    name = builder.__name__
    if registration.registered().get(name) is not builder:
        raise NotSupported(
            f"{name} cannot be stored: it is not registered (zoo.registration.register)"
        )
    result = {TYPE: name}
    for key in registration.parameters(builder):
        if key in values and key not in _OF_KERAS:
            result[key] = _plain(values[key], f"{name}.{key}")
    return result


def _plain(value: Any, what: str) -> Any:
    """Plain data as YAML knows them; parts, whole or as Keras serializes them, become specs."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item, what) for item in value]
    if isinstance(value, Mapping) and "class_name" in value and "config" in value:
        builder = registration.registered().get(value["class_name"])
        if builder is None:
            raise NotSupported(f"{what}: {value['class_name']} cannot be stored in a config")
        return _spec(builder, value["config"])
    if isinstance(value, Mapping):
        return {str(key): _plain(item, what) for key, item in value.items()}
    if type(value) in registration.registered().values():
        return spec(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    raise NotSupported(f"{what}: a {type(value).__name__} cannot be stored in a config")


def _bytes(model: "keras.Model") -> int:
    """At least what the weights file takes: HDF5 adds some kilobytes to each variable."""
    if not hasattr(model, "weights"):
        return 8 * model.count_params()
    return sum(8 * math.prod(v.shape) + 8192 for v in model.weights)


def has_state(folder: str | os.PathLike) -> bool:
    """Whether the run in `folder` has saved a state from which it can go on."""
    return (Path(folder) / BACKUP / STATE).is_file()


def resume_hint(folder: str | os.PathLike) -> str:
    """How to go on with the run in `folder`: its own config has whatever was changed by `--set`."""
    if not has_state(folder):
        return (
            "no state was saved yet, which happens at the end of an epoch after "
            f"training.backup_seconds: remove {folder} and train anew"
        )
    return f"continue it with `zoo train {Path(folder) / CONFIG} --resume --out {folder}`"


def _own_checksum(folder: Path) -> str:
    if not (folder / CHECKSUM).exists() and (
        (folder / LOG).exists() or not (folder / WEIGHTS).exists()
    ):
        raise WeightsError(f"the run in {folder} is not finished: {resume_hint(folder)}")
    try:
        words = (folder / CHECKSUM).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"cannot read {folder / CHECKSUM}, which `zoo.save` writes") from error
    if len(words) != 2 or words[1] != WEIGHTS:
        raise WeightsError(f"{folder / CHECKSUM} is not a checksum of {WEIGHTS}")
    return words[0]
