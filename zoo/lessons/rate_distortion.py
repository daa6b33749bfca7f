"""What a weight on the KL buys: rate against distortion."""

from zoo.evaluation import evaluate
from zoo.lessons.page import Lesson, Page
from zoo.lessons.training import trained
from zoo.measuring import splits
from zoo.pictures.comparisons import RatePoint, rate_distortion

NAME = "vae.digits"
BETAS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def make() -> Page:
    points, rows = [], []
    for beta in BETAS:
        model = trained(NAME, {"model.objective.beta": beta})
        found = evaluate(model, splits(model.config).test)
        rate, distortion = found["rate"], found["distortion"]
        points.append(RatePoint(beta, rate.value, distortion.value))
        rows.append(
            (
                f"{beta:g}",
                f"{rate.value:.2f} +- {rate.standard_error:.2f}",
                f"{distortion.value:.2f} +- {distortion.standard_error:.2f}",
                f"{found['elbo'].value:.2f}",
                f"{found['active_units'].value:.0f}",
            )
        )
    page = Page("Rate and distortion")
    page.say(
        f"`{NAME}`, trained once for each weight beta of the KL. The rate is the mean "
        "KL(q(z|x) || p(z)), what the code tells; the distortion is the mean -log p(x|z), what is "
        "left to tell. Their sum is the negative ELBO, so equal bounds lie on falling diagonals."
    )
    figure = rate_distortion(points, name=NAME, data="digits, test split")
    page.show("rate-distortion", figure, "Distortion against rate, one point for each beta")
    page.tabulate(
        ("beta", "rate, nats", "distortion, nats", "ELBO, nats", "active latents of 16"), rows
    )
    return page


LESSON = Lesson("rate and distortion of a VAE over the weight of its KL", make)
