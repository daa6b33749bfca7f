"""The lesson that `toy` was made for: one model, everything known, seven pictures.

It trains small copies, measures by quadrature and draws, so it stands above all three.
"""

import os
from pathlib import Path

import numpy as np
from scipy.special import ndtri

import zoo.data
from zoo import storing
from zoo.configuration import Config
from zoo.data import toy
from zoo.errors import DataError
from zoo.evaluation import gaussian_fits
from zoo.evaluation import toy as measured
from zoo.evaluation.quadrature import latent_grid, log_evidence, posterior_divergence
from zoo.files import refuse_existing
from zoo.models.vae import VAE
from zoo.pictures import toy as drawn
from zoo.pictures.saving import save
from zoo.training.alternating import train_by_parts

# A pixel whose value says much of the place; row and column.
_PIXEL = (1, 2)
# Shares of the test set, sorted by place, at which posteriors are shown; besides these, the image
# where the encoder errs most.
_SHOWN = (0.1, 0.4, 0.8)
_PICTURES = (
    "joint",
    "posteriors",
    "evidence",
    "manifold",
    "strips",
    "two_divergences",
    "updates",
)
_BATCH, _STEPS, _BLOCKS = 100, 2000, (10, 100)


def toy_pictures(
    model: VAE, directory: str | os.PathLike, *, steps: int = _STEPS, overwrite: bool = False
) -> list[Path]:
    """Writes the pictures of a VAE with one latent trained on `toy`, as PNG files.

    joint.png                 p(z, x_i) of one pixel with the data, beside the true p*(t, x_i)
    posteriors.png            p(z|x) against q(z|x) for chosen images
    evidence.png              log p(x) of all test images before and after training, and the truth
    manifold.png, strips.png  the learned manifold beside the true one
    two_divergences.png       forward against reverse KL on a posterior with two peaks
    updates.png               alternating against joint updates, which trains three fresh copies

    Args:
        model: with one latent.
        directory: made where it is missing.
        steps: gradient steps of each copy, which take most of the time.
        overwrite: replace files of these names.

    Raises:
        DataError: a model of other images.
        NotSupported: another number of latents.
        ZooError: a file exists, or cannot be written.
    """
    if tuple(model.event_shape) != toy.SHAPE:
        raise DataError(f"{model.name} models images {model.event_shape}, toy has {toy.SHAPE}")
    files = {name: Path(directory) / f"{name}.png" for name in _PICTURES}
    if not overwrite:
        # Before the work, not after it.
        for file in files.values():
            refuse_existing(file)
    data = zoo.data.load("toy", batch_size=_BATCH)
    x = np.concatenate([batch.numpy() for batch in data.test])
    figures = {
        "joint": joint(model, x),
        "posteriors": posteriors(model, x),
        "evidence": evidence(model, x),
        "manifold": manifold(model, x),
        "strips": strips(model, x),
        "two_divergences": two_divergences(model),
        "updates": updates(model, data, steps),
    }
    return [save(figures[name], file, overwrite) for name, file in files.items()]


def untrained(model: VAE, seed: int = 0) -> VAE:
    """A model of the same parts with fresh weights."""
    return storing.build_model(Config(model.name, {"model": storing.spec(model)}), seed)


def joint(model: VAE, x: np.ndarray):
    """The figure of `zoo.pictures.toy.joint_densities` for test images `x`."""
    latent, values = np.linspace(-3.2, 3.2, 400), np.linspace(-0.4, 1.4, 300)
    return drawn.joint_densities(
        latent,
        values,
        model=measured.model_joint(model, _PIXEL, latent, values),
        truth=measured.true_joint(_PIXEL, latent, values),
        draws=measured.posterior_draws(model, x),
        places=measured.place(x),
        pixels=x[:, _PIXEL[0], _PIXEL[1], 0],
        pixel=_PIXEL,
    )


