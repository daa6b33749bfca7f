"""Where three models with two latents put the digits."""

import numpy as np

import zoo.data
from zoo import catalogue
from zoo.evaluation.latents import latent_means
from zoo.evaluation.representation import knn_accuracy, silhouette
from zoo.lessons.page import Lesson, Page
from zoo.measuring import splits
from zoo.pictures.comparisons import CodePanel, latent_scatters

NAMES = ("ae_2d.mnist", "dae_2d.mnist", "vae_2d.mnist")
_NEIGHBOURS = 10


def make() -> Page:
    panels, rows = [], []
    for name in NAMES:
        codes, labels = test_codes(name)
        accuracy = knn_accuracy(codes, labels, k=_NEIGHBOURS)
        score = silhouette(codes, labels)
        panels.append(CodePanel(name, codes, labels, accuracy.value, score.value))
        spread = codes.std(axis=0)
        rows.append(
            (
                f"`{name}`",
                f"{accuracy.value:.3f} +- {accuracy.standard_error:.3f}",
                f"{score.value:+.3f} +- {score.standard_error:.3f}",
                f"{spread[0]:.2f}, {spread[1]:.2f}",
            )
        )
    page = Page("Three latent spaces of two dimensions")
    page.say(
        "An autoencoder, a denoising autoencoder and a variational one, all with a code of two "
        "numbers, trained on MNIST without labels. The codes are those of the 10 000 test images."
    )
    figure = latent_scatters(
        panels, k=_NEIGHBOURS, data="mnist, test split", what="codes, or means of q(z|x)"
    )
    page.show("latent-spaces", figure, "Codes of the test digits, coloured by class")
    page.tabulate(
        (
            "entry",
            f"accuracy of {_NEIGHBOURS} nearest neighbours",
            "silhouette of the classes",
            "deviation of the two codes",
        ),
        rows,
    )
    best = max(panels, key=lambda panel: panel.accuracy).name
    page.say(
        "Neighbours are found among the other test codes (leave one out). The lectures say that "
        "the denoising autoencoder separates classes better and that the VAE fills its prior: here "
        f"the neighbours agree most in `{best}`, and the VAE alone keeps to the scale of N(0, I)."
    )
    return page


def test_codes(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean codes and labels of the test images of an entry, as it was trained on them."""
    model = catalogue.load(name)
    data: zoo.data.Splits = splits(model.config, labels=True)
    labels = np.concatenate([y.numpy() for _, y in data.test])
    return latent_means(model, data.test), labels


LESSON = Lesson("where an autoencoder, a denoising and a variational one put the digits", make)
