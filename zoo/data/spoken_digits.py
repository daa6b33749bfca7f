"""`spoken_digits`: recordings of the ten digits, 8 000 samples a second, as 256 levels of loudness.

TFDS's `spoken_digit` (the Free Spoken Digit Dataset by Jackson and others). Its files are called
DIGIT_SPEAKER_INDEX.wav; of each speaker and digit, recordings 0 to 4 are the test set, as its
authors ask, and 5 to 7 are held out for validation.
"""

import re

import numpy as np

from zoo.data import checks
from zoo.data.source import Collection, Source, from_memory
from zoo.data.tfds_sets import prepared
from zoo.errors import DataError

RATE = 8_000
LEVELS = 256
TEST_RECORDINGS = range(0, 5)
VALID_RECORDINGS = range(5, 8)
_MU = LEVELS - 1.0


def spoken_digits(*, length: int = 4096, download: bool = False) -> Collection:
    """Sequences `[length]` of mu-law levels 0 .. 255, labels 0 .. 9, sorted by speaker and digit.

    Args:
        length: samples in a sequence; longer recordings lose their end, shorter ones end in
            silence.
        download: let TFDS fetch and prepare the recordings (it needs `pydub` and ffmpeg).
    """
    checks.whole_number("length", length, low=1)
    builder = prepared("spoken_digit", "spoken_digits", download=download)
    recordings = []
    for example in builder.as_dataset(split="train").as_numpy_iterator():
        name = example["audio/filename"].decode()
        parts = re.fullmatch(r"(\d)_(\w+)_(\d+)\.wav", name)
        if not parts:
            raise DataError(f"spoken_digits: {name!r} is not DIGIT_SPEAKER_INDEX.wav")
        digit, speaker, index = parts.groups()
        wave = np.zeros(length, np.float32)
        heard = example["audio"][:length]
        wave[: len(heard)] = heard / 2.0**15
        recordings.append(((speaker, int(digit), int(index)), mu_law(wave)))
    recordings.sort(key=lambda recording: recording[0])
    index = np.array([i for (_, _, i), _ in recordings])
    x = np.stack([levels for _, levels in recordings])
    y = np.array([digit for (_, digit, _), _ in recordings])
    test, valid = np.isin(index, TEST_RECORDINGS), np.isin(index, VALID_RECORDINGS)

    def lot(rows: np.ndarray) -> Source:
        return from_memory(x[rows], y[rows], levels=LEVELS)

    return Collection(
        name="spoken_digits",
        version=f"{builder.version}@{length}",
        pool=lot(np.concatenate([np.flatnonzero(~test & ~valid), np.flatnonzero(valid)])),
        test=lot(np.flatnonzero(test)),
        valid=int(valid.sum()),
    )


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