def posteriors(model: VAE, x: np.ndarray):
    """The figure of `zoo.pictures.toy.posteriors` for some of the images `x`."""
    divergences = posterior_divergence(model, x)
    order = np.argsort(measured.place(x))
    chosen = [int(order[int(share * len(x))]) for share in _SHOWN] + [int(divergences.argmax())]
    # Finer than the integral needs, for smooth curves.
    grid = latent_grid(model, x[chosen], nodes=8193)
    posterior, prior = model.encode(x[chosen]), model.prior_distribution()
    z = grid.z.astype(np.float32)
    return drawn.posteriors(
        grid.z[:, 0],
        exact=np.exp(grid.log_posterior),
        approximate=posterior.prob(z[:, None]).numpy().T,
        prior=prior.prob(z).numpy(),
        images=x[chosen],
        divergences=divergences[chosen],
    )


def evidence(model: VAE, x: np.ndarray):
    """The figure of `zoo.pictures.toy.evidence` for images `x`."""
    return drawn.evidence(
        measured.place(x),
        truth=toy.log_density(x),
        before=log_evidence(untrained(model), x),
        after=log_evidence(model, x),
    )


def manifold(model: VAE, x: np.ndarray):
    """The figure of `zoo.pictures.toy.manifolds` with images `x` as the data."""
    t = np.linspace(-3.0, 3.0, 400)
    return drawn.manifolds(
        x.reshape(len(x), -1),
        truth=toy.mean(t).reshape(len(t), -1),
        model=_decoded(model, t).reshape(len(t), -1),
        latent=t,
    )


def strips(model: VAE, x: np.ndarray, columns: int = 11):
    """The figure of `zoo.pictures.toy.strips`; images `x` tell which way z runs."""
    quantiles = np.linspace(0.01, 0.99, columns)
    t = ndtri(quantiles)
    codes = model.encode(x).mean().numpy()[:, 0]
    direction = -1 if np.corrcoef(codes, measured.place(x))[0, 1] < 0 else 1
    return drawn.strips(toy.mean(t), _decoded(model, direction * t), quantiles)


def two_divergences(model: VAE):
    """The figure of `zoo.pictures.toy.two_divergences`, of an image between two places."""
    x = measured.ambiguous_image(model)
    grid = latent_grid(model, x, nodes=8193)
    z, log_p = grid.z[:, 0], grid.log_posterior[0]
    starts = gaussian_fits.peaks(z, log_p)[:2]
    reverse = [gaussian_fits.reverse_fit(z, log_p, start, 0.1) for start in starts]
    forward = gaussian_fits.forward_fit(z, log_p)
    means = np.linspace(min(starts) - 0.5, max(starts) + 0.5, 90)
    scales = np.geomspace(0.03, 1.5, 60)
    kl = [
        [gaussian_fits.reverse_divergence(z[::8], log_p[::8], m, s) for m in means] for s in scales
    ]
    return drawn.two_divergences(
        z,
        exact=np.exp(log_p),
        reverse=[(fit.density(z), fit.reverse) for fit in reverse],
        forward=(forward.density(z), forward.forward),
        image=x[0],
        landscape=(means, scales, np.array(kl)),
        optima=[(fit.loc, fit.scale) for fit in (*reverse, forward)],
    )


def updates(model: VAE, data: zoo.data.Splits, steps: int = _STEPS):
    """The figure of `zoo.pictures.toy.update_schedules`: three copies of the model, trained."""
    x = np.concatenate([batch.numpy() for batch in data.valid.take(1)])
    curves = []
    for block in (None, *_BLOCKS):
        copy = untrained(model)
        # The same order of the same batches, for each.
        data.train.epoch.assign(0)
        curve = train_by_parts(copy, data.train, x, steps, block, every=max(1, steps // 100))
        name = "joint" if block is None else f"alternating, {block} steps each"
        curves.append((name, curve.steps, curve.evidence, curve.divergence))
    described = f"{len(x)} validation images"
    return drawn.update_schedules(curves, float(toy.log_density(x).mean()), _BLOCKS[-1], described)


def _decoded(model: VAE, z: np.ndarray) -> np.ndarray:
    """E[x|z] `[N, *event]`."""
    return model.decode(z[:, None].astype(np.float32)).mean().numpy()
