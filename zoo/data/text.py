"""Text as integers: `Vocabulary`, and `text:PATH`, any UTF-8 file, as sequences of the integers.

A text is a row of pieces: its characters, or its words. Words are told apart like this: a run of
letters, with apostrophes inside it ("o'er"), is one piece; so is a run of digits, every other mark
by itself, and every line end. Spaces and tabs are dropped, and guessed when words become text.
"""

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import checks
from zoo.data.source import Collection, from_memory
from zoo.errors import DataError
from zoo.registration import nearest

# What stands for a piece that a vocabulary lacks. Either one in a text means the same.
UNKNOWN = {"characters": "\ufffd", "words": "<unk>"}
MIN_COUNT = {"characters": 1, "words": 2}
_WORD = re.compile(r"<unk>|\n|[^\W\d_]+(?:['\u2019][^\W\d_]+)*|\d+|[^\w\s]|_")
# Marks that stand close to what is before them, or behind them.
_NO_SPACE_BEFORE = frozenset(".,;:!?)]}%'\u2019\u201d\u2026-")
_NO_SPACE_AFTER = frozenset("([{\u201c-")
# Of a file's text, five in a hundred pieces to test on, as many to validate on.
_TEST, _HELD_OUT = 20, 19


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The pieces that a text is made of; a piece's number is its place.

    Args:
        unit: "characters" or "words".
        symbols: the pieces, all different.
        unknown: the one of them that stands for all others; None: there are no others.
    """

    unit: str
    symbols: tuple[str, ...]
    unknown: str | None = None

    def __post_init__(self):
        _check_unit(self.unit)
        object.__setattr__(self, "symbols", tuple(self.symbols))
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            raise DataError("a vocabulary needs symbols, each of them once")
        if self.unknown is not None and self.unknown not in self.symbols:
            raise DataError(f"the unknown symbol {self.unknown!r} is not in the vocabulary")

    def __len__(self) -> int:
        return len(self.symbols)

    @classmethod
    def of(cls, seen: Sequence[str], unit: str, min_count: int) -> "Vocabulary":
        """The pieces that `seen` holds `min_count` times, sorted, and the unknown one at the end.

        Args:
            seen: of the training text, as `pieces` makes them.
            unit: what they are.
            min_count: from 1.
        """
        unknown = UNKNOWN[unit]
        known = {s for s, count in Counter(seen).items() if count >= min_count}
        return cls(unit, (*sorted(known - {unknown}), unknown), unknown)

    def encode(self, text: str) -> np.ndarray:
        """Text -> integers `[T]`, of 8 bits where these suffice, otherwise of 32.

        Raises:
            DataError: no text, or pieces that are not in a vocabulary without an unknown one.
        """
        if not isinstance(text, str):
            raise DataError(f"a vocabulary encodes text, not {type(text).__name__}")
        return self.numbers(pieces(text, self.unit))

    def numbers(self, text: Sequence[str]) -> np.ndarray:
        """As `encode`, of pieces."""
        place = {symbol: i for i, symbol in enumerate(self.symbols)}
        if self.unknown is None and (strange := sorted(set(text) - set(place))):
            shown = ", ".join(map(repr, strange[:10]))
            raise DataError(f"not among the {len(self)} {self.unit} of the vocabulary: {shown}")
        other = place.get(self.unknown)
        kind = np.uint8 if len(self) <= 256 else np.int32
        return np.fromiter((place.get(piece, other) for piece in text), kind, len(text))

    def decode(self, numbers: Any) -> str:
        """Integers or whole floats `[T]` -> text that can be read; of words, the spaces are new.

        Raises:
            DataError: another shape, or numbers that are no places of the vocabulary.
        """
        values = np.asarray(numbers)
        if values.ndim != 1 or values.dtype.kind not in "buif":
            raise DataError(f"decode takes numbers [T], not {values.dtype} {list(values.shape)}")
        fits = np.all((values >= 0) & (values < len(self))) and np.all(values % 1 == 0)
        if not fits:
            raise DataError(f"decode takes whole numbers 0..{len(self) - 1}, and was given others")
        found = [self.symbols[i] for i in values.astype(np.int64)]
        return "".join(found) if self.unit == "characters" else _spaced(found)

    def get_config(self) -> dict[str, Any]:
        """Plain data for JSON; `from_config` takes them."""
        return {"unit": self.unit, "symbols": list(self.symbols), "unknown": self.unknown}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Vocabulary":
        return cls(**config)


class NoText(DataError):
    """A set whose examples are no pieces of a text."""


@dataclasses.dataclass(frozen=True)
class TextCollection(Collection):
    """A set whose examples are text.

    Args:
        vocabulary: what its numbers mean; as long as its levels.
    """

    vocabulary: Vocabulary


def pieces(text: str, unit: str) -> Sequence[str]:
    """The characters of a text, or its words as the head of this file tells them apart."""
    return text if unit == "characters" else _WORD.findall(text)


def text_file(
    path: str, *, length: int = 128, unit: str = "characters", min_count: int | None = None
) -> TextCollection:
    """Sequences `[length]` of a UTF-8 file, one after the other, without a short last one.

    The first 90 % of the pieces are to train on, then come 5 % to validate and 5 % to test. The
    vocabulary is the training text's, and ends in one symbol for whatever it lacks. All line ends
    count as "\\n", and a byte order mark as nothing.

    Args:
        path: the file.
        length: pieces in a sequence.
        unit: "characters" or "words".
        min_count: how often the training text must have a piece for it to be known; default: 1
            for characters, 2 for words.

    Raises:
        DataError: no such file, not UTF-8, too short, or an option out of range.
    """
    name = f"text:{path}"
    min_count = options(length, unit, min_count)
    content = _read(Path(path).expanduser(), name)
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    whole = pieces(text, unit)
    border = len(whole) - len(whole) // _TEST
    checksum = hashlib.sha256(content).hexdigest()
    return collection(
        name,
        f"sha256={checksum[:16]}@{described(length, unit, min_count)}",
        pool=whole[:border],
        test=whole[border:],
        vocabulary=Vocabulary.of(trained_on(whole[:border], _HELD_OUT), unit, min_count),
        length=length,
        one_in=_HELD_OUT,
    )


def options(length: Any, unit: Any, min_count: Any) -> int:
    """Refuses options that no text can have; returns the resolved `min_count`."""
    checks.whole_number("length", length, low=1)
    _check_unit(unit)
    if min_count is None:
        return MIN_COUNT[unit]
    checks.whole_number("min_count", min_count, low=1)
    return int(min_count)


def described(length: int, unit: str, min_count: int) -> str:
    """For a set's version: all on which its examples depend beside the text."""
    return f"length={length},unit={unit},min_count={min_count}"


