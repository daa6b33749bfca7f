"""The names of data sets. Adding one costs a function that returns a `Collection`, and a line."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from zoo.data import (
    checks,
    digits,
    folder,
    frey_faces,
    points,
    shakespeare,
    shapes,
    spoken_digits,
    text,
    tfds_sets,
    toy,
)
from zoo.data.source import Collection
from zoo.errors import DataError
from zoo.registration import nearest, parameters


class Named(NamedTuple):
    """How to make a set.

    Args:
        make: makes it.
        event_shape: its examples' shape, where no file or argument decides on it.
        vocabulary: of a text, where that can be had for less than the whole set.
    """

    make: Callable[..., Collection]
    event_shape: tuple[int, ...] | None
    vocabulary: Callable[..., text.Vocabulary] | None = None


SETS: dict[str, Named] = {
    "cars": Named(folder.cars, None),
    "digits": Named(digits.digits, (8, 8, 1)),
    "frey_faces": Named(frey_faces.frey_faces, (28, 20, 1)),
    "mnist": Named(tfds_sets.mnist, (28, 28, 1)),
    "points": Named(points.points, (2,)),
    "shakespeare": Named(shakespeare.shakespeare, None, shakespeare.vocabulary),
    "shapes": Named(shapes.shapes, (64, 64, 1)),
    "spoken_digits": Named(spoken_digits.spoken_digits, None),
    "toy": Named(toy.toy, (4, 4, 1)),
}

# NAME:WHICH, where WHICH is the first argument.
FAMILIES: dict[str, Callable[..., Collection]] = {
    "folder": folder.folder,
    "text": text.text_file,
    "tfds": tfds_sets.tfds_images,
}
_FORMS = ("folder:PATH", "text:PATH", "tfds:NAME")


def names() -> list[str]:
    """The known data sets; `folder:PATH`, `text:PATH` and `tfds:NAME` come on top."""
    return sorted(SETS)


def collection(name: str, options: dict[str, Any]) -> Collection:
    """Makes a set.

    Args:
        name: of `names()`, or `folder:PATH`, `text:PATH` or `tfds:NAME`.
        options: the set's own arguments.

    Raises:
        DataError: no such set, no such argument, or the set is not at hand.
    """
    make, fixed = _maker(name, options)
    return make(*fixed, **options)


def check(name: str, options: Iterable[str]) -> None:
    """Raises a DataError where `collection` would for the name or for an option's; reads no data.

    Args:
        name: as for `collection`.
        options: names of the set's own arguments.
    """
    _maker(name, options)


def vocabulary(name: str, **options: Any) -> text.Vocabulary:
    """What the numbers of a set of texts mean: `vocabulary(name).decode(x)` is text.

    Args:
        name: of a text, such as "shakespeare" or `text:PATH`.
        **options: the set's own arguments, as `load` was given them.

    Raises:
        DataError: as for `load`, or the set is no text.
    """
    known = SETS[name].vocabulary if name in SETS else None
    if known is not None:
        _check_options(name, options, parameters(known))
        return known(**options)
    found = collection(name, options)
    if not isinstance(found, text.TextCollection):
        raise text.NoText(f"{name} is no text, so it has no vocabulary")
    return found.vocabulary


def stream(
    name: str, split: str = "train", *, valid: int | None = None, **options: Any
) -> np.ndarray:
    """A split of a set of sequences, in order and joined: integers `[N]`.

    Args:
        name: of a set whose examples follow each other, such as "shakespeare" or `text:PATH`.
        split: "train", "valid" or "test".
        valid: how many of the last training sequences are held out; default: as `load` has it.
        **options: the set's own arguments; `length=1` loses no end of a text.

    Raises:
        DataError: as for `load`, or the set is no text, or has no such split.
    """
    found = collection(name, options)
    if not isinstance(found, text.TextCollection):
        raise text.NoText(f"{name} is no text: its examples do not follow each other")
    held_out = checks.held_out(found.valid if valid is None else valid, found.pool.count, name)
    kept = found.pool.count - held_out
    splits = {
        "train": found.pool.part(0, kept),
        "valid": found.pool.part(kept, found.pool.count),
        "test": found.test,
    }
    if split not in splits:
        raise DataError(f"split={split!r} is unknown; did you mean: {nearest(split, [*splits])}?")
    return splits[split].numpy().reshape(-1)


def image_shape(name: str, **options: Any) -> tuple[int, ...]:
    """The shape of one example, such as `(28, 28, 1)`; sets of one known shape are not read."""
    known = SETS[name].event_shape if name in SETS and not options else None
    return known or collection(name, options).pool.event_shape


def _maker(name: str, options: Iterable[str]) -> tuple[Callable[..., Collection], list[str]]:
    """What makes the set, and its first arguments; raises a DataError for unknown names."""
    family, colon, which = str(name).partition(":")
    if colon and family in FAMILIES and which:
        make, fixed = FAMILIES[family], [which]
    elif name in SETS:
        make, fixed = SETS[name].make, []
    else:
        near = nearest(name, [*names(), *_FORMS])
        raise DataError(f"no data set {name!r}; did you mean: {near}?")
    _check_options(name, options, parameters(make)[len(fixed) :])
    return make, fixed


def _check_options(name: str, options: Iterable[str], valid: list[str]) -> None:
    for key in options:
        if key not in valid:
            raise DataError(
                f"{name} takes no argument {key!r}; beside load's own: {', '.join(valid) or 'none'}"
            )
