"""Many images in one picture: their values mapped to grey or colour, tiled, labelled."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from zoo.errors import NotSupported, ZooError
from zoo.pictures import style

# A picture of more pixels is a file that viewers choke on.
_PIXELS = 2**24
# What the tiles take together, and one of them at most, in inches.
_WIDTH, _HIGHEST, _LARGEST_TILE = 6.5, 15.0, 1.1


def require_images(model, count: int = 1) -> None:
    """Refuses, before anything is computed, what cannot be drawn.

    Raises:
        NotSupported: the model's examples are not `[H, W, 1]` or `[H, W, 3]`.
        ZooError: so many of them make too large a picture.
    """
    shape = tuple(model.event_shape)
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise NotSupported(
            f"{model.name} models examples of shape {list(shape)}, which are no pictures: "
            "grey images are [H, W, 1], coloured ones [H, W, 3]"
        )
    most = _PIXELS // (shape[0] * shape[1])
    if count > most:
        raise ZooError(
            f"{count} images of {shape[0]} x {shape[1]} pixels do not fit into one picture "
            f"(at most {most}): ask for fewer, or for numbers, in a file that ends in .npz"
        )


def value_range(model) -> tuple[float, float]:
    """The data values of black and white: the likelihood's support; [0, 1] where it has no ends."""
    likelihood = getattr(model, "likelihood", None)
    if likelihood is None or not math.isfinite(likelihood.support.high):
        return 0.0, 1.0
    return float(likelihood.support.low), float(likelihood.support.high)


def to_display(x: np.ndarray, model) -> np.ndarray:
    """Data values as brightness in [0, 1], clipped. The only place where the two meet."""
    low, high = value_range(model)
    return np.clip((np.asarray(x, np.float32) - low) / (high - low), 0.0, 1.0)


def from_display(brightness: np.ndarray, model) -> np.ndarray:
    """Brightness in [0, 1] as data values of the model; rounded where these are integers."""
    low, high = value_range(model)
    x = low + np.asarray(brightness, np.float32) * (high - low)
    likelihood = getattr(model, "likelihood", None)
    return np.rint(x) if likelihood is not None and likelihood.support.integer else x


def rows_of(images: np.ndarray, columns: int) -> np.ndarray:
    """`[N, H, W, C]` -> `[rows, columns, H, W, C]`, read like text; NaN where none is left."""
    rows = -(-len(images) // columns)
    blank = np.full((rows * columns - len(images), *images.shape[1:]), np.nan, np.float32)
    return np.concatenate([images, blank]).reshape(rows, columns, *images.shape[1:])


def square(n: int) -> int:
    """Columns of a grid of n images that is about as wide as high."""
    return math.ceil(math.sqrt(n))


def tile(images: np.ndarray, gap: int, group: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images side by side on white.

    Args:
        images: brightness `[R, C, H, W, 1 or 3]`; NaN is left white.
        gap: pixels between two images.
        group: if given, there are three gaps below each group of so many rows.

    Returns:
        The picture `uint8 [h, w, 3]`, and the first pixel of each row `[R]` and column `[C]`.
    """
    rows, columns, height, width, _ = images.shape
    tops = np.arange(rows) * (height + gap)
    if group:
        tops += 2 * gap * (np.arange(rows) // group)
    lefts = np.arange(columns) * (width + gap)
    canvas = np.full((tops[-1] + height, lefts[-1] + width, 3), 255, np.uint8)
    # Row by row, so that memory stays that of the canvas.
    for row, top in zip(images, tops, strict=True):
        levels = np.rint(np.where(np.isnan(row), 1.0, row) * 255).astype(np.uint8)
        for image, left in zip(levels, lefts, strict=True):
            canvas[top : top + height, left : left + width] = image
    return canvas, tops, lefts


def image_grid(
    images: np.ndarray,
    title: str,
    caption: str,
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    group: int = 0,
    gap: int | None = None,
    axis_labels: tuple[str, str] | None = None,
) -> Figure:
    """A grid of images as a figure.

    Args:
        images: brightness `[R, C, H, W, 1 or 3]`; NaN is left white.
        title, caption: above the grid.
        row_labels, column_labels: one for each row or column, "" for none; or none at all.
        group: rows that belong together, such as originals and their reconstructions.
        gap: pixels between two images; default: a sixteenth of one.
        axis_labels: what the columns, and what the rows are.
    """
    height, width = images.shape[2:4]
    gap = max(1, width // 16) if gap is None else gap
    canvas, tops, lefts = tile(images, gap, group)
    # A whole number of screen pixels for each pixel: any other blurs or distorts.
    scale = max(
        1,
        min(
            round(_WIDTH * style.DPI / canvas.shape[1]),
            round(_HIGHEST * style.DPI / canvas.shape[0]),
            round(_LARGEST_TILE * style.DPI / max(height, width)),
        ),
    )
    x_label, y_label = axis_labels or ("", "")
    figure, axes = style.framed(
        canvas.shape[1] * scale / style.DPI,
        canvas.shape[0] * scale / style.DPI,
        title,
        caption,
        left=style.MARGIN + _room(row_labels, y_label, style.text_width(row_labels)),
        bottom=style.MARGIN + _room(column_labels, x_label, 0.14),
    )
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    inch = scale / style.DPI
    widths = [style.text_width([label]) + 0.05 for label in column_labels]
    across = _fitting(column_labels, lefts * inch, widths)
    down = _fitting(row_labels, tops * inch, [0.14] * len(row_labels))
    axes.set_xticks(lefts[: len(across)] + (width - 1) / 2, across)
    axes.set_yticks(tops[: len(down)] + (height - 1) / 2, down)
    axes.tick_params(length=0, pad=4)
    axes.spines[:].set_visible(False)
    for set_label, text in ((axes.set_xlabel, x_label), (axes.set_ylabel, y_label)):
        set_label(text, size=style.TEXT_SIZE, color=style.INK, family=style.FONT)
    return figure


def _fitting(labels: Sequence[str], places: np.ndarray, sizes: Sequence[float]) -> list[str]:
    """The labels that do not run into the one before; "" instead of the others."""
    kept, end = [], -np.inf
    for label, place, size in zip(labels, places, sizes, strict=False):
        fits = bool(label) and place - size / 2 >= end
        kept.append(label if fits else "")
        end = place + size / 2 if fits else end
    return kept


def _room(labels: Sequence[str], axis_label: str, size: float) -> float:
    """Inches beside the grid for tick labels of this size, and for the axis's own label."""
    return (size + 0.08 if labels else 0.0) + (0.22 if axis_label else 0.0)
