"""Integrals over the latents of a model that has one or two: nothing is estimated, all is summed.

    p(x)                = integral p(x|z) p(z) dz
    p(z|x)              = p(x|z) p(z) / p(x)
    log p(x) - ELBO(x)  = KL(q(z|x) || p(z|x))

The integrands are smooth and die out on all sides, where the trapezoidal rule converges faster than
any power of the spacing: nodes no further apart than the posterior's standard deviation leave an
error below 1e-8. The spacing is halved until log p(x) stands still. Networks run in float32, sums
in float64; what remains is the network's rounding, below 1e-5 nats for images of a few pixels.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from zoo.errors import NotSupported, ZooError
from zoo.models.vae import VAE
from zoo.objectives.variational import kl_divergence

# In nats: what one more halving of the spacing may change.
TOLERANCE = 1e-5
# The grid ends where a standard normal prior has fallen by 50 nats.
HALF_RANGE = 10.0
# Nodes per axis of the first and of the last grid, by the number of latents.
_FIRST, _LAST = {1: 1025, 2: 129}, {1: 65537, 2: 1025}
# Under the posterior: standard deviations to each side, and nodes per axis.
_DEVIATIONS, _NODES = 9.0, {1: 361, 2: 121}
# Numbers held at once (32 MB as float64).
_AT_ONCE = 2**22


@dataclasses.dataclass(frozen=True)
class LatentGrid:
    """p(x, z) of some images on a regular grid of latents.

    Attributes:
        z: `[N, D]`, the nodes.
        log_joint: `[B, N]`, log p(x, z) in nats.
        cell: length (D = 1) or area (D = 2) that one node stands for.
    """

    z: np.ndarray
    log_joint: np.ndarray
    cell: float

    @property
    def log_evidence(self) -> np.ndarray:
        """`[B]`: log p(x), the log of the sum over the grid."""
        return logsumexp(self.log_joint, axis=1) + np.log(self.cell)

    @property
    def log_posterior(self) -> np.ndarray:
        """`[B, N]`: log p(z|x), a density: its sum times `cell` is 1."""
        return self.log_joint - self.log_evidence[:, None]


def log_joint(model: VAE, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """log p(x, z) `[B, N]` in nats, of each image `[B, *event]` with each latent `[N, D]`."""
    x, z = tf.cast(x, tf.float32), tf.cast(z, tf.float32)
    step = max(1, _AT_ONCE // int(np.prod(x.shape)))
    parts = [
        model.decode(z[i : i + step, None]).log_prob(x).numpy() for i in range(0, len(z), step)
    ]
    log_prior = model.prior_distribution().log_prob(z).numpy().astype(np.float64)
    return np.concatenate(parts).astype(np.float64).T + log_prior


def latent_grid(model: VAE, x: np.ndarray, nodes: int | None = None) -> LatentGrid:
    """p(x, z) on a grid over [-10, 10]^D that is fine enough for log p(x) to `TOLERANCE`.

    Args:
        model: with one or two latents.
        x: `[B, *event]`.
        nodes: per axis; None: doubled until log p(x) of every image stands still.

    Raises:
        NotSupported: a model with more latents.
        ZooError: the finest grid is too coarse, or too short.
    """
    size = _latent_size(model)
    n = nodes or _FIRST[size]
    while True:
        axis, spacing = np.linspace(-HALF_RANGE, HALF_RANGE, n, retstep=True)
        z = _product(axis, size)
        grid = LatentGrid(z, log_joint(model, x, z), float(spacing) ** size)
        if nodes is not None or _halving_error(grid, n) < TOLERANCE:
            break
        n = 2 * n - 1
        if n > _LAST[size]:
            raise ZooError(
                f"the posterior of {model.name} is too narrow for {_LAST[size]} nodes on "
                f"[-{HALF_RANGE:g}, {HALF_RANGE:g}]: estimate by model.log_prob instead"
            )
    edge = np.abs(z).max(axis=1) >= HALF_RANGE
    outside = logsumexp(grid.log_posterior[:, edge], axis=1) + np.log(grid.cell)
    if outside.max() > np.log(TOLERANCE):
        raise ZooError(
            f"p(z|x) of {model.name} reaches beyond |z| = {HALF_RANGE:g} for some images: "
            "estimate by model.log_prob instead"
        )
    return grid


def log_evidence(model: VAE, x: np.ndarray) -> np.ndarray:
    """log p(x) `[B]` in nats by quadrature over z, of images `[B, *event]`.

    Raises:
        NotSupported, ZooError: as `latent_grid`.
    """
    # Each part finds its own spacing; the parts bound the memory.
    step = max(1, _AT_ONCE // _FIRST[_latent_size(model)] ** model.latent_size)
    parts = [latent_grid(model, x[i : i + step]).log_evidence for i in range(0, len(x), step)]
    return np.concatenate(parts)


def elbo(model: VAE, x: np.ndarray) -> np.ndarray:
    """E_q[log p(x|z)] - KL(q(z|x) || p(z)) `[B]` in nats, the expectation by quadrature over q.

    The KL is the objective's: in closed form where there is one, else by the same quadrature.
    """

    def bound(images, posterior, z, weights):
        log_likelihood = model.decode(z).log_prob(images)
        kl, how = kl_divergence(posterior, model.prior_distribution(), z)
        if how == "closed form":
            return np.sum(weights * _float64(log_likelihood), axis=0) - _float64(kl)
        log_ratio = posterior.log_prob(z) - model.prior_distribution().log_prob(z)
        return np.sum(weights * _float64(log_likelihood - log_ratio), axis=0)

    return _under_posterior(model, x, bound)


def posterior_divergence(model: VAE, x: np.ndarray) -> np.ndarray:
    """KL(q(z|x) || p(z|x)) `[B]` in nats, by quadrature over q; what the bound lacks to log p(x).

    Raises:
        NotSupported, ZooError: as `latent_grid`.
    """

    def unnormalised(images, posterior, z, weights):
        log_prior = model.prior_distribution().log_prob(z)
        log_ratio = posterior.log_prob(z) - model.decode(z).log_prob(images) - log_prior
        return np.sum(weights * _float64(log_ratio), axis=0)

    return _under_posterior(model, x, unnormalised) + log_evidence(model, x)


def _under_posterior(model: VAE, x: np.ndarray, compute: Callable) -> np.ndarray:
    """`compute(x [B, ...], q(z|x), z [N, B, D], weights [N, B])` over all images, in parts."""
    size = _latent_size(model)
    u = _product(np.linspace(-_DEVIATIONS, _DEVIATIONS, _NODES[size]), size)
    step = max(1, _AT_ONCE // (len(u) * int(np.prod(model.event_shape))))
    values = []
    for i in range(0, len(x), step):
        images = tf.cast(x[i : i + step], tf.float32)
        posterior = model.encode(images)
        scale = np.linalg.cholesky(_float64(posterior.covariance()))
        z = _float64(posterior.mean()) + np.einsum("bij,nj->nbi", scale, u)
        z = tf.cast(z, tf.float32)
        # Normalised, which a density needs no Jacobian for, and any common factor drops out.
        log_q = _float64(posterior.log_prob(z))
        weights = np.exp(log_q - logsumexp(log_q, axis=0))
        values.append(compute(images, posterior, z, weights))
    return np.concatenate(values)


def _halving_error(grid: LatentGrid, n: int) -> float:
    """The largest change of log p(x) from every second node of each axis to all of them."""
    size = grid.z.shape[1]
    every_second = (slice(None), *[slice(None, None, 2)] * size)
    coarse = grid.log_joint.reshape(-1, *[n] * size)[every_second]
    coarse = logsumexp(coarse.reshape(len(coarse), -1), axis=1) + np.log(2**size * grid.cell)
    return float(np.abs(coarse - grid.log_evidence).max())


def _latent_size(model: VAE) -> int:
    if model.latent_size not in _FIRST:
        raise NotSupported(
            f"{model.name} has {model.latent_size} latents, and quadrature takes one or two: "
            "estimate by model.log_prob instead"
        )
    return model.latent_size


def _product(axis: np.ndarray, size: int) -> np.ndarray:
    """All points `[len(axis)^size, size]` with coordinates from `axis`."""
    return np.stack(np.meshgrid(*[axis] * size, indexing="ij"), axis=-1).reshape(-1, size)


def _float64(x: tf.Tensor) -> np.ndarray:
    return x.numpy().astype(np.float64)
