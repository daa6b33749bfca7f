"""Weights files: written without the optimizer's state, read only after their checksum."""

import hashlib
import math
import os
from pathlib import Path

import h5py
import keras
import numpy as np

from zoo.errors import WeightsError
from zoo.files import check_room
from zoo.models.counted import CountedModel

# Lowest and highest version: the default takes some kilobytes for each array, as HDF5 1.6 did.
_HDF5 = ("v110", "v110")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(model: keras.Model, path: Path) -> None:
    """`model.save_weights`, its optimizer's too if it is compiled: whole, or not at all.

    Raises:
        OSError: the disk is full, or the place cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    variables = [*model.variables, *(model.optimizer.variables if model.compiled else ())]
    # HDF5 crashes the process on a full disk, and adds some kilobytes to each variable.
    check_room(path.parent, sum(8 * math.prod(v.shape) + 8192 for v in variables))
    temporary = path.with_name(f"new.{path.name}")
    try:
        model.save_weights(temporary, overwrite=True)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_weights(model: keras.Model, path: Path, half: bool = False) -> str:
    """Writes the model's own variables, without an optimizer's; averages where it keeps some.

    Args:
        model: what is written.
        path: the file.
        half: in 16 bits and compressed; exact if `round_to_half` came before.

    Returns:
        SHA-256 of the file.
    """
    if isinstance(model, CountedModel):
        model.save_weights(path)
        return sha256(path)
    # A compiled model would save its optimizer too, three times the size.
    bare = type(model).from_config(model.get_config())
    bare.ensure_built()
    bare.set_weights(model.kept_weights())
    save(bare, path)
    if half:
        _halve(Path(path))
    return sha256(path)


def round_to_half(model: keras.Model) -> None:
    """Rounds every float32 variable to the nearest number that 16 bits hold.

    Raises:
        WeightsError: a weight is larger than these can be.
    """
    for variable in [] if isinstance(model, CountedModel) else model.variables:
        if variable.dtype == "float32":
            with np.errstate(over="ignore"):
                rounded = variable.numpy().astype(np.float16)
            if not np.isfinite(rounded).all():
                raise WeightsError(f"{variable.path} has weights that 16 bits cannot hold")
            variable.assign(rounded.astype(np.float32))


def _halve(path: Path) -> None:
    """Writes the float32 arrays of a weights file anew, in 16 bits and compressed."""
    temporary = path.with_name(f"half.{path.name}")
    try:
        with h5py.File(path, "r") as whole, h5py.File(temporary, "w", libver=_HDF5) as half:

            def copy(name, item):
                if not isinstance(item, h5py.Dataset):
                    half.require_group(name).attrs.update(item.attrs)
                    return
                array = item[()]
                if array.dtype == np.float32:
                    array = array.astype(np.float16)
                how = {"compression": "gzip", "shuffle": True} if array.ndim else {}
                half.create_dataset(name, data=array, **how).attrs.update(item.attrs)

            half.attrs.update(whole.attrs)
            whole.visititems(copy)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_weights(model: keras.Model, path: Path, checksum: str) -> None:
    """Loads weights into a built model.

    Args:
        model: built; every variable must be in the file, and nothing else.
        path: the file.
        checksum: SHA-256 that the file must have; looked at before anything else reads it.

    Raises:
        WeightsError: no such file, another checksum, or the weights of another model.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"no weights file {path}")
    if sha256(path) != checksum:
        raise WeightsError(
            f"{path} is damaged, or not the file that was saved: its SHA-256 differs"
        )
    if isinstance(model, CountedModel):
        return model.load_weights(path)
    # Keras loads nothing, and says nothing, where names do not match: count what is there.
    stored = _shapes(path)
    wanted = sorted(tuple(v.shape) for v in model.variables if "seed_generator" not in v.path)
    if stored != wanted:
        raise WeightsError(
            f"{path} holds the weights of another model ({len(stored)} arrays, the model has "
            f"{len(wanted)}, or their shapes differ)"
        )
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise WeightsError(
            f"{path} does not fit the model: {str(error).splitlines()[0]}"
        ) from error


def _shapes(path: Path) -> list[tuple[int, ...]]:
    shapes = []

    def visit(_, item):
        if isinstance(item, h5py.Dataset):
            shapes.append(tuple(item.shape))

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return sorted(shapes)
