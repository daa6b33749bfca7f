"""Scores of codes that are perfect, turned, noisy or dead, and the oracles beside them."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score

from zoo.data import shapes
from zoo.distributions import IndependentBernoulli, MultivariateNormalDiag
from zoo.errors import DataError, NotSupported
from zoo.evaluation import disentanglement as measures
from zoo.evaluation.disentanglement import dci, disentanglement, mig, mutual_information, sap
from zoo.models import VAE
from zoo.models.base import GenerativeModel
from zoo.networks import MLP

tfd = tfp.distributions


@pytest.fixture(scope="module")
def factors():
    random = np.random.RandomState(0)
    return np.stack([random.randint(n, size=3000) for n in (3, 4, 6)], axis=1)


def perfect(factors):
    """Each factor in one code of its own, on its own scale, beside a code that is dead."""
    dead = np.full((len(factors), 1), 0.7)
    return np.concatenate([factors * [1.0, -20.0, 0.01], dead], axis=1)


def turned(factors):
    random = np.random.RandomState(1)
    rotation, _ = np.linalg.qr(random.standard_normal((3, 3)))
    standard = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    return standard @ rotation + 0.3 * random.standard_normal(factors.shape)


def every_score(codes, factors):
    return np.array([mig(codes, factors), sap(codes, factors), *dci(codes, factors)])


def test_mutual_information_is_that_of_scikit_learn():
    random = np.random.RandomState(2)
    a = random.randint(7, size=500)
    b = (a + random.randint(3, size=500)) % 5
    assert mutual_information(a, b) == pytest.approx(mutual_info_score(a, b), abs=1e-12)
    assert mutual_information(a, np.zeros(500, int)) == pytest.approx(0, abs=1e-12)


def test_the_gap_follows_its_equation(factors):
    codes = np.concatenate([turned(factors), perfect(factors)[:, :1]], axis=1)
    gaps = []
    for v in factors.T:
        binned = [np.digitize(z, np.histogram_bin_edges(z, 20)[1:-1]) for z in codes.T]
        second, first = sorted(mutual_info_score(z, v) for z in binned)[-2:]
        gaps.append((first - second) / entropy(np.bincount(v)))
    assert mig(codes, factors) == pytest.approx(np.mean(gaps), abs=1e-12)


def test_perfect_codes_have_perfect_scores(factors):
    scores = every_score(perfect(factors), factors)
    # The second code says by chance a little of what it does not hold.
    assert 0.995 < scores[0] < 1
    np.testing.assert_allclose(scores[2:], 1, atol=1e-9)
    # A linear machine is always right about two classes; other codes guess.
    two = np.random.RandomState(5).randint(2, size=(3000, 3))
    assert sap(perfect(two), two) == pytest.approx(0.5, abs=0.05)


def test_perfect_codes_of_shapes_lose_what_twenty_bins_cannot_tell():
    factors = measures.draw_factors(10_000)
    assert mig(factors, factors) == pytest.approx(0.896, abs=0.002)
    counts = np.array(list(shapes.FACTORS.values()))
    # A uniform factor of k values in b bins: ln b of its ln k nats, if b divides k.
    assert mig(factors[:, [0, 2]], factors[:, [0, 2]]) == pytest.approx(
        (1 + np.log(20) / np.log(counts[2])) / 2, abs=0.003
    )
    assert sap(factors, factors) == pytest.approx(0.25, abs=0.01)


def test_order_sign_and_scale_of_codes_do_not_matter(factors):
    codes = turned(factors)
    other = codes[:, [2, 0, 1]] * [-3.0, 100.0, 0.01] + [5.0, 0.0, -1.0]
    # A mirrored code has mirrored bins, and a forest breaks ties in another order.
    np.testing.assert_allclose(every_score(other, factors), every_score(codes, factors), atol=0.02)
    permuted = codes[:, [2, 0, 1]]
    assert mig(permuted, factors) == pytest.approx(mig(codes, factors), abs=1e-12)
    assert sap(permuted, factors) == pytest.approx(sap(codes, factors), abs=1e-12)


def test_names_of_classes_do_not_matter(factors):
    codes = turned(factors)
    renamed = np.array([7, -2, 100, 40, 3, 12])[factors]
    assert mig(codes, renamed) == pytest.approx(mig(codes, factors), abs=1e-12)
    assert dci(codes, renamed).informativeness == pytest.approx(
        dci(codes, factors).informativeness, abs=0.02
    )


def test_turned_codes_score_much_lower(factors):
    high, low = every_score(perfect(factors), factors), every_score(turned(factors), factors)
    assert np.all(low[:4] < 0.6 * high[:4]) and low[0] < 0.3 and low[2] < 0.5


def test_what_dci_says_of_shared_codes_and_shared_factors(factors):
    # One code holds two factors: complete, not disentangled.
    both = np.stack([factors[:, 0] * 4 + factors[:, 1], factors[:, 2]], axis=1)
    found = dci(both, factors)
    assert found.completeness > 0.99 and found.informativeness > 0.99
    assert found.disentanglement < 0.7
    # Two codes hold one factor: disentangled, not complete.
    split = np.stack(
        [factors[:, 2] % 2, factors[:, 2] // 2, factors[:, 0], factors[:, 1]], axis=1
    ).astype(float)
    found = dci(split, factors)
    assert found.disentanglement > 0.99 and found.informativeness > 0.99
    assert found.completeness < 0.9


def test_concentration_is_weighted_by_importance():
    weights = np.array([[3.0, 0.0], [0.25, 0.25], [0.0, 0.0]])
    # Rows: pure (1), even (0), without any weight.
    assert measures._concentration(weights) == pytest.approx((3.0 * 1 + 0.5 * 0) / 3.5)
    assert measures._concentration(np.zeros((3, 2))) == 0


def test_noise_says_nothing(factors):
    noise = np.random.RandomState(3).standard_normal((len(factors), 4))
    scores = every_score(noise, factors)
    np.testing.assert_allclose(scores[:4], 0, atol=0.02)
    chance = np.mean(1 / np.array([3, 4, 6]))
    assert scores[4] == pytest.approx(chance, abs=0.05)


def test_dead_codes_are_zero_and_no_error(factors):
    dead = np.ones((len(factors), 4))
    np.testing.assert_allclose(every_score(dead, factors)[:4], 0, atol=1e-12)
    codes = perfect(factors)
    more = np.concatenate([codes, dead], axis=1)
    np.testing.assert_allclose(
        every_score(more, factors)[[0, 2, 4]], every_score(codes, factors)[[0, 2, 4]], atol=1e-9
    )


def test_scores_are_a_function_of_the_seed(factors):
    codes = turned(factors)[:900]
    assert dci(codes, factors[:900], 1) == dci(codes, factors[:900], 1)
    assert dci(codes, factors[:900], 1) != dci(codes, factors[:900], 2)
    assert sap(codes, factors[:900], 1) != sap(codes, factors[:900], 2)


@pytest.mark.parametrize(
    "codes, factors, message",
    [
        (np.ones((5, 3)), np.ones((4, 2), int), "same N"),
        (np.ones((0, 3)), np.ones((0, 2), int), "same N"),
        (np.ones((4, 1)), np.arange(8).reshape(4, 2), "at least two"),
        (np.full((4, 2), np.nan), np.arange(8).reshape(4, 2), "NaN"),
        (np.ones((4, 2)), np.ones((4, 2)) / 3, "whole numbers"),
        (np.ones((4, 2)), np.array([[0, 1], [1, 1], [2, 1], [0, 1]]), "factor 1 is constant"),
    ],
)
def test_what_cannot_be_measured_is_refused(codes, factors, message):
    for measure in (mig, sap, dci):
        with pytest.raises(DataError, match=message):
            measure(codes, factors)
    with pytest.raises(DataError, match="between factors"):
        dci(np.ones((4, 2)), np.arange(4)[:, None])


class Reader(GenerativeModel):
    """Reads row and column off the image; its third code is a trace of them, its fourth noise."""

    def __init__(self, trace=0.001, spread=1.0):
        super().__init__(event_shape=[64, 64, 1])
        self.trace, self.spread = trace, spread

    def encode(self, x, y=None):
        place = tf.range(64, dtype=tf.float32)
        total = tf.reduce_sum(x, axis=[1, 2, 3])
        down = tf.reduce_sum(x[..., 0] * place[:, None], axis=[1, 2]) / total / 10
        right = tf.reduce_sum(x[..., 0] * place, axis=[1, 2]) / total / 10
        trace = self.trace * (down + right)
        mean = tf.stack([down, right, trace], axis=1)
        return tfd.MultivariateNormalDiag(mean, [0.1, 0.1, self.spread] * tf.ones_like(mean))


def test_a_model_is_measured_on_images_of_shapes():
    results = disentanglement(Reader(), points=600)
    names = ["mig", "sap", "dci_disentanglement", "dci_completeness", "dci_informativeness"]
    assert list(results) == names
    for name, result in results.items():
        assert 0 < result.value < 1 and result.count == 600
        assert result.data["name"] == "shapes" and "seed=0" in result.data["split"]
        assert (result.standard_error is None) == (name in names[2:4])
    again, other = (disentanglement(Reader(), seed=s, points=600) for s in (0, 1))
    assert {n: r.value for n, r in again.items()} == {n: r.value for n, r in results.items()}
    assert other["mig"].value != results["mig"].value


def test_factors_and_images_of_a_model_belong_together():
    # The middle of the figure follows row and column; the heart's is a little off.
    factors = measures.draw_factors(300, seed=3)
    codes = measures._active_codes(Reader(), factors)
    for code, factor in ((0, 3), (1, 4)):
        assert np.corrcoef(codes[:, code], factors[:, factor])[0, 1] > 0.99


def test_a_trace_below_the_noise_counts_as_constant():
    factors = measures.draw_factors(200)
    quiet, loud = (measures._active_codes(Reader(t), factors) for t in (0.001, 1.0))
    assert np.ptp(quiet[:, 2]) == 0 and np.ptp(loud[:, 2]) > 0
    # A code without noise may be as small as it likes.
    exact = measures._active_codes(Reader(0.001, spread=0.0), factors)
    assert np.ptp(exact[:, 2]) > 0


def test_the_standard_error_is_the_spread_over_fresh_points():
    random = np.random.RandomState(4)

    def draw(count):
        v = random.randint(4, size=(count, 2))
        return v + 0.5 * random.standard_normal((count, 2)), v

    spread = np.std([mig(*draw(500)) for _ in range(60)], ddof=1)
    codes, factors = draw(500)
    bins = measures._binned(codes)
    error = measures._bootstrapped(lambda i: measures._mig(bins[i], factors[i]), 500, seed=0)
    assert spread / 1.5 < error < 1.5 * spread


def test_models_that_cannot_be_measured():
    with pytest.raises(NotSupported, match="no encoder"):
        disentanglement(GenerativeModel(event_shape=[64, 64, 1]), points=60)
    small = VAE(
        encoder=MLP([8]),
        posterior=MultivariateNormalDiag(2),
        decoder=MLP([8]),
        likelihood=IndependentBernoulli([8, 8, 1]),
    )
    with pytest.raises(DataError, match=r"\[8, 8, 1\]"):
        disentanglement(small, points=60)
