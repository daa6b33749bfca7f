"""The table of entries: which there are, what is known of each, and how to get its model."""

import fnmatch
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import configuration, storing
from zoo.errors import EntryError, ZooError
from zoo.files import CARD, CONFIG, WEIGHTS
from zoo.pretrained.checksums import CHECKSUMS
from zoo.registration import TYPE, nearest

if TYPE_CHECKING:
    import keras

PRETRAINED = Path(__file__).resolve().parent / "pretrained"


def entries(pattern: str | None = None, pretrained: bool | None = None) -> list[str]:
    """Names of entries, sorted.

    Args:
        pattern: with `*`, `?` and `[...]`, as for file names; None: all.
        pretrained: only those with (True) or without (False) trained weights; None: both.
    """
    names = configuration.names()
    if pattern is not None:
        names = fnmatch.filter(names, pattern)
    return [n for n in names if pretrained is None or is_pretrained(n) == pretrained]


def is_pretrained(name: str) -> bool:
    """Whether trained weights of the entry are installed."""
    return name in CHECKSUMS and (PRETRAINED / name / WEIGHTS).is_file()


def describe(name: str) -> dict[str, Any]:
    """What is known of an entry, without building it.

    Returns:
        `name`, `title`, `paper`, `density` ("exact", "bound", "implicit" or "none"), `licence`,
        `model` (its class), `data`, `pretrained`, and for trained entries, from the card,
        `parameters` (a count) and `numbers` (measured); None where nothing is known.

    Raises:
        EntryError: no such entry.
    """
    config = configuration.read(name).values
    found = card(name) if is_pretrained(name) else {}
    return {
        "name": name,
        **{key: config.get(key) for key in ("title", "paper", "density", "licence")},
        "model": config["model"].get(TYPE),
        "data": config.get("data"),
        "pretrained": is_pretrained(name),
        "parameters": found.get("parameters"),
        "numbers": found.get("numbers"),
    }


def create(name: str | os.PathLike, seed: int = 0, smoke: bool = False) -> "keras.Model":
    """The untrained model of an entry, ready for `compile` and `fit`.

    Args:
        name: an entry, or a YAML file.
        seed: of its initial weights and its noise.
        smoke: the tiny version that tests use.

    Raises:
        EntryError: no such entry.
        ConfigError: the config asks for something that does not exist.
    """
    return storing.build_model(configuration.read(name, smoke=smoke), seed)


def load(name_or_dir: str | os.PathLike) -> "keras.Model":
    """A trained model: a pretrained entry, or a folder that `zoo.save` or a run wrote.

    Raises:
        EntryError: neither an entry nor a folder, or an entry without weights.
        ConfigError, WeightsError: the folder is damaged or not one of ours.
    """
    name = os.fspath(name_or_dir)
    if is_pretrained(name):
        return storing.read(PRETRAINED / name, CHECKSUMS[name])
    folder = Path(name)
    if folder.is_dir():
        return storing.read(_with_config(folder))
    raise EntryError(_without_weights(name))


def _without_weights(name: str) -> str:
    known = configuration.names()
    if name in known:
        return (
            f"{name} has no trained weights here: train it (`zoo train {name}`), "
            "or take it untrained (zoo.create)"
        )
    return f"there is no entry and no folder {name!r}; the nearest entries: {nearest(name, known)}"


def _with_config(folder: Path) -> Path:
    if not (folder / CONFIG).is_file():
        raise EntryError(f"{folder} holds no saved model: there is no {CONFIG} in it")
    return folder


def card(name: str) -> dict[str, Any]:
    """What was measured of a trained entry, and how it was trained.

    Raises:
        EntryError: no such entry, or one without weights.
    """
    if not is_pretrained(name):
        raise EntryError(_without_weights(name))
    file = PRETRAINED / name / CARD
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ZooError(f"the card of {name} cannot be read: install again") from error
