"""What codes are good for: neighbours of the same class, what a line tells apart, clusters, few
numbers for an image.

Codes come in as arrays `[N, D]`, so that those of any model, or of none, are measured alike.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from zoo.errors import DataError
from zoo.evaluation.results import UNNAMED, Result, mean_result

# Of a probe: how weakly weights may be held to 0, as scikit-learn's C, and the share of the codes
# by which one of these is chosen.
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
_HELD_OUT = 0.2
_MOST_STEPS = 2000


class CodeMoments(NamedTuple):
    """The first two moments of codes, and how far they are from those of N(0, I).

    Attributes:
        mean: `[D]`.
        covariance: `[D, D]`, unbiased.
        mean_deviation: |mean| / sqrt(D).
        covariance_deviation: |covariance - I| / sqrt(D), of Frobenius; 1 for codes that do not
            move at all. N draws from N(0, I) have about sqrt((D + 1) / N).
    """

    mean: np.ndarray
    covariance: np.ndarray
    mean_deviation: float
    covariance_deviation: float


def knn_accuracy(
    codes: np.ndarray,
    labels: np.ndarray,
    test_codes: np.ndarray | None = None,
    test_labels: np.ndarray | None = None,
    *,
    k: int = 10,
    data: Mapping[str, Any] = UNNAMED,
) -> Result:
    """How often most of the k nearest codes have the same label.

    The distance is Euclidean; of labels that are equally frequent, the smallest counts.

    Args:
        codes, labels: `[N, D]` and `[N]`, N above k: the neighbours.
        test_codes, test_labels: `[M, D]` and `[M]`, what is classified; default: each of `codes` by
            the others (leave one out).
        k: neighbours.
        data: protocol of what is classified.

    Raises:
        DataError: too few codes, or arrays that do not fit together.
    """
    _check(codes, labels)
    if len(codes) <= k:
        raise DataError(f"{k} neighbours need more than {k} codes: here are {len(codes)}")
    if (test_codes is None) != (test_labels is None):
        raise DataError("test codes and test labels come together")
    if test_codes is not None:
        _check(test_codes, test_labels)
    found = KNeighborsClassifier(k).fit(codes, labels).predict(test_codes)
    right = found == (labels if test_labels is None else test_labels)
    return mean_result(right.astype(np.float64), "share", data)


def probe_accuracy(
    codes: np.ndarray,
    labels: np.ndarray,
    test_codes: np.ndarray,
    test_labels: np.ndarray,
    *,
    data: Mapping[str, Any] = UNNAMED,
) -> Result:
    """How often a linear probe finds the label: p(y|z) = softmax(W z + b), by logistic regression.

    Each number of a code is scaled to mean 0 and variance 1 first. Of `STRENGTHS`, the one is taken
    whose probe, learned from the first 80 % of the codes, is most often right about the rest; then
    it learns from all of them. So many numbers and few are compared fairly.

    Args:
        codes, labels: `[N, D]` and `[N]`, in random order: what the probe learns from.
        test_codes, test_labels: `[M, D]` and `[M]`, what it is measured on.
        data: protocol of what it is measured on.

    Raises:
        DataError: one label only in the first 80 %, or arrays that do not fit together.

    Reference: Alain and Bengio 2017, arXiv 1610.01644.
    """
    _check(codes, labels)
    _check(test_codes, test_labels)
    if codes.shape[1] != test_codes.shape[1]:
        raise DataError(
            f"the codes have {codes.shape[1]} numbers, the test codes {test_codes.shape[1]}"
        )
    first = len(codes) - int(_HELD_OUT * len(codes))
    if first == len(codes) or len(np.unique(labels[:first])) < 2:
        raise DataError(
            f"a probe learns from some codes of two labels or more, in random order: here are "
            f"{len(codes)} codes of {len(np.unique(labels))} labels"
        )
    learned = [_probe(codes[:first], labels[:first], strength) for strength in STRENGTHS]
    held_out = [probe.score(codes[first:], labels[first:]) for probe in learned]
    probe = _probe(codes, labels, STRENGTHS[int(np.argmax(held_out))])
    right = probe.predict(test_codes) == test_labels
    return mean_result(right.astype(np.float64), "share", data)


def _probe(codes: np.ndarray, labels: np.ndarray, strength: float) -> Pipeline:
    regression = LogisticRegression(C=strength, max_iter=_MOST_STEPS)
    return make_pipeline(StandardScaler(), regression).fit(codes.astype(np.float64), labels)


def silhouette(
    codes: np.ndarray,
    labels: np.ndarray,
    *,
    limit: int = 5000,
    seed: int = 0,
    data: Mapping[str, Any] = UNNAMED,
) -> Result:
    """The mean silhouette of the classes, from -1 to 1: are codes nearer to their own?

    (b - a) / max(a, b) of each code, with a its mean distance to others of its class, and b that to
    the nearest other class. Its standard error takes them as independent.

    Args:
        codes, labels: `[N, D]` and `[N]`, of at least two classes.
        limit: so many codes at most, drawn by `seed`, because time grows with their square.
        seed: of the draw.
        data: protocol of the codes.

    Raises:
        DataError: one class only, or arrays that do not fit together.

    Reference: Rousseeuw 1987, "Silhouettes", section 2.
    """
    _check(codes, labels)
    if len(codes) > limit:
        picked = np.random.RandomState(seed).permutation(len(codes))[:limit]
        codes, labels = codes[picked], labels[picked]
    classes = len(np.unique(labels))
    if not 2 <= classes < len(labels):
        raise DataError(
            f"a silhouette needs two classes, and some with two codes: here are {classes} classes "
            f"of {len(labels)} codes"
        )
    return mean_result(silhouette_samples(codes, labels), "score", data)


def pca_error(
    train: np.ndarray,
    test: np.ndarray,
    components: int,
    *,
    data: Mapping[str, Any] = UNNAMED,
) -> Result:
    """The squared error per pixel of images through so many principal components.

    The least that any linear autoencoder with as many codes can have on the training images.

    Args:
        train, test: `[N, ...]` and `[M, ...]`.
        components: at most N and the pixels.
        data: protocol of the test images.

    Raises:
        DataError: too many components.
    """
    seen = flattened(test)
    model = fit_pca(train, components)
    restored = model.inverse_transform(model.transform(seen))
    return mean_result(np.mean((restored - seen) ** 2, axis=1), "squared error per pixel", data)


def fit_pca(train: np.ndarray, components: int) -> PCA:
    """Principal components of images `[N, ...]`, exactly; they take images `[M, pixels]`.

    Raises:
        DataError: more components than images or pixels.
    """
    flat = flattened(train)
    if not 1 <= components <= min(flat.shape):
        raise DataError(
            f"{len(flat)} images of {flat.shape[1]} pixels have 1 to {min(flat.shape)} principal "
            f"components, not {components}"
        )
    # Of many images, the eigenvectors of their covariance are the same and sooner found.
    many = flat.shape[0] > flat.shape[1]
    return PCA(components, svd_solver="covariance_eigh" if many else "full").fit(flat)


def flattened(images: np.ndarray) -> np.ndarray:
    """`[N, ...]` -> `float64 [N, pixels]`."""
    return images.reshape(len(images), -1).astype(np.float64)


def code_moments(codes: np.ndarray) -> CodeMoments:
    """Mean and covariance of codes, beside those of the prior N(0, I).

    Args:
        codes: `[N, D]`, N at least 2. If the prior should be matched, draws from q(z|x), one for
            each x: their means lack the spread of q.

    Raises:
        DataError: fewer than two codes.
    """
    if codes.ndim != 2 or len(codes) < 2:
        raise DataError(f"moments need codes [N, D] with N above 1, not {list(codes.shape)}")
    codes = codes.astype(np.float64)
    mean = codes.mean(axis=0)
    covariance = (codes - mean).T @ (codes - mean) / (len(codes) - 1)
    scale = np.sqrt(codes.shape[1])
    return CodeMoments(
        mean,
        covariance,
        float(np.linalg.norm(mean) / scale),
        float(np.linalg.norm(covariance - np.eye(len(mean))) / scale),
    )


def _check(codes: np.ndarray, labels: np.ndarray) -> None:
    if codes.ndim != 2 or labels.shape != codes.shape[:1]:
        raise DataError(
            f"codes [N, D] come with labels [N]: here are {list(codes.shape)} and "
            f"{list(labels.shape)}"
        )
    if not np.isfinite(codes).all():
        raise DataError("the codes hold NaN or infinity: look at the encoder")
