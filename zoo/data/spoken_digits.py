"""`spoken_digits`: recordings of the ten digits, 8 000 samples a second, as 256 levels of loudness.

TFDS's `spoken_digit` (the Free Spoken Digit Dataset by Jackson and others). Its files are called
DIGIT_SPEAKER_INDEX.wav; of each speaker and digit, recordings 0 to 4 are the test set, as its
authors ask, and 5 to 7 are held out for validation.

Recordings differ in length, examples do not: a recording becomes windows, one behind the other, and
where the last one has no samples left, it holds `PADDING`; or only the first of them is an example.
`PADDING` is no 257th level: nothing is ever drawn from it, and it has no probability. So the set is
described by its 256 levels, which is what a likelihood and its bits are about, and by a largest
value of 256.
"""

import re
from typing import NamedTuple

import numpy as np

from zoo.data import checks
from zoo.data.source import Collection, Source, from_memory
from zoo.data.tfds_sets import prepared
from zoo.errors import DataError
from zoo.registration import nearest

RATE = 8_000
LEVELS = 256
# What stands in an example where its recording has ended.
PADDING = LEVELS
# A speaker's label is the place here.
SPEAKERS = ("george", "jackson", "nicolas", "theo", "yweweler")
TEST_RECORDINGS = range(0, 5)
VALID_RECORDINGS = range(5, 8)
SPLITS = ("train", "valid", "test")
_MU = LEVELS - 1.0


class Recording(NamedTuple):
    """One spoken digit.

    Args:
        speaker: place in `SPEAKERS`.
        digit: 0 .. 9.
        index: which one of this speaker and digit.
        levels: `uint8 [T]`, all of it.
    """

    speaker: int
    digit: int
    index: int
    levels: np.ndarray

    @property
    def split(self) -> str:
        if self.index in TEST_RECORDINGS:
            return "test"
        return "valid" if self.index in VALID_RECORDINGS else "train"


def spoken_digits(
    *,
    length: int = 4096,
    whole: bool = False,
    first_only: bool = False,
    download: bool = False,
) -> Collection:
    """Sequences `[length]` of mu-law levels 0 .. 255, and `PADDING` behind a recording's end.

    Their labels are [digit, speaker, start]: 0 .. 9, a place in `SPEAKERS`, and the number of the
    window's first sample in its recording. They are sorted by speaker, digit, recording and start.

    Args:
        length: samples in a window; windows follow each other, and leave nothing out.
        whole: in the test set, each recording is one example, as long as the longest of them.
        first_only: each recording is one example, its first window, in all three sets.
        download: let TFDS fetch and prepare the recordings (it needs `pydub` and ffmpeg).
    """
    checks.whole_number("length", length, low=1)
    for name, value in (("whole", whole), ("first_only", first_only)):
        if not isinstance(value, bool):
            raise DataError(f"{name} is True or False, not {value!r}")
    version, found = _read(download)
    lots = {split: [r for r in found if r.split == split] for split in SPLITS}
    longest = max(len(r.levels) for r in lots["test"])
    held_out = windows(lots["valid"], length, first_only)
    train = windows(lots["train"], length, first_only)
    cut = f"length={length},test={'whole' if whole else 'windows'}"
    return Collection(
        name="spoken_digits",
        version=f"{version}@{cut}{',first' if first_only else ''}",
        pool=_source(*(np.concatenate(parts) for parts in zip(train, held_out, strict=True))),
        test=_source(*windows(lots["test"], longest if whole else length, first_only)),
        valid=len(held_out[0]),
    )


def recordings(split: str = "train", *, download: bool = False) -> list[Recording]:
    """The recordings of a split, "train", "valid" or "test", by speaker, digit and index.

    Raises:
        DataError: no such split, or the recordings are not at hand.
    """
    if split not in SPLITS:
        raise DataError(f"split={split!r} is unknown; did you mean: {nearest(split, [*SPLITS])}?")
    return [r for r in _read(download)[1] if r.split == split]


def windows(
    found: list[Recording], length: int, first_only: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Recordings cut into windows: `int16 [N, length]`, and `int32 [N, 3]`, the labels.

    With `first_only`, no recording has more than one.
    """
    x, y = [], []
    for recording in found:
        count = 1 if first_only else -(-len(recording.levels) // length)
        padded = np.full(count * length, PADDING, np.int16)
        levels = recording.levels[: count * length]
        padded[: len(levels)] = levels
        x.append(padded.reshape(count, length))
        y += [(recording.digit, recording.speaker, i * length) for i in range(count)]
    return np.concatenate(x), np.array(y, np.int32)


def mu_law(wave: np.ndarray) -> np.ndarray:
    """A wave in [-1, 1] as levels 0 .. 255, fine where it is soft; silence is level 128.

    level = round(mu (1 + sign(x) log(1 + mu |x|) / log(1 + mu)) / 2), mu = 255.
    Reference: ITU-T G.711; van den Oord et al. 2016, arXiv 1609.03499, section 2.2.
    """
    wave = np.clip(np.asarray(wave, np.float64), -1.0, 1.0)
    bent = np.sign(wave) * np.log1p(_MU * np.abs(wave)) / np.log1p(_MU)
    return np.floor((bent + 1) / 2 * _MU + 0.5).astype(np.uint8)


def from_mu_law(levels: np.ndarray) -> np.ndarray:
    """Levels 0 .. 255 -> a wave in [-1, 1], the inverse of `mu_law` up to its rounding."""
    bent = 2 * np.asarray(levels, np.float64) / _MU - 1
    return np.sign(bent) * np.expm1(np.abs(bent) * np.log1p(_MU)) / _MU


def to_wave(x: np.ndarray) -> np.ndarray:
    """An example `[T]` as a wave in [-1, 1], without its padding."""
    x = np.asarray(x)
    return from_mu_law(x[x != PADDING])


def _read(download: bool) -> tuple[str, list[Recording]]:
    """The version, and all recordings by speaker, digit and index."""
    builder = prepared("spoken_digit", "spoken_digits", download=download)
    found = []
    for example in builder.as_dataset(split="train").as_numpy_iterator():
        name = example["audio/filename"].decode()
        parts = re.fullmatch(r"(\d)_(\w+)_(\d+)\.wav", name)
        if not parts or parts[2] not in SPEAKERS:
            who = ", ".join(SPEAKERS)
            raise DataError(f"spoken_digits: {name!r} is not DIGIT_SPEAKER_INDEX.wav of {who}")
        digit, speaker, index = parts.groups()
        levels = mu_law(example["audio"] / 2.0**15)
        found.append(Recording(SPEAKERS.index(speaker), int(digit), int(index), levels))
    return str(builder.version), sorted(found, key=lambda recording: recording[:3])


def _source(x: np.ndarray, y: np.ndarray) -> Source:
    return from_memory(x, y, levels=LEVELS, value_range=(0.0, float(PADDING)))
