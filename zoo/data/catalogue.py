"""The names of data sets. Adding one costs a function that returns a `Collection`, and a line."""

from collections.abc import Callable
from typing import Any, NamedTuple

from zoo.data import (
    digits,
    folder,
    frey_faces,
    points,
    shakespeare,
    shapes,
    spoken_digits,
    tfds_sets,
    toy,
)
from zoo.data.source import Collection
from zoo.errors import DataError
from zoo.registration import nearest, parameters


class Named(NamedTuple):
    """How to make a set, and its examples' shape where no file or argument decides on it."""

    make: Callable[..., Collection]
    event_shape: tuple[int, ...] | None


SETS: dict[str, Named] = {
    "cars": Named(folder.cars, None),
    "digits": Named(digits.digits, (8, 8, 1)),
    "frey_faces": Named(frey_faces.frey_faces, (28, 20, 1)),
    "mnist": Named(tfds_sets.mnist, (28, 28, 1)),
    "points": Named(points.points, (2,)),
    "shakespeare": Named(shakespeare.shakespeare, None),
    "shapes": Named(shapes.shapes, (64, 64, 1)),
    "spoken_digits": Named(spoken_digits.spoken_digits, None),
    "toy": Named(toy.toy, (4, 4, 1)),
}

# NAME:WHICH, where WHICH is the first argument.
FAMILIES: dict[str, Callable[..., Collection]] = {
    "folder": folder.folder,
    "tfds": tfds_sets.tfds_images,
}


def names() -> list[str]:
    """The known data sets; `folder:PATH` and `tfds:NAME` come on top."""
    return sorted(SETS)


def collection(name: str, options: dict[str, Any]) -> Collection:
    """Makes a set.

    Args:
        name: of `names()`, or `folder:PATH`, or `tfds:NAME`.
        options: the set's own arguments.

    Raises:
        DataError: no such set, no such argument, or the set is not at hand.
    """
    family, colon, which = str(name).partition(":")
    if colon and family in FAMILIES and which:
        make, fixed = FAMILIES[family], [which]
    elif name in SETS:
        make, fixed = SETS[name].make, []
    else:
        forms = [*names(), *(f"{f}:{'PATH' if f == 'folder' else 'NAME'}" for f in FAMILIES)]
        raise DataError(f"no data set {name!r}; did you mean: {nearest(name, forms)}?")
    valid = parameters(make)[len(fixed) :]
    for key in options:
        if key not in valid:
            raise DataError(
                f"{name} takes no argument {key!r}; beside load's own: {', '.join(valid) or 'none'}"
            )
    return make(*fixed, **options)


def image_shape(name: str, **options: Any) -> tuple[int, ...]:
    """The shape of one example, such as `(28, 28, 1)`; sets of one known shape are not read."""
    known = SETS[name].event_shape if name in SETS and not options else None
    return known or collection(name, options).pool.event_shape
