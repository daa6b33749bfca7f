"""Distances between sets of features: closed forms, small sums by hand, good and bad generators."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from zoo.data import points
from zoo.errors import DataError
from zoo.evaluation.sample_quality import (
    frechet_distance,
    kernel_distance,
    mode_shares,
    nearest,
    precision_recall,
    typical_distance,
)

RANDOM = np.random.default_rng(0)


def with_moments(mean, covariance, n=400) -> np.ndarray:
    """Vectors whose sample mean and covariance are exactly these."""
    x = np.random.default_rng(1).normal(size=(n, len(mean)))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_the_distance_of_two_gaussians_is_the_closed_form():
    a = RANDOM.normal(size=(3, 3))
    first, second = a @ a.T + np.eye(3), np.diag([0.5, 2.0, 1.0])
    m1, m2 = np.array([1.0, 0.0, -1.0]), np.array([0.0, 2.0, 0.5])
    wanted = ((m1 - m2) ** 2).sum() + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    x, y = with_moments(m1, first), with_moments(m2, second)
    assert frechet_distance(x, y) == pytest.approx(wanted, rel=1e-8)
    assert frechet_distance(y, x) == pytest.approx(wanted, rel=1e-8)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-8)
    # Of commuting covariances it is a sum over axes.
    one, four = with_moments(np.zeros(2), np.eye(2)), with_moments(np.zeros(2), 4 * np.eye(2))
    assert frechet_distance(one, four) == pytest.approx(2.0, rel=1e-8)


def test_singular_covariances_do_no_harm():
    x = np.outer(np.arange(10.0), [1.0, 1.0])
    assert frechet_distance(x, x + np.array([3.0, 0.0])) == pytest.approx(9.0, rel=1e-6)


def test_the_kernel_distance_is_its_sum():
    x, y = RANDOM.normal(size=(5, 2)), RANDOM.normal(size=(5, 2)) + 1

    def k(a, b):
        return (a @ b / 2 + 1) ** 3

    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    wanted = (
        np.mean([k(x[i], x[j]) for i, j in pairs])
        + np.mean([k(y[i], y[j]) for i, j in pairs])
        - 2 * np.mean([k(a, b) for a in x for b in y])
    )
    value, error = kernel_distance(x, y, subset=5, subsets=3)
    assert value == pytest.approx(wanted, rel=1e-10) and error == pytest.approx(0, abs=1e-12)


def test_the_kernel_distance_has_no_bias_and_an_error_bar():
    x, y = np.random.default_rng(2).normal(size=(2, 4_000, 3))
    value, error = kernel_distance(x, y, subset=200, subsets=50)
    assert abs(value) < 5 * error and error > 0
    far, _ = kernel_distance(x, y + 1, subset=200, subsets=10)
    assert far > 20 * error


def test_precision_and_recall_on_a_line_by_hand():
    # k = 1: the radii of 0, 1, 5 are 1, 1, 4; those of 1.5, 20 are 18.5 each.
    real, fake = np.array([[0.0], [1.0], [5.0]]), np.array([[1.5], [20.0]])
    found = precision_recall(real, fake, neighbours=1)
    assert found == {
        "precision": 0.5,  # 1.5 is near 1 (and in 5's ball), 20 near none
        "recall": 1.0,
        "density": pytest.approx((2 + 0) / 2),
        "coverage": pytest.approx(2 / 3),  # the balls of 1 and 5 hold 1.5
    }


@pytest.fixture(scope="module")
def ring():
    real, again = (points.sample(2_000, seed=s)[0].astype(np.float64) for s in (1, 2))
    return real, again


def scores(real, fake) -> dict[str, float]:
    return {"frechet": frechet_distance(real, fake), **precision_recall(real, fake)}


def test_generators_score_as_they_should(ring):
    real, again = ring
    floor = scores(real, again)
    # Of equal sources, a ball about k neighbours holds a sample with probability 1 - 2^-k = 0.875.
    assert floor["precision"] > 0.95 and floor["recall"] > 0.95 and floor["coverage"] > 0.84
    untrained = scores(real, np.random.default_rng(3).normal(size=real.shape) * 0.3)
    assert untrained["precision"] < 0.1 and untrained["coverage"] < 0.1
    assert untrained["frechet"] > 20 * floor["frechet"]
    # Collapsed to one mode: all samples are like data, few data like samples.
    one = points.modes()[0] + np.random.default_rng(4).normal(size=real.shape) * points.SIGMA
    collapsed = scores(real, one)
    assert collapsed["precision"] > 0.9 and collapsed["recall"] < 0.2
    assert collapsed["coverage"] < 0.2 and collapsed["frechet"] > 20 * floor["frechet"]


def test_a_generator_that_memorizes_is_found_out(ring):
    train, test = ring
    new = points.sample(2_000, seed=5)[0]
    # Its distance to the data is as good as new draws': only the neighbours tell.
    assert frechet_distance(test, train) < 2 * frechet_distance(test, new) + 0.02
    assert typical_distance(train, train) == pytest.approx(0, abs=1e-6)
    assert 0.8 < typical_distance(new, train) / typical_distance(test, train) < 1.25


def test_nearest_neighbours_and_shares_of_modes():
    distances, which = nearest(np.array([[0.0, 0.1], [3.0, 0.0]]), np.array([[2.0, 0.0], [0, 0]]))
    np.testing.assert_allclose(distances, [0.1, 1.0])
    assert which.tolist() == [1, 0]
    x, mode = points.sample(4_000, seed=6)
    shares = mode_shares(x, points.modes(), 3 * points.SIGMA)
    within = 1 - np.exp(-4.5)
    np.testing.assert_allclose(shares, np.bincount(mode) / 4_000 * within, atol=2e-3)
    assert mode_shares(x + 100, points.modes(), 0.3).sum() == 0


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [
        (np.zeros((1, 2)), np.zeros((5, 2)), "real features are 2 vectors"),
        (np.zeros((5, 2)), np.zeros((5, 3)), "length 2, and fake ones 3"),
        (np.zeros((5, 2)), np.full((5, 2), np.nan), "not finite"),
        (np.zeros(5), np.zeros((5, 2)), "real features"),
    ],
)
def test_features_that_are_none(real, fake, words):
    for measure in (frechet_distance, kernel_distance, precision_recall):
        with pytest.raises(DataError, match=words if measure is not precision_recall else "."):
            measure(real, fake)
