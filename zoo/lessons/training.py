"""Small trainings that lessons make for themselves."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo import configuration
from zoo.training import train


def trained(name: str, overrides: Mapping[str, Any]):
    """The model of an entry's config, trained with some values changed, `{"a.b": value}`."""
    pairs = [f"{key}={value}" for key, value in overrides.items()]
    config = configuration.read(name, overrides=pairs)
    with tempfile.TemporaryDirectory() as folder:
        run = train(config.values, Path(folder) / "run")
    object.__setattr__(run.model, "config", config.values)
    return run.model
