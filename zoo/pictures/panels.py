"""Several equal panels in one picture."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.pictures import style


def panels(
    rows: int,
    columns: int,
    width: float,
    height: float,
    title: str,
    caption: str,
    gap: float = 0.8,
    right: float = style.MARGIN,
) -> tuple[Figure, list[list[Axes]]]:
    """A framed figure with equal panels, in rows.

    Args:
        rows, columns: how many.
        width, height: of each, in inches, as are `gap`, between them, and `right`, beside them.
        title, caption: as for `style.framed`.
    """
    whole_width = columns * width + (columns - 1) * gap
    whole_height = rows * height + (rows - 1) * gap
    # Above each panel there is room for its title.
    figure, whole = style.framed(
        whole_width, whole_height + 0.25, title, caption, left=0.75, bottom=0.55, right=right
    )
    box = whole.get_position()
    whole.remove()
    x, y = box.width / whole_width, box.height / (whole_height + 0.25)
    made = [
        [
            figure.add_axes(
                (
                    box.x0 + column * (width + gap) * x,
                    box.y0 + (rows - 1 - row) * (height + gap) * y,
                    width * x,
                    height * y,
                )
            )
            for column in range(columns)
        ]
        for row in range(rows)
    ]
    return figure, made


def labelled(axes: Axes, x_label: str, y_label: str, title: str = "") -> None:
    """The look of a panel with curves or points."""
    style.plotted(axes, x_label, y_label)
    axes.set_title(title, size=style.TEXT_SIZE + 1, color=style.INK, family=style.FONT, loc="left")
    axes.tick_params(labelsize=style.TEXT_SIZE, labelcolor=style.INK, color=style.FAINT)


def small_legend(axes: Axes, **options) -> None:
    """A legend within the axes."""
    font = {"family": style.FONT, "size": style.TEXT_SIZE - 1}
    axes.legend(frameon=True, framealpha=0.85, edgecolor="none", prop=font, **options)
