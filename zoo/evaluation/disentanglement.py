"""Disentanglement: does each code follow one factor of the data, and each factor one code?

One convention for every model, so that numbers compare:

    factors  the five of `shapes` (shape, scale, orientation, row, column), drawn uniformly and
             independently; their values are classes, whose order is not used
    codes    means of q(z|x); one whose mean hardly moves is inactive, and counts as constant
    points   10 000; what has to be learned is learned on two thirds and measured on the others

    MIG  mean over factors v of (I(z_1; v) - I(z_2; v)) / H(v), where z_1 and z_2 are the two codes
         that say most about v; plug-in estimates over 20 equal-width bins per code
    SAP  mean over factors of the accuracy of the best code less that of the second, each by a
         linear support vector machine that sees this code alone
    DCI  of the importances of the codes for the factors: disentanglement, 1 - entropy of each
         code's importances over the factors; completeness, 1 - entropy of each factor's over the
         codes; informativeness, the accuracy on points that were not learned from

All are at most 1, larger is better, and near 0 for codes that say nothing, but for informativeness,
which is that of guesses then. Five codes that are the factors have DCI 1, 1, 1, but MIG 0.896, as
20 bins are fewer than 40 or 32 values, and SAP 0.25, as a linear machine on a single number finds
only the first and the last few of many classes.

References: Chen, Li, Grosse and Duvenaud 2018, arXiv 1802.04942, Eq. 6 (MIG); Kumar, Sattigeri and
Balakrishnan 2018, arXiv 1711.00848, section 3 (SAP); Eastwood and Williams 2018, "A framework for
the quantitative evaluation of disentangled representations", section 2 (DCI); Locatello et al.
2019, arXiv 1811.12359, appendix C: the bins and the machines.
Departures: MIG is that of means, as in Locatello, not of draws. The machines see codes of variance
1, so that scales do not matter. The importances are those of a bagged forest (50 trees, at least 10
points in a leaf), because gradient-boosted trees take minutes where it takes seconds. Each split
chooses among all codes: where some are hidden, trees must use the useless ones.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import LinearSVC

from zoo.data import shapes
from zoo.errors import DataError
from zoo.evaluation.latents import THRESHOLD
from zoo.evaluation.results import Result, standard_error

BINS = 20
_LEARNED = 2 / 3
_TREES, _LEAF = 50, 10
_PENALTY = 0.01
_RESAMPLES = 100
_BATCH = 500


class DCI(NamedTuple):
    """The three scores of Eastwood and Williams, each at most 1.

    Attributes:
        disentanglement: 1 if no code is important for two factors.
        completeness: 1 if no factor needs two codes.
        informativeness: mean accuracy over the factors.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def disentanglement(model, seed: int = 0, points: int = 10_000) -> dict[str, Result]:
    """Measures the codes that a model gives the images of `shapes`.

    Args:
        model: with `encode`, for images `[64, 64, 1]` of 0 and 1.
        seed: of the factors, of which points are learned from, and of the forests.
        points: images.

    Returns:
        "mig", "sap", "dci_disentanglement", "dci_completeness" and "dci_informativeness". The
        standard errors of "mig" and "sap" are bootstrapped over the points that they are measured
        on, with the machines as they were trained; those of disentanglement and completeness are
        None, because all forests would have to grow again for each resample.

    Raises:
        NotSupported: the model has no encoder.
        DataError: it takes other images, or has one code only.
    """
    factors = draw_factors(points, seed)
    codes, factors = _checked(_active_codes(model, factors), factors)
    bins, hits = _binned(codes), _machine_hits(codes, factors, seed)
    importances, found = _forests(codes, factors, seed)
    scores = _dci(importances, found)
    values = {
        "mig": (
            _mig(bins, factors),
            _bootstrapped(lambda picked: _mig(bins[picked], factors[picked]), points, seed),
        ),
        "sap": (_sap(hits), _bootstrapped(lambda picked: _sap(hits[picked]), len(hits), seed)),
        "dci_disentanglement": (scores.disentanglement, None),
        "dci_completeness": (scores.completeness, None),
        "dci_informativeness": (scores.informativeness, standard_error(found.mean(axis=1))),
    }
    data = {
        "name": "shapes",
        "version": shapes.VERSION,
        "split": f"uniform factors, seed={seed}",
        "binarization": "none",
        "values": "unit",
    }
    return {
        name: Result(value, error, "score", points, data) for name, (value, error) in values.items()
    }


