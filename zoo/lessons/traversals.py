"""What each latent of the models of shapes does, and how well it stands for one factor."""

import numpy as np

from zoo import catalogue
from zoo.evaluation.results import examples
from zoo.lessons.page import Lesson, Page
from zoo.measuring import splits
from zoo.pictures import traversal

NAMES = ("beta_vae.shapes", "tc_vae.shapes", "factor_vae.shapes")
SCORES = ("mig", "sap", "dci_disentanglement", "dci_completeness", "dci_informativeness")
# The test image whose code the other latents keep.
_BASE = 0
_LIMIT = 5000


def make() -> Page:
    page = Page("Traversals of the latents of shapes")
    page.say(
        "Three objectives over one network, on binary shapes made from five factors: kind, "
        "scale, rotation and the two coordinates. The scores compare mean codes with the true "
        "factors, by one convention: 20 bins, 10 000 points, and each factor as often as the set "
        "has it. They stand on the entries' cards."
    )
    cards = {name: catalogue.card(name)["numbers"] for name in NAMES}
    page.tabulate(
        ("entry", *(s.replace("_", " ") for s in SCORES), "rate, nats", "active of 10"),
        [
            (
                f"`{name}`",
                *(f"{numbers[s]['value']:.3f}" for s in SCORES),
                f"{numbers['rate']['value']:.1f}",
                f"{numbers['active_units']['value']:.0f}",
            )
            for name, numbers in cards.items()
        ],
    )
    best = max(NAMES, key=lambda name: cards[name]["mig"]["value"])
    page.say(
        f"The largest MIG is that of `{best}`. In each picture below one latent changes in a row, "
        "from -3 to 3 standard deviations of the prior, and the rows are sorted by their KL: rows "
        "without KL change nothing."
    )
    for name in NAMES:
        model = catalogue.load(name)
        data = splits(model.config).test
        base = next(examples(data))[_BASE]
        figure = traversal(
            model,
            data,
            np.asarray(base),
            rows=model.latent_size,
            limit=_LIMIT,
            name=name,
            base_name=f"test image {_BASE}",
        )
        page.show(f"traversal-{name}", figure, f"Latents of {name}, one in each row")
    return page


LESSON = Lesson("what each latent of the models of shapes does, sorted by KL", make)
