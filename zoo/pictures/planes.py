"""Points in the plane, coloured by where they came from, over a field."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from zoo.pictures import style
from zoo.pictures.panels import panels

# Hues that go round, for angles.
_WHEEL = "hsv"
_SHADES = "Greys"


@dataclasses.dataclass(frozen=True)
class Plane:
    """One panel.

    Attributes:
        title: above it.
        points: `[N, 2]`.
        angles: `[N]`, radians from -pi to pi, shown as colours.
        field: `[H, W]` in [0, 1] over the whole panel, the first row lowest, light to dark.
    """

    title: str
    points: np.ndarray
    angles: np.ndarray
    field: np.ndarray | None = None


def angle(points: np.ndarray) -> np.ndarray:
    """Of points `[N, 2]` about the origin, in radians."""
    return np.arctan2(points[:, 1], points[:, 0])


def lattice(reach: float, count: int) -> np.ndarray:
    """Places `[count^2, 2]` of a field over a panel from -reach to reach, row by row."""
    line = np.linspace(-reach, reach, count)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2).astype(np.float32)


def plane_of_points(points: np.ndarray, title: str, caption: str) -> Figure:
    """Points `[N, 2]` where they lie."""
    figure, axes = style.framed(4.5, 4.5, title, caption, left=0.6, bottom=0.5)
    axes.scatter(*points.T, s=6, lw=0, color=style.COLOURS[0])
    style.plotted(axes, "x1", "x2")
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def planes(
    rows: Sequence[Sequence[Plane]], title: str, caption: str, reach: float, labels: Sequence[str]
) -> Figure:
    """Panels in rows of equal length.

    Args:
        rows: of panels.
        title: what the picture is.
        caption: of what, and how it was made.
        reach: panels show -reach to reach.
        labels: of the rows.
    """
    figure, axes = panels(len(rows), len(rows[0]), 1.75, 1.75, title, caption, gap=0.3)
    for row, label, places in zip(rows, labels, axes, strict=True):
        for plane, place in zip(row, places, strict=True):
            if plane.field is not None:
                place.imshow(
                    plane.field,
                    origin="lower",
                    extent=(-reach, reach, -reach, reach),
                    cmap=_SHADES,
                    vmin=0,
                    vmax=1,
                    alpha=0.8,
                )
            place.scatter(
                *plane.points.T, c=plane.angles, cmap=_WHEEL, vmin=-np.pi, vmax=np.pi, s=3, lw=0
            )
            place.set_xlim(-reach, reach)
            place.set_ylim(-reach, reach)
            place.set_xticks([])
            place.set_yticks([])
            place.set_title(plane.title, size=style.TEXT_SIZE, color=style.INK, family=style.FONT)
        places[0].set_ylabel(label, size=style.TEXT_SIZE, color=style.INK, family=style.FONT)
    return figure
