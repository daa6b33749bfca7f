"""What a lecturer draws of a VAE with one latent on images whose density is known.

Everything comes in as arrays: densities by quadrature, in nats where they are logs. p, q and z are
the model's; p* and t, the place on the manifold, belong to the process that made the data.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from zoo.pictures import style
from zoo.pictures.grids import image_grid
from zoo.pictures.panels import labelled, panels, small_legend

MODEL, BEFORE, TRUTH = style.COLOURS[0], style.COLOURS[1], style.INK
OTHER, THIRD = style.COLOURS[2], style.COLOURS[4]
_SHADES = "Blues"
_DOTS = {"s": 6, "linewidths": 0}


def joint_densities(
    latent: np.ndarray,
    values: np.ndarray,
    model: np.ndarray,
    truth: np.ndarray,
    draws: np.ndarray,
    places: np.ndarray,
    pixels: np.ndarray,
    pixel: tuple[int, int],
) -> Figure:
    """p(z, x_i) of one pixel beside the p*(t, x_i) that it was learned from, with the data.

    Args:
        latent: `[N]`, values of z, and of t.
        values: `[V]`, values of the pixel.
        model, truth: `[V, N]`, the densities.
        draws: `[B]`, a z ~ p(z|x) of each image.
        places: `[B]`, the t of each image.
        pixels: `[B]`, the pixel of each image.
        pixel: its row and column, for the caption.
    """
    figure, ((left, right),) = panels(
        1,
        2,
        3.3,
        2.9,
        "Joint density of latent and data",
        f"pixel in row {pixel[0] + 1}, column {pixel[1] + 1}; darker is denser; dots: the test "
        "images, at a draw z ~ p(z|x) and at their place t; z may run the other way than t",
    )
    extent = (latent[0], latent[-1], values[0], values[-1])
    for axes, density, x, names in (
        (left, model, draws, ("the model: p(z, x_i)", "latent z")),
        (right, truth, places, ("the process: p*(t, x_i)", "place t on the manifold")),
    ):
        # The square root lets the flanks be seen beside the peaks.
        shades = {"vmin": 0, "vmax": np.sqrt(truth.max()), "cmap": _SHADES}
        axes.imshow(np.sqrt(density), origin="lower", extent=extent, aspect="auto", **shades)
        axes.scatter(x, pixels, color=OTHER, alpha=0.7, **_DOTS)
        labelled(axes, names[1], "pixel value x_i", names[0])
        axes.grid(False)
        axes.set_xlim(extent[:2])
        axes.set_ylim(extent[2:])
    return figure


def posteriors(
    latent: np.ndarray,
    exact: np.ndarray,
    approximate: np.ndarray,
    prior: np.ndarray,
    images: np.ndarray,
    divergences: np.ndarray,
) -> Figure:
    """p(z|x) against q(z|x) for some images.

    Args:
        latent: `[N]`.
        exact, approximate: `[R, N]`, p(z|x) and q(z|x).
        prior: `[N]`, p(z).
        images: `[R, H, W, 1]` in [0, 1].
        divergences: `[R]`, KL(q(z|x) || p(z|x)) in nats.
    """
    columns = len(images)
    figure, (row,) = panels(
        1,
        columns,
        1.75,
        2.2,
        "True and approximate posterior",
        "each panel is one test image, shown in its corner; p(z|x) by quadrature over z; "
        "q(z|x) is what the encoder says; what the bound lacks is KL(q || p), in nats",
        gap=0.5,
        right=1.1,
    )
    for axes, p, q, image, kl in zip(row, exact, approximate, images, divergences, strict=True):
        axes.fill_between(latent, p, color=MODEL, alpha=0.35, linewidth=0, label="p(z|x)")
        axes.plot(latent, q, color=OTHER, linewidth=1.8, label="q(z|x)")
        axes.plot(latent, prior, ":", color=style.FAINT, linewidth=1.4, label="p(z)")
        seen = latent[np.maximum(p / p.max(), q / q.max()) > 1e-3]
        width = seen[-1] - seen[0]
        axes.set_xlim(seen[0] - 0.15 * width, seen[-1] + 0.15 * width)
        axes.set_ylim(0, 1.7 * max(p.max(), q.max()))
        labelled(axes, "z", "density" if axes is row[0] else "", f"KL = {kl:.3f}")
        _inset(axes, image, (0.64, 0.68, 0.34, 0.3))
    style.legend(row[-1])
    return figure


def evidence(
    places: np.ndarray, truth: np.ndarray, before: np.ndarray, after: np.ndarray
) -> Figure:
    """log p(x) of every image before and after training, beside what is true.

    Args:
        places: `[B]`, where on the manifold each image lies.
        truth: `[B]`, log p*(x).
        before, after: `[B]`, log p(x) of the untrained and of the trained model.
    """
    lacking = truth - after
    error = lacking.std(ddof=1) / np.sqrt(len(lacking))
    figure, ((left, right),) = panels(
        1,
        2,
        3.3,
        2.9,
        "Evidence of every data point",
        f"{len(truth)} test images; log p(x) by quadrature over z; after training "
        f"{lacking.mean():.3f} +- {error:.3f} nats are lacking on average, an estimate of "
        f"KL(p* || p); before, {np.mean(truth - before):.1f}",
    )
    left.axhline(truth.mean(), color=TRUTH, linestyle="--", linewidth=1.2, label="mean log p*(x)")
    for values, colour, name in (
        (before, BEFORE, "before training"),
        (after, MODEL, "after training"),
    ):
        left.scatter(places, values, color=colour, alpha=0.7, label=name, zorder=2, **_DOTS)
    labelled(left, "place t on the manifold", "log p(x) in nats", "along the manifold")
    small_legend(left, loc="upper center", ncols=2, markerscale=2)
    low, high = left.get_ylim()
    left.set_ylim(low, high + 0.35 * (high - low))
    ends = [min(truth.min(), after.min()) - 1, max(truth.max(), after.max()) + 1]
    right.plot(ends, ends, color=style.FAINT, linewidth=1, zorder=0)
    right.scatter(truth, after, color=MODEL, alpha=0.7, **_DOTS)
    labelled(right, "true log p*(x)", "model's log p(x)", "after training, point by point")
    return figure


def manifolds(data: np.ndarray, truth: np.ndarray, model: np.ndarray, latent: np.ndarray) -> Figure:
    """Data, the manifold that they scatter about, and the one that was learned, seen by PCA.

    Args:
        data: `[B, P]`, images as vectors.
        truth: `[T, P]`, the true manifold, in order.
        model: `[N, P]`, E[x|z] along z.
        latent: `[N]`, those z.
    """
    middle = data.mean(axis=0)
    _, spread, axes_of_data = np.linalg.svd(data - middle, full_matrices=False)
    share = spread**2 / np.sum(spread**2)

    def view(points):
        return (points - middle) @ axes_of_data[:3].T

    figure, (row,) = panels(
        1,
        2,
        3.1,
        3.0,
        "The data manifold and the learned one",
        "dots: test images, which are the manifold plus Gaussian noise; all seen along the data's "
        f"first three principal axes ({share[:3].sum():.0%} of the variance)",
        right=1.0,
    )
    seen = view(model)
    for axes, second in zip(row, (1, 2), strict=True):
        axes.scatter(*view(data)[:, [0, second]].T, color="#b5b5b5", alpha=0.6, **_DOTS)
        axes.plot(*view(truth)[:, [0, second]].T, color=TRUTH, linewidth=3.5, label="true mean(t)")
        points = seen[:, [0, second]]
        line = LineCollection(
            np.stack([points[:-1], points[1:]], axis=1), cmap=style.COLOUR_MAP, linewidth=1.8
        )
        line.set_array(latent[:-1])
        axes.add_collection(line)
        labelled(axes, "principal axis 1", f"principal axis {second + 1}")
        axes.set_aspect("equal", adjustable="datalim")
    small_legend(row[0], loc="lower center")
    box = row[-1].get_position()
    bar = figure.add_axes((box.x1 + 0.015, box.y0, 0.015, box.height))
    figure.colorbar(line, cax=bar)
    bar.set_ylabel("z of the model's E[x|z]", size=style.TEXT_SIZE, family=style.FONT)
    bar.tick_params(labelsize=style.TEXT_SIZE)
    return figure


def strips(truth: np.ndarray, model: np.ndarray, quantiles: np.ndarray) -> Figure:
    """The true images along t above the model's along z, at the same quantiles of both.

    Args:
        truth, model: `[N, H, W, 1]`, mean(t) and E[x|z].
        quantiles: `[N]`, of the standard normal that t and z both have.
    """
    return image_grid(
        np.clip(np.stack([truth, model]), 0.0, 1.0),
        "Along the manifold",
        "noiseless images at quantiles of t ~ N(0, 1), and the model's E[x|z] at the same ones of "
        "z ~ N(0, 1): if the model is right, they agree; z is turned round where it runs "
        "the other way",
        row_labels=["true mean(t)", "model E[x|z]"],
        column_labels=[f"{q:.0%}" for q in quantiles],
    )


def two_divergences(
    latent: np.ndarray,
    exact: np.ndarray,
    reverse: Sequence[tuple[np.ndarray, float]],
    forward: tuple[np.ndarray, float],
    image: np.ndarray,
    landscape: tuple[np.ndarray, np.ndarray, np.ndarray],
    optima: Sequence[tuple[float, float]],
) -> Figure:
    """A posterior with two peaks, and the nearest Gaussians by either direction of KL.

    Args:
        latent: `[N]`.
        exact: `[N]`, p(z|x).
        reverse: for each start, one or two, the density `[N]` of least KL(q || p), and the KL.
        forward: the density that minimises KL(p || q), and the KL.
        image: `[H, W, 1]`, x in [0, 1].
        landscape: means `[M]`, standard deviations `[S]`, and KL(q || p) of each pair `[S, M]`.
        optima: (mean, standard deviation) of each of `reverse`, then of `forward`.
    """
    peaks = "two peaks" if len(reverse) > 1 else "one peak"
    figure, ((left, right),) = panels(
        1,
        2,
        3.4,
        3.0,
        "Forward against reverse KL",
        f"x is a blend of two places, and p(z|x) has {peaks} here; descent on KL(q || p), what a "
        "VAE's bound does, ends in the peak where it starts; the minimum of KL(p || q) has the "
        "mean and variance of p and covers both",
        right=0.75,
    )
    names = [*(f"reverse, start {i + 1}" for i in range(len(reverse))), "forward"]
    colours = [*(OTHER, BEFORE)[: len(reverse)], THIRD]
    _densities(left, latent, exact, list(zip((*reverse, forward), names, colours, strict=True)))
    _inset(left, image, (0.77, 0.75, 0.22, 0.22))
    drawn, lowest = _landscape(right, landscape)
    for (mean, scale), name, colour in zip(optima, names, colours, strict=True):
        right.plot(mean, scale, "o", color=colour, markeredgecolor="white", markersize=9)
        right.annotate(
            name.removeprefix("reverse, "),
            (mean, scale),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            size=style.TEXT_SIZE,
            family=style.FONT,
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.8},
        )
    box = right.get_position()
    bar = figure.add_axes((box.x1 + 0.015, box.y0, 0.015, box.height))
    ticks = [level for level in (0.5, 1, 2, 5, 10, 30, 100, 300) if level >= lowest]
    figure.colorbar(drawn, cax=bar, ticks=ticks, format="%g")
    bar.set_title("nats", size=style.TEXT_SIZE, family=style.FONT)
    bar.tick_params(labelsize=style.TEXT_SIZE)
    return figure


def _densities(axes, latent: np.ndarray, exact: np.ndarray, found: list) -> None:
    """p(z|x), and each ((density, KL), name, colour) of `found`."""
    axes.fill_between(latent, exact, color=MODEL, alpha=0.35, linewidth=0, label="p(z|x)")
    for (q, kl), name, colour in found:
        axes.plot(latent, q, color=colour, linewidth=1.8, label=f"{name}: {kl:.2f} nats")
    seen = latent[exact > 1e-3 * exact.max()]
    axes.set_xlim(seen[0] - 0.5, seen[-1] + 0.5)
    # The last one covers all peaks, and is lower than any.
    axes.set_ylim(0, 1.75 * max(exact.max(), *(q.max() for (q, _), *_ in found[:-1])))
    labelled(axes, "z", "density", "p(z|x) and the Gaussians q(z)")
    small_legend(axes, loc="upper left")


def _landscape(axes, landscape: tuple[np.ndarray, np.ndarray, np.ndarray]):
    """KL(q || p) over means and deviations: the drawn contours, and their lowest level."""
    means, scales, kl = landscape
    levels = np.geomspace(max(kl.min(), 1e-2), 300.0, 13)
    drawn = axes.contourf(
        means,
        scales,
        np.clip(kl, levels[0], levels[-1]),
        levels,
        cmap=f"{_SHADES}_r",
        norm=LogNorm(levels[0], levels[-1]),
    )
    axes.contour(means, scales, kl, levels, colors="white", linewidths=0.5)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_yscale("log")
    labelled(axes, "mean of q", "standard deviation of q", "KL(q || p) of each Gaussian")
    return drawn, levels[0]


def update_schedules(
    curves: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]],
    truth: float,
    block: int,
    data: str,
) -> Figure:
    """Evidence and posterior gap over training, of joint and of alternating updates.

    Args:
        curves: name, steps `[S]`, log p(x) `[S]`, KL(q(z|x) || p(z|x)) `[S]`, means in nats.
        truth: mean log p*(x) of the same images.
        block: steps of the longest E-step, which are shaded.
        data: on what the curves were measured.
    """
    figure, ((left,), (right,)) = panels(
        2,
        1,
        6.2,
        2.3,
        "Alternating against joint updates",
        "E-steps move the encoder only: log p(x) stands still and the gap closes; M-steps move the "
        "decoder only; joint updates move both; all take the same number of gradient steps; both "
        f"curves by quadrature, means over {data}; shaded: E-steps of the blocks of {block}",
        gap=0.35,
        right=0.3,
    )
    left.axhline(truth, color=style.FAINT, linestyle="--", linewidth=1.2, label="true log p*(x)")
    last = max(steps[-1] for _, steps, _, _ in curves)
    for axes in (left, right):
        for start in range(0, last, 2 * block):
            axes.axvspan(start, min(start + block, last), color="#f0f0f0", linewidth=0, zorder=0)
        axes.set_xlim(0, last)
    colours = (TRUTH, MODEL, OTHER, THIRD)
    for (name, steps, log_evidence, divergence), colour in zip(curves, colours, strict=False):
        left.plot(steps, log_evidence, color=colour, linewidth=1.6, label=name)
        right.plot(steps, divergence, color=colour, linewidth=1.6)
    low = np.quantile(np.concatenate([c[2] for c in curves]), 0.05)
    left.set_ylim(low - 1, truth + 0.12 * (truth - low))
    right.set_yscale("log")
    labelled(left, "", "log p(x) in nats")
    labelled(right, "gradient steps", "KL(q(z|x) || p(z|x)) in nats")
    left.tick_params(labelbottom=False)
    small_legend(left, loc="lower right")
    return figure


def _inset(axes: Axes, image: np.ndarray, box: tuple[float, float, float, float]) -> None:
    inset = axes.inset_axes(box)
    inset.imshow(np.clip(image[..., 0], 0, 1), cmap="gray", vmin=0, vmax=1)
    inset.set_xticks([])
    inset.set_yticks([])
