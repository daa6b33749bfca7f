"""Models are made of parts that are handed over: building, storing and restoring those."""

from collections.abc import Iterable
from typing import Any

import keras


def build_part(layer: keras.layers.Layer, shape: tuple) -> None:
    """Builds a part; one that was deserialised arrives built, and a second build would raise."""
    if not layer.built:
        layer.build(shape)


def serialize_parts(model: keras.Model, names: Iterable[str]) -> dict[str, Any]:
    """Keras's configs of the parts that `model` holds under `names`."""
    return {name: keras.saving.serialize_keras_object(getattr(model, name)) for name in names}


def deserialize_parts(config: dict[str, Any], custom_objects=None) -> dict[str, Any]:
    """The arguments of a constructor, with its serialized parts restored."""
    return {
        key: keras.saving.deserialize_keras_object(value, custom_objects)
        if isinstance(value, dict)
        else value
        for key, value in config.items()
    }


class MadeOfParts:
    """What is stored of a model that is made of parts: its name, its seed, and they.

    A subclass says `parts`, and adds what else its constructor takes.
    """

    #: names of the constructor's arguments that are parts.
    parts: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "seed": self.seed, **serialize_parts(self, self.parts)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None):
        return cls(**deserialize_parts(config, custom_objects))
