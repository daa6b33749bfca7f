"""The zoo runs on TensorFlow; Keras may have been told otherwise."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from zoo.errors import ZooError

BACKEND = "tensorflow"

#: Whether TensorFlow starts without its lines on CPU features and absent GPUs, which come from C++
#: before any log level counts, and would bury a one-line error. The command line sets it.
quiet = False


def require_tensorflow() -> None:
    """Imports Keras and checks that it computes with TensorFlow.

    Raises:
        ZooError: `KERAS_BACKEND`, or Keras's own settings file, names another backend.
    """
    # Keras fails in its own words where the other backend is not installed: look first.
    _check(os.environ.get("KERAS_BACKEND") or BACKEND)
    starting = "tensorflow" not in sys.modules
    with _muted() if quiet and starting else contextlib.nullcontext():
        import keras
        import tensorflow as tf

        if quiet and starting:
            # Looking for a GPU speaks too, whenever it first happens.
            tf.config.list_physical_devices()
    _check(keras.backend.backend())


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Holds back what is written to standard error, by C++ too; shows it if the block fails."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _check(name: str) -> None:
    if name != BACKEND:
        raise ZooError(
            f"Keras is set to the backend {name!r}, and the zoo needs {BACKEND!r}: "
            f"set KERAS_BACKEND={BACKEND} before Python starts"
        )
