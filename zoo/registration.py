"""The names by which configs ask for builders, and the one function that builds.

A config never holds an import path: a name that nobody registered reaches nothing.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from zoo.backend import require_tensorflow
from zoo.errors import ConfigError

_BUILDERS: dict[str, Callable[..., Any]] = {}

TYPE = "type"


def register(builder: type) -> type:
    """Registers a class under its own name, for configs and for Keras's serialization."""
    require_tensorflow()
    import keras

    register_builder(builder.__name__, builder)
    return keras.saving.register_keras_serializable(package="zoo")(builder)


def register_builder(name: str, builder: Callable[..., Any]) -> None:
    """Registers a callable that is not ours, such as a Keras optimizer, under `name`."""
    if _BUILDERS.get(name, builder) is not builder:
        raise ValueError(f"two builders are called {name!r}")
    _BUILDERS[name] = builder


def registered() -> dict[str, Callable[..., Any]]:
    """All builders by name."""
    return dict(sorted(_BUILDERS.items()))


def nearest(word: str, words: list[str]) -> str:
    """A clause that names the words most like `word`, or all of a short list."""
    lower = {w.lower(): w for w in words}
    close = difflib.get_close_matches(str(word).lower(), lower, n=3, cutoff=0.5)
    return ", ".join([lower[w] for w in close] or sorted(words)[:12])


def parameters(builder: Callable[..., Any]) -> list[str]:
    """The names that a config may give to `builder`: its own named parameters."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in inspect.signature(builder).parameters.values() if p.kind in named]


def build(spec: Mapping[str, Any], path: tuple[str, ...] = ()) -> Any:
    """Builds `{"type": NAME, **arguments}`; nested specs are built first.

    Args:
        spec: plain data. `type` names a registered builder, the rest are its arguments.
        path: where `spec` stands in its config, for error messages.

    Raises:
        ConfigError: unknown type (with the nearest names), unknown argument (with the valid ones),
            a missing argument, or a value that the builder refuses.
    """
    if not isinstance(spec, Mapping) or TYPE not in spec:
        raise ConfigError(f"{_at(path)} needs a `type:`", path)
    name = spec[TYPE]
    # A hostile config may put anything here, also what no dictionary can look up.
    if not isinstance(name, str) or name not in _BUILDERS:
        raise ConfigError(
            f"{_at(path)} asks for the unknown type {name!r}; did you mean: "
            f"{nearest(name, list(_BUILDERS))}?",
            (*path, TYPE),
        )
    builder = _BUILDERS[name]
    valid = parameters(builder)
    for key in spec:
        if key != TYPE and key not in valid:
            raise ConfigError(
                f"{_at(path)} ({name}) has no key {key!r}; valid keys: {', '.join(valid)}",
                (*path, key),
            )
    arguments = {k: _value(v, (*path, k)) for k, v in spec.items() if k != TYPE}
    try:
        return builder(**arguments)
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{_at(path)} ({name}): {_first_line(error)}", path) from error


def _value(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping) and TYPE in value:
        return build(value, path)
    if isinstance(value, list):
        return [_value(v, (*path, str(i))) for i, v in enumerate(value)]
    return value


def _at(path: tuple[str, ...]) -> str:
    return ".".join(path) or "the config"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
