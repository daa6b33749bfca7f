"""Draws that are made once: static binarization, and the dequantization of what is evaluated.

They come from `np.random.RandomState`, whose stream NumPy has promised never to change, so they are
the same for every run, seed, batch size and machine. The original static binarization of MNIST
(Larochelle and Murray, 2011) is lost to the public: numbers measured on ours carry its tag.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from zoo.data.source import Source, array_checksum, from_memory
from zoo.errors import DataError

SEEDS = {"test": 1, "valid": 2, "train": 3, "array": 4}

# SHA-256 of the binarized test sets, one byte a pixel.
BINARIZED_TEST = {
    "digits": "b329c83ac9831f5d3e4d560931dab79d84654a0b905ce3aeffd01f065052e4e9",
    "mnist": "121751ecd7d28d3a7e6c281a85f094afb73d05ac9248d192bb9c82e7972eec21",
}

_CHUNK = 4096
_BELOW_ONE = np.nextafter(np.float32(1.0), np.float32(0.0))


def binarized(source: Source, split: str, name: str) -> tuple[Source, str]:
    """Each x becomes 1 with probability x / (levels - 1), or x where x is a float in [0, 1].

    Returns:
        A source of two levels, and the tag that names the draw.

    Raises:
        DataError: the test set of `digits` or `mnist` came out otherwise than recorded here.
    """
    scale = 1.0 if source.levels is None else source.levels - 1.0
    x = source.numpy()
    ones = np.empty(x.shape, np.uint8)
    for part, uniform in _uniforms(x.shape, SEEDS[split]):
        # float32 whatever x's dtype: the same grey values give the same draw.
        ones[part] = uniform < (x[part] / scale).astype(np.float32)
    checksum = array_checksum(ones)
    recorded = BINARIZED_TEST.get(name) if split == "test" else None
    if recorded is not None and checksum != recorded:
        raise DataError(
            f"the binarized test set of {name} has SHA-256 {checksum[:16]}.., not "
            f"{recorded[:16]}.. as recorded: its images are not the original ones; prepare it anew"
        )
    tag = f"static:seed={SEEDS[split]}:sha256={checksum[:16]}"
    drawn = from_memory(ones, levels=2, checksum=source.checksum)
    return _with_labels_of(source, drawn), tag


def dequantized(source: Source, split: str) -> Source:
    """(x + u) / levels with u uniform in [0, 1), as float32 below 1."""
    x = source.numpy()
    drawn = np.empty(x.shape, np.float32)
    for part, uniform in _uniforms(x.shape, SEEDS[split]):
        drawn[part] = np.minimum((x[part] + uniform) / source.levels, _BELOW_ONE)
    made = from_memory(drawn, levels=None, value_range=(0.0, 1.0), checksum=source.checksum)
    return _with_labels_of(source, made)


def _uniforms(shape: tuple[int, ...], seed: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Slices of the first axis with their uniforms; the stream does not depend on the slicing."""
    stream = np.random.RandomState(seed)
    for start in range(0, shape[0], _CHUNK):
        size = min(_CHUNK, shape[0] - start)
        yield slice(start, start + size), stream.random_sample((size, *shape[1:]))


def _with_labels_of(source: Source, drawn: Source) -> Source:
    return dataclasses.replace(drawn, take_labels=source.take_labels)
