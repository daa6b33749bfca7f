"""`shapes`: one white figure on black, 64 x 64, by five independent factors, after dSprites.

    shape        square, ellipse, heart
    scale        6, from a half to the whole
    orientation  40, around the circle, clockwise
    row, column  32 each, a pixel apart

That is 737 280 images. Only the 720 sprites are stored; an image is placed when it is asked for, so
the whole set takes a megabyte. Reference: Matthey, Higgins, Hassabis and Lerchner, dSprites, 2017.
Departures: sprites are rendered by their equations at pixel centres, so the pixels are not those of
dSprites; no colour factor.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from zoo.data.source import Collection, Source, array_checksum

VERSION = "1.0.0"
SIZE = 64
FACTORS = {"shape": 3, "scale": 6, "orientation": 40, "row": 32, "column": 32}
COUNT = int(np.prod(list(FACTORS.values())))
TEST = 10_000
VALID = 10_000
_SPLIT_SEED = 0

# Sprites of 33 pixels at offsets 0 .. 31 fill the image exactly.
_SPRITE = SIZE - FACTORS["row"] + 1
_RADIX = np.cumprod([1, *list(FACTORS.values())[:0:-1]])[::-1].astype(np.int64)


def shapes() -> Collection:
    """717 280 training, 10 000 validation and 10 000 test images, split by a recorded permutation.

    Images `[64, 64, 1]` of 0 and 1; labels are the factors, `int32 [5]` in the order of `FACTORS`.
    A virtual epoch (`examples_per_epoch`) is advisable.
    """
    stored = sprites()
    checksum = array_checksum(stored)
    place = _placer(stored)
    order = np.random.RandomState(_SPLIT_SEED).permutation(COUNT).astype(np.int64)

    def lot(indices: np.ndarray) -> Source:
        with tf.device("CPU:0"):
            images = tf.constant(indices)
        return Source(
            count=len(indices),
            event_shape=(SIZE, SIZE, 1),
            levels=2,
            value_range=(0.0, 1.0),
            take=lambda i: place(factors(tf.gather(images, i))),
            take_labels=lambda i: factors(tf.gather(images, i)),
            checksum=checksum,
        )

    return Collection(
        name="shapes", version=VERSION, pool=lot(order[TEST:]), test=lot(order[:TEST]), valid=VALID
    )


def factors(index: tf.Tensor) -> tf.Tensor:
    """The factors of the images numbered `index: int64 [B]`, 0 .. 737 279: `int32 [B, 5]`."""
    values = index[:, None] // _RADIX % np.array(list(FACTORS.values()), np.int64)
    return tf.cast(values, tf.int32)


def render(values: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Images `uint8 [B, 64, 64, 1]` of 0 and 1 for factors `[B, 5]`, each within its range."""
    return _placer(sprites())(tf.cast(values, tf.int32))


def sprites() -> np.ndarray:
    """All figures in the middle of a small frame: `uint8 [3, 6, 40, 33, 33]`."""
    _, scales, orientations = list(FACTORS.values())[:3]
    reach = (_SPRITE - 1) / 2
    down, right = np.meshgrid(*2 * [np.arange(_SPRITE) - reach], indexing="ij")
    scale = np.linspace(0.5, 1.0, scales)[:, None, None, None]
    angle = (2 * np.pi * np.arange(orientations) / orientations)[:, None, None]
    # Figure coordinates of each pixel: turned back, and measured in units of the frame's reach. The
    # sides below are chosen so that no pixel centre lies on an edge, where rounding would decide.
    across = (np.cos(angle) * right + np.sin(angle) * down) / (scale * reach)
    up = (np.sin(angle) * right - np.cos(angle) * down) / (scale * reach)
    square = np.maximum(np.abs(across), np.abs(up)) < 0.6911
    ellipse = (across / 0.9713) ** 2 + (up / 0.5127) ** 2 < 1
    x, y = across / 0.7107, (up + 0.0513) / 0.7107
    heart = (x**2 + y**2 - 1) ** 3 < x**2 * y**3
    return np.stack([square, ellipse, heart]).astype(np.uint8)


def _placer(stored: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from factors `int32 [B, 5]` to images, over sprites with a black border."""
    framed = np.pad(stored.reshape(-1, _SPRITE, _SPRITE), [(0, 0), (1, 1), (1, 1)])
    side = _SPRITE + 2
    with tf.device("CPU:0"):
        pixels = tf.constant(framed.reshape(-1))
        line = tf.range(SIZE)
    _, scales, orientations = list(FACTORS.values())[:3]

    def place(values: tf.Tensor) -> tf.Tensor:
        shape, scale, orientation, row, column = tf.unstack(values, axis=1)
        sprite = (shape * scales + scale) * orientations + orientation
        # Whatever lies outside of the sprite reads its border.
        down = tf.clip_by_value(line - row[:, None] + 1, 0, side - 1)
        right = tf.clip_by_value(line - column[:, None] + 1, 0, side - 1)
        first = (sprite[:, None] * side + down) * side
        return tf.gather(pixels, first[:, :, None] + right[:, None, :])[..., None]

    return place
