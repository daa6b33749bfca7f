"""Pictures of the latent space: its images on a grid, where data fall, what each latent does."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

import zoo.data
from zoo.errors import DataError, NotSupported
from zoo.pictures import codes, style
from zoo.pictures.grids import image_grid, require_images, to_display
from zoo.pictures.images import mean_or_draw
from zoo.pictures.style import origin, sentence


def manifold(
    model, n: int = 20, *, mean: bool = True, seed: int = 0, name: str | None = None
) -> Figure:
    """The images of a latent space of one or two dimensions, at quantiles of the prior.

    z_d = F^-1((i + 1/2) / n), F the prior's distribution function, so each image stands for the
    same share of the prior. As in Kingma and Welling 2014, arXiv 1312.6114, figure 4.

    Args:
        model: with `decode` and a normal prior.
        n: images in a row.
        mean: show E[x|z]; otherwise a draw from p(x|z).
        seed: of the draws.
        name: of the model, for the caption.
    """
    prior = _prior(model)
    require_images(model, n ** min(2, model.latent_size))
    grid = codes.manifold_codes(prior, n)
    images = codes.decode_images(model, grid, mean, seed)
    plane = grid.shape[-1] == 2
    across = _some(grid[0, :, 0])
    up = _some(grid[:, 0, 1]) if plane else []
    return image_grid(
        to_display(images, model),
        "Latent manifold",
        sentence(
            name or model.name,
            f"{mean_or_draw(mean)} at quantiles of the prior p(z), "
            f"{0.5 / n:.1%} to {1 - 0.5 / n:.1%}",
            None if mean else f"seed {seed}",
        ),
        row_labels=up,
        column_labels=across,
        gap=0,
        axis_labels=("z1", "z2" if plane else ""),
    )


def scatter(
    model,
    data: tf.data.Dataset,
    *,
    limit: int = 5000,
    factor: int = 0,
    name: str | None = None,
) -> Figure:
    """Where the images of a data set fall: means of q(z|x), coloured by label.

    Of more than two latents, the two with the largest KL are shown, or without a prior, with the
    largest deviation.

    Args:
        model: with `encode`, and at least two latents.
        data: batches of `(x, y)`, or of `x`: then there is one colour.
        limit: examples, the first ones.
        factor: which of several labels, counted from 0.
        name: of the model, for the caption.
    """
    mean, stddev, labels = codes.encode_set(model, data, limit)
    if mean.shape[1] < 2:
        raise NotSupported(f"a scatter needs two latents, {model.name} has {mean.shape[1]}")
    if mean.ndim != 2:
        raise NotSupported(f"codes of shape {list(mean.shape[1:])} are no points in a plane")
    # An autoencoder has no prior to measure a KL to.
    has_prior = getattr(model, "prior", None) is not None
    found = codes.latent_kl(mean, stddev, _prior(model)) if has_prior else mean.std(axis=0)
    what, unit = ("KL", " nats") if has_prior else ("deviation", "")
    first, second = np.sort(np.argsort(-found, kind="stable")[:2])
    many = mean.shape[1] > 2
    figure, axes = style.framed(
        5.2,
        5.2,
        "Latent scatter",
        sentence(
            name or model.name,
            _described(data, len(mean)),
            "means of q(z|x)" if has_prior else "codes",
            f"the 2 of {mean.shape[1]} latents with the largest {what}" if many else None,
            "no labels" if labels is None else "coloured by label",
        ),
        left=0.7,
        bottom=0.6,
        right=0.9,
    )
    names = [
        f"z{d + 1}" + (f"   ({what} {found[d]:.2f}{unit})" if many else "") for d in (first, second)
    ]
    style.plotted(axes, *names)
    _points(figure, axes, mean[:, [first, second]], _one_factor(labels, factor))
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def traversal(
    model,
    data: tf.data.Dataset,
    base: np.ndarray | None = None,
    *,
    rows: int = 10,
    columns: int = 11,
    reach: float = 3.0,
    limit: int = 5000,
    mean: bool = True,
    seed: int = 0,
    name: str | None = None,
    base_name: str | None = None,
) -> Figure:
    """What each latent does: one row each, in which it alone changes.

    Rows are sorted by the latent's KL, averaged over the data.

    Args:
        model: with `encode`, `decode` and a prior.
        data: the KL is measured on it.
        base: the image `[H, W, C]` whose code (mean of q(z|x)) the others keep; None: the prior's
            mean.
        rows: latents shown at most, those with the largest KL.
        columns: images in a row.
        reach: a latent goes from -reach to reach standard deviations of the prior.
        limit: examples for the KL.
        mean: show E[x|z]; otherwise a draw from p(x|z).
        seed: of the draws.
        name: of the model, for the caption.
        base_name: of the image, for the caption.
    """
    require_images(model, rows * columns)
    shown, kl, count = active_latents(model, data, rows, limit)
    images, values = traverse(
        model, shown, base, columns=columns, reach=reach, mean=mean, seed=seed
    )
    return image_grid(
        to_display(images, model),
        "Latent traversal",
        sentence(
            name or model.name,
            f"one latent changes in each row, the others stay at {_start(base, base_name)}",
            f"KL(q(z|x)\u00a0||\u00a0p(z)) over {_described(data, count)}",
            f"{len(shown)} of {model.latent_size} latents, largest KL first",
            mean_or_draw(mean),
            None if mean else f"seed {seed}",
        ),
        row_labels=[f"z{d + 1}  {nats:.2f} nats" for d, nats in zip(shown, kl, strict=True)],
        column_labels=[_signed(value) for value in values],
        axis_labels=("value of the latent, in standard deviations of the prior", ""),
    )


def traverse(
    model,
    latents: Sequence[int],
    base: np.ndarray | None = None,
    *,
    columns: int = 11,
    reach: float = 3.0,
    mean: bool = True,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Images in data values `[R, columns, *event]`, one row for each of `latents` (counted from 0),
    and the values `[columns]` that the latent takes, in standard deviations of the prior."""
    prior = _prior(model)
    centre, spread = prior.mean().numpy(), prior.stddev().numpy()
    values = np.linspace(-reach, reach, columns)
    if base is None:
        start = centre
    else:
        model.check(base[np.newaxis])
        start = model.encode(base[np.newaxis]).mean().numpy()[0]
    rows = [codes.traversal_codes(start, [d], centre[d] + spread[d] * values) for d in latents]
    return codes.decode_images(model, np.concatenate(rows), mean, seed), values


