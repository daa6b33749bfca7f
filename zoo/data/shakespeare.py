"""`shakespeare`: a million characters of Shakespeare's plays, as sequences of integers.

TFDS's `tiny_shakespeare`: the first 90 % of the text to train on, 5 % to validate, 5 % to test.
Reference: Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015.
"""

import string

import numpy as np

from zoo.data import checks
from zoo.data.source import Collection, from_memory
from zoo.data.tfds_sets import prepared
from zoo.errors import DataError

# In the order of their code points: a character's number is its place here.
VOCABULARY = "\n !$&',-.3:;?" + string.ascii_uppercase + string.ascii_lowercase


def shakespeare(*, length: int = 128, download: bool = False) -> Collection:
    """Sequences `[length]` of the integers 0 .. 64, one after the other, without a short last one.

    Args:
        length: characters in a sequence.
        download: let TFDS fetch and prepare the text.
    """
    checks.whole_number("length", length, low=1)
    builder = prepared("tiny_shakespeare", "shakespeare", download=download)
    lots = {}
    for split in ("train", "validation", "test"):
        (example,) = builder.as_dataset(split=split).as_numpy_iterator()
        numbers = encode(example["text"].decode("utf-8"))
        count = len(numbers) // length
        if not count:
            raise DataError(f"length={length} is longer than the {split} text of {len(numbers)}")
        lots[split] = numbers[: count * length].reshape(count, length)
    levels = len(VOCABULARY)
    return Collection(
        name="shakespeare",
        version=f"{builder.version}@{length}",
        pool=from_memory(np.concatenate([lots["train"], lots["validation"]]), levels=levels),
        test=from_memory(lots["test"], levels=levels),
        valid=len(lots["validation"]),
    )


def encode(text: str) -> np.ndarray:
    """Characters -> `uint8 [len(text)]`, their places in `VOCABULARY`."""
    place = {character: i for i, character in enumerate(VOCABULARY)}
    unknown = sorted(set(text) - set(VOCABULARY))
    if unknown:
        raise DataError(f"not in the vocabulary of shakespeare: {''.join(unknown)!r}")
    return np.fromiter((place[c] for c in text), np.uint8, len(text))


def decode(numbers: np.ndarray) -> str:
    """Integers or whole floats `[T]` -> text."""
    return "".join(VOCABULARY[int(i)] for i in numbers)
