"""`shakespeare`: a million characters of Shakespeare's plays, as sequences of integers.

TFDS's `tiny_shakespeare` cuts the text into train (the first 90 %), validation (5 %) and test
(5 %). Published numbers are about the last 5 %, or about the last tenth, the last two together. So
nothing is selected on TFDS's validation text: what is held out for validation is the end of its
training text.

Reference: Karpathy, "The unreasonable effectiveness of recurrent neural networks", 2015.
"""

import string

from zoo.data import text
from zoo.data.tfds_sets import prepared
from zoo.errors import DataError
from zoo.registration import nearest

# In the order of their code points: a character's number is its place here.
CHARACTERS = text.Vocabulary(
    "characters", tuple("\n !$&',-.3:;?" + string.ascii_uppercase + string.ascii_lowercase)
)
TESTS = {"test": ("test",), "last_tenth": ("validation", "test")}
# The last of so many training sequences are the validation set.
_HELD_OUT = 20


def shakespeare(
    *,
    length: int = 128,
    unit: str = "characters",
    min_count: int | None = None,
    test: str = "test",
    download: bool = False,
) -> text.TextCollection:
    """Sequences `[length]`, one after the other, without a short last one.

    Characters are the integers 0 .. 64. Words are those that the training text (without the
    validation set) has often enough, and one symbol for all others.

    Args:
        length: characters or words in a sequence.
        unit: "characters" or "words".
        min_count: how often the training text must have a word for it to be known; default: 2.
        test: "test": the last 5 % of the text; "last_tenth": the last 10 %.
        download: let TFDS fetch and prepare the text.

    Raises:
        DataError: the text is not at hand, too short for `length`, or an option is out of range.
    """
    counted = _options(length, unit, min_count, test)
    builder = prepared("tiny_shakespeare", "shakespeare", download=download)
    pool = text.pieces(_read(builder, "train"), unit)
    last = text.pieces("".join(_read(builder, split) for split in TESTS[test]), unit)
    known = CHARACTERS
    if unit == "words":
        known = text.Vocabulary.of(text.trained_on(pool, _HELD_OUT), unit, counted)
    return text.collection(
        "shakespeare",
        f"{builder.version}@{text.described(length, unit, counted)},test={test}",
        pool=pool,
        test=last,
        vocabulary=known,
        length=length,
        one_in=_HELD_OUT,
    )


def vocabulary(
    *,
    length: int = 128,
    unit: str = "characters",
    min_count: int | None = None,
    test: str = "test",
    download: bool = False,
) -> text.Vocabulary:
    """What the numbers of `shakespeare` mean; its characters are known without the text."""
    _options(length, unit, min_count, test)
    if unit == "characters":
        return CHARACTERS
    return shakespeare(
        length=length, unit=unit, min_count=min_count, test=test, download=download
    ).vocabulary


def _options(length: int, unit: str, min_count: int | None, test: str) -> int:
    """Refuses options that do not fit; returns the resolved `min_count`."""
    counted = text.options(length, unit, min_count)
    if unit == "characters" and counted != 1:
        raise DataError('min_count is for unit="words": shakespeare has 65 characters, all known')
    if test not in TESTS:
        raise DataError(f"test={test!r} is unknown; did you mean: {nearest(test, [*TESTS])}?")
    return counted


def _read(builder, split: str) -> str:
    (example,) = builder.as_dataset(split=split).as_numpy_iterator()
    return example["text"].decode("utf-8")
