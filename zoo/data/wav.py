"""Sound files: one channel, 16 bits a sample, uncompressed, as any player takes them."""

import os
import wave as riff

import numpy as np

from zoo.errors import DataError

_FULL = 2.0**15


def write(path: str | os.PathLike, wave: np.ndarray, rate: int) -> None:
    """Writes a wave; what is beyond [-1, 1] is cut off.

    Args:
        path: of the file, which is replaced if it exists.
        wave: `[T]`, T from 1.
        rate: samples in a second.

    Raises:
        DataError: another shape, or numbers that are not finite.
        OSError: the file cannot be written.
    """
    wave = np.asarray(wave)
    if wave.ndim != 1 or not wave.size or wave.dtype.kind not in "buif":
        raise DataError(f"a sound is a wave [T] of numbers, not {wave.dtype} {list(wave.shape)}")
    if not np.isfinite(wave).all():
        raise DataError("a sound is a wave of finite numbers: this one holds NaN or infinite ones")
    samples = np.clip(np.rint(wave.astype(np.float64) * _FULL), -_FULL, _FULL - 1)
    with open(path, "wb") as file, riff.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(samples.astype("<i2").tobytes())


def read(path: str | os.PathLike) -> tuple[np.ndarray, int]:
    """What `write` wrote: the wave `[T]`, in [-1, 1), and its rate.

    Raises:
        DataError: no such file, or none of one channel and 16 bits.
    """
    try:
        with open(path, "rb") as file, riff.open(file, "rb") as sound:
            kind = sound.getnchannels(), sound.getsampwidth()
            rate, content = sound.getframerate(), sound.readframes(sound.getnframes())
    except (OSError, EOFError, riff.Error) as error:
        raise DataError(
            f"{path} cannot be read as a sound: {str(error) or 'it is cut off'}"
        ) from error
    if kind != (1, 2):
        raise DataError(f"{path} has {kind[0]} channels of {8 * kind[1]} bits, not one of 16")
    return np.frombuffer(content, "<i2") / _FULL, rate
