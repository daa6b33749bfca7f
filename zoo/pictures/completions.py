"""Several completions of one image, beside what was known of it."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from zoo.errors import NotSupported, ZooError
from zoo.networks.causal import CausalNetwork
from zoo.pictures import codes
from zoo.pictures.grids import image_grid, require_images, to_display
from zoo.pictures.images import requested
from zoo.pictures.style import sentence

# What is not known is shown in this brightness.
_UNKNOWN = 0.5


def kept(model, share: float) -> np.ndarray:
    """A mask `[*event]` of the rows of an image that the model draws first, `share` of them: the
    upper ones where it draws all at once.

    Raises:
        NotSupported: no model of images, or none that completes.
    """
    if not model.can("complete"):
        raise NotSupported(f"{type(model).__name__} does not complete what was cut off")
    require_images(model)
    height, width, channels = model.event_shape
    network = model.network
    if not isinstance(network, CausalNetwork):
        upper = np.arange(height) < max(1, round(share * height))
        return np.broadcast_to(upper[:, np.newaxis, np.newaxis], model.event_shape)
    places = network.order[: max(1, round(share * height)) * width * channels // network.step_size]
    known = np.zeros(height * width * channels // network.step_size, bool)
    known[places] = True
    mask = np.repeat(known, network.step_size).reshape(model.event_shape)
    return mask


def complete(
    model,
    x: np.ndarray,
    known: np.ndarray,
    n: int,
    y: np.ndarray | None = None,
    seed: int = 0,
    **how: Any,
) -> np.ndarray:
    """n completions of each image `[R, *event]`: `[R, n, *event]`, in bounded memory; `how` are
    the family's own arguments of `model.complete`."""
    repeated = np.repeat(x, n, axis=0)
    labels = None if y is None else np.repeat(y, n, axis=0)

    def some(start: int, count: int, key):
        given = None if labels is None else labels[start : start + count]
        return model.complete(repeated[start : start + count], known, given, seed=key, **how)

    found = np.concatenate(list(codes.in_chunks(some, len(repeated), seed)))
    return found.reshape(len(x), n, *x.shape[1:])


def completions(
    model,
    x: np.ndarray,
    share: float = 0.5,
    n: int = 5,
    *,
    y: np.ndarray | None = None,
    seed: int = 0,
    name: str | None = None,
    data: str | None = None,
    **how: Any,
) -> Figure:
    """Each image, what is kept of it, and n ways in which the model goes on.

    Args:
        model: with `complete`.
        x: `[R, H, W, C]`, one row of the picture each, in the model's data values.
        share: of the rows, kept: those that the model draws first.
        n: completions of each.
        y: the condition of each, where the model has one.
        seed: of the draws.
        name: of the model, for the caption.
        data: what the images are, for the caption.
        **how: of the family's `complete`, such as `sampler` and `guidance`, or `temperature`.

    Raises:
        NotSupported: no model of images, or none that completes.
        ZooError: too many images for one picture, or a share that leaves nothing.
    """
    require_images(model, len(x) * (n + 2))
    if not 0 < share < 1:
        raise ZooError(f"a share is a number between 0 and 1, not {share}")
    model.check(x)
    known = kept(model, share)
    drawn = to_display(complete(model, x, known, n, y, seed, **how), model)
    # A random order begins with pixels anywhere.
    rows = "rows" if (known == known[:, :1]).all() else "pixels"
    original = to_display(x, model)[:, np.newaxis]
    cut = np.where(known, original, _UNKNOWN)
    return image_grid(
        np.concatenate([original, cut, drawn], axis=1),
        "Completions",
        sentence(
            name or model.name,
            data,
            f"{share:.0%} of the {rows} are given, the rest is drawn to go with them",
            *requested(how),
            f"seed {seed}",
        ),
        column_labels=["original", "given", *(str(i + 1) for i in range(n))],
    )
