"""The order of drawing: any factorization is exact, but networks do not learn all alike."""

from typing import Any, NamedTuple

import numpy as np

import zoo.data
from zoo.evaluation import evaluate
from zoo.evaluation.results import LikelihoodResult
from zoo.lessons.page import Lesson, Page
from zoo.lessons.training import trained
from zoo.measuring import splits
from zoo.pictures.grids import image_grid, to_display
from zoo.pictures.style import sentence

DATA = "mnist"
RANDOM_SEEDS = (0, 1, 2)
_EPOCHS = 10
# The picture: one sample at these shares of its steps, and so many others, whole.
_SHARES, _OTHERS = (0.25, 0.5, 0.75, 1.0), 5
_NOT_DRAWN = 0.5
# What is below so many standard errors, or so much of what a seed changes, is not told apart.
_TWICE = 2.0


class Budget(NamedTuple):
    """A network and its training: the entry that it builds on, its changes, and the steps."""

    entry: str
    network: dict[str, Any]
    batch_size: int
    steps: int
    rate: float


BUDGETS = {
    "MADE": Budget("made.mnist", {"units": [500, 500]}, 100, 3000, 1e-3),
    "GatedPixelCNN": Budget(
        "gated_pixelcnn.mnist", {"filters": 16, "layers": 4, "dilations": [1]}, 32, 800, 2e-3
    ),
}


class _Run(NamedTuple):
    """A trained model: of which network, in which order, by which seed, and what it reached."""

    network: str
    order: str
    model: Any
    result: LikelihoodResult

    @property
    def name(self) -> str:
        return f"{self.network}, {self.order}"


FORWARD, REVERSED, AGAIN = "forward", "reversed", "forward, trained by another seed"


def make() -> Page:
    runs = [_run(*which) for which in _wanted()]
    page = Page("The order of drawing")
    _table(page, runs)
    _findings(page, runs)
    _picture(page, runs)
    return page


def _wanted() -> list[tuple[str, str, dict[str, Any]]]:
    """Network, order, and changes to the config, of each run."""
    found = []
    for network in BUDGETS:
        found += [(network, order, {"model.network.order": order}) for order in (FORWARD, REVERSED)]
        found.append((network, AGAIN, {"model.network.order": FORWARD, "training.seed": 1}))
    # GatedPixelCNN goes row by row.
    for seed in RANDOM_SEEDS:
        changes = {"model.network.order": "random", "model.network.seed": seed}
        found.append(("MADE", f"random, seed {seed}", changes))
    return sorted(found, key=lambda run: list(BUDGETS).index(run[0]))


def _run(network: str, order: str, changes: dict[str, Any]) -> _Run:
    budget = BUDGETS[network]
    epochs = min(_EPOCHS, budget.steps)
    overrides = {
        "data.name": DATA,
        "data.examples_per_epoch": budget.steps // epochs * budget.batch_size,
        "model.likelihood.event_shape": list(zoo.data.image_shape(DATA)),
        "training.batch_size": budget.batch_size,
        "training.epochs": epochs,
        "training.learning_rate.initial": budget.rate,
        **{f"model.network.{key}": value for key, value in budget.network.items()},
        **changes,
    }
    model = trained(budget.entry, overrides)
    return _Run(network, order, model, evaluate(model, splits(model.config).test)["exact"])


def _table(page: Page, runs: list[_Run]) -> None:
    budgets = "; ".join(
        f"{name}: `{b.entry}` with {', '.join(f'{k} {v}' for k, v in b.network.items())}, "
        f"{b.steps} steps of {b.batch_size} images"
        for name, b in BUDGETS.items()
    )
    page.say(
        "p(x) = prod_i p(x_i | x_<i) holds in any order of the pixels, and each order is another "
        "model, whose likelihood is exact. Forward is row by row from the upper left corner, "
        "reversed goes the same way back, and a random order is one permutation, the same for all "
        f"images. On dynamically binarized {DATA}, all of a network are trained alike, and nothing "
        f"is selected. {budgets}. That is short: samples of longer trainings are better."
    )
    rows = []
    for run in runs:
        first = _forward(runs, run.network)
        gain = "" if run is first else "{:+.2f} +- {:.2f}".format(*_costs(run, first))
        error = run.result.standard_error
        rows.append((run.network, run.order, f"{-run.result.value:.2f} +- {error:.2f}", gain))
    page.tabulate(("network", "order", "-log p(x), nats", "over the forward order, nats"), rows)
    page.say(
        f"Means over {runs[0].result.count} test images, with standard errors; those of the last "
        "column are of the differences image by image. They do not cover the luck of a training: "
        "for that there is a second one by another seed."
    )


def _forward(runs: list[_Run], network: str) -> _Run:
    return next(run for run in runs if (run.network, run.order) == (network, FORWARD))


def _costs(run: _Run, other: _Run) -> tuple[float, float]:
    """How many nats an image costs more than by the other, and the standard error."""
    difference, error = run.result.minus(other.result)
    return -difference, error


def _findings(page: Page, runs: list[_Run]) -> None:
    for network in BUDGETS:
        first = _forward(runs, network)
        by_order = {run.order: run for run in runs if run.network == network}
        luck = abs(_costs(by_order[AGAIN], first)[0])
        said = [f"{network}: another seed of training moved the forward order by {luck:.2f} nats."]
        said.append(_compared("The reversed order", *_costs(by_order[REVERSED], first), luck))
        others = [_costs(run, first) for order, run in by_order.items() if "random" in order]
        if others:
            costs = np.array([cost for cost, _ in others])
            mean, error = costs.mean(), max(error for _, error in others)
            said.append(_compared(f"The mean of {len(costs)} random orders", mean, error, luck))
            said.append(f"These differ among each other by up to {np.ptp(costs):.2f} nats.")
        page.say(" ".join(said))


def _compared(what: str, cost: float, error: float, luck: float) -> str:
    if abs(cost) <= _TWICE * max(error, luck):
        return f"{what} costs {cost:+.2f} nats: within twice that, or two errors, nothing is told."
    return f"{what} costs {abs(cost):.2f} nats {'more' if cost > 0 else 'less'}."


def _picture(page: Page, runs: list[_Run]) -> None:
    shown = [run for run in runs if run.order != AGAIN]
    figure = image_grid(
        np.stack([_row(run.model) for run in shown]),
        "Orders of drawing",
        sentence(
            "first column: the order, dark pixels first",
            "then one sample while it is drawn, grey where nothing is yet, and others",
            "draws from p(x), seed 0",
        ),
        row_labels=[run.name for run in shown],
        gap=2,
        column_labels=["order", *(f"{share:.0%}" for share in _SHARES), *[""] * _OTHERS],
    )
    page.show("orders-samples", figure, "Each order, and samples drawn in it")


def _row(model) -> np.ndarray:
    """The order, one sample in the making, and others: brightness `[N, H, W, C]`."""
    steps = model.network.steps
    rank = np.argsort(model.network.order).reshape(model.event_shape)
    images = to_display(model.sample(1 + _OTHERS, seed=0).numpy(), model)
    stages = [np.where(rank < share * steps, images[0], _NOT_DRAWN) for share in _SHARES]
    return np.stack([rank / max(1, steps - 1), *stages, *images[1:]])


LESSON = Lesson("orders of drawing: forward, reversed and random, one network each", make)
