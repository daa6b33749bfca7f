"""Autoencoders: squared errors, penalties by closed form, and what is learned from noise."""

import functools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from models import EVENT, images

import zoo
import zoo.data
from zoo import distributions as zd
from zoo import networks as zn
from zoo.data.corruptions import GaussianCorruption, MaskingCorruption
from zoo.errors import ConfigError, DataError, NotSupported
from zoo.evaluation import evaluate
from zoo.evaluation.reconstruction import jacobian_norms
from zoo.evaluation.restoration import psnr
from zoo.exporting import endpoints
from zoo.models import Autoencoder
from zoo.noise import fold
from zoo.objectives.reconstruction import (
    Contractive,
    ReconstructionTerms,
    SparseCode,
    SparseTarget,
    SquaredError,
)

SIZE = 3
X = np.random.RandomState(0).uniform(size=(6, *EVENT)).astype("float32")
KEY = fold(0, "test")


def autoencoder(objective=None, corruption=None, activation="linear", **parts) -> Autoencoder:
    keras.utils.set_random_seed(2)
    parts = {
        "encoder": zn.MLP([8], activation="tanh"),
        "posterior": zd.VectorDeterministic(SIZE, activation=activation),
        "decoder": zn.MLP([8], activation="tanh"),
        "likelihood": zd.IndependentDeterministic(EVENT),
        **parts,
    }
    model = Autoencoder(**parts, objective=objective, corruption=corruption)
    model.ensure_built()
    return model


@functools.cache
def trained(objective=None) -> Autoencoder:
    model = autoencoder(objective)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=True, steps_per_execution=5)
    model.fit(images(160), batch_size=8, epochs=4, verbose=0)
    return model


# The model.


def test_codes_are_deterministic_vectors():
    code = autoencoder().encode(X)
    assert type(code).__name__ == "VectorDeterministic"
    assert code.batch_shape == [6] and code.event_shape == [SIZE]
    np.testing.assert_array_equal(code.mean(), code.sample(seed=KEY))
    np.testing.assert_array_equal(code.stddev(), np.zeros((6, SIZE)))
    np.testing.assert_array_equal(code.log_prob(code.mean()), np.zeros(6))


def test_the_model_is_its_networks():
    model = autoencoder()
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = (
        [v.numpy() for v in part.weights]
        for part in (model.encoder, model.posterior, model.decoder, model.likelihood)
    )
    code = np.tanh(X.reshape(6, -1) @ w1 + b1) @ w2 + b2
    image = 1 / (1 + np.exp(-(np.tanh(code @ w3 + b3) @ w4 + b4)))
    np.testing.assert_allclose(model.encode(X).mean(), code, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.reconstruct(X), image.reshape(6, *EVENT), rtol=1e-4)
    error = np.mean((X.reshape(6, -1) - image) ** 2, axis=1)
    terms = model.terms(tf.constant(X), training=True, seed=KEY)
    np.testing.assert_allclose(terms.squared_error, error, rtol=1e-4)
    np.testing.assert_allclose(SquaredError()(terms), error, rtol=1e-4)
    model.compile()
    log = model.evaluate(X, batch_size=4, return_dict=True, verbose=0)
    expected = pytest.approx(error.mean(), rel=1e-4)
    assert log == {"loss": expected, "squared_error": expected}


def test_levels_are_compared_as_networks_see_them():
    likelihood = zd.IndependentCategorical(EVENT, levels=17)
    model = autoencoder(likelihood=likelihood)
    x = np.random.RandomState(0).randint(17, size=(5, *EVENT)).astype("float32")
    mean = model.decode(model.encode(x).mean()).mean().numpy()
    expected = np.mean(((x - mean) / 16) ** 2, axis=(1, 2, 3))
    terms = model.terms(tf.constant(x), training=True, seed=KEY)
    np.testing.assert_allclose(terms.squared_error, expected, rtol=1e-4)


def test_training_learns_and_moves_everything():
    model, before = trained(), autoencoder()
    for variable, old in zip(model.weights, before.get_weights(), strict=True):
        assert not np.array_equal(variable.numpy(), old), variable.path
    x = images(200)[160:]
    first, last = (np.mean((x - m.reconstruct(x)) ** 2) for m in (before, model))
    assert last < 0.7 * first


def test_bad_images_are_said():
    model = autoencoder()
    model.compile()
    for x, message in ((X * 3, r"scale them.*unit"), (X[:, :2], r"\[4, 4, 1\]")):
        for method in (model.encode, model.fit):
            with pytest.raises(DataError, match=message):
                method(x)
    # Other activations have no bounds.
    autoencoder(likelihood=zd.IndependentDeterministic(EVENT, "linear")).encode(X * 3)


@pytest.mark.parametrize("layer", [zd.VectorDeterministic, zd.IndependentDeterministic])
def test_an_unknown_activation_is_said(layer):
    with pytest.raises(ValueError, match="bendy"):
        layer([4] if layer is zd.IndependentDeterministic else 4, activation="bendy")


# Penalties.


