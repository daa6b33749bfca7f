"""Conditional models: labels, vectors and images as y."""

import functools

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from conditional import CLASSES, COUNT, KINDS, SIZE, X, Y, Z, conditional, fixed
from models import EVENT

import zoo
import zoo.data
from zoo import distributions as zd
from zoo.evaluation import evaluate
from zoo.models import VAE, Autoencoder
from zoo.noise import fold
from zoo.objectives.variational import variational_terms

KEY = fold(0, "test")


# The distributions.


@pytest.mark.parametrize("kind", KINDS)
def test_encode_and_decode_see_the_condition_beside_the_rest(kind):
    model, y = fixed(kind), Y[kind]
    given = model.condition(y)
    features = tf.concat([model.encoder(X), given], axis=-1)
    expected = model.posterior.distribution(model.posterior(features))
    np.testing.assert_allclose(model.encode(X, y).mean(), expected.mean(), rtol=1e-5)
    latents = tf.concat([Z[0], given], axis=-1)
    expected = model.likelihood.distribution(model.likelihood(model.decoder(latents)))
    np.testing.assert_allclose(model.decode(Z[0], y).mean(), expected.mean(), rtol=1e-5)
    if kind == "label":
        np.testing.assert_array_equal(given, np.eye(CLASSES)[y])


