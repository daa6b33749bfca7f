"""How pictures look: one place for sizes, colours, captions and grids.

Figures are made by the object interface of matplotlib, never by pyplot, so that making one leaves
no state behind.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from zoo.data import Description

DPI = 150
FONT = "DejaVu Sans"
TITLE_SIZE, TEXT_SIZE, CAPTION_SIZE = 12, 9, 8.5
INK, FAINT, GRID = "#222222", "#666666", "#dddddd"

# Petroff 2021, arXiv 2107.02270: ten colours that also people with dichromacy tell apart.
COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
# For more classes than colours, and for quantities.
COLOUR_MAP = "viridis"

MARGIN = 0.15
_NARROWEST = 4.5
_LINE = {TITLE_SIZE: 0.23, CAPTION_SIZE: 0.165}


def framed(
    width: float,
    height: float,
    title: str,
    caption: str,
    left: float = MARGIN,
    bottom: float = MARGIN,
    right: float = MARGIN,
) -> tuple[Figure, Axes]:
    """A figure with one pair of axes of exactly this size, below a title and a caption.

    Args:
        width, height: of the axes, in inches.
        title: what the picture is.
        caption: of what, and how it was made.
        left, bottom, right: room around the axes for their labels, in inches.
    """
    full_width = max(width + left + right, _NARROWEST)
    titles = _wrapped(title, full_width, TITLE_SIZE)
    captions = _wrapped(caption, full_width, CAPTION_SIZE)
    heading = len(titles) * _LINE[TITLE_SIZE] + len(captions) * _LINE[CAPTION_SIZE]
    full_height = MARGIN + heading + 0.12 + height + bottom
    figure = Figure(figsize=(full_width, full_height), dpi=DPI, facecolor="white")
    top = full_height - MARGIN
    for lines, size, colour in ((titles, TITLE_SIZE, INK), (captions, CAPTION_SIZE, FAINT)):
        figure.text(
            MARGIN / full_width,
            top / full_height,
            "\n".join(lines),
            size=size,
            color=colour,
            family=FONT,
            va="top",
            linespacing=_LINE[size] * 72 / size / 1.2,
        )
        top -= len(lines) * _LINE[size]
    axes = figure.add_axes(
        (left / full_width, bottom / full_height, width / full_width, height / full_height)
    )
    axes.tick_params(labelsize=TEXT_SIZE, labelcolor=INK, color=FAINT, labelfontfamily=FONT)
    return figure, axes


def plotted(axes: Axes, x_label: str, y_label: str) -> None:
    """The look of axes that hold curves or points."""
    axes.set_xlabel(x_label, size=TEXT_SIZE, color=INK, family=FONT)
    axes.set_ylabel(y_label, size=TEXT_SIZE, color=INK, family=FONT)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)


def legend(axes: Axes, **options) -> None:
    """A legend right of the axes, where it covers nothing; the caller leaves room there."""
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        frameon=False,
        borderaxespad=0.0,
        prop={"family": FONT, "size": TEXT_SIZE},
        **options,
    )


def sentence(*parts: str | None) -> str:
    """A caption of what is known: the parts that are not None, between semicolons."""
    return "; ".join(part for part in parts if part)


def origin(known: Description) -> str:
    """Where images come from, in a caption."""
    return known.name if known.split == "array" else f"{known.name}, {known.split} split"


def text_width(texts: Sequence[str], size: float = TEXT_SIZE) -> float:
    """Inches that the longest of the texts takes."""
    font = FontProperties(family=FONT, size=size)
    widths = [text_to_path.get_text_width_height_descent(t, font, ismath=False)[0] for t in texts]
    return max(widths, default=0.0) / 72


def _wrapped(text: str, width: float, size: float) -> list[str]:
    """Lines that fit into a figure of this width; a no-break space holds words together."""
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width([longer], size) <= width - 2 * MARGIN:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
