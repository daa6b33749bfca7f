"""Characters of Shakespeare: what the context buys, and what free-running models lose."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import zoo.data
from zoo.evaluation import evaluate
from zoo.evaluation.results import standard_error
from zoo.lessons.page import Lesson, Page
from zoo.lessons.training import trained
from zoo.measuring import splits
from zoo.models.ngram import SMOOTHINGS, NGram
from zoo.pictures import style

DATA, ENTRY = "shakespeare", "gru.shakespeare"
ORDERS = (1, 2, 3, 4, 5, 6)
TESTS = {"test": "last 5 %", "last_tenth": "last 10 %"}
# The networks, their training, and the share of own draws that scheduled sampling goes up to.
UNITS, EPOCHS, RATE, SHARE = 128, 10, 4e-3, 0.5
# Free-running samples: how many, how long, and how many positions are taken together.
SAMPLES, LENGTH, PLACES = 256, 256, 32
TEMPERATURES = (0.5, 0.8, 1.0)
_TEXTS, _TEXT_LENGTH = 2, 160
# A text's standard errors are those of pieces, whose characters depend on each other.
_PIECE = 128
# What is less than so many standard errors apart is not told apart.
_ERRORS = 2.0
_NAMES = {"kneser_ney": "Kneser-Ney", "absolute": "absolute discounting"}
_REAL, FORCED, SCHEDULED = "test text", "teacher forcing", "scheduled sampling"


class Bits(NamedTuple):
    """A mean of bits per character, and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        return f"{self.value:.3f} +- {self.error:.3f}"

    def minus(self, other: "Bits") -> "Bits":
        """The difference to what was measured on other pieces."""
        return Bits(self.value - other.value, float(np.hypot(self.error, other.error)))


def make() -> Page:
    page = Page("Characters, one after the other")
    judge = _context(page)
    models = {FORCED: _network(0.0), SCHEDULED: _network(SHARE)}
    _forcing(page, models, judge)
    _texts(page, models[FORCED])
    return page


# What the context buys.


def _context(page: Page) -> NGram:
    """Says what n-grams reach; returns the longest of Kneser and Ney."""
    train = _stream("train")
    tests = {test: _stream("test", test) for test in TESTS}
    levels = len(zoo.data.vocabulary(DATA))
    found: dict[tuple[int, str, str], Bits] = {}
    for order in ORDERS:
        for smoothing in SMOOTHINGS:
            model = NGram(order, levels, smoothing).fit_stream(train)
            for test, numbers in tests.items():
                found[order, smoothing, test] = text_bits(model.log_probs_stream(numbers))
            if smoothing == "kneser_ney":
                judge = model
    columns = [(smoothing, test) for test in TESTS for smoothing in SMOOTHINGS]
    page.say(
        f"n-grams count in the first 90 % of the text ({len(train)} characters) how often a "
        "character follows the n - 1 before it. Both smoothings take a discount from each count "
        "and hand it to the shorter context; Kneser and Ney count there in how many contexts a "
        "character was seen, instead of how often. Bits per character of text that was not "
        f"counted; the standard errors are those of pieces of {_PIECE} characters."
    )
    page.tabulate(
        ("n", *(f"{_NAMES[smoothing]}, {TESTS[test]}" for smoothing, test in columns)),
        [(str(n), *(str(found[n, *column]) for column in columns)) for n in ORDERS],
    )
    curves = {
        f"{_NAMES[smoothing]}, {TESTS[test]}": [found[n, smoothing, test] for n in ORDERS]
        for smoothing, test in columns
    }
    figure = _curves(
        ORDERS,
        curves,
        [(SMOOTHINGS.index(smoothing), test != "test") for smoothing, test in columns],
        "What the context buys",
        "n, the characters of a gram",
        "bits per character",
    )
    page.show("language-context", figure, "Bits per character over the order of the n-gram")
    for test, where in TESTS.items():
        page.say(_best_order(found, test, where))
    return judge


def _best_order(found: Mapping[tuple[int, str, str], Bits], test: str, where: str) -> str:
    said = []
    for smoothing in SMOOTHINGS:
        best = min(ORDERS, key=lambda n: found[n, smoothing, test].value)
        said.append(f"{_NAMES[smoothing]} has the fewest bits at n = {best}")
    n = ORDERS[-1]
    gain = found[n, "absolute", test].value - found[n, "kneser_ney", test].value
    side = "fewer" if gain > 0 else "more"
    return (
        f"On the {where}, {' and '.join(said)}; at n = {n} Kneser-Ney has {abs(gain):.3f} bits "
        f"{side} than absolute discounting."
    )


def _stream(split: str, test: str = "test") -> np.ndarray:
    return zoo.data.stream(DATA, split, length=1, valid=0, test=test)


def text_bits(log_probs: np.ndarray) -> Bits:
    """Of log p of each character of a text `[N]`, in nats."""
    bits = -log_probs / np.log(2)
    whole = len(bits) // _PIECE * _PIECE
    return Bits(float(bits.mean()), standard_error(bits[:whole].reshape(-1, _PIECE).mean(axis=1)))


# Free-running networks.


