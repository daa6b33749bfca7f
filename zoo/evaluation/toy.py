"""A VAE on `toy`, where the truth is known: its evidence, its posteriors, and what they lack.

The data's density p*(x) and the model's p(x) are both quadratures, so log p*(x) - log p(x),
averaged over data, estimates KL(p* || p) and nothing else; and log p(x) - ELBO(x) is
KL(q(z|x) || p(z|x)).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from zoo.data import toy
from zoo.errors import NotSupported
from zoo.evaluation.quadrature import elbo, latent_grid, log_evidence
from zoo.evaluation.results import (
    ELBO,
    EXACT,
    LikelihoodResult,
    Result,
    mean_result,
    standard_error,
)
from zoo.models.vae import VAE

# Two places on the manifold whose lights do not overlap, for an image that could be either.
_PLACES = (-0.7, 0.7)
# Nodes of a grid for drawing from, and of, a density.
_FINE = 8193
_DIMENSIONS = 16


@dataclasses.dataclass(frozen=True)
class ToyResult:
    """Log-densities of images, `[N]` each, in nats.

    Attributes:
        truth: log p*(x) of the process that made them, by quadrature.
        evidence: log p(x) of the model, by quadrature.
        elbo: the bound, by quadrature.
        importance: the model's `log_prob`.
        num_samples: its K.
    """

    truth: np.ndarray
    evidence: np.ndarray
    elbo: np.ndarray
    importance: np.ndarray
    num_samples: int

    def results(self, data: Mapping[str, Any]) -> dict[str, Result]:
        """Means over the images in nats; differences are paired.

        Args:
            data: the protocol of the images.
        """
        log_densities = {
            "quadrature.truth": (self.truth, EXACT),
            "quadrature.evidence": (self.evidence, EXACT),
            "quadrature.elbo": (self.elbo, ELBO),
        }
        differences = {
            "gap_to_truth": self.truth - self.evidence,
            "gap_of_importance": self.evidence - self.importance,
            "gap_of_elbo": self.evidence - self.elbo,
        }
        return {
            **{
                name: LikelihoodResult(
                    float(values.mean()),
                    standard_error(values),
                    "nats",
                    len(values),
                    data,
                    kind=kind,
                    dimensions=_DIMENSIONS,
                    per_example=values,
                )
                for name, (values, kind) in log_densities.items()
            },
            **{
                name: mean_result(values, "nats", data, difference=True)
                for name, values in differences.items()
            },
        }


def evaluate_toy(model: VAE, x: np.ndarray, num_samples: int = 1000, seed: int = 0) -> ToyResult:
    """Measures a VAE with one or two latents on images of `toy`, `[N, 4, 4, 1]`.

    Args:
        model: trained on `toy`, or not.
        x: images.
        num_samples: K of the importance estimate, which the quadrature judges.
        seed: of that estimate.

    Raises:
        DataError: images of another shape.
        NotSupported: more than two latents.
    """
    model.check(x)
    if model.event_shape != (4, 4, 1):
        raise NotSupported("the truth is known of `toy` alone: quadrature: true is for vae.toy")
    return ToyResult(
        truth=toy.log_density(x),
        evidence=log_evidence(model, x),
        elbo=elbo(model, x),
        importance=model.log_prob(x, num_samples=num_samples, seed=seed).numpy().astype(np.float64),
        num_samples=num_samples,
    )


def place(x: np.ndarray, nodes: int = 2001) -> np.ndarray:
    """E[t|x] `[N]`: where on the true manifold an image `[N, 4, 4, 1]` most likely comes from."""
    t = np.linspace(-6.0, 6.0, nodes)
    log_joint = toy.log_joint(x, t)
    return np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True)) @ t


def model_joint(
    model: VAE, pixel: tuple[int, int], latent: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """p(z, x_i) of one pixel i, a density.

    Args:
        model: with one latent, and a likelihood of independent pixels.
        pixel: row and column.
        latent: `[N]`, values of z.
        values: `[V]`, values of the pixel.

    Returns:
        `[V, N]`.
    """
    _one_latent(model)
    z = tf.cast(latent, tf.float32)[:, None]
    image = model.decode(z)
    if not hasattr(image, "distribution"):
        raise NotSupported(f"{type(model.likelihood).__name__} has no density of one pixel")
    shape = (-1, *[1] * (1 + len(model.event_shape)))
    pixels = image.distribution.log_prob(tf.reshape(tf.cast(values, tf.float32), shape))
    log_pixel = pixels[:, :, pixel[0], pixel[1], 0].numpy().astype(np.float64)
    return np.exp(log_pixel + model.prior_distribution().log_prob(z).numpy())


def true_joint(pixel: tuple[int, int], t: np.ndarray, values: np.ndarray) -> np.ndarray:
    """p*(t, x_i) of one pixel i of the process, as `model_joint`: `[V, N]`."""
    mean = toy.mean(t)[:, pixel[0], pixel[1], 0]
    deviation = (np.asarray(values)[:, None] - mean) / toy.SIGMA
    return np.exp(-(deviation**2) / 2 - t**2 / 2) / (2 * np.pi * toy.SIGMA)


def posterior_draws(model: VAE, x: np.ndarray, seed: int = 0) -> np.ndarray:
    """One z ~ p(z|x) for each image, `[N]`: from the true posterior, by its quadrature."""
    _one_latent(model)
    # Finer than the integral needs, because between two nodes the density is taken as constant.
    grid = latent_grid(model, x, nodes=_FINE)
    z, density = grid.z[:, 0], np.exp(grid.log_posterior)
    cumulative = np.cumsum((density[:, :-1] + density[:, 1:]) / 2, axis=1) * grid.cell
    uniform = np.random.RandomState(seed).uniform(size=len(x))
    return np.array([np.interp(u, c, z[1:]) for c, u in zip(cumulative, uniform, strict=True)])


def ambiguous_image(model: VAE, share: float = 0.6) -> np.ndarray:
    """An image `[1, 4, 4, 1]` with two peaks in p(z|x): a blend of two places of the manifold.

    Which of the two the posterior prefers turns quickly with the blend; bisection finds the blend
    that gives the first place this share of the probability.

    Args:
        model: with one latent, trained on `toy`.
        share: of the first place, between 0 and 1.
    """
    _one_latent(model)
    ends = toy.mean(np.array(_PLACES)).astype(np.float32)
    middles = latent_grid(model, ends)
    modes = middles.z[middles.log_joint.argmax(axis=1), 0]
    border, first_is_low = modes.mean(), modes[0] < modes[1]

    def blend(weight):
        return ((1 - weight) * ends[0] + weight * ends[1])[None]

    low, high = 0.0, 1.0
    for _ in range(30):
        weight = (low + high) / 2
        grid = latent_grid(model, blend(weight))
        below = np.exp(grid.log_posterior[0, grid.z[:, 0] < border]).sum() * grid.cell
        first = below if first_is_low else 1 - below
        low, high = (weight, high) if first > share else (low, weight)
    return blend((low + high) / 2)


def _one_latent(model: VAE) -> None:
    if model.latent_size != 1:
        raise NotSupported(f"{model.name} has {model.latent_size} latents; this picture needs one")
