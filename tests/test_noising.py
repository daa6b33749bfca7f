"""How a diffusion noises: against simulation, Bayes' rule, and the papers."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.objectives import CosineSchedule, LinearSchedule
from zoo.objectives.denoising import prior_kl, step_kl

tfd = tfp.distributions
SCHEDULES = [LinearSchedule(50), CosineSchedule(50), LinearSchedule(1_000)]


def normal(shape, seed=0) -> tf.Tensor:
    return tf.random.stateless_normal(shape, (0, seed))


def test_forward_marginals_are_what_step_by_step_noising_makes():
    schedule, n = LinearSchedule(50), 200_000
    random = np.random.default_rng(0)
    x, a = np.full(n, 1.5), schedule.signals
    for t in range(1, 31):
        ratio = a[t] / a[t - 1]
        x = np.sqrt(ratio) * x + np.sqrt(1 - ratio) * random.normal(size=n)
    found = schedule.marginal(tf.constant([[1.5]]), tf.constant([30]))
    error = np.sqrt(found.variance.numpy().item() / n)
    assert abs(x.mean() - found.mean.numpy().item()) < 4 * error
    assert x.var() == pytest.approx(found.variance.numpy().item(), rel=4 * np.sqrt(2 / n))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("t", "s"), [(1, 0), (2, 1), (30, 29), (50, 10), (50, 0)])
def test_the_posterior_is_bayes_rule(schedule, t, s):
    # Of q(x_s | x_0) and q(x_t | x_s), both normal: precisions add.
    a, x, x_t = schedule.signals, 0.7, -0.4
    found = schedule.posterior(tf.constant([[x]]), tf.constant([[x_t]]), [t], [s])
    if s == 0:
        assert found.mean.numpy().item() == pytest.approx(x, rel=1e-4)
        assert found.variance.numpy().item() == pytest.approx(0, abs=1e-9)
        return
    ratio = a[t] / a[s]
    precision = 1 / (1 - a[s]) + ratio / (1 - ratio)
    mean = (np.sqrt(a[s]) * x / (1 - a[s]) + np.sqrt(ratio) * x_t / (1 - ratio)) / precision
    assert found.mean.numpy().item() == pytest.approx(mean, rel=1e-3)
    assert found.variance.numpy().item() == pytest.approx(1 / precision, rel=1e-3)


def test_schedules_are_those_of_the_papers():
    linear = LinearSchedule().signals
    added = np.linspace(1e-4, 0.02, 1_000)
    np.testing.assert_allclose(linear[1:], np.exp(np.cumsum(np.log1p(-added))), rtol=1e-10)
    cosine = CosineSchedule(100).signals
    wanted = np.cos(np.pi / 2 * (0.5 + 0.008) / 1.008) ** 2 / np.cos(np.pi / 2 * 0.008 / 1.008) ** 2
    assert cosine[50] == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_kl_of_a_step_has_the_weight_of_the_signal_to_noise_ratios(schedule):
    x, guess, x_t = normal((4, 3)), normal((4, 3), 1), normal((4, 3), 2)
    t = np.array([2, 3, 17, 50])
    ratio = schedule.signals[1:] / (1 - schedule.signals[1:])
    weight = (ratio[t - 2] - ratio[t - 1]) / 2
    wanted = weight * ((x - guess).numpy() ** 2).sum(axis=1)
    found = step_kl(x, guess, x_t, tf.constant(t), schedule)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=1e-6)
    own, other = (schedule.posterior(v, x_t, t, t - 1) for v in (x, guess))
    kls = [tfd.kl_divergence(*(tfd.Normal(g.mean, tf.sqrt(g.variance)) for g in (own, other)))]
    np.testing.assert_allclose(found, tf.reduce_sum(kls[0], axis=1), rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_kl_of_the_last_latent(schedule):
    x = normal((5, 4))
    mean, variance = schedule.marginal(x, tf.constant(schedule.steps))
    last = tfd.Normal(tf.cast(mean, tf.float64), tf.cast(tf.sqrt(variance), tf.float64))
    unit = tfd.Normal(tf.constant(0.0, tf.float64), tf.constant(1.0, tf.float64))
    wanted = tf.reduce_sum(tfd.kl_divergence(last, unit), axis=1)
    np.testing.assert_allclose(prior_kl(x, schedule), wanted, rtol=1e-3, atol=1e-5)