@pytest.mark.parametrize("kind", KINDS)
def test_another_condition_is_another_distribution(kind):
    model, y = fixed(kind), Y[kind]
    other = (y + 1) % CLASSES if kind == "label" else y[::-1]
    for found in (model.encode, model.decode):
        x = X if found == model.encode else Z[0]
        difference = np.abs(found(x, y).mean() - found(x, other).mean())
        assert difference.reshape(COUNT, -1).max(axis=1).min() > 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_many_latents_of_each_condition_are_as_each_alone(kind):
    model, y = fixed(kind), Y[kind]
    together = model.decode(Z, y)
    assert together.batch_shape == [5, COUNT]
    alone = [model.decode(z, y).mean() for z in Z]
    np.testing.assert_allclose(together.mean(), alone, rtol=1e-5)
    one = [model.decode(Z[:, i], np.repeat(y[i : i + 1], 5, axis=0)).mean() for i in range(COUNT)]
    np.testing.assert_allclose(together.mean(), np.stack(one, axis=1), rtol=1e-5)
    # y may have the whole batch of z, or none of it.
    whole = model.decode(Z, np.stack([y] * 5)).mean()
    np.testing.assert_allclose(whole, alone, rtol=1e-5)
    single = model.decode(Z, y[0]).mean()
    np.testing.assert_allclose(single[:, 0], together.mean()[:, 0], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_log_prob_is_conditional(kind):
    model, y = fixed(kind), Y[kind]
    key = fold(fold(9, "log_prob"), "importance", 0)
    q, p = model.encode(X, y), model.prior_distribution()
    terms = variational_terms(X, q, p, lambda z: model.decode(z, y), 1000, key)
    weights = terms.log_weights.numpy()
    expected = scipy.special.logsumexp(weights.astype("float64"), axis=0) - np.log(1000)
    found = model.log_prob(X, y, num_samples=1000, seed=9)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(model.log_prob(X, y.tolist(), num_samples=1000, seed=9), found)


@pytest.mark.parametrize("kind", KINDS)
def test_reconstructions_and_samples_have_a_condition_each(kind):
    model, y = fixed(kind), Y[kind]
    for number, shape in ((None, X.shape), (5, (5, *X.shape))):
        assert model.reconstruct(X, y, num_samples=number, seed=1).shape == shape
    drawn = model.sample(COUNT, y, seed=3, mean=True)
    # The same latents, so an image depends on its own condition alone.
    again = model.sample(COUNT, np.concatenate([y[:1], y[:0:-1]]), seed=3, mean=True)
    np.testing.assert_allclose(drawn[0], again[0], rtol=1e-5)
    assert not np.allclose(drawn[1:], again[1:])
    outputs = model((X, y))
    np.testing.assert_allclose(outputs["latent"], model.encode(X, y).mean(), rtol=1e-5)
    predicted = model.predict((X, y), batch_size=5, verbose=0)
    np.testing.assert_allclose(predicted["reconstruction"], outputs["reconstruction"], rtol=1e-4)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_labels_may_be_of_any_type(dtype):
    model, y = fixed("label"), Y["label"]
    expected = model.encode(X, y).mean()
    np.testing.assert_array_equal(model.encode(X, y.astype(dtype)).mean(), expected)


# Training and measuring.


PATTERNS = (np.random.RandomState(3).uniform(size=(CLASSES, *EVENT)) < 0.5).astype("float32")


def labelled(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that depend on their labels alone."""
    y = np.random.RandomState(4).randint(CLASSES, size=count).astype("int32")
    return PATTERNS[y], y


@functools.cache
def trained() -> VAE:
    model = conditional("label")
    x, y = labelled(320)
    data = zoo.data.from_array(x, y, values="unit", batch_size=16, shuffle=True)
    model.compile(optimizer=keras.optimizers.Adam(2e-2), jit_compile=True, steps_per_execution=20)
    model.fit(data, validation_data=labelled(32), epochs=12, verbose=0)
    return model


def test_samples_of_a_class_are_its_pattern():
    y = np.arange(40) % CLASSES
    drawn = trained().sample(40, y, seed=0, mean=True)
    np.testing.assert_allclose(drawn, PATTERNS[y], atol=0.15)
    single = trained().sample(6, 2, seed=0)
    np.testing.assert_allclose(np.mean(single, axis=0), PATTERNS[2], atol=0.35)


def test_measures_know_the_condition():
    x, y = labelled(30)
    data = zoo.data.from_array(x, y, values="unit", batch_size=12)
    found = evaluate(trained(), data, num_samples=50, seed=1)
    # Given its label, an image is nearly certain; the wrong label makes it nearly impossible.
    assert -1 < found["importance"].value < 0 and found["importance"].count == 30
    assert found["elbo"].value <= found["importance"].value + 1e-3
    by_hand = trained().log_prob(x, y, num_samples=50)
    assert found["importance"].value == pytest.approx(np.mean(by_hand), abs=0.1)
    assert np.mean(trained().log_prob(x, (y + 1) % CLASSES, num_samples=50)) < -10
    gap = evaluate(trained(), data, num_samples=50, subset=10, seed=1)
    assert gap["importance"].value == pytest.approx(found["importance"].value, abs=0.1)


@pytest.mark.parametrize("kind", ["vector", "image"])
def test_every_part_trains_under_xla(kind):
    model = conditional(kind)
    before = model.get_weights()
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=True)
    model.fit(X, Y[kind], batch_size=4, epochs=2, verbose=0)
    for variable, old in zip(model.weights, before, strict=True):
        assert not np.array_equal(variable.numpy(), old), variable.path


@pytest.mark.parametrize("kind", ["label", "image"])
def test_mixed_precision(kind):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = conditional(kind)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    terms = model.terms(tf.constant(X), tf.constant(Y[kind]), training=True, seed=KEY)
    assert {v.dtype for v in terms.metrics().values()} == {tf.float32}
    assert model.condition(Y[kind]).dtype == "bfloat16"
    assert np.isfinite(terms.elbo).all()


def test_an_autoencoder_may_be_conditional():
    model = conditional(
        "label",
        cls=Autoencoder,
        posterior=zd.VectorDeterministic(SIZE),
        likelihood=zd.IndependentDeterministic(EVENT),
    )
    y = Y["label"]
    model.compile(run_eagerly=True)
    model.fit(X, y, batch_size=4, verbose=0)
    terms = model.terms(tf.constant(X), tf.constant(y), seed=KEY)
    expected = np.mean((X - model.reconstruct(X, y)) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(terms.squared_error, expected, rtol=1e-4)
    assert terms.sensitivity().shape == [COUNT]


# Keeping it.


@pytest.mark.parametrize("kind", ["label", "image"])
def test_a_conditional_model_is_exported_with_y(kind, tmp_path):
    model, y = (trained() if kind == "label" else fixed(kind)), Y[kind]
    assert zoo.export(model, tmp_path / "1") == {
        "serve": ["x", "y"],
        "encode": ["x", "y"],
        "decode": ["z", "y"],
        "reconstruct": ["x", "y"],
        "sample": ["n", "seed", "y"],
        "sample_mean": ["n", "seed", "y"],
        "log_prob": ["x", "num_samples", "seed", "y"],
    }
    served = tf.saved_model.load(str(tmp_path / "1"))
    seed = tf.constant([1, 2])
    for part in (slice(3), slice(COUNT)):
        x, z, given = (tf.constant(v[part]) for v in (X, Z[0], y))
        count = tf.constant(len(x))
        code = model.encode(x, given)
        pairs = [
            (served.encode(x=x, y=given)["mean"], code.mean()),
            (served.encode(x=x, y=given)["stddev"], code.stddev()),
            (served.serve(x=x, y=given)["latent"], code.mean()),
            (served.decode(z=z, y=given)["mean"], model.decode(z, given).mean()),
            (served.reconstruct(x=x, y=given)["mean"], model.reconstruct(x, given)),
            (
                served.sample(n=count, seed=seed, y=given)["sample"],
                model.sample(len(x), given, seed=seed),
            ),
            (
                served.sample_mean(n=count, seed=seed, y=given)["mean"],
                model.sample(len(x), given, seed=seed, mean=True),
            ),
            (
                served.log_prob(x=x, num_samples=tf.constant(300), seed=seed, y=given)["log_prob"],
                model.log_prob(x, given, num_samples=300, seed=seed),
            ),
        ]
        for found, expected in pairs:
            np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_conditional_model_is_saved(kind, tmp_path):
    model, y = fixed(kind), Y[kind]
    zoo.save(model, tmp_path / "saved")
    model.save(tmp_path / "model.keras")
    expected = model.reconstruct(X, y)
    for again in (zoo.load(tmp_path / "saved"), keras.saving.load_model(tmp_path / "model.keras")):
        assert again.condition_shape == model.condition_shape
        np.testing.assert_array_equal(again.reconstruct(X, y), expected)
