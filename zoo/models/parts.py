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
