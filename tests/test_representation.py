"""Neighbours, silhouettes, principal components and moments of codes."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score

from zoo.errors import DataError
from zoo.evaluation.representation import code_moments, knn_accuracy, pca_error, silhouette
from zoo.evaluation.results import NotComparable


def clusters(count, distance, seed=0):
    random = np.random.RandomState(seed)
    labels = random.randint(4, size=count)
    corners = distance * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    return corners[labels] + random.standard_normal((count, 2)), labels


def test_neighbours_in_separate_clusters_are_right():
    codes, labels = clusters(200, 40)
    assert knn_accuracy(codes, labels).value == 1
    other = knn_accuracy(codes, labels, *clusters(50, 40, seed=1))
    assert other.value == 1 and other.count == 50 and other.unit == "share"
    wrong = knn_accuracy(codes, labels, codes[:50], (labels[:50] + 1) % 4)
    assert wrong.value == 0


def test_neighbours_are_counted_as_by_hand():
    codes, labels = clusters(120, 1.5)
    distance = np.linalg.norm(codes[:, None] - codes, axis=-1)
    np.fill_diagonal(distance, np.inf)  # none is its own neighbour
    near = np.argsort(distance, axis=1)[:, :10]
    votes = np.stack([np.bincount(row, minlength=4) for row in labels[near]])
    right = votes.argmax(axis=1) == labels
    found = knn_accuracy(codes, labels)
    np.testing.assert_array_equal(found.per_example, right)
    assert found.value == right.mean()
    assert found.standard_error == pytest.approx(right.std(ddof=1) / np.sqrt(120))
    assert knn_accuracy(codes, labels, k=1).value != found.value


def test_labels_without_relation_are_guesses():
    codes, _ = clusters(2000, 3)
    labels = np.random.RandomState(5).randint(4, size=2000)
    assert knn_accuracy(codes, labels).value == pytest.approx(0.25, abs=0.05)
    assert silhouette(codes, labels).value == pytest.approx(0, abs=0.03)


def test_results_of_unnamed_codes_are_not_compared():
    one, other = (knn_accuracy(*clusters(50, d)) for d in (1, 2))
    with pytest.raises(NotComparable, match="no description"):
        one.minus(other)
    named = [knn_accuracy(*clusters(50, d), data={"name": "made"}) for d in (0.5, 3)]
    difference, error = named[1].minus(named[0])
    assert difference > 0 and error > 0


def test_the_silhouette_is_that_of_scikit_learn():
    codes, labels = clusters(300, 6)
    found = silhouette(codes, labels)
    assert found.value == pytest.approx(silhouette_score(codes, labels))
    assert silhouette(*clusters(300, 100)).value > 0.95


def test_a_silhouette_of_many_codes_takes_some():
    codes, labels = clusters(3000, 4)
    part = silhouette(codes, labels, limit=500, seed=1)
    assert part.count == 500
    assert part.value == silhouette(codes, labels, limit=500, seed=1).value
    assert part.value != silhouette(codes, labels, limit=500, seed=2).value
    whole = silhouette(codes, labels)
    assert abs(part.value - whole.value) < 5 * part.standard_error


def images(count, seed):
    """Five directions and a little noise, `[count, 4, 5, 1]`."""
    random = np.random.RandomState(seed)
    directions = np.random.RandomState(99).standard_normal((5, 20))
    flat = random.standard_normal((count, 5)) @ directions
    return (flat + 0.1 * random.standard_normal((count, 20))).reshape(count, 4, 5, 1)


@pytest.mark.parametrize("count, components", [(200, 3), (12, 7)])
def test_the_error_of_principal_components_is_that_of_scikit_learn(count, components):
    train, test = images(count, 0), images(30, 1)
    model = PCA(components, svd_solver="full").fit(train.reshape(count, -1))
    restored = model.inverse_transform(model.transform(test.reshape(30, -1)))
    errors = np.mean((restored.reshape(test.shape) - test) ** 2, axis=(1, 2, 3))
    found = pca_error(train, test, components)
    np.testing.assert_allclose(found.per_example, errors, rtol=1e-8)
    assert found.value == pytest.approx(errors.mean())
    assert found.standard_error == pytest.approx(errors.std(ddof=1) / np.sqrt(30))
    assert found.unit == "squared error per pixel"


def test_the_error_of_principal_components_on_their_own_images_is_the_variance_left():
    train = images(200, 2)
    left = np.linalg.eigvalsh(np.cov(train.reshape(200, -1).T))[::-1][4:].sum()
    assert pca_error(train, train, 4).value == pytest.approx(left * 199 / 200 / 20)
    assert pca_error(train, train, 20).value == pytest.approx(0, abs=1e-20)
    with pytest.raises(DataError, match="1 to 20 principal"):
        pca_error(train, train, 21)


def test_moments_of_the_prior_deviate_by_chance_only():
    draws = np.random.RandomState(3).standard_normal((20, 4000, 6))
    found = [code_moments(codes) for codes in draws]
    np.testing.assert_allclose(found[0].mean, draws[0].mean(axis=0))
    np.testing.assert_allclose(found[0].covariance, np.cov(draws[0].T))
    # E[mean deviation^2] = 1 / N, E[covariance deviation^2] = (D + 1) / N.
    assert np.mean([f.mean_deviation**2 for f in found]) * 4000 == pytest.approx(1, rel=0.3)
    assert np.mean([f.covariance_deviation**2 for f in found]) * 4000 == pytest.approx(7, rel=0.3)


def test_moments_of_other_codes_deviate_by_so_much():
    codes = np.random.RandomState(4).standard_normal((20_000, 3))
    shifted = code_moments(codes + np.array([3.0, 0.0, 0.0]))
    assert shifted.mean_deviation == pytest.approx(3 / np.sqrt(3), abs=0.02)
    assert shifted.covariance_deviation < 0.05
    wide = code_moments(codes * [2.0, 1.0, 1.0])
    assert wide.covariance_deviation == pytest.approx(3 / np.sqrt(3), abs=0.1)
    assert code_moments(np.zeros((10, 3))).covariance_deviation == pytest.approx(1)


def test_what_cannot_be_measured_is_refused():
    codes, labels = clusters(50, 3)
    with pytest.raises(DataError, match="labels"):
        knn_accuracy(codes, labels[:-1])
    with pytest.raises(DataError, match="more than 50 codes"):
        knn_accuracy(codes, labels, k=50)
    with pytest.raises(DataError, match="come together"):
        knn_accuracy(codes, labels, codes)
    with pytest.raises(DataError, match="NaN"):
        knn_accuracy(codes * np.nan, labels)
    with pytest.raises(DataError, match="two classes"):
        silhouette(codes, np.zeros(50, int))
    with pytest.raises(DataError, match="two codes"):
        silhouette(codes, np.arange(50))
    with pytest.raises(DataError, match="N above 1"):
        code_moments(codes[:1])