def active_latents(
    model, data: tf.data.Dataset, rows: int, limit: int = 5000
) -> tuple[list[int], np.ndarray, int]:
    """The latents (counted from 0) that carry most, the largest KL first.

    Args:
        model: with `encode` and a prior.
        data: the KL is averaged over it.
        rows: so many latents at most.
        limit: examples, the first ones.

    Returns:
        The latents, their KL in nats, and how many examples it was measured on.
    """
    mean, stddev, _ = codes.encode_set(model, data, limit)
    kl = codes.latent_kl(mean, stddev, _prior(model))
    order = np.argsort(-kl, kind="stable")[:rows]
    return order.tolist(), kl[order], len(mean)


def _prior(model):
    find = getattr(model, "prior_distribution", None)
    if find is None:
        raise NotSupported(f"{model.name} has no latents with a prior")
    return find()


def _described(data: tf.data.Dataset, count: int) -> str:
    known = zoo.data.description(data)
    if known is None:
        return f"{count} images"
    first = "the first " if count < known.count else ""
    return f"{first}{count} images of {origin(known)}"


def _start(base: np.ndarray | None, base_name: str | None) -> str:
    if base is None:
        return "the prior's mean"
    return f"the code of {base_name or 'one image'}"


def _some(values: np.ndarray) -> list[str]:
    """Labels of up to eight of the values, both ends among them; "" for the others."""
    shown = set(np.rint(np.linspace(0, len(values) - 1, min(8, len(values)))).astype(int))
    return [_signed(value) if i in shown else "" for i, value in enumerate(values)]


def _signed(value: float) -> str:
    return "0" if abs(value) < 0.05 else f"{value:+.1f}"


def _one_factor(labels: np.ndarray | None, factor: int) -> np.ndarray | None:
    if labels is None or labels.ndim == 1:
        return labels
    if factor >= labels.shape[1]:
        raise DataError(f"there are {labels.shape[1]} labels for each image, counted from 0")
    return labels[:, factor]


def _points(figure, axes, points: np.ndarray, labels: np.ndarray | None) -> None:
    """The cloud: ten classes get a colour and their name in their midst, more a colour map."""
    look = {"s": 7, "alpha": 0.6, "linewidths": 0}
    if labels is None:
        axes.scatter(*points.T, color=style.COLOURS[0], **look)
        return
    classes = np.unique(labels)
    if len(classes) > len(style.COLOURS):
        drawn = axes.scatter(*points.T, c=labels, cmap=style.COLOUR_MAP, **look)
        figure.colorbar(drawn, ax=axes, label="label", fraction=0.046)
        return
    # In mixed order, so that no class lies on top of all others.
    order = np.random.RandomState(0).permutation(len(points))
    colours = np.array(style.COLOURS)[np.searchsorted(classes, labels)]
    axes.scatter(*points[order].T, color=colours[order], **look)
    for colour, label in zip(style.COLOURS, classes, strict=False):
        axes.scatter([], [], color=colour, label=str(label), s=30)
    for colour, label, place in zip(
        style.COLOURS, classes, _label_places(points, labels, classes), strict=False
    ):
        axes.text(
            *place,
            str(label),
            size=13,
            weight="bold",
            family=style.FONT,
            color=style.INK,
            ha="center",
            va="center",
            bbox={"boxstyle": "circle,pad=0.15", "fc": "white", "ec": colour, "alpha": 0.85},
        )
    style.legend(axes, title="label")


def _label_places(points: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> list[np.ndarray]:
    """For the name of each class, a point of it among many of its own, away from other names."""
    near = min(100, len(points))
    _, neighbours = cKDTree(points).query(points, near)
    purity = (labels[neighbours.reshape(len(points), near)] == labels[:, np.newaxis]).mean(axis=1)
    apart = 0.055 * np.ptp(points, axis=0).max()
    places: list[np.ndarray] = []
    for label in classes:
        own, score = points[labels == label], purity[labels == label]
        # Of the purest, the one in their middle; then the next, until none is too close.
        best = own[score >= np.quantile(score, 0.75)]
        order = np.argsort(np.linalg.norm(best - np.median(best, axis=0), axis=1))
        free = [p for p in best[order] if all(np.linalg.norm(p - q) > apart for q in places)]
        places.append(free[0] if free else best[order[0]])
    return places
