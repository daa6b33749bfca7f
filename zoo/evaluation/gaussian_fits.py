"""The Gaussian nearest to a density on a line, by either direction of the KL divergence.

    reverse  KL(q || p) = integral q (log q - log p)   what the bound minimises; q avoids where p is
                                                       small, so of two peaks it takes one
    forward  KL(p || q) = integral p (log p - log q)   least for q with the mean and variance of p,
                                                       so it covers both

Reference: Bishop 2006, Pattern Recognition and Machine Learning, section 10.1.2.
"""

import dataclasses

import numpy as np
from scipy.optimize import minimize

_LOG_2_PI = np.log(2 * np.pi)


@dataclasses.dataclass(frozen=True)
class GaussianFit:
    """q = N(loc, scale^2), with both divergences from it in nats."""

    loc: float
    scale: float
    reverse: float
    forward: float

    def density(self, z: np.ndarray) -> np.ndarray:
        return np.exp(_log_normal(z, self.loc, self.scale))


def reverse_divergence(z: np.ndarray, log_p: np.ndarray, loc: float, scale: float) -> float:
    """KL(N(loc, scale^2) || p) in nats, of a log-density on the nodes z `[N]` of a regular grid."""
    log_q = _log_normal(z, loc, scale)
    return float(np.sum(np.exp(log_q) * (log_q - log_p)) * (z[1] - z[0]))


def forward_divergence(z: np.ndarray, log_p: np.ndarray, loc: float, scale: float) -> float:
    """KL(p || N(loc, scale^2)) in nats, as `reverse_divergence`."""
    log_q = _log_normal(z, loc, scale)
    return float(np.sum(np.exp(log_p) * (log_p - log_q)) * (z[1] - z[0]))


def forward_fit(z: np.ndarray, log_p: np.ndarray) -> GaussianFit:
    """The Gaussian with the least KL(p || q): it has the mean and the variance of p."""
    weights = np.exp(log_p) * (z[1] - z[0])
    loc = float(weights @ z)
    return _fit(z, log_p, loc, float(np.sqrt(weights @ (z - loc) ** 2)))


def reverse_fit(z: np.ndarray, log_p: np.ndarray, start: float, scale: float) -> GaussianFit:
    """The Gaussian with the least KL(q || p) near a start: descent, as a VAE's encoder does.

    Args:
        z: `[N]`, nodes of a regular grid.
        log_p: `[N]`, the log-density there.
        start: the mean from which to descend.
        scale: the standard deviation from which to descend.
    """

    def divergence(parameters):
        return reverse_divergence(z, log_p, parameters[0], np.exp(parameters[1]))

    # Below two spacings a sum over the nodes is no integral any more.
    bounds = [(z[0], z[-1]), (np.log(2 * (z[1] - z[0])), np.log(z[-1] - z[0]))]
    found = minimize(divergence, [start, np.log(scale)], bounds=bounds, method="L-BFGS-B")
    return _fit(z, log_p, float(found.x[0]), float(np.exp(found.x[1])))


def peaks(z: np.ndarray, log_p: np.ndarray, least: float = 0.01) -> np.ndarray:
    """The places of the density's local maxima, the low ones left out, highest first.

    Args:
        z: `[N]`, nodes.
        log_p: `[N]`, the log-density there.
        least: a peak must be so high, relative to the highest.
    """
    inner = (log_p[1:-1] > log_p[:-2]) & (log_p[1:-1] >= log_p[2:])
    found = np.flatnonzero(inner) + 1
    found = found[log_p[found] > log_p.max() + np.log(least)]
    return z[found[np.argsort(-log_p[found])]]


def _fit(z: np.ndarray, log_p: np.ndarray, loc: float, scale: float) -> GaussianFit:
    return GaussianFit(
        loc=loc,
        scale=scale,
        reverse=reverse_divergence(z, log_p, loc, scale),
        forward=forward_divergence(z, log_p, loc, scale),
    )


def _log_normal(z: np.ndarray, loc: float, scale: float) -> np.ndarray:
    return -(((z - loc) / scale) ** 2) / 2 - np.log(scale) - _LOG_2_PI / 2
