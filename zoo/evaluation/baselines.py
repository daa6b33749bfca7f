"""Classical densities on the same data and split, which a trained model should beat.

They are fitted on dequantized values v = (level + u) / L in [0, 1], u uniform, and selected on the
validation set. Beside a discrete model they are made discrete:

    P(x) = integral of L^-D p(v) over the cell of x = E_u[p((x + u) / L)] / L^D.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import zoo.data
from zoo.evaluation.likelihood import log_levels
from zoo.evaluation.results import (
    EXACT,
    IMPORTANCE,
    LikelihoodResult,
    examples,
    protocol,
    standard_error,
)


class Density(Protocol):
    """What scikit-learn's densities have in common."""

    def score_samples(self, x: np.ndarray) -> np.ndarray: ...


def gaussian_mixture(train: np.ndarray, valid: np.ndarray, seed: int = 0) -> Density:
    """A mixture of Gaussians with full covariances.

    The number of components and the addition to the diagonals are selected on `valid`.

    Args:
        train, valid: `[N, D]`.
        seed: of the initialisation.
    """

    def fit(components: int, regularization: float) -> Density:
        mixture = GaussianMixture(components, reg_covar=regularization, random_state=seed)
        with warnings.catch_warnings():
            # A candidate that did not converge is judged on the validation set like the others.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit(train)

    grid = itertools.product((1, 2, 5, 10, 20), (1e-2, 1e-3, 1e-4))
    return _best((fit(*choice) for choice in grid), valid)


def pca_gaussian(train: np.ndarray, valid: np.ndarray, seed: int = 0) -> Density:
    """PCA as a Gaussian density: the components' variances, and one variance for the rest.

    The number of components is selected on `valid`.

    Reference: Tipping and Bishop 1999, "Probabilistic principal component analysis", Eq. 4 and 8.
    """
    del seed
    largest = min(train.shape) - 1
    sizes = [n for n in (5, 10, 20, 40, 80, 160, 320) if n < largest]
    return _best((PCA(n, svd_solver="full").fit(train) for n in sizes), valid)


DENSITIES: dict[str, Callable[..., Density]] = {
    "gaussian_mixture": gaussian_mixture,
    "pca_gaussian": pca_gaussian,
}


def measure_baseline(
    name: str,
    splits: Any,
    levels: tf.data.Dataset | None,
    num_samples: int = 1000,
    passes: int = 2,
    seed: int = 0,
) -> LikelihoodResult:
    """Fits a baseline and measures it on the test set.

    Args:
        name: of `DENSITIES`.
        splits: train, valid and test with values "dequantized".
        levels: the test set with values "levels" for a discrete probability; None for a density.
        num_samples: draws of u per image, for a discrete probability.
        passes: epochs of dequantized training data that it is fitted on.
        seed: of initialisation and draws.
    """
    train = np.concatenate([_flat(splits.train) for _ in range(passes)])
    density = DENSITIES[name](train, _flat(splits.valid), seed)
    if levels is None:
        values, kind, source = density.score_samples(_flat(splits.test)), EXACT, splits.test
    else:
        count = zoo.data.description(splits.test).levels
        values = discrete_log_prob(density, _flat(levels), count, num_samples, seed)
        kind, source = IMPORTANCE, levels
    return LikelihoodResult(
        value=float(values.mean()),
        standard_error=standard_error(values),
        unit="nats",
        count=len(values),
        data=protocol(source),
        kind=kind,
        dimensions=train.shape[1],
        num_samples=None if levels is None else num_samples,
        log_levels=log_levels(levels is not None, source),
        per_example=values,
    )


def discrete_log_prob(
    density: Density, x: np.ndarray, levels: int, num_samples: int, seed: int = 0
) -> np.ndarray:
    """log P(x) of integer levels under a density on [0, 1], by `num_samples` draws of u.

    Args:
        density: over `[N, D]`.
        x: `[N, D]` integers from 0 to levels - 1.
        levels: L.
        num_samples: draws per example.
        seed: of the draws.

    Returns:
        `[N]` nats; an estimate from below.
    """
    random = np.random.RandomState(seed)
    dimensions = x.shape[1]
    values = []
    for image in x:
        cells = (image + random.random_sample((num_samples, dimensions))) / levels
        values.append(logsumexp(density.score_samples(cells)) - math.log(num_samples))
    return np.array(values) - dimensions * math.log(levels)


def _best(candidates: Iterable[Density], valid: np.ndarray) -> Density:
    return max(candidates, key=lambda density: density.score_samples(valid).mean())


def _flat(data: tf.data.Dataset) -> np.ndarray:
    x = np.concatenate(list(examples(data)))
    return x.reshape(len(x), -1).astype(np.float64)
