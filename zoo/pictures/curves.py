"""Training curves: what a run's log says, epoch by epoch."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.errors import DataError
from zoo.pictures import style

# In nats; they come first.
TERMS = ("elbo", "kl", "log_likelihood")
_HELD_OUT = "val_"
# Columns of a log that are no quantity of the model.
_OTHER = ("epoch", "seconds", "examples_per_second", "learning_rate", "loss", "val_loss")
_HEIGHT, _SPACE = 1.7, 0.16


def training_curves(rows: Sequence[Mapping[str, str]], *, name: str | None = None) -> Figure:
    """Each term of the log over the epochs, training against validation.

    Args:
        rows: of a run's `log.csv`, as `csv.DictReader` gives them.
        name: of the run, for the caption.

    Raises:
        DataError: there are no rows, or they hold no term, or no numbers.
    """
    table = _table(rows)
    names = [t for t in (*TERMS, *table) if t in table and not t.startswith(_HELD_OUT)]
    terms = [t for t in dict.fromkeys(names) if t not in _OTHER]
    if not terms:
        raise DataError(f"the log has no term to draw; its columns: {', '.join(table)}")
    height = len(terms) * _HEIGHT + (len(terms) - 1) * _SPACE
    held_out = any(f"{_HELD_OUT}{t}" in table for t in terms)
    figure, whole = style.framed(
        5.5,
        height,
        "Training curves",
        style.sentence(
            name,
            f"{len(rows)} epochs",
            "mean over an epoch of training"
            + (", and after it over the validation set" if held_out else ""),
        ),
        left=0.95,
        bottom=0.55,
        right=1.25,
    )
    box = whole.get_position()
    whole.remove()
    first = None
    for index, term in enumerate(terms):
        part = box.height * _HEIGHT / height
        bottom = box.y1 - part - index * box.height * (_HEIGHT + _SPACE) / height
        axes = figure.add_axes((box.x0, bottom, box.width, part), sharex=first)
        first = first or axes
        _curve(axes, table, term)
        last = index == len(terms) - 1
        style.plotted(axes, "epoch" if last else "", _label(term))
        axes.tick_params(labelsize=style.TEXT_SIZE, labelbottom=last, color=style.FAINT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        if index == 0:
            style.legend(axes)
    return figure


def _label(term: str) -> str:
    return term.replace("_", " ") + (" (nats)" if term in TERMS else "")


def _curve(axes, table: Mapping[str, np.ndarray], term: str) -> None:
    epochs = table["epoch"]
    look = {"linewidth": 1.6, "marker": "o" if len(epochs) < 3 else None, "markersize": 4}
    axes.plot(epochs, table[term], color=style.COLOURS[0], label="training", **look)
    if f"{_HELD_OUT}{term}" in table:
        held_out = table[f"{_HELD_OUT}{term}"]
        axes.plot(epochs, held_out, "--", color=style.COLOURS[2], label="validation", **look)


def _table(rows: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    if not rows:
        raise DataError("the log has no rows: there is nothing to draw")
    try:
        table = {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(f"the log is damaged: {error}") from error
    if "epoch" not in table:
        raise DataError(f"the log has no column epoch; its columns: {', '.join(table)}")
    return table
