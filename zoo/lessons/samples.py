"""How close samples come to data: every generator of MNIST that is shipped, seen by one judge."""

import json
import time
from typing import Any, NamedTuple

import numpy as np

from zoo import catalogue
from zoo.evaluation.results import Result
from zoo.evaluation.samples import Reference, drawn
from zoo.lessons.page import Lesson, Page
from zoo.measuring import reference, sampled
from zoo.models import DDIM, Ancestral, Autoregressive, Diffusion, GenerativeModel
from zoo.pictures.grids import image_grid, to_display
from zoo.pictures.style import sentence

EYES, ENTRIES = "classifier.mnist", "*.mnist"
COUNT, _OF_SLOW = 10_000, 1_000
_SHOWN = 12
# Steps of a diffusion's samplers; all of them is the ancestral one.
_STEPS = (10, 50, 1_000)
_COLUMNS = ("frechet", "frechet_ratio", "kernel", "precision", "recall", "coverage", "copying")


class _Row(NamedTuple):
    """What an entry draws, and its scores."""

    name: str
    what: str
    images: np.ndarray
    found: dict[str, Result]


def make() -> Page:
    page = Page("How close samples come to data")
    models = {name: catalogue.load(name) for name in _names()}
    references: dict[str, Reference] = {}
    rows = [row for name, model in models.items() for row in _rows(name, model, references)]
    rows.sort(key=lambda row: row.found["frechet_ratio"].value)
    _table(page, rows)
    _picture(page, rows)
    _steps(page, {n: m for n, m in models.items() if isinstance(m, Diffusion)})
    return page


def _names() -> list[str]:
    shipped = catalogue.entries(ENTRIES, pretrained=True)
    return [name for name in shipped if _can_sample(catalogue.load(name))]


def _can_sample(model) -> bool:
    return isinstance(model, GenerativeModel) and model.can("sample")


def _rows(name: str, model, references: dict[str, Reference]) -> list[_Row]:
    found = []
    for what, (count, options) in _kinds(model).items():
        against = _reference(model, options.get("mean", False), references)
        scores = sampled(model, model.config, EYES, count, against=against, **options)
        images = to_display(drawn(model, _SHOWN, **options), model)
        found.append(_Row(name, what, images, scores))
    return found


def _reference(model, mean: bool, made: dict[str, Reference]) -> Reference:
    """What the model's samples are compared with: one for all models of the same data."""
    batch = model.config.get("training", {}).get("batch_size")
    key = json.dumps([model.config["data"], batch, mean], sort_keys=True)
    if key not in made:
        made[key] = reference(model, model.config, EYES, mean)
    return made[key]


def _kinds(model) -> dict[str, tuple[int, dict[str, Any]]]:
    """What is drawn of a model: by name, how many samples, and options of `sample`."""
    if isinstance(model, Autoregressive):
        return {"draws": (_OF_SLOW, {})}
    if isinstance(model, Diffusion):
        return {
            f"{model.sampler.steps} steps": (COUNT, {}),
            f"{model.schedule.steps:,} steps": (_OF_SLOW, {"sampler": Ancestral()}),
        }
    if "binarize" in model.config["data"]:
        return {"draws": (COUNT, {}), "means": (COUNT, {"mean": True})}
    return {"images" if model.likelihood.levels is None else "draws": (COUNT, {})}


def _table(page: Page, rows: list[_Row]) -> None:
    page.say(
        f"Samples of the shipped entries of MNIST, seen through the features of `{EYES}` "
        "(FD-mnist, KID-mnist; no Inception network, so not comparable with a published FID). A "
        "Bernoulli model is measured twice: its draws beside binarized test images, and its means, "
        "which papers show, beside grey ones. The ratio is the Frechet distance over its floor: "
        f"that of as many training images. {COUNT:,} samples each, {_OF_SLOW:,} of autoregressive "
        "entries and of diffusions that take all their steps, which makes their floor (then the "
        "mean of several draws) higher and their ratio smaller: compare at equal numbers."
    )
    head = ("entry", "what", "samples", "FD-mnist", "FD / floor", "KID-mnist", "precision",
            "recall", "coverage", "copying", "classes; the rarest")  # fmt: skip
    table = []
    for row in rows:
        count = row.found["frechet"].count
        shown = [f"{row.found[key].value:.3g}" for key in _COLUMNS]
        classes, rarest = (row.found[key].value for key in ("classes", "smallest_class"))
        table.append(
            (f"`{row.name}`", row.what, f"{count:,}", *shown, f"{classes:.0f}; {rarest:.1%}")
        )
    page.tabulate(head, table)
    page.say(
        "Precision: the share of samples that are like data; recall: of data that are like "
        "samples; coverage: of data with a sample as near as their third neighbour. Copying: the "
        "distance of samples to their nearest training image, over that of test images: near 0 is "
        "copied."
    )


def _picture(page: Page, rows: list[_Row]) -> None:
    figure = image_grid(
        np.stack([row.images for row in rows]),
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
        for steps in _STEPS:
            sampler = Ancestral() if steps == model.schedule.steps else DDIM(steps)
            # The first call compiles.
            model.sample(_SHOWN, y, seed=0, sampler=sampler)
            start = time.perf_counter()
            x = model.sample(_SHOWN, y, seed=0, sampler=sampler).numpy()
            seconds = time.perf_counter() - start
            rows.append(to_display(x, model))
            labels.append(f"{steps} steps, {seconds:.2g} s")
        figure = image_grid(
            np.stack(rows),
            f"Samples of {name} by the number of steps",
            f"the same first noise; all steps: ancestral; fewer: DDIM; seconds for {_SHOWN} images "
            "on the machine that drew this page",
            row_labels=labels,
        )
        page.show(f"samples-steps-{name}", figure, f"Samples of {name} by the number of steps")


LESSON = Lesson("how close samples of every entry of MNIST come to data", make)
