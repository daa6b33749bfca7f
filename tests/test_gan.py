"""The two players' steps, conditions, noise and faults."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import storing
from zoo.data import points
from zoo.distributions import IndependentDeterministic, IndependentNormal, StandardNormal
from zoo.errors import DataError, NotSupported, TrainingError
from zoo.models import GAN
from zoo.networks import MLP, ConvDecoder, ConvEncoder, OneHot
from zoo.networks.spectral import SpectralNorm
from zoo.noise import fold
from zoo.objectives import Hinge, Minimax, NonSaturating, Wasserstein

SGD = keras.optimizers.SGD


def gan(objective=None, shape=(2,), seed=0, **arguments) -> GAN:
    keras.utils.set_random_seed(seed)
    parts = {
        "generator": MLP([6], activation="tanh"),
        "discriminator": MLP([5], activation="tanh"),
        "likelihood": IndependentDeterministic(shape, activation="linear"),
        "prior": StandardNormal(3),
        "discriminator_optimizer": SGD(0.05),
    }
    model = GAN(**{**parts, "objective": objective, **arguments})
    model.compile(SGD(0.1))
    model.ensure_built()
    return model


def batch(n=8, shape=(2,)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32)


@pytest.mark.parametrize("objective", [Minimax(), NonSaturating(), Hinge(), Wasserstein(3.0)])
@pytest.mark.parametrize("k", [1, 2])
def test_a_step_is_that_of_the_algorithm(objective, k):
    model, twin = gan(objective, discriminator_steps=k), gan(objective, discriminator_steps=k)
    x = batch()
    # By hand: each player's loss, noise and variables in turn.
    step = fold(twin.seed, "train", tf.constant(0, tf.int64), 0)
    generator = [*twin.generator.trainable_variables, *twin.likelihood.trainable_variables]
    opponent = [*twin.discriminator.trainable_variables]
    opponent += twin.discriminator_logit.trainable_variables
    n = len(x) // k

    def fake(key):
        z = twin.prior_distribution().sample(n, seed=fold(key, "prior"))
        return twin.likelihood.distribution(twin.likelihood(twin.generator(z))).mean()

    for i in range(k):
        key, part = fold(step, "discriminator", i), tf.constant(x[i * n : (i + 1) * n])
        with tf.GradientTape() as tape:
            made = fake(key)
            loss = objective.discriminator(twin.logit(part), twin.logit(made))
            if objective.gradient_penalty:
                share = tf.random.stateless_uniform((n,), fold(key, "share"))[:, tf.newaxis]
                between = share * part + (1 - share) * made
                with tf.GradientTape() as inner:
                    inner.watch(between)
                    logits = twin.logit(between)
                slope = tf.norm(inner.gradient(logits, between), axis=1)
                loss += objective.gradient_penalty * (slope - 1) ** 2
            loss = tf.reduce_mean(loss)
        for v, g in zip(opponent, tape.gradient(loss, [v.value for v in opponent]), strict=True):
            v.assign_sub(0.05 * g)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(objective.generator(twin.logit(fake(fold(step, "generator")))))
    for v, g in zip(generator, tape.gradient(loss, [v.value for v in generator]), strict=True):
        v.assign_sub(0.1 * g)

    before = [w.copy() for w in model.get_weights()]
    model.fit(x, batch_size=8, shuffle=False, verbose=0)
    for found, wanted, old in zip(model.get_weights(), twin.get_weights(), before, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6)
        # The bias of the logit stands still where both losses have slope 1.
        assert np.abs(found - old).max() > 1e-7 or found.shape == (1,)


@pytest.mark.parametrize("ways", ["projection", "concatenation"])
def test_both_players_see_the_condition(ways):
    model = gan(condition=OneHot(3), conditioning=ways)
    x, y = batch(6), np.array([0, 1, 2, 0, 1, 2])
    logits = model.logit(x, y).numpy()
    others = model.logit(x, (y + 1) % 3).numpy()
    assert np.abs(logits - others).min() > 1e-6
    one = np.zeros(6, int)
    z = model.sample(6, one, seed=1).numpy()
    assert np.abs(z - model.sample(6, one + 1, seed=1).numpy()).max() > 1e-4
    if ways == "projection":
        f = model.discriminator(x).numpy()
        w, b = (v.numpy() for v in model.discriminator_logit.weights)
        rows = model.projection.kernel.numpy()[y]
        np.testing.assert_allclose(logits, f @ w[:, 0] + b + (rows * f).sum(1), rtol=1e-4)
    history = model.fit(x, y, batch_size=6, verbose=0).history
    assert set(history) == {"loss", *GAN.metric_names}


def test_an_image_as_condition_is_seen_pixel_by_pixel():
    model = gan(
        shape=(4, 4, 1),
        condition=keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)]),
        condition_shape=(4, 4, 1),
        conditioning="concatenation",
    )
    x, y = batch(2, (4, 4, 1)), batch(2, (4, 4, 1)) + 1
    assert model.sample(2, y, seed=1).shape == (2, 4, 4, 1)
    joined = np.concatenate([x, y], axis=-1)
    np.testing.assert_allclose(
        model.logit(x, y), model.discriminator_logit(model.discriminator(joined))[:, 0], rtol=1e-5
    )


def largest(kernel) -> float:
    return np.linalg.svd(np.reshape(kernel, [-1, kernel.shape[-1]]), compute_uv=False)[0]


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (50, 40), (7, 1), (1, 9)])
def test_the_spectral_norm_of_a_kernel_is_1(shape):
    kernel = 3 * np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = SpectralNorm()(tf.constant(kernel))
    assert largest(found) == pytest.approx(1, abs=0.05) and largest(found) > 1 - 1e-5
    np.testing.assert_allclose(found / kernel, 1 / largest(kernel), rtol=0.05)
    np.testing.assert_array_equal(SpectralNorm()(tf.zeros(shape)), np.zeros(shape))


def test_a_discriminator_of_spectral_norm_1_is_no_steeper_than_1():
    model = gan(
        Hinge(),
        shape=(4, 4, 1),
        spectral_norm=True,
        condition=OneHot(3),
        discriminator_optimizer=SGD(0.5),
    )
    x, y = batch(32, (4, 4, 1)), np.arange(32) % 3
    model.fit(x, y, batch_size=8, verbose=0)
    kernels = [v for v in model.opponent_variables() if len(v.shape) > 1]
    assert len(kernels) == 3
    for kernel in kernels:
        assert largest(kernel.numpy()) == pytest.approx(1, abs=0.03)
    assert max(largest(v.numpy()) for v in model.generator.trainable_variables[:1]) != 1
    # Of f's two kernels, the logit's and the projection's: T(x, y) = (w + V c) f(x).
    gaps = np.linalg.norm((x[::2] - x[1::2]).reshape(16, -1), axis=1)
    same = np.zeros(16, int)
    rises = np.abs(model.logit(x[::2], same) - model.logit(x[1::2], same))
    assert (rises / gaps).max() < 2.1


def test_batch_normalization_follows_the_batch_in_training_only():
    images = batch(16, (8, 8, 1)) + 5
    network = ConvEncoder([4, 4], kernel_size=4, batch_norm=True)
    network.build((None, 8, 8, 1))
    # None after the first convolution, so that the images' own level is seen.
    assert [type(layer).__name__ for layer in network.stack] == [
        "Conv2D",
        "Activation",
        "Conv2D",
        "BatchNormalization",
        "Activation",
        "Flatten",
    ]
    alone = network(images[:1]).numpy()
    np.testing.assert_allclose(network(images)[:1], alone, rtol=1e-4, atol=1e-5)
    assert np.abs(network(images, training=True)[:1] - alone).max() > 1e-2
    assert np.abs(network(images)[:1] - alone).max() > 1e-4
    names = [type(layer).__name__ for layer in ConvDecoder((2, 2, 4), [4], batch_norm=True).stack]
    assert names == [
        "Dense",
        "Reshape",
        "BatchNormalization",
        "Activation",
        "Conv2DTranspose",
        "BatchNormalization",
        "Activation",
    ]


def test_samples_repeat_with_their_seed_and_have_no_density():
    model = gan()
    np.testing.assert_array_equal(model.sample(4, seed=3), model.sample(4, seed=3))
    assert np.abs(model.sample(4, seed=3) - model.sample(4, seed=4)).max() > 1e-3
    with pytest.raises(NotSupported, match="no log-probability"):
        model.log_prob(batch())


def test_a_collapse_shows_in_the_metrics():
    model = gan()
    lively = model.evaluate(batch(64), batch_size=64, verbose=0, return_dict=True)["diversity"]
    for v in model.generator.trainable_variables:
        v.assign(tf.zeros_like(v))
    dead = model.evaluate(batch(64), batch_size=64, verbose=0, return_dict=True)["diversity"]
    assert lively > 0.05 and dead == pytest.approx(0, abs=1e-6)


def test_a_run_that_explodes_stops_and_says_where():
    model = gan()
    # A step later, both players' losses are lost; the first to see it is the discriminator.
    model.guard.reset()
    model.fit(batch(16), batch_size=8, verbose=0)
    model.generator.trainable_variables[0].assign_add([[np.inf] * 6] * 3)
    with pytest.raises(TrainingError, match="discriminator_loss is not finite at step 2"):
        model.fit(batch(16), batch_size=8, verbose=0)


def test_the_ring_is_learned_a_little(tmp_path):
    keras.utils.set_random_seed(0)
    model = GAN(
        MLP([64, 64], activation="relu"),
        MLP([64, 64], activation="leaky_relu"),
        IndependentDeterministic((2,), activation="linear"),
        StandardNormal(8),
        keras.optimizers.Adam(1e-3, beta_1=0.5),
    )
    model.compile(keras.optimizers.Adam(1e-3, beta_1=0.5), jit_compile=True, average=0.99)
    x, _ = points.sample(4_000, seed=1)

    def distance(made) -> float:
        gaps = np.linalg.norm(made[:, None] - points.modes(), axis=-1)
        return float(gaps.min(axis=1).mean())

    before = distance(model.sample(500, seed=1).numpy())
    model.fit(x, batch_size=200, epochs=30, verbose=0)
    zoo.save(model, tmp_path / "gan")
    loaded = zoo.load(tmp_path / "gan")
    after = distance(loaded.sample(500, seed=1).numpy())
    assert after < 0.6 * before
    assert storing.spec(loaded) == storing.spec(model)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"discriminator_steps": 0}, "whole number from 1"),
        ({"conditioning": "magic"}, "projection, concatenation"),
        ({"discriminator_optimizer": "adam"}, "discriminator's optimizer is 'adam'"),
        ({"discriminator_steps": True}, "whole number from 1"),
        ({"spectral_norm": "no"}, "true or false, not 'no'"),
        ({"prior": None}, "prior is None"),
        ({"likelihood": IndependentNormal((2,))}, "IndependentDeterministic"),
        ({"generator": None}, "the generator is None"),
        ({"objective": "hinge"}, "objective of a GAN is 'hinge'"),
        (
            {"shape": (4, 4, 1), "discriminator": keras.layers.Conv2D(3, 3)},
            "not \\['B', 2, 2, 3\\]: end it with units",
        ),
    ],
)
def test_parts_that_are_none(changes, words):
    with pytest.raises(ValueError, match=words):
        gan(**changes)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_a_critic_has_no_zero_of_its_own(penalty):
    data = zoo.data.from_array(batch(64), batch_size=64, values="real")
    model = gan(Wasserstein(penalty))
    before = zoo.evaluate(model, data)["told_apart"].value
    model.discriminator_logit.bias.assign_add([30.0])
    assert zoo.evaluate(model, data)["told_apart"].value == before != 0.5
    other = gan(NonSaturating(penalty))
    other.discriminator_logit.bias.assign_add([30.0])
    assert zoo.evaluate(other, data)["told_apart"].value == 0.5


def test_a_batch_that_does_not_divide():
    with pytest.raises(DataError, match="does not divide"):
        gan(discriminator_steps=3).fit(batch(8), batch_size=8, verbose=0)
    with pytest.raises(DataError, match=r"a batch of 8 .* does not divide"):
        gan(discriminator_steps=3).check(tf.data.Dataset.from_tensors(batch(8)))
