"""Losses of adversarial games, against quadrature and by hand."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from zoo.objectives import AdversarialTerms, Hinge, Minimax, NonSaturating, Wasserstein
from zoo.objectives.adversarial import gradient_norm

GRID = np.linspace(-15, 15, 20_001)
P, Q = norm(0.0, 1.0), norm(1.5, 2.0)


def value(logit) -> float:
    """E_p log D + E_q log(1 - D), by quadrature, as the objective says it."""
    terms = Minimax().discriminator
    logits = tf.constant(logit(GRID))
    on_real = -terms(logits, tf.fill(GRID.shape, tf.constant(-1e9, tf.float64))).numpy()
    on_fake = -terms(tf.fill(GRID.shape, tf.constant(1e9, tf.float64)), logits).numpy()
    return np.trapezoid(P.pdf(GRID) * on_real + Q.pdf(GRID) * on_fake, GRID)


def log_ratio(x):
    return P.logpdf(x) - Q.logpdf(x)


def test_the_best_discriminators_value_is_twice_jensen_shannon_less_log_four():
    p, q = P.pdf(GRID), Q.pdf(GRID)
    middle = (p + q) / 2
    divergence = np.trapezoid(p * np.log(p / middle) + q * np.log(q / middle), GRID) / 2
    assert value(log_ratio) == pytest.approx(2 * divergence - np.log(4), abs=1e-6)
    for other in (lambda x: log_ratio(x) + 0.1, lambda x: 0.9 * log_ratio(x), np.zeros_like):
        assert value(other) < value(log_ratio) - 1e-4
    assert value(np.zeros_like) == pytest.approx(-np.log(4), abs=1e-6)


@pytest.mark.parametrize("objective", [Minimax(), NonSaturating()])
def test_losses_are_those_of_the_probabilities(objective):
    t = np.array([-3.0, 0.0, 2.0])
    d = 1 / (1 + np.exp(-t))
    real, fake = tf.constant(t), tf.constant(t[::-1].copy())
    np.testing.assert_allclose(
        objective.discriminator(real, fake), -np.log(d) - np.log(1 - d[::-1]), rtol=1e-6
    )
    wanted = np.log(1 - d) if isinstance(objective, NonSaturating) is False else -np.log(d)
    np.testing.assert_allclose(objective.generator(real), wanted, rtol=1e-6)


def test_the_non_saturating_loss_has_a_slope_where_the_other_has_none():
    logit = tf.Variable([-20.0])
    slopes = []
    for objective in (Minimax(), NonSaturating()):
        with tf.GradientTape() as tape:
            loss = objective.generator(logit)
        slopes.append(tape.gradient(loss, logit).numpy().item())
    assert slopes[0] == pytest.approx(0, abs=1e-6) and slopes[1] == pytest.approx(-1, abs=1e-6)


def test_hinge_and_wasserstein_by_hand():
    real, fake = tf.constant([0.5, 2.0]), tf.constant([-3.0, 0.25])
    np.testing.assert_allclose(Hinge().discriminator(real, fake), [0.5, 1.25])
    np.testing.assert_allclose(Hinge().generator(fake), [3.0, -0.25])
    np.testing.assert_allclose(Wasserstein().discriminator(real, fake), [-3.5, -1.75])
    np.testing.assert_allclose(Wasserstein().generator(fake), [3.0, -0.25])


def test_the_penalty_of_a_linear_logit_is_of_the_length_of_its_weights():
    w = tf.constant([[3.0], [4.0]])
    real, fake = tf.random.stateless_normal((2, 6, 2), (0, 1))
    share = tf.linspace(0.0, 1.0, 6)
    norms = gradient_norm(lambda x: tf.squeeze(x @ w, -1) + 7.0, real, fake, share)
    np.testing.assert_allclose(norms, np.full(6, 5.0), rtol=1e-6)
    terms = AdversarialTerms(tf.zeros(6), tf.zeros(6), norms)
    np.testing.assert_allclose(Wasserstein(2.5).discriminator_loss(terms), np.full(6, 40.0))


def test_the_penalty_is_taken_between_the_two_with_the_share_of_the_data():
    seen = []

    def logit(x):
        seen.append(x.numpy())
        return tf.reduce_sum(x**2, axis=(1, 2)) / 2

    real, fake = tf.random.stateless_normal((2, 3, 2, 2), (0, 1))
    norms = gradient_norm(logit, real, fake, tf.constant([0.0, 0.25, 1.0]))
    s = np.array([0.0, 0.25, 1.0])[:, None, None]
    between = s * real.numpy() + (1 - s) * fake.numpy()
    np.testing.assert_allclose(seen[0], between, rtol=1e-6)
    np.testing.assert_allclose(norms, np.sqrt((between**2).sum(axis=(1, 2))), rtol=1e-5)


def test_a_logit_that_sees_nothing_has_a_penalty_and_a_gradient():
    w = tf.Variable(0.0)
    real, fake = tf.ones((2, 3, 2))
    with tf.GradientTape() as tape:
        norms = gradient_norm(
            lambda x: w * tf.reduce_sum(x, axis=1), real, fake, tf.constant([0.5] * 3)
        )
        loss = tf.reduce_sum((norms - 1) ** 2)
    assert np.isfinite(tape.gradient(loss, w).numpy())


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (-1.0, "finite number from 0"),
        (float("nan"), "finite number"),
        (float("inf"), "finite number"),
    ],
)
def test_weights_of_the_penalty_that_are_none(weight, words):
    with pytest.raises(ValueError, match=words):
        Wasserstein(weight)
