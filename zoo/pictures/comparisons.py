"""Several models, or several settings of one, in one picture.

Everything comes in as arrays and numbers: codes, images as brightness in [0, 1], and what was
measured of them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.errors import DataError
from zoo.pictures import style
from zoo.pictures.grids import image_grid, tile

# Panels in a row, at most.
_COLUMNS = 3
_SCATTER, _GRID = 2.7, 3.0
# Below a panel its tick labels, above it two lines of title.
_BELOW, _ABOVE, _BETWEEN = 0.3, 0.42, 0.55
# Pale where the judge is sure, so that the others are seen.
_CONFIDENCE = "OrRd_r"


class CodePanel(NamedTuple):
    """Codes of one model.

    Attributes:
        name: of the model.
        codes: `[N, 2]`.
        labels: `int [N]`.
        accuracy: of the nearest neighbours, from 0 to 1.
        silhouette: of the classes, from -1 to 1.
    """

    name: str
    codes: np.ndarray
    labels: np.ndarray
    accuracy: float
    silhouette: float


class DecodedPanel(NamedTuple):
    """A grid of codes, decoded by one model.

    Attributes:
        name: of the model.
        images: brightness `[R, C, H, W, 1 or 3]`.
        confidence: `[R, C]`, the judge's largest probability for each image.
    """

    name: str
    images: np.ndarray
    confidence: np.ndarray


class RatePoint(NamedTuple):
    """A model that was trained with one beta, and what it reached, in nats.

    Attributes:
        beta: of its objective.
        rate: mean KL(q(z|x) || p(z)).
        distortion: mean -E_q[log p(x|z)].
    """

    beta: float
    rate: float
    distortion: float


def latent_scatters(
    panels: Sequence[CodePanel], *, k: int = 10, data: str | None = None, what: str = "codes"
) -> Figure:
    """Two-dimensional codes of several models, coloured by label, each on its own scale.

    Args:
        panels: at least one.
        k: neighbours of the accuracy, for the caption.
        data: of what, for the caption: "mnist, test split".
        what: the codes are, for the caption: "means of q(z|x)".

    Raises:
        DataError: codes that are not two-dimensional, or no panel.
    """
    for panel in panels:
        if panel.codes.ndim != 2 or panel.codes.shape[1] != 2:
            raise DataError(
                f"a scatter shows codes [N, 2], {panel.name} has {list(panel.codes.shape)}"
            )
    figure, axes = _panels(
        len(panels),
        (_SCATTER, _SCATTER),
        "Latent spaces",
        style.sentence(
            data,
            f"{what}, coloured by label, each on its own scale",
            f"k-NN: accuracy of the {k} nearest codes; silhouette: of the classes",
        ),
        left=0.55,
        right=0.75,
    )
    classes = np.unique(np.concatenate([panel.labels for panel in panels]))
    few = len(classes) <= len(style.COLOURS)
    for place, panel in zip(axes, panels, strict=True):
        style.plotted(place, "", "")
        _cloud(place, panel, classes, few)
        _named(
            place,
            panel.name,
            f"k-NN {panel.accuracy:.1%}   silhouette {panel.silhouette:+.2f}",
        )
    corner = axes[_columns(len(axes)) - 1]
    if few:
        for colour, label in zip(style.COLOURS, classes, strict=False):
            corner.scatter([], [], color=colour, label=str(label), s=30)
        style.legend(corner, title="label")
    else:
        _bar(figure, corner, "label", style.COLOUR_MAP, (classes[0], classes[-1]))
    return figure


def decoded_grids(
    panels: Sequence[DecodedPanel], *, judge: str | None = None, how: str | None = None
) -> Figure:
    """The same grid of codes decoded by several models, each image framed by its confidence.

    Args:
        panels: at least one, all of one shape.
        judge: the classifier, for the caption.
        how: the codes were laid out, for the caption: "quantiles of the prior".

    Raises:
        DataError: grids of different shapes, or no panel.
    """
    shapes = {panel.images.shape for panel in panels}
    if len(shapes) > 1:
        found = ", ".join(str(list(shape)) for shape in sorted(shapes))
        raise DataError(f"grids beside each other have one shape, not {found}")
    canvases = [_framed_by_confidence(panel) for panel in panels]
    height, width = canvases[0].shape[:2] if canvases else (1, 1)
    # A whole number of screen pixels for each pixel, as in `image_grid`.
    inch = max(1, round(_GRID * style.DPI / width)) / style.DPI
    figure, axes = _panels(
        len(panels),
        (width * inch, height * inch),
        "Decoded codes",
        style.sentence(
            how,
            f"frames: how sure {judge or 'a classifier'} is of its most likely class",
        ),
        left=style.MARGIN,
        right=0.75,
    )
    for place, panel, canvas in zip(axes, panels, canvases, strict=True):
        place.imshow(canvas, interpolation="nearest", aspect="auto")
        place.set_axis_off()
        _named(place, panel.name, f"mean confidence {panel.confidence.mean():.3f}")
    _bar(figure, axes[_columns(len(axes)) - 1], "confidence", _CONFIDENCE, (0, 1))
    return figure


def rate_distortion(
    points: Sequence[RatePoint], *, name: str | None = None, data: str | None = None
) -> Figure:
    """Distortion against rate over beta, and the line of all pairs with the best bound.

    The ELBO is -(rate + distortion), so bounds are equal along falling diagonals. As in Alemi et
    al. 2018, arXiv 1711.00464, figure 1.

    Args:
        points: at least one, in any order.
        name: of the models, for the caption.
        data: of what, for the caption.

    Raises:
        DataError: no point.
    """
    if not points:
        raise DataError("there is no point to draw a curve through")
    points = sorted(points)
    rates, distortions = (np.array([p[i] for p in points]) for i in (1, 2))
    best = points[int(np.argmin(rates + distortions))]
    bound = best.rate + best.distortion
    figure, axes = style.framed(
        5.2,
        3.9,
        "Rate and distortion",
        style.sentence(
            name,
            data,
            "one model for each beta",
            f"dashed: {_joined(f'rate + distortion = {bound:.1f} nats')}, the best bound, of "
            f"{_joined(f'beta = {best.beta:g}')}",
        ),
        left=0.75,
        bottom=0.55,
        right=0.3,
    )
    axes.plot(rates, distortions, "o-", color=style.COLOURS[0], linewidth=1.6, markersize=5)
    for point in points:
        axes.annotate(
            f"beta = {point.beta:g}",
            (point.rate, point.distortion),
            xytext=(6, 5),
            textcoords="offset points",
            size=style.TEXT_SIZE,
            color=style.INK,
            family=style.FONT,
        )
    style.plotted(axes, "rate: KL(q(z|x) || p(z)) in nats", "distortion: -E[log p(x|z)] in nats")
    # Room for the labels; then the line, which must not move the view.
    axes.set_xlim(*_widened(rates, 0.06, 0.22))
    axes.set_ylim(*_widened(distortions, 0.08, 0.12))
    ends = np.array(axes.get_xlim())
    axes.plot(ends, bound - ends, "--", color=style.FAINT, linewidth=1.2, zorder=0)
    return figure


def restorations(
    clean: np.ndarray,
    noisy: Mapping[float, np.ndarray],
    restored: Mapping[str, Mapping[float, np.ndarray]],
    *,
    scores: Mapping[str, Mapping[float, float]] | None = None,
    scored: str = "these images",
    data: str | None = None,
    noise: str = "noise",
) -> Figure:
    """For each level of noise: images, the same made noisy, and what each method restores.

    Args:
        clean: brightness `[N, H, W, 1 or 3]`, one column of the picture each.
        noisy: by level, of the same shape; shown within [0, 1].
        restored: by method and level.
        scores: mean PSNR in dB by method and level, "noisy" among them.
        scored: what the scores are means over, for the caption.
        data: of what, for the caption.
        noise: what the level is of, for the row labels: "sigma".

    Raises:
        DataError: a method without one of the levels, or no level.
    """
    if not noisy:
        raise DataError("there is no level of noise to show")
    rows, labels = [], []
    for level, images in noisy.items():
        rows += [clean, images]
        labels += ["clean", f"{noise} {level:g}{_score(scores, 'noisy', level)}"]
        for method, by_level in restored.items():
            if level not in by_level:
                raise DataError(f"{method} has no images for level {level:g}")
            rows.append(by_level[level])
            labels.append(f"{method}{_score(scores, method, level)}")
    return image_grid(
        np.clip(np.stack(rows), 0.0, 1.0),
        "Restorations",
        style.sentence(
            data,
            "each column is one image: clean, noisy, and as each method restores it",
            f"PSNR in dB: mean over {scored}" if scores else None,
        ),
        row_labels=labels,
        group=2 + len(restored),
    )


def _joined(text: str) -> str:
    """Words that a caption does not break."""
    return text.replace(" ", "\u00a0")


def _score(scores: Mapping[str, Mapping[float, float]] | None, name: str, level: float) -> str:
    known = (scores or {}).get(name, {})
    return f"  {known[level]:.1f} dB" if level in known else ""


def _cloud(axes: Axes, panel: CodePanel, classes: np.ndarray, few: bool) -> None:
    # In mixed order, so that no class lies on top of all others.
    order = np.random.RandomState(0).permutation(len(panel.codes))
    labels = panel.labels[order]
    look = {"s": 4, "alpha": 0.6, "linewidths": 0}
    if few:
        look["color"] = np.array(style.COLOURS)[np.searchsorted(classes, labels)]
    else:
        limits = {"vmin": classes[0], "vmax": classes[-1]}
        look |= {"c": labels, "cmap": style.COLOUR_MAP, **limits}
    axes.scatter(*panel.codes[order].T, **look)
    axes.set_aspect("equal", adjustable="datalim")
    axes.tick_params(labelsize=style.TEXT_SIZE - 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))


def _framed_by_confidence(panel: DecodedPanel) -> np.ndarray:
    """The grid `uint8 [h, w, 3]`, each image with a frame in the colour of its confidence."""
    rows, columns, height, width, _ = panel.images.shape
    frame = max(1, round(width / 10))
    colours = matplotlib.colormaps[_CONFIDENCE](panel.confidence)[..., :3]
    shape = (rows, columns, height + 2 * frame, width + 2 * frame, 3)
    cells = np.broadcast_to(colours[:, :, None, None], shape).copy()
    cells[:, :, frame:-frame, frame:-frame] = np.clip(panel.images, 0.0, 1.0)
    return tile(cells, gap=1)[0]


def _panels(
    count: int,
    size: tuple[float, float],
    title: str,
    caption: str,
    left: float,
    right: float,
) -> tuple[Figure, list[Axes]]:
    """A framed figure with so many panels of one size in inches, read like text."""
    width, height = size
    columns = _columns(count)
    rows = math.ceil(count / columns)
    step = height + _ABOVE + _BELOW
    whole_width = columns * width + (columns - 1) * _BETWEEN
    figure, whole = style.framed(
        whole_width, rows * step - _BELOW, title, caption, left=left, bottom=_BELOW, right=right
    )
    box = whole.get_position()
    whole.remove()
    x, y = box.width / whole_width, box.height / (rows * step - _BELOW)
    places = [divmod(index, columns) for index in range(count)]
    return figure, [
        figure.add_axes(
            (
                box.x0 + column * (width + _BETWEEN) * x,
                box.y0 + (rows - 1 - row) * step * y,
                width * x,
                height * y,
            )
        )
        for row, column in places
    ]


def _columns(count: int) -> int:
    """Panels in a row, all rows being about full."""
    if not count:
        raise DataError("there is no panel to draw")
    return math.ceil(count / math.ceil(count / _COLUMNS))


def _named(axes: Axes, name: str, measured: str) -> None:
    """Two lines above a panel: whose it is, and what was measured."""
    for text, height, colour in ((name, 17, style.INK), (measured, 4, style.FAINT)):
        axes.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, height),
            textcoords="offset points",
            size=style.TEXT_SIZE,
            color=colour,
            family=style.FONT,
        )


def _bar(figure: Figure, axes: Axes, label: str, colours: str, limits: tuple[float, float]) -> None:
    """A colour bar right of these axes, as high as they are."""
    box = axes.get_position()
    inch = 1 / figure.get_size_inches()[0]
    place = figure.add_axes((box.x1 + 0.1 * inch, box.y0, 0.12 * inch, box.height))
    scale = ScalarMappable(Normalize(*limits), colours)
    figure.colorbar(scale, cax=place)
    place.set_ylabel(label, size=style.TEXT_SIZE, color=style.INK, family=style.FONT)
    place.tick_params(labelsize=style.TEXT_SIZE - 1)


def _widened(values: np.ndarray, below: float, above: float) -> tuple[float, float]:
    """The range of the values, with shares of it added at both ends; of one value, its size."""
    span = np.ptp(values) or np.abs(values).max() or 1.0
    return float(values.min() - below * span), float(values.max() + above * span)
