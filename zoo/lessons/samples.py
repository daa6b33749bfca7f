"""How close samples come to data: every generator of MNIST that is shipped, seen by one judge."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from zoo import catalogue, configuration, judging
from zoo.evaluation.samples import COUNT, drawn
from zoo.lessons.likelihoods import bits, tightest
from zoo.lessons.page import Lesson, Page
from zoo.models import DDIM, Ancestral, Diffusion
from zoo.pictures.grids import image_grid, to_display
from zoo.pictures.style import sentence
from zoo.registration import TYPE

EYES, ENTRIES = "classifier.mnist", "*.mnist"
_SHOWN = 12
# How a diffusion is walked back, by the label of its row.
_WALKS = {
    "10 steps": DDIM(10),
    "50 steps": DDIM(50),
    "50 steps, fresh noise": DDIM(50, eta=1.0),
    "all steps, fresh noise": Ancestral(),
}
_COLUMNS = ("frechet", "frechet_ratio", "kernel", "precision", "recall", "coverage", "copying")


class _Row(NamedTuple):
    """What an entry draws, and its scores as they stand on its card."""

    name: str
    what: str
    asked: Mapping[str, Any]
    found: Mapping[str, Mapping[str, Any]]
    likelihood: str

    def value(self, key: str) -> float:
        return self.found[key]["value"]


def make() -> Page:
    page = Page("How close samples come to data")
    rows = list(_rows())
    rows.sort(key=lambda row: row.value("frechet_ratio"))
    _table(page, rows)
    models = {name: catalogue.load(name) for name in dict.fromkeys(row.name for row in rows)}
    _picture(page, rows, models)
    _steps(page, {n: m for n, m in models.items() if isinstance(m, Diffusion)})
    return page


def _rows() -> Iterator[_Row]:
    for name in catalogue.entries(ENTRIES, pretrained=True):
        config = configuration.read(name).values
        section = (config.get("evaluation") or {}).get("samples") or {}
        numbers = catalogue.card(name)["numbers"]
        if section.get("eyes") != EYES:
            continue
        for way, asked in judging.ways(section).items():
            prefix = f"samples.{way}." if way else "samples."
            found = {
                key.removeprefix(prefix): r for key, r in numbers.items() if key.startswith(prefix)
            }
            if found:
                yield _Row(name, _what(config["model"], way), asked, found, _likelihood(numbers))


def _what(model: Mapping[str, Any], way: str) -> str:
    """What is compared: a named way, or what the model draws by itself."""
    if way:
        return way.replace("_", " ")
    if "sampler" in model:
        return f"{model['sampler']['steps']} steps"
    return "images" if model["likelihood"][TYPE] == "IndependentDeterministic" else "draws"


def _likelihood(numbers: Mapping[str, Any]) -> str:
    """What the card knows of it."""
    kind, number = tightest(numbers).get("", ("", None))
    if number is None:
        return ""
    form = "levels" if number["data"]["values"] == "levels" else "binary"
    return f"{bits(number):.3f} ({form}, {kind})"


def _table(page: Page, rows: list[_Row]) -> None:
    page.say(
        "Samples of the shipped entries of MNIST, with the scores of their cards (`zoo verify` "
        f"measures them again), seen through the features of `{EYES}` (FD-mnist, KID-mnist; no "
        "Inception network, so not comparable with a published FID). A "
        "Bernoulli model is measured twice: its draws beside binarized test images, and its means, "
        "which papers show, beside grey ones. The ratio is the Frechet distance over its floor: "
        f"that of as many training images. {COUNT:,} samples each, but fewer of diffusions that "
        "take all their steps or are guided, which makes their floor (then the mean of several "
        "draws) higher and their ratio smaller, and their coverage too: compare at equal numbers."
    )
    head = ("entry", "what", "samples", "FD-mnist", "FD / floor", "KID-mnist", "precision",
            "recall", "coverage", "copying", "classes; the rarest", "bits/dim")  # fmt: skip
    table = []
    for row in rows:
        count = row.found["frechet"]["count"]
        shown = [f"{row.value(key):.3g}" for key in _COLUMNS]
        classes, rarest = row.value("classes"), row.value("smallest_class")
        table.append(
            (
                *(f"`{row.name}`", row.what, f"{count:,}", *shown),
                f"{classes:.0f}; {rarest:.1%}",
                row.likelihood,
            )
        )
    page.tabulate(head, table)
    page.say(
        "Precision: the share of samples that are like data; recall: of data that are like "
        "samples; coverage: of data with a sample as near as their third neighbour. Copying: the "
        "distance of samples to their nearest training image, over that of test images: near 0 is "
        "copied. Bits/dim: the tightest number of likelihood that the card has, of binary images "
        "or of 256 levels, which must not be compared with each other. Among models of the same "
        "images, too, good samples and a good likelihood are two things: a likelihood is of every "
        "pixel, and what an eye, or a classifier, looks at is worth few of its bits (Theis, van "
        "den Oord and Bethge 2016, arXiv 1511.01844)."
    )


def _picture(page: Page, rows: list[_Row], models: Mapping[str, Any]) -> None:
    drawings = [drawn(models[row.name], _SHOWN, **judging.drawing(row.asked)) for row in rows]
    figure = image_grid(
        np.stack([to_display(x, models[row.name]) for x, row in zip(drawings, rows, strict=True)]),
        "Samples",
        sentence("seed 0, not chosen", "best Frechet ratio first", "conditional ones: 0, 1, 2 ..."),
        row_labels=[f"{row.name}, {row.what}" for row in rows],
    )
    page.show("samples", figure, "Samples of each entry")


def _steps(page: Page, models: dict[str, Diffusion]) -> None:
    for name, model in models.items():
        rows, labels, y = [], [], None
        if model.condition is not None:
            y = np.arange(_SHOWN) % model.condition.classes
        for label, sampler in _WALKS.items():
            # The first call compiles.
            model.sample(_SHOWN, y, seed=0, sampler=sampler)
            start = time.perf_counter()
            x = model.sample(_SHOWN, y, seed=0, sampler=sampler).numpy()
            seconds = time.perf_counter() - start
            rows.append(to_display(x, model))
            labels.append(f"{label}: {seconds:.2g} s")
        figure = image_grid(
            np.stack(rows),
            f"Samples of {name} by the number of steps",
            "the same first noise; DDIM, with eta 1 where noise is fresh; seconds for "
            f"{_SHOWN} images on the machine that drew this page",
            row_labels=labels,
        )
        page.show(f"samples-steps-{name}", figure, f"Samples of {name} by the number of steps")


LESSON = Lesson("how close samples of every entry of MNIST come to data", make)