def _network(share: float):
    """A GRU; `share`: of its own draws that it is shown at the end of its training."""
    overrides = {
        "data.valid": 0,
        "model.network.units": UNITS,
        "training.keep": "last",
        "training.epochs": EPOCHS,
        "training.learning_rate.initial": RATE,
    }
    if share:
        length, batch = 128, 32
        steps = max(1, EPOCHS * (len(_stream("train")) // length // batch))
        overrides |= {
            "model.own_draws": {"type": "Ramp", "start": 0.0, "end": share, "steps": steps}
        }
    return trained(ENTRY, overrides)


def _forcing(page: Page, models: Mapping[str, object], judge: NGram) -> None:
    exact = {name: _exact(model) for name, model in models.items()}
    test = _stream("test")
    pieces = {_REAL: test[: len(test) // LENGTH * LENGTH].reshape(-1, LENGTH)}
    for name, model in models.items():
        drawn = model.at_length(LENGTH).sample(SAMPLES, seed=0).numpy()
        pieces[name] = drawn.astype(np.int64)
    found = {name: bits_by_place(judge, some, PLACES) for name, some in pieces.items()}
    page.say(
        f"In training, a network sees the true characters before each one (teacher forcing); when "
        "it draws, it sees its own. Scheduled sampling shows it a share of its own draws in "
        f"training: here from 0 up to {SHARE:g}, in a straight line over the whole training; what "
        "is asked for stays the true next character, even behind a wrong one, so that its best "
        "answer is not the data's distribution (Huszar 2015, arXiv 1511.05101). Two "
        f"GRUs of {UNITS} units, {EPOCHS} epochs each, otherwise trained alike (both far smaller "
        f"than `{ENTRY}`). On the test text, "
        "given its true characters, they take "
        + " and ".join(f"{bits} bits per character ({name})" for name, bits in exact.items())
        + "."
    )
    page.say(
        f"Then each draws {SAMPLES} texts of {LENGTH} characters at temperature 1, and the "
        f"Kneser-Ney {judge.order}-gram above says how many bits each character takes, by its "
        f"position; so it does for {len(pieces[_REAL])} pieces of the test text, each by itself."
    )
    starts = range(0, LENGTH, PLACES)
    page.tabulate(
        ("positions", *found),
        [
            (f"{start} to {start + PLACES - 1}", *(str(bits[i]) for bits in found.values()))
            for i, start in enumerate(starts)
        ],
    )
    figure = _curves(
        [start + PLACES / 2 for start in starts],
        found,
        [(i, False) for i in range(len(found))],
        "Free-running samples, judged by position",
        "position in the text",
        f"bits per character by the {judge.order}-gram",
    )
    page.show("language-positions", figure, "Bits per character over the position in a text")
    _findings(page, found)


def _exact(model) -> Bits:
    """On the test text, as the entry is measured."""
    section = model.config["evaluation"]
    options = {key: section[key] for key in ("context", "element")}
    result = evaluate(model, splits(model.config).test, **options)["exact"]
    return Bits(result.bits_per_dim, result.standard_error / result.dimensions / np.log(2))


def bits_by_place(judge: NGram, pieces: np.ndarray, places: int) -> list[Bits]:
    """Bits per character that the judge gives to pieces `[N, T]`, each by itself, for so many
    positions together."""
    log_probs = np.stack([judge.log_probs_stream(piece) for piece in pieces])
    parts = -log_probs.reshape(len(pieces), -1, places).mean(axis=2).T / np.log(2)
    return [Bits(float(part.mean()), standard_error(part)) for part in parts]


def _findings(page: Page, found: Mapping[str, Sequence[Bits]]) -> None:
    real = found[_REAL]
    for name in (FORCED, SCHEDULED):
        first, last = (found[name][i].minus(real[i]) for i in (0, -1))
        drift = last.minus(first)
        says = "away from it" if abs(last.value) > abs(first.value) else "towards it"
        page.say(
            f"{name.capitalize()}: the samples take {first.value:+.3f} +- {first.error:.3f} bits "
            f"against the test text at the first positions, and {last.value:+.3f} +- "
            f"{last.error:.3f} at the last. The change, {drift.value:+.3f} +- {drift.error:.3f}, "
            + (f"leads {says}." if _told(drift) else "is too small to be told.")
        )
    gap = found[SCHEDULED][-1].minus(found[FORCED][-1])
    says = "more than" if gap.value > 0 else "fewer than"
    page.say(
        f"At the last positions, the samples after scheduled sampling take {abs(gap.value):.3f} +- "
        f"{gap.error:.3f} bits {says} those after teacher forcing"
        + ("" if _told(gap) else ", which is too little to be told")
        + ". Few bits are not all: text that is duller than the real one takes fewer too."
    )


def _told(difference: Bits) -> bool:
    return abs(difference.value) > _ERRORS * difference.error


def _texts(page: Page, model) -> None:
    vocabulary = zoo.data.vocabulary(DATA)
    longer = model.at_length(_TEXT_LENGTH)
    page.say("What the network draws after teacher forcing, at three temperatures, seed 0:")
    for temperature in TEMPERATURES:
        drawn = longer.sample(_TEXTS, seed=0, temperature=temperature).numpy()
        texts = "\n...\n".join(vocabulary.decode(x).strip() for x in drawn)
        page.say(f"Temperature {temperature:g}:\n\n```text\n{texts}\n```")


def _curves(
    places: Sequence[float],
    curves: Mapping[str, Sequence[Bits]],
    looks: Sequence[tuple[int, bool]],
    title: str,
    x_label: str,
    y_label: str,
) -> Figure:
    """Bits over places; a look is the number of a colour, and whether the line is dashed."""
    room = style.text_width(list(curves)) + 0.5
    figure, axes = style.framed(
        5.0,
        3.2,
        title,
        "bars: a standard error to either side",
        left=0.7,
        bottom=0.55,
        right=room,
    )
    for (name, bits), (colour, dashed) in zip(curves.items(), looks, strict=True):
        values, errors = zip(*bits, strict=True)
        look = {"color": style.COLOURS[colour], "label": name, "markersize": 4}
        axes.errorbar(places, values, errors, fmt="o--" if dashed else "o-", **look)
    style.plotted(axes, x_label, y_label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style.legend(axes)
    return figure


LESSON = Lesson("n-grams by their order, and free-running networks by position", make)
