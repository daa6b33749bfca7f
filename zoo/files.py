"""The files of a saved model, and writing that leaves either all of it or nothing."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ZooError

CONFIG = "config.yaml"
WEIGHTS = "model.weights.h5"
# As `sha256sum` writes it, of the weights.
CHECKSUM = "sha256"
CARD = "card.json"
# What a run can go on from, and the file that says so.
BACKUP = "backup"
STATE = "state.json"


@contextlib.contextmanager
def new_folder(directory: str | os.PathLike) -> Iterator[Path]:
    """A folder that gets its name when everything in it is written, and vanishes otherwise.

    Use as `with new_folder("runs/mine") as folder:` and write into `folder`, a temporary sibling.

    Raises:
        ZooError: the folder exists, or it cannot be written (no space, no permission).
    """
    target = Path(directory)
    refuse_existing(target)
    partial = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        partial.chmod(0o777 & ~_umask())
        yield partial
        partial.rename(target)
    except OSError as error:
        raise ZooError(f"cannot write {target}: {reason(error)}") from error
    finally:
        if partial is not None and partial.exists():
            shutil.rmtree(partial)


def refuse_existing(path: str | os.PathLike) -> None:
    """Raises a ZooError if `path` exists: results are never overwritten."""
    if os.path.lexists(path):
        raise ZooError(f"{path} exists already; name another place, or remove it first")


def check_room(folder: Path, size: int) -> None:
    """Raises an OSError unless `folder` can take `size` more bytes.

    HDF5 crashes the process when the disk is full; so ask first, by writing.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        block = bytes(min(size, 1 << 20))
        for _ in range(-(-size // max(len(block), 1))):
            file.write(block)
        file.flush()


def reason(error: OSError) -> str:
    """Why the operating system refused, in its words, on one line."""
    if error.errno is None:
        return (str(error) or type(error).__name__).splitlines()[0]
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"{os.strerror(error.errno)} (is the disk full?)"
    return os.strerror(error.errno)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
