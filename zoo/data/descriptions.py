"""What a data set says of itself: enough to tell whether two numbers come from the same data."""

import dataclasses

import tensorflow as tf

_ATTRIBUTE = "_zoo_description"


@dataclasses.dataclass(frozen=True)
class Description:
    """Of one split, as it comes out of the pipeline.

    Args:
        name: of the set.
        version: of the set.
        split: "train", "valid" or "test"; "array" for a user's array.
        count: examples in the split (not in a virtual epoch).
        event_shape: of one example.
        value_range: the least and the largest value that can come.
        levels: how many values a number can take before scaling; None for real numbers.
        binarization: "none", "dynamic" (a new draw each epoch), or "static:seed=..:sha256=..", one
            draw.
        values: "unit" (in [0, 1]), "levels" (0 .. levels - 1), "dequantized" (in [0, 1), with
            uniform noise), "real".
        checksum: SHA-256 of the stored set, before binarization and dequantization.
    """

    name: str
    version: str
    split: str
    count: int
    event_shape: tuple[int, ...]
    value_range: tuple[float, float]
    levels: int | None
    binarization: str
    values: str
    checksum: str


def describe(dataset: tf.data.Dataset, description: Description) -> tf.data.Dataset:
    """Hangs `description` on this very object."""
    setattr(dataset, _ATTRIBUTE, description)
    return dataset


def description(dataset: tf.data.Dataset) -> Description | None:
    """The description of a set from `zoo.data`; None for any other, and for what is made of it."""
    return getattr(dataset, _ATTRIBUTE, None)
