"""Sets that TensorFlow Datasets (TFDS) prepares: `mnist`, and any image set as `tfds:NAME`.

Nothing here goes to the network unless `download=True` is said: without a network TFDS tries for a
minute.
"""

import contextlib
import functools
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from zoo.data import checks
from zoo.data.source import Collection, from_memory
from zoo.errors import DataError
from zoo.registration import nearest

MNIST_VALID = 10_000
_MEMORY_LIMIT = 8 * 2**30
_SPLIT_SEED = 0
# Of a set without test images of its own, one in ten.
_HELD_OUT = 10


def mnist(*, download: bool = False) -> Collection:
    """60 000 training images `[28, 28, 1]`, the last 10 000 held out, and 10 000 test images."""
    builder = prepared("mnist", "mnist", download=download)
    (x, y), (x_test, y_test) = (images(builder, split) for split in ("train", "test"))
    return Collection(
        name="mnist",
        version=str(builder.version),
        pool=from_memory(x, y, levels=256),
        test=from_memory(x_test, y_test, levels=256),
        valid=MNIST_VALID,
    )


def tfds_images(
    tfds_name: str,
    *,
    download: bool = False,
    image_size: int | None = None,
) -> Collection:
    """Any TFDS set with an `image` feature, wholly in memory.

    Its `test` split is the test set, else its `validation` split, else one training image in ten by
    a recorded permutation. The last tenth of the training images is held out for validation.

    Args:
        tfds_name: as TFDS knows it, such as "fashion_mnist" or "emnist/letters".
        download: let TFDS fetch and prepare it.
        image_size: scale (with antialiasing) and crop in the middle to this height and width;
            needed where the images differ in size.
    """
    name = f"tfds:{tfds_name}"
    if image_size is not None:
        checks.whole_number("image_size", image_size, low=1)
    builder = prepared(tfds_name, name, download=download)
    _check_images(builder, name, image_size)
    splits = builder.info.splits
    x, y = images(builder, "train", image_size)
    test_split = next((s for s in ("test", "validation") if s in splits), None)
    if test_split is None:
        order = np.random.RandomState(_SPLIT_SEED).permutation(len(x))
        test, rest = np.split(order, [max(1, len(x) // _HELD_OUT)])
        x, y, x_test, y_test = x[rest], _pick(y, rest), x[test], _pick(y, test)
    else:
        x_test, y_test = images(builder, test_split, image_size)
    return Collection(
        name=name,
        version=str(builder.version) + (f"@{image_size}" if image_size else ""),
        pool=from_memory(x, y, levels=256),
        test=from_memory(x_test, y_test, levels=256),
        valid=len(x) // _HELD_OUT,
    )


def data_dir() -> Path:
    """Where TFDS keeps prepared sets: `TFDS_DATA_DIR`, or TFDS's default."""
    # Read at each call; TFDS itself reads it when it is imported.
    return Path(os.environ.get("TFDS_DATA_DIR") or tfds.core.constants.DATA_DIR).expanduser()


def manual_dir() -> Path:
    """Where users place files that nobody may hand on, as TFDS has it."""
    return data_dir() / "downloads" / "manual"


def prepared(
    tfds_name: str,
    name: str,
    *,
    download: bool = False,
    manual: Path | None = None,
    how: str | None = None,
) -> Any:
    """The TFDS builder of a set that is ready to be read.

    Args:
        tfds_name: TFDS's name.
        name: ours, for messages.
        download: fetch and prepare what is missing.
        manual: a folder that holds the files to prepare it from.
        how: the remedy to name where the set is missing; default: to download it.

    Raises:
        DataError: TFDS does not know it, it is not prepared, or preparing it failed.
    """
    try:
        builder = tfds.builder(tfds_name, data_dir=str(data_dir()))
    except tfds.core.DatasetNotFoundError:
        near = nearest(tfds_name, tfds.list_builders(with_community_datasets=False))
        raise DataError(f"TFDS has no set {tfds_name!r}; did you mean: {near}?") from None
    except (ValueError, AssertionError) as error:
        raise DataError(f"{name}: TFDS refuses {tfds_name!r}: {first_line(error)}") from error
    # TFDS warns about a folder that does not exist.
    if builder.data_path.exists() and builder.is_prepared():
        return builder
    if not download and manual is None:
        remedy = how or f"run zoo.data.load({name!r}, download=True) once with a network"
        elsewhere = "set TFDS_DATA_DIR to a folder that has it"
        raise DataError(f"{name} is not prepared in {data_dir()}: {remedy}, or {elsewhere}")
    config = tfds.download.DownloadConfig(manual_dir=manual)
    try:
        # TFDS speaks on standard output, which may be somebody's JSON.
        with contextlib.redirect_stdout(sys.stderr):
            builder.download_and_prepare(download_config=config)
    except Exception as error:
        # Whatever stopped it (network, disk, a missing codec), it speaks to the user.
        cause = first_line(error)
        raise DataError(f"{name} could not be prepared in {data_dir()}: {cause}") from error
    return builder


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its type's name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def images(
    builder: Any, split: str, image_size: int | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images `uint8 [N, H, W, C]` of a split and their labels; a process decodes a split once."""
    path = str(builder.data_path)
    try:
        return _read(path, split, image_size)
    except tf.errors.OpError as error:
        cause = first_line(error)
        raise DataError(f"{path} is damaged: delete it and prepare it anew ({cause})") from error


@functools.lru_cache(maxsize=4)
def _read(path: str, split: str, image_size: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    builder = tfds.builder_from_directory(path)
    labelled = "label" in builder.info.features

    def example(e: dict[str, tf.Tensor]):
        image = e["image"] if image_size is None else _resized(e["image"], image_size)
        return (image, e["label"]) if labelled else image

    dataset = builder.as_dataset(split=split, shuffle_files=False)
    dataset = dataset.map(example, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    batches = list(dataset.batch(4096).prefetch(2).as_numpy_iterator())
    if not labelled:
        return np.concatenate(batches), None
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return x, y


def _resized(image: tf.Tensor, size: int) -> tf.Tensor:
    """Scaled so that the shorter side is `size`, then cropped in the middle."""
    shape = tf.cast(tf.shape(image)[:2], tf.float32)
    scaled = tf.cast(tf.round(shape * (size / tf.reduce_min(shape))), tf.int32)
    image = tf.image.resize(tf.cast(image, tf.float32), scaled, method="area", antialias=True)
    image = tf.image.resize_with_crop_or_pad(image, size, size)
    return tf.cast(tf.clip_by_value(tf.round(image), 0.0, 255.0), tf.uint8)


def _check_images(builder: Any, name: str, image_size: int | None) -> None:
    features = builder.info.features
    image = dict(features.items()).get("image")
    if image is None or len(image.shape) != 3 or tf.as_dtype(image.dtype) != tf.uint8:
        raise DataError(f"{name} has no 8-bit `image` feature; its features: {list(features)}")
    if "train" not in builder.info.splits:
        raise DataError(f"{name} has no `train` split; it has {', '.join(builder.info.splits)}")
    if image_size is None and None in image.shape:
        raise DataError(f"the images of {name} differ in size: give image_size=, such as 64")
    height, width = (image_size, image_size) if image_size else image.shape[:2]
    count = sum(split.num_examples for split in builder.info.splits.values())
    size = count * height * width * image.shape[2]
    if size > _MEMORY_LIMIT:
        raise DataError(
            f"{name} would take {size / 2**30:.0f} GB of memory: give a smaller image_size="
        )


def _pick(y: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if y is None else y[rows]
