"""The zoo runs on TensorFlow; Keras may have been told otherwise."""

import os

from zoo.errors import ZooError

BACKEND = "tensorflow"


def require_tensorflow() -> None:
    """Imports Keras and checks that it computes with TensorFlow.

    Raises:
        ZooError: `KERAS_BACKEND`, or Keras's own settings file, names another backend.
    """
    # Keras fails in its own words where the other backend is not installed: look first.
    _check(os.environ.get("KERAS_BACKEND") or BACKEND)
    import keras

    _check(keras.backend.backend())


def _check(name: str) -> None:
    if name != BACKEND:
        raise ZooError(
            f"Keras is set to the backend {name!r}, and the zoo needs {BACKEND!r}: "
            f"set KERAS_BACKEND={BACKEND} before Python starts"
        )
