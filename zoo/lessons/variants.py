"""One network, many objectives, priors and posteriors: the same measures for all."""

from zoo import catalogue, configuration
from zoo.evaluation import evaluate
from zoo.lessons.page import Lesson, Page
from zoo.lessons.training import trained
from zoo.measuring import measure, splits

VARIATIONAL, PLAIN = "vae.digits", "ae.digits"
_SAMPLES = 1000


def names(base: str) -> list[str]:
    """The base, and every entry of the same data whose config builds on it."""
    found = [n for n in catalogue.entries("*.digits") if configuration.read(n).base == base]
    return [base, *found]


def make() -> Page:
    page = Page("One network, many objectives, priors and posteriors")
    _variational(page)
    _plain(page)
    return page


def _variational(page: Page) -> None:
    rows = []
    for name in names(VARIATIONAL):
        model = trained(name, {})
        found = evaluate(model, splits(model.config).test, num_samples=_SAMPLES)
        rows.append(
            (
                f"`{name}`",
                _title(model),
                *(f"{found[k].value:.2f}" for k in ("elbo", "importance", "rate")),
                f"{found['active_units'].value:.0f}",
                f"{found['code_covariance'].value:.2f}",
            )
        )
    page.say(
        f"Entries that differ from `{VARIATIONAL}` in one part alone, each trained once with the "
        "same seed and the same stopping rule, and measured on the 300 test digits. The ELBO, the "
        f"importance estimate (K = {_SAMPLES}) and the rate are in nats; an objective that asks "
        "for something else than the bound pays for it here. The standard error of a mean over "
        "300 images is about 0.7 nats, so small differences mean nothing."
    )
    head = ("entry", "what it is", "ELBO", "importance", "rate", "active of 16", "Cov q(z) - I")
    page.tabulate(head, rows)


def _plain(page: Page) -> None:
    rows = []
    for name in names(PLAIN):
        model = trained(name, {})
        found = measure(model, {**model.config, "evaluation": {}})
        rows.append(
            (
                f"`{name}`",
                _title(model),
                f"{1000 * found['squared_error'].value:.2f}",
                f"{found['jacobian_norm'].value:.2f}",
            )
        )
    page.say(
        f"And those without a likelihood, beside `{PLAIN}`: the squared error of clean test digits "
        "in thousandths per pixel, and the norm of the encoder's Jacobian. A denoising one gives "
        "away some of the first."
    )
    page.tabulate(("entry", "what it is", "squared error / 1000", "Jacobian norm"), rows)


def _title(model) -> str:
    title = model.config["title"]
    for where in (" on 8x8 handwritten digits", " on 8x8 digits"):
        title = title.removesuffix(where)
    return title.rstrip(",")


LESSON = Lesson("every variant of the models of digits, trained and measured alike", make)
