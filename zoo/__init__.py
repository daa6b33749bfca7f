"""Latent Zoo: deep generative models for Keras 3 on TensorFlow.

`import zoo` is quick: a submodule or a function is imported when it is first asked for, and
TensorFlow with it.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_SUBMODULES = (
    "data",
    "distributions",
    "evaluation",
    "models",
    "networks",
    "objectives",
    "pictures",
    "training",
)
_FUNCTIONS = {
    "create": "zoo.catalogue",
    "describe": "zoo.catalogue",
    "entries": "zoo.catalogue",
    "evaluate": "zoo.evaluation",
    "export": "zoo.exporting",
    "fit_density": "zoo.training.density",
    "load": "zoo.catalogue",
    "save": "zoo.storing",
}

if TYPE_CHECKING:
    from zoo import (
        data,
        distributions,
        evaluation,
        models,
        networks,
        objectives,
        pictures,
        training,
    )
    from zoo.catalogue import create, describe, entries, load
    from zoo.evaluation import evaluate
    from zoo.exporting import export
    from zoo.storing import save
    from zoo.training.density import fit_density

__all__ = [
    "__version__",
    "create",
    "data",
    "describe",
    "distributions",
    "entries",
    "evaluate",
    "evaluation",
    "export",
    "fit_density",
    "load",
    "models",
    "networks",
    "objectives",
    "pictures",
    "save",
    "training",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        from zoo.backend import require_tensorflow

        require_tensorflow()
        return importlib.import_module(f"zoo.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
