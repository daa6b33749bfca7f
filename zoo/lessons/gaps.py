"""What lies between the codes, and which of the bound's two terms keeps it from being empty."""

import numpy as np

from zoo import catalogue
from zoo.evaluation.representation import knn_accuracy, silhouette
from zoo.lessons.latent_spaces import test_codes
from zoo.lessons.page import Lesson, Page
from zoo.lessons.training import trained
from zoo.pictures.codes import decode_images, manifold_codes
from zoo.pictures.comparisons import CodePanel, DecodedPanel, decoded_grids, latent_scatters

JUDGE = "classifier.mnist"
_SIDE, _EPOCHS, _SURE = 15, 15, 0.8
# Weights of the KL: none, so large that nothing else counts, and the bound's own.
_OBJECTIVES = {"reconstruction only": 0.0, "KL only": 1e5, "both: the ELBO": 1.0}


def make() -> Page:
    page = Page("The gaps between the codes")
    _decoded(page)
    _scatters(page)
    return page


def _decoded(page: Page) -> None:
    judge = catalogue.load(JUDGE)
    panels, rows = [], []
    for name in ("ae_2d.mnist", "vae_2d.mnist"):
        model = catalogue.load(name)
        grid = manifold_codes(model.prior_distribution(), _SIDE) if model.prior else _range(name)
        images = decode_images(model, grid)
        probability = judge.classify(images.reshape(-1, *model.event_shape))
        confidence = probability.max(axis=1)
        panels.append(DecodedPanel(name, images, confidence.reshape(images.shape[:2])))
        unsure = (confidence < _SURE).mean()
        digits = np.bincount(probability.argmax(axis=1)[confidence >= _SURE], minlength=10)
        found, most = (digits > 0).sum(), digits.max() / len(confidence)
        rows.append(
            (f"`{name}`", f"{confidence.mean():.3f}", f"{unsure:.1%}", f"{found}", f"{most:.1%}")
        )
    page.say(
        f"A grid of {_SIDE} x {_SIDE} codes, decoded. That of the autoencoder spans the range of "
        "its test codes (from the 1st to the 99th percentile of each); that of the VAE the "
        f"quantiles of its prior. `{JUDGE}` says how sure it is of a digit: where it is not, the "
        "code is in a gap."
    )
    figure = decoded_grids(
        panels, judge=JUDGE, how="range of the test codes; quantiles of the prior"
    )
    page.show("gaps-decoded", figure, "Grids of codes, decoded, framed by the judge's confidence")
    head = ("entry", "mean confidence", f"images below {_SURE}", "digits found", "most frequent")
    page.tabulate(head, rows)
    page.say(
        "Confidence alone does not tell the two apart as the lectures do: between its classes a "
        "VAE blurs, and the judge hesitates there too. The last two columns, of images that the "
        "judge is sure of, say how evenly the digits share the grid."
    )


def _range(name: str) -> np.ndarray:
    """`[R, C, 2]` codes, the second falling from row to row."""
    codes, _ = test_codes(name)
    low, high = np.percentile(codes, (1, 99), axis=0)
    first, second = np.linspace(low[0], high[0], _SIDE), np.linspace(high[1], low[1], _SIDE)
    return np.stack(np.meshgrid(first, second), axis=-1).astype(np.float32)


def _scatters(page: Page) -> None:
    panels = []
    for name, beta in _OBJECTIVES.items():
        model = trained("vae_2d.mnist", {"training.epochs": _EPOCHS, "model.objective.beta": beta})
        codes, labels = _codes(model)
        accuracy, score = knn_accuracy(codes, labels), silhouette(codes, labels)
        panels.append(CodePanel(name, codes, labels, accuracy.value, score.value))
    page.say(
        "The bound has two terms. Trained on the reconstruction alone (beta = 0), the codes spread "
        "out and leave holes; on the KL alone (beta = 100 000), every q(z|x) becomes the prior and "
        "tells nothing; on both, they fill the prior and keep the classes apart. Each is "
        f"`vae_2d.mnist` trained for {_EPOCHS} epochs."
    )
    figure = latent_scatters(panels, data="mnist, test split", what="means of q(z|x)")
    page.show("gaps-objectives", figure, "Codes after training on one term, and on both")
    page.tabulate(
        ("trained on", "accuracy of 10 nearest neighbours", "deviation of the codes"),
        [(p.name, f"{p.accuracy:.3f}", f"{p.codes.std():.3g}") for p in panels],
    )


def _codes(model) -> tuple[np.ndarray, np.ndarray]:
    from zoo.evaluation.latents import latent_means
    from zoo.measuring import splits

    data = splits(model.config, labels=True)
    return latent_means(model, data.test), np.concatenate([y.numpy() for _, y in data.test])


LESSON = Lesson("a grid decoded by an autoencoder and by a VAE, and what each term does", make)
