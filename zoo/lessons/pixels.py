"""How to model a pixel: the same causal network, with other distributions over what it draws."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

import zoo.data
from zoo.evaluation.results import EXACT, LikelihoodResult, examples, protocol, standard_error
from zoo.lessons.page import Lesson, Page
from zoo.lessons.training import trained
from zoo.pictures import style
from zoo.pictures.grids import image_grid, to_display

NAME = "gated_pixelcnn.mnist"
NETWORK = {"filters": 16, "layers": 3, "units": 32, "dilations": [1]}
# Of every training; a virtual epoch is a tenth of it.
BATCH, RATE, _EPOCHS = 16, 2e-3, 10
# The fixed deviation, and where the fitted ones start, in units of the whole range of a pixel.
DEVIATION = 0.1
COMPONENTS = 5
# The picture of one pixel: among so many test images. That of samples: so many of each.
_SEARCHED, _SAMPLES = 20, 10
# What is less than so many standard errors apart is not told apart.
_ERRORS = 2.0
_PANEL = (2.9, 0.85)
_SHOWN = (1e-5, 2.0)
# From so many levels on, bars touch.
_MANY = 50


class Budget(NamedTuple):
    """What a data set's models are trained with and measured on.

    Attributes:
        steps: of training.
        test: how many of the first test images.
    """

    steps: int
    test: int


SETS = {"digits": Budget(2000, 300), "mnist": Budget(1200, 2000)}


class _Trial(NamedTuple):
    """A trained model and what was found of it on the test levels."""

    model: Any
    levels: int
    result: LikelihoodResult
    density: float | None

    @property
    def is_density(self) -> bool:
        return self.density is not None


def make() -> Page:
    found = {name: _trials(name, budget) for name, budget in SETS.items()}
    page = Page("How to model a pixel")
    _introduce(page)
    _table(page, found)
    _findings(page, found)
    _predictive(page, found)
    _samples(page, found)
    return page


def likelihoods(shape: tuple[int, ...], levels: int) -> dict[str, dict[str, Any]]:
    """The distributions that are compared, by name, as specs for images of these levels."""
    normal = {
        "type": "IndependentNormal",
        "event_shape": list(shape),
        "value": DEVIATION,
        "floor": 1 / (2 * (levels - 1)),
    }
    discrete = {"event_shape": list(shape), "levels": levels}
    return {
        "Gaussian, fixed deviation": {**normal, "scale": "fixed"},
        "Gaussian, one learned deviation": {**normal, "scale": "learned"},
        "Gaussian, a deviation per pixel": {**normal, "scale": "per_element"},
        "softmax over the levels": {"type": "IndependentCategorical", **discrete},
        "mixture of discretized logistics": {
            "type": "DiscretizedLogisticMixture",
            **discrete,
            "components": COMPONENTS,
        },
    }


def _trials(name: str, budget: Budget) -> dict[str, _Trial]:
    test = zoo.data.load(name, values="levels").test
    levels = zoo.data.description(test).levels
    x = np.concatenate(list(examples(test)))[: budget.test]
    source = {**protocol(test), "split": f"test[:{len(x)}]"}
    found = {}
    for kind, spec in likelihoods(x.shape[1:], levels).items():
        is_density = spec["type"] == "IndependentNormal"
        overrides = {
            "data.name": name,
            "data.binarize": "none",
            "data.values": "unit" if is_density else "levels",
            "data.examples_per_epoch": max(1, budget.steps // _EPOCHS) * BATCH,
            "model.likelihood": spec,
            "training.batch_size": BATCH,
            "training.epochs": min(_EPOCHS, budget.steps),
            "training.learning_rate.initial": RATE,
            **{f"model.network.{key}": value for key, value in NETWORK.items()},
        }
        model = trained(NAME, overrides)
        values, density = _log_probs(model, x, levels, is_density)
        result = LikelihoodResult(
            value=float(values.mean()),
            standard_error=standard_error(values),
            unit="nats",
            count=len(x),
            data=source,
            kind=EXACT,
            dimensions=int(np.prod(x.shape[1:])),
            per_example=values,
        )
        found[kind] = _Trial(model, levels, result, density)
    return found


def _log_probs(model, x: np.ndarray, levels: int, is_density: bool):
    """log P of the levels `[N]` in nats; and the bits/dim of the density, where it is one."""

    @tf.function(reduce_retracing=True)
    def step(x):
        seen = x / (levels - 1.0) if is_density else x
        parameters = model.likelihood(model.features(seen))
        own = model.likelihood.distribution(parameters).log_prob(seen)
        if not is_density:
            return own, own
        return model.likelihood.quantized(parameters, levels).log_prob(x), own

    parts = [step(x[start : start + 100]) for start in range(0, len(x), 100)]
    values, own = (np.concatenate(part).astype(np.float64) for part in zip(*parts, strict=True))
    if not is_density:
        return values, None
    nats = -own.mean() / np.prod(x.shape[1:])
    return values, float((nats + np.log(levels - 1)) / np.log(2))


# The text.


def _introduce(page: Page) -> None:
    network = ", ".join(f"{key} {value}" for key, value in NETWORK.items())
    page.say(
        f"`{NAME}` with {network}, trained on grey images with five distributions of a pixel given "
        "the ones before it. The network, the seed, the order of the images, the steps "
        f"({', '.join(f'{b.steps} on {name}' for name, b in SETS.items())}, of {BATCH} images), "
        "the optimizer and its rates are the same for all; nothing is selected."
    )
    page.say(
        "The Gaussians are trained on x / (levels - 1), as densities; the other two on the levels "
        "x, as probabilities. A density is no probability, and may have any value, so that all are "
        "measured as probabilities of the levels: a Gaussian's is its integral over the level's "
        "bin, half a level to either side, and the first and the last bin reach to infinity. The "
        f"fixed deviation is {DEVIATION:g} of the range of a pixel; the learned ones start there, "
        "and stay above half a level. The mixture has "
        f"{COMPONENTS} components."
    )


def _table(page: Page, found: Mapping[str, Mapping[str, _Trial]]) -> None:
    sets = list(found)
    sizes = {s: next(iter(found[s].values())) for s in sets}
    head = [
        "a pixel is",
        "trained on",
        *(f"{s}, {sizes[s].levels} levels: bits/dim" for s in sets),
        *(f"{s}: the density's own" for s in sets),
    ]
    rows = []
    for kind in found[sets[0]]:
        trials = [found[s][kind] for s in sets]
        rows.append(
            (
                kind,
                "the density of x / (levels - 1)" if trials[0].is_density else "P(x)",
                *(_bits(t.result) for t in trials),
                *(f"{t.density:.3f}" if t.is_density else "" for t in trials),
            )
        )
    page.tabulate(head, rows)
    counts = ", ".join(f"{sizes[s].result.count} of {s}" for s in sets)
    page.say(
        f"Exact, on test images ({counts}), with standard errors. The last columns hold what the "
        "Gaussians give as densities of the levels, -log2 p(x) per pixel: the number that would "
        "stand there if one forgot the bins. It is also what training lowers. A Gaussian that "
        "becomes narrower where it is right gains density without end, but of its bin no more than "
        "the probability 1; what it loses where it is wrong, it loses in both. More freedom can "
        "thus make a better density and worse probabilities."
    )


def _bits(result: LikelihoodResult) -> str:
    error = result.standard_error / result.dimensions / np.log(2)
    return f"{result.bits_per_dim:.3f} +- {error:.3f}"


def _findings(page: Page, found: Mapping[str, Mapping[str, _Trial]]) -> None:
    for name, trials in found.items():
        order = sorted(trials, key=lambda kind: trials[kind].result.bits_per_dim)
        best, second = order[:2]
        nats, error = trials[best].result.minus(trials[second].result)
        size = trials[best].result.dimensions * np.log(2)
        apart = nats > _ERRORS * error
        learned = trials["Gaussian, one learned deviation"]
        deviation = _deviation(learned)
        lower = [
            kind
            for kind, trial in trials.items()
            if trial.is_density and trial.density < trial.result.bits_per_dim
        ]
        page.say(
            f"On {name} the {'least' if apart else 'least, not told apart from the next,'} bits "
            f"are those of: {best}; then {second}, {nats / size:.3f} +- {error / size:.3f} more "
            f"(image by image); the most are those of: {order[-1]}. The one learned deviation "
            f"became {deviation:.4f} of the range, {deviation * (learned.levels - 1):.2f} levels. "
            + (
                f"As densities, these have fewer bits than their levels cost: {'; '.join(lower)}."
                if lower
                else "No density has fewer bits than its levels cost."
            )
        )


def _deviation(trial: _Trial) -> float:
    nothing = tf.zeros([1, *trial.model.event_shape])
    scale = trial.model.likelihood(trial.model.features(nothing))["scale"]
    return float(tf.reduce_mean(scale))


# The pictures.


def probabilities(trial: _Trial, x: np.ndarray) -> np.ndarray:
    """P of each level of each pixel given the ones before it, `[B, H, W, levels]`, of `x` levels
    `[B, H, W, 1]`."""
    model, levels = trial.model, trial.levels
    seen = x / (levels - 1.0) if trial.is_density else x
    parameters = model.likelihood(model.features(tf.constant(seen, tf.float32)))
    if trial.is_density:
        whole = model.likelihood.quantized(parameters, levels)
    else:
        whole = model.likelihood.distribution(parameters)
    pixels = whole.distribution
    step = tf.function(lambda level: tf.exp(pixels.log_prob(tf.fill(x.shape, level))))
    found = [step(tf.constant(float(level))) for level in range(levels)]
    return np.stack([np.reshape(p, x.shape[:-1]) for p in found], axis=-1)


def differing_pixel(found: Mapping[str, np.ndarray]) -> tuple[int, int, int]:
    """Image, row and column where the distributions `[B, H, W, levels]` are farthest apart.

    The distance is the mean total variation between each one and their mean.
    """
    every = np.stack(list(found.values()))
    apart = np.abs(every - every.mean(axis=0)).sum(axis=-1).mean(axis=0) / 2
    return tuple(int(i) for i in np.unravel_index(apart.argmax(), apart.shape))


def _predictive(page: Page, found: Mapping[str, Mapping[str, _Trial]]) -> None:
    columns = {}
    for name, trials in found.items():
        test = zoo.data.load(name, values="levels").test
        x = np.concatenate(list(examples(test)))[:_SEARCHED]
        p = {kind: probabilities(trial, x) for kind, trial in trials.items()}
        image, row, column = differing_pixel(p)
        title = f"{name}: test image {image}, row {row + 1}, column {column + 1}"
        bars = {kind: each[image, row, column] for kind, each in p.items()}
        columns[title] = (bars, int(x[image, row, column, 0]))
    page.say(
        "The distributions of one pixel, given the pixels of a test image before it: for each set "
        f"the pixel of the first {_SEARCHED} test images at which they are farthest apart (mean "
        "total variation to their mean). The dashed line is the pixel's true level."
    )
    page.show("pixels-predictive", bar_panels(columns), "Distributions of one pixel")


def bar_panels(columns: Mapping[str, tuple[Mapping[str, np.ndarray], int]]) -> Figure:
    """Bars over the levels, a row for each likelihood and a column for each pixel, which has a
    title, its distributions, and its true level."""
    kinds = list(next(iter(columns.values()))[0])
    width, height = _PANEL
    step, between = height + 0.34, 0.55
    figure, whole = style.framed(
        len(columns) * width + (len(columns) - 1) * between,
        len(kinds) * step,
        "One pixel under each likelihood",
        "P(level | the pixels before it), a bar for each level, from 1e-5 up; dashed: the true "
        "level",
        left=0.6,
        bottom=0.5,
    )
    box = whole.get_position()
    whole.remove()
    x, y = box.width / (len(columns) * (width + between) - between), box.height / len(kinds) / step
    for c, (title, (bars, true)) in enumerate(columns.items()):
        for r, kind in enumerate(kinds):
            left = box.x0 + c * (width + between) * x
            bottom = box.y1 - (r + 1) * step * y
            axes = figure.add_axes((left, bottom, width * x, height * y))
            last = r == len(kinds) - 1
            style.plotted(axes, title if last else "", "")
            axes.tick_params(labelsize=style.TEXT_SIZE - 1, labelbottom=last)
            axes.set_title(
                kind, size=style.TEXT_SIZE, color=style.INK, family=style.FONT, loc="left"
            )
            _bars(axes, bars[kind], true)
    return figure


def _bars(axes: Axes, p: np.ndarray, true: int) -> None:
    # Bars of many levels have a rim, or a single one would be too thin to see.
    look = {"width": 1.0, "linewidth": 0.8} if len(p) >= _MANY else {"width": 0.8, "linewidth": 0}
    colour = style.COLOURS[0]
    axes.bar(np.arange(len(p)), p, color=colour, edgecolor=colour, **look)
    axes.axvline(true, linestyle="--", color=style.COLOURS[2], linewidth=1)
    axes.set_xlim(-0.02 * len(p) - 0.5, 1.02 * len(p) - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    # The same for all: a peak at an edge and a wide hill are seen beside each other.
    axes.set_yscale("log")
    axes.set_ylim(*_SHOWN)
    axes.set_yticks([1e-4, 1e-2, 1.0])
    axes.yaxis.set_minor_locator(NullLocator())


def _samples(page: Page, found: Mapping[str, Mapping[str, _Trial]]) -> None:
    page.say(
        "Samples are draws, pixel by pixel, each from the distribution given the ones drawn "
        "before; what a Gaussian draws outside of [0, 1] is shown as black or white, and goes back "
        "into the network as it is."
    )
    for name, trials in found.items():
        rows = [
            to_display(trial.model.sample(_SAMPLES, seed=0).numpy(), trial.model)
            for trial in trials.values()
        ]
        figure = image_grid(
            np.stack(rows),
            f"Samples, {name}",
            style.sentence("draws from p(x), a row for each likelihood", "seed 0"),
            row_labels=list(trials),
        )
        page.show(f"pixels-samples-{name}", figure, f"Samples of {name} under each likelihood")


LESSON = Lesson("one causal network with Gaussian, softmax and mixture pixels", make)
