"""How close two sets of feature vectors are: pure functions of arrays.

Features are what a network makes of examples, or the examples themselves. `real` is what samples
are compared with; `fake` are the samples.
"""

import math

import numpy as np
from scipy.linalg import eigh
from sklearn.neighbors import NearestNeighbors

from zoo.errors import DataError

# Rows of a kernel matrix that are held at once.
_ROWS = 1_000


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) of the sets' means m and covariances S.

    It is the squared 2-Wasserstein distance of Gaussians with those moments. It falls with more
    examples even for equal sources: compare at equal numbers, and with the value between real sets.

    Args:
        real: `[N, F]`.
        fake: `[M, F]`.

    Raises:
        DataError: fewer than 2 vectors, other lengths, or numbers that are not finite.

    Reference: Dowson and Landau 1982, Journal of Multivariate Analysis 12; Heusel et al. 2017,
    arXiv 1706.08500, Eq. 6, for its use with the features of a network.
    """
    real, fake = _checked(real, fake)
    gap = real.mean(axis=0) - fake.mean(axis=0)
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake))
    # (S S')^(1/2) has the trace of the symmetric (R S' R)^(1/2), R = S^(1/2).
    values, vectors = eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    middle = eigh(root @ second @ root, eigvals_only=True)
    cross = np.sqrt(np.maximum(middle, 0)).sum()
    return float(gap @ gap + np.trace(first) + np.trace(second) - 2 * cross)


def kernel_distance(
    real: np.ndarray,
    fake: np.ndarray,
    subset: int | None = None,
    subsets: int = 20,
    seed: int = 0,
) -> tuple[float, float]:
    """KID: the squared maximum mean discrepancy under the kernel (a b / F + 1)^3, unbiased.

    Args:
        real: `[N, F]`.
        fake: `[M, F]`.
        subset: vectors of each set in one estimate, at most N and M; None: 1 000, but not more than
            half of the smaller set, because estimates on all of it would have no spread.
        subsets: estimates, on vectors drawn anew.
        seed: of the draws.

    Returns:
        Mean and standard error over the estimates. It can be below 0.

    Raises:
        DataError: as for `frechet_distance`.

    Reference: Binkowski et al. 2018, arXiv 1801.01401, section 4.
    """
    real, fake = _checked(real, fake)
    fewest, random = min(len(real), len(fake)), np.random.RandomState(seed)
    size = max(2, min(1_000, fewest // 2)) if subset is None else min(subset, fewest)
    found = []
    for _ in range(subsets):
        a = real[random.choice(len(real), size, replace=False)]
        b = fake[random.choice(len(fake), size, replace=False)]
        found.append(_within(a) + _within(b) - 2 * _kernel(a, b).mean())
    return float(np.mean(found)), float(np.std(found, ddof=1) / math.sqrt(subsets))


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _within(a: np.ndarray) -> float:
    """Mean kernel of different vectors of one set."""
    kernel = _kernel(a, a)
    return (kernel.sum() - np.trace(kernel)) / (len(a) * (len(a) - 1))


def precision_recall(real: np.ndarray, fake: np.ndarray, neighbours: int = 3) -> dict[str, float]:
    """Whether samples are like data, and whether data are like samples.

    A set's manifold is the union of balls about its vectors, each reaching to its k-th neighbour.

    Args:
        real: `[N, F]`.
        fake: `[M, F]`.
        neighbours: k.

    Returns:
        "precision": share of `fake` within the manifold of `real`; "recall": the other way round;
        "density": balls of `real` that a fake vector lies in, over k, on average (above 1 where
        samples crowd); "coverage": share of the balls of `real` that hold a fake vector.

    Raises:
        DataError: as for `frechet_distance`, or no more than k vectors.

    Reference: Kynkaanniemi et al. 2019, arXiv 1904.06991, Eq. 1 and 2 (k = 3); Naeem et al. 2020,
    arXiv 2002.09797, Eq. 3 and 5, here with the same k (they take 5).
    """
    real, fake = _checked(real, fake, neighbours + 1)
    own, others = (_radii(x, neighbours) for x in (real, fake))
    inside, recalled, covered, balls = 0, 0, 0, 0
    for start in range(0, len(fake), _ROWS):
        within = _distances(fake[start : start + _ROWS], real) <= own
        inside += within.any(axis=1).sum()
        balls += within.sum()
    for start in range(0, len(real), _ROWS):
        rows = slice(start, start + _ROWS)
        distances = _distances(real[rows], fake)
        recalled += (distances <= others).any(axis=1).sum()
        covered += (distances.min(axis=1) <= own[rows]).sum()
    return {
        "precision": inside / len(fake),
        "recall": recalled / len(real),
        "density": balls / (neighbours * len(fake)),
        "coverage": covered / len(real),
    }


def _radii(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Distance of each vector to its k-th neighbour in its own set."""
    index = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(x)
    # Without an argument, a vector is not its own neighbour.
    return index.kneighbors()[0][:, -1]


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    squares = (a**2).sum(axis=1)[:, np.newaxis] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def nearest(examples: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each example, the distance to its nearest one `among` others, and that one's index.

    Args:
        examples: `[N, ...]`.
        among: `[M, ...]`.
    """
    index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(among.reshape(len(among), -1))
    distances, indices = index.kneighbors(examples.reshape(len(examples), -1))
    return distances[:, 0], indices[:, 0]


def typical_distance(examples: np.ndarray, among: np.ndarray) -> float:
    """The median distance of `examples` `[N, ...]` to the nearest one `among` others `[M, ...]`."""
    return float(np.median(nearest(examples, among)[0]))


def mode_shares(points: np.ndarray, modes: np.ndarray, radius: float) -> np.ndarray:
    """The share of all points that lie within `radius` of each mode and nearest to it, `[K]`.

    Args:
        points: `[N, D]`.
        modes: `[K, D]`.
        radius: such as three standard deviations.
    """
    distances, which = nearest(points, modes)
    return np.bincount(which[distances <= radius], minlength=len(modes)) / len(points)


def _checked(real, fake, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    real, fake = (np.asarray(x, np.float64) for x in (real, fake))
    for name, x in (("real", real), ("fake", fake)):
        if x.ndim != 2 or len(x) < least:
            raise DataError(
                f"{name} features are {least} vectors or more, [N, F], not {list(x.shape)}"
            )
        if not np.isfinite(x).all():
            raise DataError(f"{name} features have values that are not finite")
    if real.shape[1] != fake.shape[1]:
        raise DataError(f"real features have length {real.shape[1]}, and fake ones {fake.shape[1]}")
    return real, fake
