"""Configs: where they stand, how they are read, merged and overridden, and which line is to blame.

A config is YAML over a schema that code owns: the top-level keys stand here, the arguments of a
builder in its constructor (`zoo.registration`). There are no import paths and no interpolation.
"""

import contextlib
import copy
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo import plain_yaml
from zoo.errors import ConfigError, EntryError, ZooError
from zoo.files import reason
from zoo.registration import TYPE, nearest

TEXTS = ("title", "paper", "density", "licence", "base", "note")
SECTIONS = ("data", "model", "training", "evaluation", "smoke")
KEYS = (*TEXTS, *SECTIONS)
DENSITIES = ("exact", "bound", "implicit", "none")
SUFFIX = ".yaml"

KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Config:
    """A resolved config.

    Attributes:
        name: the entry's name, or the file's without its suffix.
        values: plain data, by top-level key; no `base`, and no `smoke` once that is merged.
        places: "file:line", or the `--set` argument, of each key path; `()` is the file.
        base: the entry that the file builds on; None without one.
    """

    name: str
    values: dict[str, Any]
    places: dict[KeyPath, str] = field(default_factory=dict, compare=False, repr=False)
    base: str | None = field(default=None, compare=False)

    def to_yaml(self) -> str:
        """The config as text that `read` takes back, equal."""
        return plain_yaml.dump(self.values)


def folder() -> Path:
    """The folder of the shipped configs: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "configs", package.parent / "configs"):
        if candidate.is_dir():
            return candidate
    raise ZooError(f"no configs beside {package}: the installation is incomplete, install again")


def names() -> list[str]:
    """The names of all shipped configs."""
    return sorted(path.name.removesuffix(SUFFIX) for path in folder().glob(f"*{SUFFIX}"))


def read(
    name_or_file: str | os.PathLike, overrides: Iterable[str] = (), smoke: bool = False
) -> Config:
    """Reads and resolves a config: `base:`, then the file, then `smoke:` on demand, then overrides.

    Mappings merge key by key, except that a spec of another `type` replaces the one before; all
    else replaces.

    Args:
        name_or_file: an entry (`vae.mnist`) or a YAML file.
        overrides: `a.b=value` each, the value read as YAML.
        smoke: merge the `smoke:` section, which makes everything tiny.

    Raises:
        EntryError: no such entry or file.
        ConfigError: with file and line: not YAML, an unknown key, a value of the wrong kind.
    """
    path = _find(name_or_file)
    values, places = _read_file(path)
    base = values.get("base")
    if "base" in values:
        values, places = _rebase(path, values, places)
    if smoke:
        if "smoke" not in values:
            raise ConfigError(f"{places[()]}: there is no `smoke:` section")
        section = values.pop("smoke")
        values = merged(values, section)
        places |= {p[1:]: place for p, place in places.items() if p[:1] == ("smoke",) and p[1:]}
    for override in overrides:
        values = _overridden(values, places, override)
    if "model" not in values:
        raise ConfigError(f"{places[()]}: there is no `model:` section")
    return Config(path.name.removesuffix(SUFFIX), values, places, base)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, both unchanged."""
    result = copy.deepcopy(dict(below))
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping) and _same_type(old, value):
            result[key] = merged(old, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


@contextlib.contextmanager
def located(config: Config) -> Iterator[None]:
    """Adds the file and line of the key that its `path` names to a ConfigError from inside."""
    try:
        yield
    except ConfigError as error:
        if not error.path:
            raise
        raise ConfigError(f"{_place(config.places, error.path)}: {error}") from error


def _find(name_or_file: str | os.PathLike) -> Path:
    text = os.fspath(name_or_file)
    if text.endswith((SUFFIX, ".yml")):
        if not os.path.isfile(text):
            raise EntryError(f"there is no config file {text}")
        return Path(text)
    if text not in names():
        raise EntryError(
            f"there is no entry {text!r}; the nearest names: {nearest(text, names())}. "
            f"`zoo list` shows all; a config file ends in {SUFFIX}"
        )
    return folder() / f"{text}{SUFFIX}"


def _read_file(path: Path) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {reason(error)}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not text in UTF-8") from error
    values, lines = plain_yaml.parse(text, str(path))
    places = {key: f"{path}:{line}" for key, line in lines.items()} | {(): str(path)}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a config is a mapping with the keys {', '.join(KEYS)}")
    _check(values, places)
    return values, places


def _check(values: Mapping[str, Any], places: Mapping[KeyPath, str], at: KeyPath = ()) -> None:
    """Raises a ConfigError unless the top level (of a file, or of its `smoke:`) is valid."""
    valid = [key for key in KEYS if not at or key not in ("base", "smoke")]
    for key, value in values.items():
        where = _place(places, (*at, key))
        if key not in valid:
            inside = f" in {at[0]}" if at else ""
            raise ConfigError(f"{where}: unknown key {key!r}{inside}; valid: {', '.join(valid)}")
        kind, wanted = (str, "a text") if key in TEXTS else (dict, "a mapping")
        if not isinstance(value, kind):
            raise ConfigError(f"{where}: {key} must be {wanted}, not {value!r}")
        if key == "density" and value not in DENSITIES:
            raise ConfigError(f"{where}: density is one of {', '.join(DENSITIES)}, not {value!r}")
    if "smoke" in values:
        _check(values["smoke"], places, ("smoke",))


def _rebase(
    path: Path, values: dict[str, Any], places: dict[KeyPath, str]
) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    name = values.pop("base")
    beside = path.parent / f"{name}{SUFFIX}"
    try:
        base_path = beside if beside.is_file() else _find(name)
    except EntryError as error:
        raise ConfigError(f"{places[('base',)]}: base: {error}") from error
    base, base_places = _read_file(base_path)
    if "base" in base:
        raise ConfigError(
            f"{places[('base',)]}: {name} has a base itself; there is one level of `base:` only"
        )
    return merged(base, values), base_places | places


def _overridden(
    values: dict[str, Any], places: dict[KeyPath, str], override: str
) -> dict[str, Any]:
    """One `--set a.b=value` applied; `places` learns where the keys came from."""
    source = f"--set {override}"
    key, equals, text = override.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not all(path):
        raise ConfigError(f"{source}: write it as key=value, such as training.epochs=10")
    if path == ("base",):
        raise ConfigError(f"{source}: the base is fixed by the file")
    here: Any = values
    for depth, part in enumerate(path[:-1]):
        here = here.get(part, {})
        if not isinstance(here, Mapping):
            raise ConfigError(
                f"{source}: {'.'.join(path[: depth + 1])} is {here!r}, so nothing is below it"
            )
    addition, lines = plain_yaml.parse(text, source)
    places |= {(*path, *below): source for below in lines}
    for depth in range(len(path), 0, -1):
        places.setdefault(path[:depth], source)
        addition = {path[depth - 1]: addition}
    _check(addition, {path[:1]: source})
    return merged(values, addition)


def _same_type(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return TYPE not in new or new[TYPE] == old.get(TYPE)


def _place(places: Mapping[KeyPath, str], path: KeyPath) -> str:
    """The place of `path`, or of the nearest key above it that has one."""
    while path and path not in places:
        path = path[:-1]
    return places.get(path, "the config")
