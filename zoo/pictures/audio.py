"""Sounds: how loud they are at each frequency over time, and as files to listen to."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

from zoo.data import wav
from zoo.data.spoken_digits import RATE
from zoo.errors import DataError, ZooError
from zoo.pictures import style
from zoo.pictures.saving import new_file

#: Seconds of sound that one spectrum is of; a new one starts after a quarter of them.
WINDOW = 0.032
#: The quietest that differs from silence, in decibels below the loudest sine that fits.
QUIETEST = -90.0
_WIDTH, _HEIGHT, _GAP, _LABEL = 6.5, 1.05, 0.2, 0.2


def spectrogram(
    waves: Sequence[np.ndarray],
    labels: Sequence[str] = (),
    columns: int | None = None,
    rate: int = RATE,
    title: str = "Spectrograms",
    caption: str = "",
) -> Figure:
    """Spectrograms of waves, read like text, all over the time of the longest one.

    Args:
        waves: of samples in [-1, 1], `[T]` each, any T.
        labels: above each, "" for none; or none at all.
        columns: in a row; default: as many as make a square, at most 5.
        rate: samples in a second.
        title, caption: above them; the caption goes on with what the colours mean.

    Raises:
        DataError: no waves, another shape, numbers that are not finite, or labels of another count.
    """
    waves = [np.asarray(wave, np.float64) for wave in waves]
    if not waves or any(w.ndim != 1 or not w.size or not np.isfinite(w).all() for w in waves):
        raise DataError("a spectrogram is of waves [T], one or more, of finite numbers")
    if labels and len(labels) != len(waves):
        raise DataError(f"there are {len(waves)} waves and {len(labels)} labels")
    columns = min(columns or min(math.ceil(math.sqrt(len(waves))), 5), len(waves))
    rows = -(-len(waves) // columns)
    heading = _LABEL if any(labels) else 0.0
    height = rows * (_HEIGHT + heading) + (rows - 1) * _GAP
    figure, whole = style.framed(
        _WIDTH,
        height,
        title,
        style.sentence(
            caption or None,
            f"bright is loud: {QUIETEST:.0f} to 0 dB of the loudest sine",
            f"windows of {1000 * WINDOW:.0f} ms",
        ),
        left=0.6,
        bottom=0.55,
    )
    box = whole.get_position()
    whole.remove()
    inch_x, inch_y = box.width / _WIDTH, box.height / height
    width = (_WIDTH - (columns - 1) * _GAP) / columns
    seconds = max(len(wave) for wave in waves) / rate
    for i, wave in enumerate(waves):
        row, column = divmod(i, columns)
        top = box.y1 - (row * (_HEIGHT + heading + _GAP) + heading) * inch_y
        place = box.x0 + column * (width + _GAP) * inch_x, top - _HEIGHT * inch_y
        axes = figure.add_axes((*place, width * inch_x, _HEIGHT * inch_y))
        _panel(axes, wave, rate, seconds)
        _inscribe(axes, labels[i] if labels else "", i + columns >= len(waves), column == 0)
    return figure


def _inscribe(axes, label: str, lowest: bool, leftmost: bool) -> None:
    """The label above, and what is measured along the axes at the edges of the whole."""
    words = {"size": style.TEXT_SIZE, "color": style.INK, "family": style.FONT}
    axes.tick_params(labelbottom=lowest, labelleft=leftmost)
    axes.set_title(label, pad=3, **words)
    axes.set_xlabel("time (s)" if lowest else "", **words)
    axes.set_ylabel("kHz" if leftmost else "", **words)


def decibels(wave: np.ndarray, rate: int = RATE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How loud a wave is, in decibels of a sine of amplitude 1.

    Args:
        wave: `[T]`.
        rate: samples in a second.

    Returns:
        `[frequencies, spectra]`, from `QUIETEST` up; the frequencies in Hz; and the times in
        seconds of the spectra's middles.
    """
    size = max(4, round(WINDOW * rate))
    # A wave that is shorter than one window is followed by silence.
    wave = np.pad(wave, (0, max(0, size - len(wave))))
    window = hann(size, sym=False)
    transform = ShortTimeFFT(window * 2 / window.sum(), size // 4, rate)
    # Not those windows whose middle is before the wave or behind it.
    last = -(-len(wave) // transform.hop)
    power = np.abs(transform.stft(wave, p0=0, p1=last)) ** 2
    loudness = 10 * np.log10(np.maximum(power, 10 ** (QUIETEST / 10)))
    return loudness, transform.f, transform.t(len(wave), p0=0, p1=last)


def save_wave(
    wave: np.ndarray, path: str | os.PathLike, rate: int = RATE, overwrite: bool = False
) -> Path:
    """Writes a wave as a sound file of 16 bits.

    Args:
        wave: `[T]`, in [-1, 1], such as `zoo.data.spoken_digits.to_wave(x)`.
        path: ends in `.wav`.
        rate: samples in a second.
        overwrite: replace a file of this name.

    Raises:
        DataError: no wave `[T]` of finite numbers.
        ZooError: another suffix; the file exists; it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".wav":
        raise ZooError(f"{path} does not end in .wav: sounds are written as WAV")
    with new_file(path, overwrite) as file:
        wav.write(file, wave, rate)
    return path


def _panel(axes, wave: np.ndarray, rate: int, seconds: float) -> None:
    loudness, frequencies, times = decibels(wave, rate)
    axes.pcolormesh(
        times,
        frequencies / 1000,
        loudness,
        shading="nearest",
        cmap=style.COLOUR_MAP,
        vmin=QUIETEST,
        vmax=0.0,
        rasterized=True,
    )
    axes.set_xlim(0, seconds)
    axes.set_ylim(0, rate / 2000)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, prune="upper"))
    axes.tick_params(
        labelsize=style.TEXT_SIZE,
        labelcolor=style.INK,
        color=style.FAINT,
        labelfontfamily=style.FONT,
    )
    for spine in axes.spines.values():
        spine.set_color(style.FAINT)