def terms_of(code) -> ReconstructionTerms:
    code = tf.constant(code, tf.float32)
    errors = tf.linspace(0.1, 0.4, len(code))
    return ReconstructionTerms(errors, code, lambda: tf.range(len(code), dtype=tf.float32))


def test_penalties_are_their_formulas():
    code = np.random.RandomState(0).uniform(-1, 1, (7, SIZE))
    terms = terms_of(code)
    errors = terms.squared_error.numpy()
    expected = errors + 0.3 * np.abs(code).sum(axis=1)
    np.testing.assert_allclose(SparseCode(0.3)(terms), expected, rtol=1e-5)
    np.testing.assert_allclose(Contractive(0.3)(terms), errors + 0.3 * np.arange(7), rtol=1e-5)
    active = np.abs(code)
    wanted = scipy.stats.entropy([[0.1] * SIZE, [0.9] * SIZE], [active.mean(0), 1 - active.mean(0)])
    loss = SparseTarget(target=0.1, weight=0.3)(terms_of(active))
    np.testing.assert_allclose(loss, errors.mean() + 0.3 * wanted.sum(), rtol=1e-5)


def test_a_sparse_target_costs_nothing_where_it_is_met_and_is_finite_at_the_ends():
    for mean, extra in ((0.2, 0.0), (0.0, None), (1.0, None)):
        code = np.full((4, SIZE), mean)
        loss = SparseTarget(target=0.2, weight=5)(terms_of(code))
        assert np.isfinite(loss)
        if extra is not None:
            np.testing.assert_allclose(loss, 0.25 + extra, rtol=1e-5)
    with pytest.raises(ValueError, match=r"in \(0, 1\), not 1"):
        SparseTarget(target=1)


def test_sparse_codes_are_sparser():
    activation = {"activation": "relu"}
    norms = []
    for objective in (SquaredError(), SparseCode(weight=0.1)):
        model = autoencoder(objective, **activation)
        model.compile(optimizer=keras.optimizers.Adam(1e-2), steps_per_execution=20)
        model.fit(images(160), batch_size=8, epochs=3, verbose=0)
        norms.append(np.abs(model.encode(images()).mean()).sum(axis=1).mean())
    assert norms[1] < 0.2 * norms[0]


def jacobians(model, x) -> np.ndarray:
    """d code / d pixel `[B, D, pixels]`, by central differences."""
    step = 0.01
    columns = []
    for pixel in range(x[0].size):
        shift = np.zeros(x[0].size, "float32")
        shift[pixel] = step
        up, down = (model.code(x + sign * shift.reshape(EVENT)).numpy() for sign in (1, -1))
        columns.append((up.astype("float64") - down) / (2 * step))
    return np.stack(columns, axis=-1)


def test_jacobian_norms_are_those_of_differences():
    model = autoencoder(activation="tanh")
    expected = np.sqrt(np.sum(jacobians(model, X) ** 2, axis=(1, 2)))
    np.testing.assert_allclose(jacobian_norms(model, X), expected, rtol=1e-2)
    assert np.ptp(expected) > 0.05


def test_the_estimated_norm_is_without_bias():
    model = autoencoder(activation="tanh")
    exact = jacobian_norms(model, X) ** 2

    @tf.function
    def estimates():
        return tf.map_fn(
            lambda i: model.squared_jacobian(X, seed=fold(7, i)), tf.range(500), tf.float32
        )

    values = estimates().numpy()
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    assert np.all(error < 0.05 * exact)
    assert np.all(np.abs(values.mean(axis=0) - exact) < 4 * error)


def test_a_code_of_one_number_is_estimated_exactly():
    model = autoencoder(posterior=zd.VectorDeterministic(1))
    np.testing.assert_allclose(
        model.squared_jacobian(X, seed=3), jacobian_norms(model, X) ** 2, rtol=1e-4
    )


def test_contractive_codes_contract():
    def norm(model):
        return jacobian_norms(model, images(40)).mean()

    assert norm(trained(Contractive(weight=0.1))) < 0.6 * norm(trained())


def test_the_penalty_reaches_the_encoder():
    # With a linear encoder of one number, d penalty / d kernel is 2 kernel.
    model = autoencoder(
        encoder=zn.MLP([]), posterior=zd.VectorDeterministic(1), objective=Contractive(weight=0.5)
    )
    kernel = model.posterior.projection.kernel
    with tf.GradientTape() as tape:
        terms = model.terms(tf.constant(X), training=True, seed=KEY)
        penalty = tf.reduce_mean(model.objective(terms) - terms.squared_error)
    np.testing.assert_allclose(tape.gradient(penalty, kernel.value), kernel.numpy(), rtol=1e-5)


# Noise.


def test_the_corrupted_image_goes_in_and_the_clean_one_is_the_target():
    model = autoencoder(corruption=MaskingCorruption(1.0))
    nothing = model.decode(model.code(np.zeros_like(X))).mean().numpy()
    expected = np.mean((X - nothing) ** 2, axis=(1, 2, 3))
    for training in (True, False):
        terms = model.terms(tf.constant(X), training=training, seed=KEY)
        np.testing.assert_allclose(terms.squared_error, expected, rtol=1e-5)
    assert not np.allclose(expected, np.mean((X - model.reconstruct(X)) ** 2, axis=(1, 2, 3)))