def draw_factors(points: int, seed: int = 0) -> np.ndarray:
    """Factors of `shapes`, each uniform and independent of the others: `int32 [points, 5]`."""
    random = np.random.RandomState(seed)
    columns = [random.randint(count, size=points) for count in shapes.FACTORS.values()]
    return np.stack(columns, axis=1).astype(np.int32)


def mig(codes: np.ndarray, factors: np.ndarray) -> float:
    """The mutual information gap, from 0 to 1.

    Args:
        codes: `[N, D]`, at least two; constant ones say nothing.
        factors: `int [N, F]`, of which none is constant.

    Raises:
        DataError: arrays that do not fit together or cannot be measured.
    """
    codes, factors = _checked(codes, factors)
    return _mig(_binned(codes), factors)


def sap(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> float:
    """The separated attribute predictability, from 0 to 1.

    Args:
        codes, factors: as for `mig`.
        seed: of which points are learned from.

    Raises:
        DataError: as `mig`.
    """
    return _sap(_machine_hits(*_checked(codes, factors), seed))


def dci(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> DCI:
    """Disentanglement, completeness and informativeness.

    Args:
        codes: `[N, D]`, at least two; constant ones say nothing.
        factors: `int [N, F]`, at least two, of which none is constant.
        seed: of which points are learned from, and of the forests.

    Raises:
        DataError: as `mig`.
    """
    codes, factors = _checked(codes, factors)
    if factors.shape[1] < 2:
        raise DataError("disentanglement is between factors: give at least two")
    return _dci(*_forests(codes, factors, seed))


def mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """The plug-in estimate of I(a; b) in nats, of classes `int [N]` from 0 on."""
    joint = np.bincount(a * (b.max() + 1) + b)
    return _entropy(np.bincount(a)) + _entropy(np.bincount(b)) - _entropy(joint)


def _mig(bins: np.ndarray, factors: np.ndarray) -> float:
    information = np.array([[mutual_information(z, v) for v in factors.T] for z in bins.T])
    return float(np.mean(_gaps(information) / [_entropy(np.bincount(v)) for v in factors.T]))


def _sap(hits: np.ndarray) -> float:
    """`hits: bool [N, D, F]`, whether the machine of a code was right about a factor."""
    return float(_gaps(hits.mean(axis=0)).mean())


def _dci(importances: np.ndarray, hits: np.ndarray) -> DCI:
    """Of importances `[D, F]` and of the forests' hits `bool [N, F]`."""
    return DCI(_concentration(importances), _concentration(importances.T), float(hits.mean()))


def _concentration(weights: np.ndarray) -> float:
    """One minus the entropy of each row, relative to the largest, averaged by the rows' sums."""
    entropies = np.array([_entropy(row) for row in weights]) / np.log(weights.shape[1])
    total = weights.sum()
    # Where no code helps with anything, nothing is disentangled.
    return float((1 - entropies) @ weights.sum(axis=1) / total) if total > 0 else 0.0


def _gaps(scores: np.ndarray) -> np.ndarray:
    """How far the best code is above the second, for each factor: `[D, F]` -> `[F]`."""
    second, first = np.sort(scores, axis=0)[-2:]
    return first - second


def _entropy(weights: np.ndarray) -> float:
    """In nats, of weights that need not sum to 1; 0 if they are all 0."""
    weights = weights[weights > 0]
    shares = weights / weights.sum()
    return float(-np.sum(shares * np.log(shares)))


def _binned(codes: np.ndarray) -> np.ndarray:
    """The bin of each value, from 0 to 19, between each code's least and largest: `int [N, D]`."""
    low, width = codes.min(axis=0), np.ptp(codes, axis=0)
    share = np.divide(codes - low, width, out=np.zeros_like(codes), where=width > 0)
    return np.minimum((share * BINS).astype(np.int64), BINS - 1)


def _machine_hits(codes: np.ndarray, factors: np.ndarray, seed: int) -> np.ndarray:
    """Of linear machines that see one code each: `bool [N, D, F]` over points not learned from."""
    spread = codes.std(axis=0)
    scaled = (codes - codes.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    learned, others = _split(len(codes), seed)
    hits = np.empty((len(others), codes.shape[1], factors.shape[1]), bool)
    for i in range(codes.shape[1]):
        z = scaled[:, i : i + 1]
        for j, v in enumerate(factors.T):
            # Squared hinge, one class against the rest; in one dimension the primal is quick.
            machine = LinearSVC(C=_PENALTY, class_weight="balanced", dual=False)
            hits[:, i, j] = machine.fit(z[learned], v[learned]).predict(z[others]) == v[others]
    return hits


def _forests(codes: np.ndarray, factors: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Importances `[D, F]`, and `bool [N, F]` over points that the forests have not seen."""
    learned, others = _split(len(codes), seed)
    importances, hits = [], []
    for v in factors.T:
        forest = RandomForestClassifier(
            _TREES, min_samples_leaf=_LEAF, max_features=None, random_state=seed
        )
        forest.fit(codes[learned], v[learned])
        importances.append(forest.feature_importances_)
        hits.append(forest.predict(codes[others]) == v[others])
    return np.stack(importances, axis=1), np.stack(hits, axis=1)


def _split(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.RandomState(seed).permutation(count)
    return np.split(order, [round(_LEARNED * count)])


def _bootstrapped(measure: Callable[[np.ndarray], float], count: int, seed: int) -> float:
    """The standard deviation of `measure(indices)` over resamples of `count` points."""
    random = np.random.RandomState(seed)
    return float(
        np.std([measure(random.randint(count, size=count)) for _ in range(_RESAMPLES)], ddof=1)
    )


def _active_codes(model, factors: np.ndarray) -> np.ndarray:
    """Means of q(z|x) of the images with these factors, `[N, D]`; constant where inactive.

    A code is inactive if its mean makes at most a hundredth of its variance, which is Burda's
    threshold where codes have variance 1, as under a standard normal prior. Its mean is no more
    than a trace that the noise of q(z|x) covers, and yet measures without a scale would read it.
    """
    # First without a graph, in which errors lose their kind.
    model.check(_images(factors[:1]))
    model.encode(_images(factors[:1]))
    step = tf.function(lambda x: _moments(model.encode(x)), reduce_retracing=True)
    data = tf.data.Dataset.from_tensor_slices(factors).batch(_BATCH).map(_images)
    means, variances = (np.concatenate(part) for part in zip(*map(step, data), strict=True))
    signal = means.var(axis=0, dtype=np.float64)
    active = signal > THRESHOLD * (signal + variances.mean(axis=0, dtype=np.float64))
    return np.where(active, means.astype(np.float64), 0.0)


def _images(factors) -> tf.Tensor:
    return tf.cast(shapes.render(factors), tf.float32)


def _moments(posterior) -> tuple[tf.Tensor, tf.Tensor]:
    return posterior.mean(), posterior.variance()


def _checked(codes: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes as float64, and factors as classes numbered from 0."""
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or len(codes) == 0:
        raise DataError(
            f"codes [N, D] and factors [N, F] have the same N: here are {list(codes.shape)} and "
            f"{list(factors.shape)}"
        )
    if codes.shape[1] < 2:
        raise DataError("disentanglement is between codes: give at least two")
    if not np.isfinite(codes).all():
        raise DataError("the codes hold NaN or infinity: look at the encoder")
    if not np.issubdtype(factors.dtype, np.integer):
        raise DataError(f"factors are whole numbers, one for each class, not {factors.dtype}")
    constant = np.flatnonzero(np.ptp(factors, axis=0) == 0)
    if len(constant):
        raise DataError(f"factor {constant[0]} is constant: leave it out")
    return codes, np.stack([np.unique(v, return_inverse=True)[1] for v in factors.T], axis=1)