def trained_on(pool: Sequence[str], one_in: int) -> Sequence[str]:
    """What is left of a pool without its last validation pieces, whatever the sequences' length."""
    return pool[: len(pool) - len(pool) // one_in]


def collection(
    name: str,
    version: str,
    *,
    pool: Sequence[str],
    test: Sequence[str],
    vocabulary: Vocabulary,
    length: int,
    one_in: int,
) -> TextCollection:
    """A set of sequences out of two texts.

    Args:
        name: as `load` knows it.
        version: of text and options.
        pool: pieces that may be trained on.
        test: pieces of the test text.
        vocabulary: of the pieces.
        length: pieces in a sequence.
        one_in: the last of so many sequences of the pool are held out for validation.

    Raises:
        DataError: a text without one whole sequence.
    """
    sources = []
    for which, text, least in (("training", pool, 2), ("test", test, 1)):
        count = len(text) // length
        if count < least:
            raise DataError(
                f"length={length} is too long for {name}: its {which} text has {len(text)} "
                f"{vocabulary.unit}, and needs {least * length}"
            )
        numbers = vocabulary.numbers(text[: count * length])
        sources.append(from_memory(numbers.reshape(count, length), levels=len(vocabulary)))
    valid = max(1, sources[0].count // one_in)
    return TextCollection(name, version, *sources, valid=valid, vocabulary=vocabulary)


def _check_unit(unit: Any) -> None:
    if not isinstance(unit, str) or unit not in UNKNOWN:
        raise DataError(f"unit={unit!r} is unknown; did you mean: {nearest(unit, [*UNKNOWN])}?")


def _read(path: Path, name: str) -> bytes:
    """The file's bytes, which are UTF-8."""
    try:
        if not path.is_file():
            what = "is a folder, not a file" if path.is_dir() else "does not exist"
            raise DataError(f"{name}: {path} {what}: name a UTF-8 text file")
        content = path.read_bytes()
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start} is 0x{content[error.start]:02x}): "
            "convert it first, such as with iconv -t UTF-8"
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    return content


def _spaced(words: list[str]) -> str:
    """Words as text: spaces where a writer of prose would set them."""
    parts, close = [], True
    for word in words:
        line_end = word == "\n"
        parts.append(word if close or line_end or word in _NO_SPACE_BEFORE else f" {word}")
        close = line_end or word in _NO_SPACE_AFTER
    return "".join(parts)
