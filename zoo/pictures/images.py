"""Pictures of what a model makes: samples, reconstructions, ways from one image to another.

Each function decodes what it needs and returns a `matplotlib.figure.Figure`, whose caption says
whether it shows means of p(x|z) or draws from it, and the seed.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from zoo.errors import DataError, NotSupported, ZooError
from zoo.models.diffusion import Diffusion
from zoo.models.restorer import Restorer
from zoo.models.samplers import DDIM
from zoo.pictures import codes
from zoo.pictures.grids import image_grid, require_images, rows_of, square, to_display
from zoo.pictures.planes import plane_of_points
from zoo.pictures.style import sentence


def mean_or_draw(mean: bool, given: str = "z") -> str:
    """What is drawn, in a caption."""
    return f"{'mean of' if mean else 'a draw from'} p(x|{given})"


def samples(
    model,
    n: int = 100,
    *,
    mean: bool = False,
    seed: int = 0,
    name: str | None = None,
    label: int | None = None,
    **how: Any,
) -> Figure:
    """n images from the model, in a square, or in a row for each class; of points in the plane,
    where they lie.

    Args:
        model: with `sample`.
        n: at least 1.
        label: the class of a model that is conditional on it; None: all in turn, a row each.
        mean: show E[x|z] of each z ~ p(z), as papers do, instead of a draw from p(x|z).
        seed: of the draws.
        name: of the model, for the caption.
        **how: of the family's `sample`, such as `sampler` and `guidance`, or `temperature`.

    Raises:
        NotSupported: something that the family's `sample` does not take.
    """
    y = asked(model, n, label)
    plane = tuple(model.event_shape) == (2,)
    if not plane:
        require_images(model, n)
    found = np.concatenate(list(draw_samples(model, n, mean, seed, y, **how)))
    if plane:
        caption = sentence(name or model.name, *requested(how), f"seed {seed}")
        return plane_of_points(found, "Samples", caption)
    images = to_display(found, model)
    classes = [] if y is None or label is not None else sorted(set(y.tolist()))
    return image_grid(
        rows_of(images, -(-n // len(classes)) if classes else square(n)),
        "Samples",
        sentence(
            name or model.name,
            _drawn_how(model, mean),
            *requested(how),
            None if label is None else f"class {label}",
            f"seed {seed}",
        ),
        row_labels=[str(c) for c in classes],
    )


def draw_samples(
    model, n: int, mean: bool = False, seed: int = 0, y: np.ndarray | None = None, **how: Any
) -> Iterator[np.ndarray]:
    """n samples in data values, as an iterator over arrays `[<= 100, *event]`: any n, in bounded
    memory. The first hundred are those of `model.sample`; `y` `[n, ...]` is the condition of each,
    `how` the family's own arguments.
    """
    options = _taken(model.sample, {"mean": mean, **how}, without={"mean": False})

    def some(start: int, count: int, key) -> tf.Tensor:
        given = None if y is None else y[start : start + count]
        return model.sample(count, given, seed=key, **options)

    return codes.in_chunks(some, n, seed)


def asked(model, n: int, label: int | None = None) -> np.ndarray | None:
    """The labels `[n]` of samples, sorted: all of one class, or as many of each; None for a model
    that is not conditional.

    Raises:
        DataError: a label for such a model, or a condition that is no label.
    """
    condition = getattr(model, "condition", None)
    if condition is None:
        if label is not None:
            raise DataError(f"{model.name} is not conditional: it takes no label")
        return None
    classes = getattr(condition, "classes", None)
    if not isinstance(classes, int):
        raise DataError(f"{model.name} is conditional on more than a label: use model.sample(n, y)")
    if label is not None:
        if not 0 <= label < classes:
            raise DataError(f"{model.name} knows the labels 0 to {classes - 1}, not {label}")
        return np.full(n, label, np.int32)
    # A row of the picture each: whole rows, but for the last.
    return np.minimum(np.arange(n) // -(-n // classes), classes - 1).astype(np.int32)


def _drawn_how(model, mean: bool) -> str | None:
    """For a caption."""
    if not has_means(model):
        return None
    if model.can("decode"):
        return f"z ~ p(z), {mean_or_draw(mean)}"
    if isinstance(model, Diffusion):
        return "the last guess as it is" if mean else None
    if mean:
        return "the mean of each pixel given those drawn before it"
    return "draws from p(x)" if getattr(model, "condition", None) is None else "draws from p(x|y)"


def requested(how: Mapping[str, Any]) -> list[str]:
    """What is asked of a draw, for a caption; nothing of what is left to the model."""
    said = []
    if (sampler := how.get("sampler")) is not None:
        steps = "all steps" if sampler.steps is None else f"steps: {sampler.steps}"
        eta = f", eta {sampler.eta:g}" if isinstance(sampler, DDIM) else ""
        said.append(f"{type(sampler).__name__}{eta}, {steps}")
    if how.get("guidance") is not None:
        said.append(f"guidance {how['guidance']:g}")
    if how.get("temperature") is not None:
        said.append(f"temperature {how['temperature']:g}")
    if how.get("top_k") is not None:
        said.append(f"of the {how['top_k']} likeliest values")
    return said


def has_means(model) -> bool:
    """Whether `model.sample` can return means instead of draws."""
    return "mean" in inspect.signature(model.sample).parameters


def reconstruct(
    model,
    x: np.ndarray,
    *,
    y: np.ndarray | None = None,
    num_samples: int | None = None,
    mean: bool = True,
    seed: int = 0,
) -> np.ndarray:
    """`model.reconstruct` of any number of images, in bounded memory: `[(L,) N, *event]`."""
    options = _taken(
        model.reconstruct,
        {"num_samples": num_samples, "mean": mean},
        without={"num_samples": None, "mean": True},
    )
    chunks = codes.in_chunks(
        lambda start, count, key: model.reconstruct(
            x[start : start + count],
            None if y is None else y[start : start + count],
            **options,
            **_taken(model.reconstruct, {"seed": key}, without={"seed": key}),
        ),
        len(x),
        seed,
        chunk=max(1, 100 // (num_samples or 1)),
    )
    return np.concatenate(list(chunks), axis=0 if num_samples is None else 1)


def reconstructions(
    model,
    x: np.ndarray,
    *,
    y: np.ndarray | None = None,
    mean: bool = True,
    seed: int = 0,
    columns: int = 10,
    name: str | None = None,
    data: str | None = None,
) -> Figure:
    """Originals, and below each its image through the posterior's mean.

    Args:
        model: with `reconstruct`.
        x: `[N, H, W, C]`, in the model's data values.
        y: the condition of each, where the model has one.
        mean: show E[x|z]; otherwise a draw from p(x|z).
        seed: of the draws.
        columns: images in a row.
        name: of the model, for the caption.
        data: what the images are, for the caption: "mnist, test".
    """
    require_images(model, 2 * len(x))
    model.check(x)
    columns = min(columns, len(x))
    pairs = [
        rows_of(to_display(i, model), columns)
        for i in (x, reconstruct(model, x, y=y, mean=mean, seed=seed))
    ]
    images = np.stack(pairs, axis=1).reshape(-1, *pairs[0].shape[1:])
    coded = f"decoded from the mean of q(z|x), {mean_or_draw(mean)}"
    return image_grid(
        images,
        "Originals and reconstructions",
        sentence(
            name or model.name,
            data,
            "what the network makes of x as it is" if isinstance(model, Restorer) else coded,
            None if mean else f"seed {seed}",
        ),
        row_labels=["original", "reconstruction"] * len(pairs[0]),
        group=2,
    )


def several_reconstructions(
    model,
    x: np.ndarray,
    num_samples: int = 10,
    *,
    mean: bool = True,
    seed: int = 0,
    name: str | None = None,
    data: str | None = None,
) -> Figure:
    """Each image, and beside it what several draws from its posterior look like.

    Args:
        x: `[N, H, W, C]`, one row of the picture each.
        num_samples: draws from q(z|x).
        others: as for `reconstructions`.
    """
    require_images(model, len(x) * (num_samples + 1))
    model.check(x)
    draws = reconstruct(model, x, num_samples=num_samples, mean=mean, seed=seed)
    images = np.concatenate([x[:, np.newaxis], np.moveaxis(draws, 0, 1)], axis=1)
    return image_grid(
        to_display(images, model),
        "Several reconstructions of one image"
        if len(x) == 1
        else "Several reconstructions of each image",
        sentence(
            name or model.name,
            data,
            f"each from another z ~ q(z|x), {mean_or_draw(mean)}",
            f"seed {seed}",
        ),
        column_labels=["original", *(str(i + 1) for i in range(num_samples))],
    )


def interpolate(
    model, start: np.ndarray, end: np.ndarray, steps: int, *, mean: bool = True, seed: int = 0
) -> np.ndarray:
    """Images on the straight lines between the codes (means of q(z|x)) of `start` and of `end`
    `[R, *event]`: `[R, steps, *event]`."""
    if len(start) != len(end):
        raise ZooError(f"images come in pairs: {len(start)} to start from, {len(end)} to end at")
    if getattr(model, "condition", None) is not None:
        raise NotSupported(
            f"{model.name} is conditional: encode both ends with their y, and decode what lies "
            "between with another, in Python"
        )
    ends = [model.encode(x).mean().numpy() for x in (start, end)]
    if ends[0].ndim != 2:
        raise NotSupported(
            f"codes of shape {list(ends[0].shape[1:])} are no vectors: {model.name} has no line "
            "between two of them"
        )
    return codes.decode_images(model, codes.between(*ends, steps), mean, seed)


def interpolation(
    model,
    start: np.ndarray,
    end: np.ndarray,
    steps: int = 11,
    *,
    mean: bool = True,
    seed: int = 0,
    name: str | None = None,
    data: str | None = None,
) -> Figure:
    """Rows that lead from one image to another, on a straight line between their codes.

    Args:
        model: with `encode` and `decode`.
        start, end: `[R, H, W, C]`, one row of the picture each.
        steps: decoded points on the line, both ends among them; at least 2.
        others: as for `reconstructions`.
    """
    require_images(model, len(start) * (steps + 2))
    model.check(start)
    model.check(end)
    decoded = interpolate(model, start, end, steps, mean=mean, seed=seed)
    images = np.concatenate([start[:, np.newaxis], decoded, end[:, np.newaxis]], axis=1)
    shares = [f"{share:.0%}" for share in np.linspace(0, 1, steps)]
    return image_grid(
        to_display(images, model),
        "Interpolation between two images",
        sentence(
            name or model.name,
            data,
            f"straight lines between the means of q(z|x), {mean_or_draw(mean)}",
            None if mean else f"seed {seed}",
        ),
        column_labels=["original", *shares, "original"],
    )


def _taken(method, options: dict, without: dict) -> dict:
    """The options that a family's method takes; one that it does not may say only what happens
    `without` it.

    Raises:
        NotSupported: an option asks for what the family cannot do.
    """
    known = inspect.signature(method).parameters
    for key, value in options.items():
        if key not in known and not (key in without and value == without[key]):
            raise NotSupported(
                f"{method.__self__.name}: its {method.__name__} has no {key}: leave that out"
            )
    return {key: value for key, value in options.items() if key in known}
