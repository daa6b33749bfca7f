"""Diffusions against sums over all times, the best denoiser and closed forms."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import zoo
from zoo import storing
from zoo.data import points
from zoo.distributions import DiscretizedNormal, IndependentBernoulli, IndependentNormal
from zoo.errors import DataError, NotSupported
from zoo.models import DDIM, Ancestral, Diffusion
from zoo.networks import MLP, ContextMLP, OneHot
from zoo.noise import fold
from zoo.objectives import CosineSchedule, Denoising, LinearSchedule

tfd = tfp.distributions


def normal(shape, seed=0) -> tf.Tensor:
    return tf.random.stateless_normal(shape, (0, seed))


class Oracle(keras.layers.Layer):
    """Predicts the image that is expected of what is seen, E[x_0 | x_t], for data of `points`.

    It knows t by the first wave of the context, whose sine and cosine tell t up to 2 pi: the
    schedules here have 6 steps.
    """

    def __init__(self, schedule):
        super().__init__()
        self.schedule, self.built = schedule, True

    def call(self, x_t, context):
        size = context.shape[-1] // 2
        angle = tf.math.atan2(context[:, 0], context[:, size])
        t = tf.cast(tf.round(tf.math.floormod(angle, 2 * np.pi)), tf.int32)
        return tf.cast(expected(x_t, t, self.schedule), tf.float32)


def expected(x_t, t, schedule) -> np.ndarray | tf.Tensor:
    """E[x_0 | x_t] of the ring of Gaussians, by their formula."""
    a = tf.cast(schedule.signal(t, x_t), tf.float32)
    n = tf.cast(schedule.noise(t, x_t), tf.float32)
    s2, modes = points.SIGMA**2, tf.constant(points.modes(), tf.float32)
    x_t = tf.cast(x_t, tf.float32)
    width = a * s2 + n
    squares = tf.reduce_sum((x_t[:, None] - tf.sqrt(a)[:, None] * modes) ** 2, axis=-1)
    share = tf.nn.softmax(-squares / (2 * width), axis=-1)
    gain = tf.sqrt(a) * s2 / width
    means = modes + gain[:, None] * (x_t[:, None] - tf.sqrt(a)[:, None] * modes)
    return tf.reduce_sum(share[..., None] * means, axis=1)


@pytest.mark.parametrize("predicts", ["noise", "image", "velocity"])
def test_a_perfect_prediction_is_the_image(predicts):
    objective, schedule = Denoising(predicts), CosineSchedule(50)
    x, noise, t = normal((3, 4)), normal((3, 4), 1), tf.constant([1, 20, 45])
    x_t = schedule.marginal(x, t).sample(noise)
    target = objective.target(x, noise, t, schedule)
    np.testing.assert_allclose(objective.image(target, x_t, t, schedule), x, atol=1e-4)
    if predicts == "velocity":
        a = np.arccos(np.sqrt(schedule.signals[[1, 20, 45]]))[:, None]
        np.testing.assert_allclose(target, np.cos(a) * noise - np.sin(a) * x, atol=1e-5)


def ring(schedule=None) -> Diffusion:
    schedule = schedule or CosineSchedule(6)
    likelihood = IndependentNormal((2,))
    return Diffusion(
        Oracle(schedule), likelihood, schedule, Denoising("image"), Ancestral(), time_size=8
    )


def test_the_bound_of_the_best_denoiser_is_below_the_density_and_is_a_sum_over_times():
    model = ring()
    x, _ = points.sample(4_000, seed=3)
    x = tf.constant(x)
    each = [model.terms_at(x, tf.fill([4_000], t), fold(0, t)).elbo.numpy() for t in range(1, 7)]
    bound = np.mean(each)
    density = points.log_density(x.numpy()).mean()
    assert bound < density
    # With so few steps, the bound is far from tight, but not as far as a worse guess's.
    other = Diffusion(
        Oracle(CosineSchedule(6)),
        IndependentNormal((2,)),
        CosineSchedule(6),
        Denoising("image"),
        Ancestral(),
        time_size=8,
    )
    other.objective.image = lambda predicted, *rest: 1.1 * predicted
    worse = np.mean(
        [other.terms_at(x, tf.fill([4_000], t), fold(0, t)).elbo.numpy() for t in range(1, 7)]
    )
    assert worse < bound
    found = model.log_prob(x, num_samples=12, seed=1).numpy()
    error = found.std() / np.sqrt(len(found))
    assert found.mean() == pytest.approx(bound, abs=5 * error)


def test_times_fall_as_they_are_asked_to():
    model, shares = ring(), np.array([0.5, 0, 0.1, 0.1, 0.05, 0.25])
    x = tf.zeros([5_000, 2])
    for wanted, asked in ((shares, shares), (np.full(6, 1 / 6), None)):
        found = [model.spread_times(x, k, 4, fold(0, "key"), asked).numpy() for k in range(4)]
        counts = np.bincount(np.concatenate(found), minlength=7)
        np.testing.assert_allclose(counts[1:] / 20_000, wanted, atol=0.01)
        # The parts follow each other: an example's times are spread.
        assert all((a <= b).all() for a, b in itertools.pairwise(found))


# The second one leaves a part of the data in the last latent, which has its own share of the bound.
@pytest.mark.parametrize("schedule", [CosineSchedule(6), LinearSchedule(6, 1e-4, 2e-3)])
def test_the_measured_bound_is_the_sum_over_all_times_and_has_a_smaller_error(schedule):
    model = ring(schedule)
    x, _ = points.sample(4_000, seed=3)
    each = [
        model.terms_at(tf.constant(x), tf.fill([4_000], t), fold(0, t)).elbo for t in range(1, 7)
    ]
    found = zoo.evaluate(
        model, zoo.data.from_array(x, values="real", batch_size=500), num_samples=4
    )["elbo"]
    assert found.value == pytest.approx(np.mean(each), abs=4 * found.standard_error)
    detail = found.detail
    spent = sum(detail["nats_by_tenth_of_times"]) + detail["nats_of_the_last_latent"][0]
    assert -spent == pytest.approx(found.value, abs=1e-3)
    even = model.log_prob(x, num_samples=4).numpy()
    assert found.standard_error < 0.8 * even.std() / np.sqrt(len(x))


def test_each_term_of_the_bound_on_a_gaussian_is_its_analytic_kl():
    # Data are one number c: the best guess is c, all KLs are 0, and the rest is known.
    class Constant(Oracle):
        def call(self, x_t, context):
            return tf.zeros_like(x_t) + 0.3

    schedule = LinearSchedule(25)
    model = Diffusion(
        Constant(schedule), IndependentNormal((1,)), schedule, Denoising("image"), Ancestral(10)
    )
    x, a = tf.fill([1, 1], 0.3), schedule.signals
    last = 0.5 * (a[-1] * 0.09 - a[-1] - np.log1p(-a[-1]))
    for t in (2, 11, 25):
        elbo = model.terms_at(x, tf.constant([t]), fold(0, 1)).elbo
        assert elbo.numpy().item() == pytest.approx(-last, rel=1e-4)
    decoder = 25 * -0.5 * np.log(2 * np.pi * (1 - a[1]))
    elbo = model.terms_at(x, tf.constant([1]), fold(0, 1)).elbo
    assert elbo.numpy().item() == pytest.approx(decoder - last, rel=1e-4)


@pytest.mark.parametrize("steps", [None, 3])
def test_ddim_with_eta_one_is_ancestral_sampling(steps):
    model = ring()
    x = model.sample(50, seed=1, sampler=Ancestral(steps)).numpy()
    np.testing.assert_allclose(model.sample(50, seed=1, sampler=DDIM(steps, eta=1.0)), x, atol=2e-3)
    other = model.sample(50, seed=1, sampler=DDIM(steps, eta=0.5))
    assert np.abs(other - x).mean() > 0.01


def test_each_step_of_a_sampler_has_noise_of_its_own():
    class Sum(Ancestral):
        def step(self, x_t, guess, t, s, schedule, noise):
            return x_t + noise

    found = Sum(9).run(lambda x, t: x, LinearSchedule(50), tf.zeros((4_000, 2)), fold(0, "seed"))
    assert found.numpy().var() == pytest.approx(9, rel=0.1)


def test_samples_of_the_best_denoiser_lie_on_the_ring_evenly():
    model = ring()
    x = model.sample(2_000, seed=2).numpy()
    distances = np.linalg.norm(x[:, None] - points.modes(), axis=-1)
    assert np.median(distances.min(axis=1)) < 0.5
    shares = np.bincount(distances.argmin(axis=1), minlength=8) / len(x)
    np.testing.assert_allclose(shares, 1 / 8, atol=0.03)


def image_model(**arguments) -> Diffusion:
    keras.utils.set_random_seed(0)
    model = Diffusion(
        ContextMLP([16]),
        DiscretizedNormal((3,), levels=4),
        CosineSchedule(10),
        sampler=DDIM(5),
        **arguments,
    )
    model.ensure_built()
    return model


def test_the_decoder_is_a_distribution_over_levels():
    model = image_model()
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3), -1).reshape(-1, 3).astype(np.float32)
    guess = tf.constant([[0.2, -1.0, 0.9]])
    probability = np.exp(model._decoded(guess).log_prob(grid).numpy().astype(np.float64))
    assert probability.sum() == pytest.approx(1, abs=1e-5)


def test_the_mean_of_a_decoder_is_that_of_its_probabilities():
    model = image_model()
    loc, levels = tf.constant([[0.2, -1.0, 0.9]]), np.arange(4.0, dtype=np.float32)
    pixels = model._decoded(loc)
    each = [pixels.distribution.prob(tf.fill([1, 3], level)).numpy() for level in levels]
    np.testing.assert_allclose(
        pixels.mean(), sum(k * p for k, p in zip(levels, each, strict=True)), rtol=1e-5
    )


def test_samples_are_levels_repeat_and_mean_is_unrounded():
    model = image_model()
    x = model.sample(20, seed=1).numpy()
    assert set(np.unique(x)) <= {0.0, 1.0, 2.0, 3.0}
    np.testing.assert_array_equal(x, model.sample(20, seed=1))
    mean = model.sample(20, seed=1, mean=True).numpy()
    np.testing.assert_array_equal(np.clip(np.round(mean), 0, 3), x)
    assert np.abs(mean - x).max() > 1e-3


def test_completions_keep_what_is_known():
    model = image_model()
    x = np.random.default_rng(0).integers(0, 4, (30, 3)).astype(np.float32)
    found = model.complete(x, [True, False, True], seed=1).numpy()
    np.testing.assert_array_equal(found[:, [0, 2]], x[:, [0, 2]])
    assert np.abs(found[:, 1] - x[:, 1]).max() > 0
    with pytest.raises(DataError, match="mask of shape"):
        model.complete(x, [True, False])


def test_guidance_goes_beyond_the_condition():
    model = image_model(condition=OneHot(2), drop_condition=0.3)
    x, t, y = normal((4, 3)), tf.constant([1, 4, 7, 9]), np.array([0, 1, 0, 1])
    model.likelihood.levels = None  # the guess unclipped
    given, without = model.guess(x, t, y), model.guess(x, t, y, guidance=-1.0)
    np.testing.assert_allclose(
        model.guess(x, t, y, guidance=2.0), 3 * given - 2 * without, rtol=1e-3, atol=1e-3
    )
    np.testing.assert_array_equal(without, model.guess(x, t, 1 - y, guidance=-1.0))
    assert np.abs(given - without).max() > 1e-3


def test_a_served_bound_takes_times_and_seed(tmp_path):
    model, x = image_model(), np.array([[0, 1, 2], [3, 3, 0]], np.float32)
    assert zoo.export(model, tmp_path / "served")["log_prob"] == ["x", "num_samples", "seed"]
    served = tf.saved_model.load(str(tmp_path / "served"))
    for count in (3, 50):
        found = served.log_prob(x=x, num_samples=count, seed=[0, 1])["log_prob"]
        wanted = model.log_prob(x, num_samples=count, seed=tf.constant([0, 1]))
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_an_equal_sampler_and_other_guidance_compile_nothing_anew():
    model, y = image_model(condition=OneHot(2), drop_condition=0.3), np.array([0, 1])
    for guidance in (0.0, 0.5):
        model.sample(2, y, seed=0, sampler=DDIM(3), guidance=guidance)
    programs = model._walk.experimental_get_tracing_count()
    for guidance in (0.0, 1.0, 2.0):
        model.sample(2, y, seed=0, sampler=DDIM(3), guidance=guidance)
    assert model._walk.experimental_get_tracing_count() == programs
    for other in (DDIM(4), DDIM(3, eta=1.0), Ancestral(3)):
        model.sample(2, y, seed=0, sampler=other)
    assert model._walk.experimental_get_tracing_count() == programs + 3


def test_a_share_of_the_conditions_is_withheld_in_training_only(monkeypatch):
    model = image_model(condition=OneHot(2), drop_condition=0.3)
    seen = []
    whole = model.predict_from
    monkeypatch.setattr(
        model,
        "predict_from",
        lambda x, t, y, keep, training: seen.append(keep) or whole(x, t, y, keep, training),
    )
    x, y = np.zeros((4_000, 3), np.float32), np.zeros(4_000, int)
    for training in (True, False):
        model.terms(x, y, training=training, seed=tf.constant([0, 1]))
    assert seen[0].numpy().mean() == pytest.approx(0.7, abs=0.03) and seen[1] is None


def test_a_network_learns_the_posterior_mean(tmp_path):
    keras.utils.set_random_seed(0)
    schedule = CosineSchedule(100)
    model = Diffusion(
        ContextMLP([64, 64]), IndependentNormal((2,)), schedule, Denoising("velocity"), DDIM(20)
    )
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=True, average=0.99)
    x, _ = points.sample(8_000, seed=1)
    model.fit(x, batch_size=500, epochs=60, verbose=0)
    zoo.save(model, tmp_path / "ddpm")
    loaded = zoo.load(tmp_path / "ddpm")
    assert storing.spec(loaded) == storing.spec(model)
    fresh, _ = points.sample(500, seed=2)
    t = tf.random.stateless_uniform((500,), (0, 5), 30, 101, tf.int32)
    x_t = schedule.marginal(tf.constant(fresh), t).sample(normal((500, 2), 7))
    wanted = expected(x_t, t, schedule).numpy()
    error = np.mean((loaded.guess(x_t, t) - wanted) ** 2)
    # The mean of the data is 0: to know nothing costs the mean square.
    assert error < 0.1 * np.mean(wanted**2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sampler": DDIM(11)}, "no 11 times"),
        ({"time_size": 3}, "even number"),
        ({"drop_condition": 0.5}, "takes a model with a condition"),
        ({"drop_condition": "a"}, "finite number from 0"),
        ({"guidance": True}, "finite number, not True"),
        ({"objective": "noise"}, "objective of a Diffusion is 'noise'"),
        ({"schedule": "cosine"}, "such as CosineSchedule"),
        ({"guidance": 1.0}, "withheld"),
        ({"guidance": "much"}, "finite number"),
        ({"sampler": "ddim"}, "such as DDIM"),
        ({"schedule": LinearSchedule(1_000, 1e-4, 0.99)}, "does not fall"),
    ],
)
def test_parts_that_do_not_fit(arguments, words):
    with pytest.raises(ValueError, match=words):
        Diffusion(
            ContextMLP([4]),
            DiscretizedNormal((3,), 4),
            **{"schedule": CosineSchedule(10), "sampler": DDIM(5), **arguments},
        )


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((MLP([4]), DiscretizedNormal((3,), 4)), "MLP takes no context"),
        ((ContextMLP([4]), IndependentBernoulli((3,))), "not IndependentBernoulli"),
    ],
)
def test_networks_and_likelihoods_that_do_not_fit(parts, words):
    with pytest.raises(ValueError, match=words):
        Diffusion(*parts)


@pytest.mark.parametrize("known", ["a", None, True, [0.5, 0, 0], [np.nan, 0, 1], [2, 0, 1]])
def test_masks_that_are_none(known):
    with pytest.raises(DataError, match="array of true and false"):
        image_model().complete(np.zeros((2, 3), np.float32), known)


def test_requests_that_cannot_be_met():
    model = image_model()
    with pytest.raises(NotSupported, match="withheld"):
        model.sample(2, guidance=1.0)
    with pytest.raises(NotSupported, match="finite number"):
        model.sample(2, guidance="much")
    with pytest.raises(NotSupported, match="such as DDIM"):
        model.sample(2, sampler="ddim")
    with pytest.raises(NotSupported, match="no 11 times"):
        model.sample(2, sampler=DDIM(11))
    with pytest.raises(DataError, match="whole number"):
        model.sample(0)
    with pytest.raises(DataError, match="integers"):
        model.log_prob(np.full((1, 3), 0.5, np.float32))
    for count in (0, 1.5, "5", True, np.nan):
        with pytest.raises(DataError, match="num_samples"):
            model.log_prob(np.zeros((1, 3), np.float32), num_samples=count)
    for eta in (2.0, "a"):
        with pytest.raises(ValueError, match="from 0 to 1"):
            DDIM(5, eta=eta)
    for steps in (0, 5.0, [5], np.nan):
        with pytest.raises(ValueError, match="whole number of steps"):
            DDIM(steps)
    with pytest.raises(ValueError, match="at the end it is 0"):
        LinearSchedule(20, 1e-6, 1e-5).check()
    with pytest.raises(ValueError, match=r"CosineSchedule\(20\)"):
        LinearSchedule(20)
    with pytest.raises(ValueError, match="2 steps"):
        LinearSchedule(1)
    with pytest.raises(ValueError, match="shares of noise"):
        LinearSchedule(10, last=0.5)
