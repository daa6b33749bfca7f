"""`folder:PATH`: a user's own images, and `cars`, one class of such a folder.

Three layouts, told apart by what the folder holds:

    PATH/*.png                   images without labels
    PATH/label/*.png             one folder a label, numbered in alphabetical order
    PATH/split/label/*.png       as `tfds.ImageFolder`; train, valid, test; labels optional

Files are read in the order of their names, so the same files give the same data set, and its
checksum.
"""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo.data import checks
from zoo.data.source import Collection, Source, from_memory
from zoo.data.tfds_sets import first_line, manual_dir
from zoo.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
SPLITS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "test": "test"}
_SPLIT_SEED = 0
# Of a folder without such a split, one in ten.
_HELD_OUT = 10


@dataclasses.dataclass(frozen=True)
class _File:
    path: Path
    split: str
    label: str


def folder(
    path: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    label: str | None = None,
) -> Collection:
    """The images of a folder, 256 levels, wholly in memory.

    Without a `test` split, one image in ten by a recorded permutation is the test set; without a
    `valid` split, one in ten of the rest.

    Args:
        path: the folder.
        image_size: scale the shorter side to this and crop in the middle; needed where sizes
            differ.
        channels: 1 (grey) or 3 (colour); default: 1 where every image is grey.
        label: only the images of this label.
    """
    return _collection(f"folder:{path}", Path(path), image_size, channels, label)


def cars(*, path: str | None = None, image_size: int | None = None) -> Collection:
    """The class `automobile` of a folder `split/label/*.jpg`, in colour.

    Args:
        path: the folder; default: `cars` in TFDS's manual folder.
        image_size: as for `folder`.
    """
    where = Path(path) if path else manual_dir() / "cars"
    if not where.expanduser().is_dir():
        raise DataError(
            f"cars: there is no folder {where}: place images as {where}/train/automobile/*.jpg and "
            "test/automobile/*.jpg (the README shows how to make them from CIFAR-10), or say path="
        )
    return _collection("cars", where, image_size, 3, "automobile")


def _collection(
    name: str, path: Path, image_size: int | None, channels: int | None, label: str | None
) -> Collection:
    if image_size is not None:
        checks.whole_number("image_size", image_size, low=1)
    if channels not in (None, 1, 3):
        raise DataError(f"channels must be 1 or 3, not {channels!r}")
    files = _files(path.expanduser(), name)
    labels = sorted({f.label for f in files})
    if label is not None:
        if label not in labels:
            raise DataError(f"{name} has no label {label!r}; it has {', '.join(labels) or 'none'}")
        files = [f for f in files if f.label == label]
    x = _read(files, name, image_size, channels)
    y = np.array([labels.index(f.label) for f in files]) if labels != [""] else None
    train, valid, test = _split(files, name)
    pool = np.concatenate([train, valid])
    checksum = _checksum(files, path.expanduser())

    def lot(rows: np.ndarray) -> Source:
        return from_memory(x[rows], None if y is None else y[rows], levels=256, checksum=checksum)

    version = f"sha256={checksum[:16]}" + (f"@{image_size}" if image_size else "")
    return Collection(name, version, pool=lot(pool), test=lot(test), valid=len(valid))


def _files(path: Path, name: str) -> list[_File]:
    """All images below `path`, by name, with the split and the label that their folders say."""
    if not path.is_dir():
        raise DataError(f"{name}: there is no folder {path}")
    found = [f for f in sorted(path.rglob("*")) if f.suffix.lower() in SUFFIXES and f.is_file()]
    if not found:
        raise DataError(f"{name} holds no images ({', '.join(s[1:] for s in SUFFIXES)})")
    files = []
    for file in found:
        above = list(file.relative_to(path).parts[:-1])
        split = SPLITS[above.pop(0)] if above and above[0] in SPLITS else ""
        files.append(_File(file, split, "/".join(above)))
    splits = {f.split for f in files}
    if splits != {""} and ("train" not in splits or "" in splits):
        raise DataError(
            f"{name}: beside split folders, all images must lie in one of them, and train/ exist"
        )
    return files


def _split(files: list[_File], name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers of the training, validation and test images."""
    where = np.array([f.split or "train" for f in files])
    train, valid, test = (np.flatnonzero(where == s) for s in ("train", "valid", "test"))
    train = np.random.RandomState(_SPLIT_SEED).permutation(train)
    if not len(test):
        test, train = np.split(train, [max(1, len(train) // _HELD_OUT)])
    if not len(valid):
        valid, train = np.split(train, [max(1, len(train) // _HELD_OUT)])
    if not len(train):
        raise DataError(f"{name} has {len(files)} images, too few to train, validate and test on")
    return train, valid, test


def _read(
    files: list[_File], name: str, image_size: int | None, channels: int | None
) -> np.ndarray:
    """All images, `uint8 [N, H, W, C]`."""
    opened = [open_image(f.path) for f in files]
    if channels is None:
        channels = 1 if all(image.mode in ("1", "L") for image in opened) else 3
    if image_size is not None:
        shape = (image_size, image_size)
        opened = [ImageOps.fit(image, shape, Image.Resampling.BOX) for image in opened]
    first = (files[0], opened[0])
    for file, image in zip(files, opened, strict=True):
        if image.size != opened[0].size:
            sizes = [f"{f.path.name} is {i.width}x{i.height}" for f, i in (first, (file, image))]
            smaller = min(opened[0].size)
            raise DataError(f"{name}: {', '.join(sizes)}: give image_size=, such as {smaller}")
    x = np.stack([np.asarray(image.convert("L" if channels == 1 else "RGB")) for image in opened])
    return x if channels == 3 else x[..., None]


def open_image(path: Path) -> Image.Image:
    """A decoded image, turned as its camera said, transparent parts on black."""
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode in ("I;16", "I", "F"):
                raise DataError(f"{path} has more than 8 bits a pixel: convert it to 8 bits")
            if image.mode in ("1", "L", "RGB"):
                return image.copy()
            if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
                black = Image.new("RGBA", image.size, (0, 0, 0, 255))
                grey = image.mode == "LA"
                image = Image.alpha_composite(black, image.convert("RGBA"))
                return image.convert("L" if grey else "RGB")
            return image.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} cannot be read as an image: {first_line(error)}") from error


def _checksum(files: list[_File], root: Path) -> str:
    """SHA-256 of the relative names and the contents of the files."""
    digest = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.path.read_bytes()).hexdigest()
        digest.update(f"{file.path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()
