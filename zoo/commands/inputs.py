"""What commands that use a model read and write: whole numbers, images, one output file."""

import argparse
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

from zoo.commands.command import say
from zoo.errors import DataError, ZooError
from zoo.files import refuse_existing

if TYPE_CHECKING:
    import numpy as np

SPLITS = ("train", "valid", "test")


def at_least(low: int) -> Callable[[str], int]:
    """A type for `add_argument`: whole numbers from `low`."""

    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low}, not {text!r}")
        return value

    return whole


def add_common(parser: argparse.ArgumentParser, out: str) -> None:
    """Declares the model, `--out`, `--seed`."""
    parser.add_argument("name", metavar="NAME|DIR", help="a trained entry, or a run's folder")
    parser.add_argument("--out", metavar="FILE", help=out)
    parser.add_argument("--seed", type=at_least(0), help="of the draws (0)")


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Declares which images go in."""
    parser.add_argument("--split", choices=SPLITS, help="of the entry's data set (test)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--index", type=at_least(0), nargs="+", metavar="I", help="images of that split, from 0"
    )
    which.add_argument(
        "--images", nargs="+", metavar="FILE", help="your own images, scaled to the model's size"
    )


def refuse(args: argparse.Namespace, options: Iterable[str], why: str) -> None:
    """Raises ZooError for an option that would change nothing: it is a misunderstanding."""
    for option in options:
        value = getattr(args, option)
        if value is not None and value is not False:
            raise ZooError(f"{args.name} {why}: leave out --{option.replace('_', '-')}")


def output(
    args: argparse.Namespace, what: str, suffixes: tuple[str, ...] = (".png", ".npz")
) -> Path:
    """Where the result goes: `--out`, or a name from the model's; refused before work is done."""
    path = Path(args.out) if args.out else Path(f"{file_name(args.name)}-{what}{suffixes[0]}")
    if path.suffix.lower() not in suffixes:
        raise ZooError(f"--out {path} must end in {' or '.join(suffixes)}")
    refuse_existing(path)
    return path


def file_name(name: str) -> str:
    """An entry's name, or the last part of a folder's that is not just a number."""
    parts = Path(name).resolve().parts if Path(name).is_dir() else (name,)
    return "-".join(parts[-2:]) if parts[-1].isdigit() else parts[-1]


def data_set(model, args: argparse.Namespace, labels: bool = False):
    """The asked split of the data set that the model was trained on.

    Args:
        labels: yield `(x, y)` where the set has labels.

    Raises:
        DataError: no set is recorded, or it is not at hand, or it has no such split.
    """
    from zoo.measuring import splits

    config = getattr(model, "config", None) or {}
    if "data" not in config:
        raise DataError(f"{args.name} does not say on which data it was trained")
    if labels:
        try:
            found = splits(config, labels=True)
        except DataError:
            # It may have none; if anything else is wrong, it is wrong without labels too.
            found = splits(config)
    else:
        found = splits(config)
    split = args.split or "test"
    data = getattr(found, split)
    if data is None:
        raise DataError(f"the data of {args.name} have no split {split!r}")
    return data


def chosen(
    model, args: argparse.Namespace, default: Iterable[int], data=None
) -> tuple["np.ndarray", str]:
    """The images that `--index` or `--images` names, and what they are, for a caption.

    Args:
        default: indices, where neither is given.
        data: the split, if it is at hand already.
    """
    if args.images:
        return read_images(args.images, model), f"own images: {', '.join(args.images)}"
    import zoo.data
    from zoo.pictures.style import origin

    data = data_set(model, args) if data is None else data
    known = zoo.data.description(data)
    where = origin(known)
    indices = list(args.index or default)
    if max(indices) >= known.count:
        raise DataError(f"{where}, has the images 0 to {known.count - 1}, not {max(indices)}")
    return take(data, indices), where


def labelled(
    model, args: argparse.Namespace, default: Iterable[int]
) -> tuple["np.ndarray", "np.ndarray | None", str]:
    """As `chosen`, with the label of each image between, where the model is conditional on it."""
    conditional = getattr(model, "condition", None) is not None
    if conditional and args.images:
        raise ZooError(f"{args.name} is conditional, and your own images have no labels")
    data = None if args.images else data_set(model, args, labels=conditional)
    x, where = chosen(model, args, default, data)
    y = take(data, list(args.index or default), which=1) if conditional else None
    return x, y, where


def take(data, indices: list[int], which: int = 0) -> "np.ndarray":
    """The examples with these numbers, in this order; with `which` 1, their labels."""
    import numpy as np

    wanted, found, start = set(indices), {}, 0
    for batch in data:
        x = batch[which] if isinstance(batch, tuple) else batch
        found |= {i: x[i - start].numpy() for i in wanted if start <= i < start + len(x)}
        start += len(x)
        if len(found) == len(wanted):
            return np.stack([found[i] for i in indices])
    raise DataError(f"there are {start} images in whole batches, not {max(indices) + 1}")


def read_images(files: Iterable[str], model) -> "np.ndarray":
    """A user's image files in the model's data values, cropped and scaled to its size.

    Raises:
        DataError: a file that is no image, or cannot be read.
    """
    import numpy as np
    from PIL import ImageOps

    from zoo.data.folder import open_image
    from zoo.pictures.grids import from_display, require_images

    require_images(model)
    height, width, channels = model.event_shape
    images = []
    for file in files:
        image = open_image(Path(file)).convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            say(f"{file}: {image.width} x {image.height} pixels, made {width} x {height}")
            image = ImageOps.fit(image, (width, height))
        brightness = np.asarray(image, np.float32).reshape(height, width, channels) / 255
        images.append(from_display(brightness, model))
    return np.stack(images)


def write_numbers(path: Path, **arrays: "np.ndarray") -> None:
    """A new `.npz` file, whole or not at all."""
    import numpy as np

    from zoo.pictures.saving import new_file

    with new_file(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def write_long(
    path: Path, name: str, shape: tuple[int, ...], parts: Iterable["np.ndarray"]
) -> None:
    """A new `.npz` file with one float32 array, written part by part along its first axis.

    Raises:
        ZooError: there is no room for it on the disk.
    """
    import numpy as np

    from zoo.pictures.saving import new_file

    size = 4 * int(np.prod(shape, dtype=np.float64))
    with new_file(path) as partial:
        free = disk_usage(path.parent).free
        if size > free:
            raise ZooError(
                f"{shape[0]} images take {size / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free"
            )
        with (
            zipfile.ZipFile(partial, "w") as archive,
            archive.open(f"{name}.npy", "w", force_zip64=True) as file,
        ):
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for part in parts:
                file.write(np.ascontiguousarray(part, "<f4").tobytes())