def test_each_step_draws_other_noise_and_evaluation_repeats_itself():
    model = autoencoder(corruption=GaussianCorruption(0.5, 1.0))
    model.compile(run_eagerly=True)
    first, again = (model.evaluate(X, return_dict=True, verbose=0) for _ in range(2))
    assert first == again
    codes = [model.terms(tf.constant(X), seed=fold(0, step)).code.numpy() for step in range(2)]
    assert np.abs(codes[0] - codes[1]).min() > 0


def test_a_denoiser_restores():
    corruption = MaskingCorruption(0.0, 0.5)
    model = autoencoder(corruption=corruption, encoder=zn.MLP([32]), decoder=zn.MLP([32]))
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=True, steps_per_execution=20)
    model.fit(images(320), batch_size=8, epochs=8, verbose=0)
    x = images(380)[320:]
    data = zoo.data.from_array(x, values="unit", batch_size=25)
    found = evaluate(model, data, levels=(0.4, 0.0), seed=5)
    assert set(found) == {"squared_error", "active_units", "jacobian_norm", "psnr.0.4", "psnr.0"}
    noisy = corruption.at(tf.constant(x), 0.4, fold(5, "restoration", "0.4")).numpy()
    restored = model.decode(model.code(noisy)).mean().numpy()
    assert found["psnr.0.4"].value == pytest.approx(psnr(x, restored).mean(), rel=1e-4)
    assert found["psnr.0.4"].value > np.median(psnr(x, noisy)) + 1
    errors = np.mean((x - model.reconstruct(x)) ** 2, axis=(1, 2, 3))
    assert found["squared_error"].value == pytest.approx(errors.mean(), rel=1e-4)
    assert found["squared_error"].count == 60
    assert found["jacobian_norm"].value == pytest.approx(jacobian_norms(model, x).mean(), rel=1e-4)


def test_active_units_are_those_that_are_not_zero():
    model = autoencoder(activation="relu")
    found = evaluate(model, zoo.data.from_array(X, batch_size=4))
    code = model.encode(X).mean().numpy()
    assert found["active_units"].value == pytest.approx((code > 0).sum() / 6)
    assert 0 < found["active_units"].value < SIZE
    assert "of 3 units" in found["active_units"].unit


def test_a_model_of_clean_images_restores_nothing():
    with pytest.raises(NotSupported, match="trained on clean images"):
        evaluate(autoencoder(), zoo.data.from_array(X), levels=(0.5,))


# Without a density.


def test_it_cannot_be_sampled_and_says_what_to_do():
    model = autoencoder()
    with pytest.raises(NotSupported, match="fit-density"):
        model.sample(2)
    assert not model.can("sample") and not model.can("log_prob") and model.can("encode")
    with pytest.raises(NotSupported, match="no log-probability"):
        model.log_prob(X)
    with_prior = autoencoder(prior=zd.StandardNormal(SIZE))
    assert with_prior.can("sample") and with_prior.sample(2, seed=1).shape == (2, *EVENT)
    assert "sample" in endpoints(with_prior)


def test_it_is_exported_without_samples(tmp_path):
    model = trained()
    assert set(zoo.export(model, tmp_path / "1")) == {"serve", "encode", "decode", "reconstruct"}
    served = tf.saved_model.load(str(tmp_path / "1"))
    assert not hasattr(served, "sample") and not hasattr(served, "log_prob")
    code = served.encode(x=tf.constant(X))
    np.testing.assert_allclose(code["mean"], model.encode(X).mean(), atol=1e-5)
    np.testing.assert_array_equal(code["stddev"], np.zeros((6, SIZE)))
    for found in (served.decode(z=code["mean"]), served.reconstruct(x=tf.constant(X))):
        np.testing.assert_allclose(found["mean"], model.reconstruct(X), atol=1e-5)


def test_it_is_saved_with_its_corruption(tmp_path):
    model = autoencoder(Contractive(0.25), GaussianCorruption(0.1, 0.4))
    zoo.save(model, tmp_path / "saved")
    model.save(tmp_path / "model.keras")
    for again in (zoo.load(tmp_path / "saved"), keras.saving.load_model(tmp_path / "model.keras")):
        assert vars(again.corruption) == {"low": 0.1, "high": 0.4}
        assert again.objective.weight == 0.25 and again.prior is None
        np.testing.assert_array_equal(again.reconstruct(X), model.reconstruct(X))


def test_a_penalty_that_is_no_number_is_refused():
    ramp = {"type": "Ramp", "start": 0, "end": 1, "steps": 3}
    for name in ("SparseCode", "SparseTarget", "Contractive"):
        with pytest.raises(ConfigError, match=r"weight is .* not a finite number"):
            zoo.registration.build({"type": name, "weight": ramp})
