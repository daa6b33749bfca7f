"""Sounds from a model of recordings, for `zoo sample`: WAV files, spectrograms, numbers."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.commands.inputs import write_numbers
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np


def is_sound(model) -> bool:
    """Whether the model's labels are those of recordings."""
    from zoo.networks import RecordingLabels

    return isinstance(getattr(model, "condition", None), RecordingLabels)


def write(model, args: argparse.Namespace, path: Path) -> None:
    """Draws `args.n` recordings: one `.wav` (all after each other), a `.png` or an `.npz`."""
    from zoo.data.spoken_digits import RATE, to_wave

    levels, labels = draw(model, args)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        write_numbers(path, samples=levels, labels=labels)
        return
    import numpy as np

    from zoo.pictures import audio, save

    waves = [to_wave(row) for row in levels]
    if suffix == ".wav":
        audio.save_wave(np.concatenate(waves), path)
        return
    figure = audio.spectrogram(
        waves,
        [f"digit {y[0]}, speaker {y[1]}" for y in labels],
        rate=RATE,
        title="Drawn recordings",
        caption=f"{args.name}; seed {args.seed or 0}",
    )
    save(figure, path)


def draw(model, args: argparse.Namespace) -> "tuple[np.ndarray, np.ndarray]":
    """Levels `[n, length]` and labels `[n, 3]`: the asked digit, or all in turn; every speaker in
    turn."""
    import numpy as np

    from zoo.data.spoken_digits import RATE

    digits, speakers = model.condition.classes
    if args.label is not None and args.label >= digits:
        raise DataError(f"{args.name} knows the digits 0 to {digits - 1}, not {args.label}")
    if args.prompt is not None:
        raise DataError(f"{args.name} models sound: leave out --prompt")
    places = np.arange(args.n)
    digit = places % digits if args.label is None else np.full(args.n, args.label)
    speaker = (places if args.label is not None else places // digits) % speakers
    labels = np.stack([digit, speaker, np.zeros(args.n, int)], axis=1).astype(np.int32)
    # What the model was trained on are windows; half a second holds most of the digits.
    length = args.length or RATE // 2
    if length != model.event_shape[0]:
        model = model.at_length(length)
    drawn = model.sample(
        args.n,
        labels,
        seed=args.seed or 0,
        temperature=args.temperature or 1.0,
        top_k=args.top_k,
    )
    return drawn.numpy().astype(np.int16), labels
