"""Writing one file: whole, or not at all, and never over another."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ZooError
from zoo.files import reason, refuse_existing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextlib.contextmanager
def new_file(path: str | os.PathLike, overwrite: bool = False) -> Iterator[Path]:
    """A temporary sibling of `path`, which gets its name when the block ends well.

    Raises:
        ZooError: the file exists and may not be overwritten, or it cannot be written.
    """
    target = Path(path)
    if not overwrite:
        refuse_existing(target)
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, target)
    except OSError as error:
        raise ZooError(f"cannot write {target}: {reason(error)}") from error
    finally:
        # Where its folder is none, there is nothing to remove.
        with contextlib.suppress(OSError):
            partial.unlink()


def save(figure: "Figure", path: str | os.PathLike, overwrite: bool = False) -> Path:
    """Writes a figure as PNG.

    Args:
        figure: of `zoo.pictures`, or any other.
        path: ends in `.png`.
        overwrite: replace a file of this name.

    Raises:
        ZooError: another suffix; the file exists; it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ZooError(f"{path} does not end in .png: pictures are written as PNG")
    with new_file(path, overwrite) as file:
        # The figure's own size, not a tight box: what stands in it was given its room.
        figure.savefig(file, format="png", dpi=figure.dpi)
    return path
