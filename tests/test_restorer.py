"""Networks that restore: closed forms, what is learned, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import data, storing
from zoo.data.corruptions import GaussianCorruption, MaskingCorruption
from zoo.distributions import IndependentDeterministic
from zoo.errors import DataError
from zoo.evaluation import evaluate
from zoo.evaluation.restoration import psnr
from zoo.models import Restorer
from zoo.networks import UNet
from zoo.noise import fold
from zoo.objectives import SparseCode

EVENT = (8, 8, 1)


class Same(keras.layers.Layer):
    """Leaves an image as it is."""

    def call(self, x):
        return x

    def compute_output_shape(self, shape):
        return shape


def restorer(network=None, corruption=None, activation="sigmoid") -> Restorer:
    keras.utils.set_random_seed(0)
    model = Restorer(
        network or UNet([8, 8], groups=2, outputs=4),
        IndependentDeterministic(EVENT, activation=activation),
        corruption or GaussianCorruption(0.0, 0.5),
    )
    model.ensure_built()
    return model


def untouched(corruption) -> Restorer:
    """A restorer that does nothing."""
    model = restorer(Same(), corruption, "linear")
    for variable in model.likelihood.trainable_variables:
        variable.assign(tf.ones_like(variable) if "kernel" in variable.path else [0.0])
    return model


def images(count=6) -> np.ndarray:
    return np.random.RandomState(0).uniform(0.2, 0.8, (count, *EVENT)).astype(np.float32)


def test_the_loss_of_doing_nothing_is_that_of_the_corruption():
    model, x, seed = untouched(GaussianCorruption(0.3)), images(200), tf.constant([0, 1])
    found = model.terms(x, seed=seed).squared_error.numpy()
    noisy = model.corruption(tf.constant(x), fold(seed, "corrupt")).numpy()
    np.testing.assert_allclose(found, ((x - noisy) ** 2).mean(axis=(1, 2, 3)), rtol=1e-5)
    assert found.mean() == pytest.approx(0.09, rel=0.03)
    np.testing.assert_array_equal(model.restore(noisy), noisy)


def test_its_numbers_are_those_of_the_images_that_it_makes():
    model = untouched(GaussianCorruption(0.0, 0.5))
    splits = data.from_array(images(50), batch_size=16, values="unit")
    found = evaluate(model, splits, levels=[0.1])
    x = images(50)
    key = fold(0, "restoration", "0.1")
    noisy = model.corruption.at(tf.constant(x), 0.1, key).numpy()
    wanted = psnr(x, np.clip(noisy, 0, 1)).mean()
    assert found["psnr.0.1"].value == pytest.approx(wanted, rel=1e-5)
    assert found["psnr.0.1"].unit == "dB"
    assert found["squared_error"].value == pytest.approx(0, abs=1e-12)


def test_what_is_learned_is_cleaner_than_what_it_was_given(tmp_path):
    splits = data.load("digits", batch_size=32)
    model = restorer(corruption=GaussianCorruption(0.0, 1.0))
    model.compile(keras.optimizers.Adam(5e-3), jit_compile=False)
    model.fit(splits.train, epochs=4, verbose=0)
    zoo.save(model, tmp_path / "restorer")
    loaded = zoo.load(tmp_path / "restorer")
    assert storing.spec(loaded) == storing.spec(model)
    x = np.concatenate([batch.numpy() for batch in splits.test])
    noisy = loaded.corruption.at(tf.constant(x), 0.5, (0, 1)).numpy()
    gain = psnr(x, np.clip(loaded.restore(noisy), 0, 1)).mean() - psnr(x, noisy).mean()
    assert gain > 3
    zoo.export(loaded, tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(
        served.serve(x=noisy[:5])["restored"], loaded.restore(noisy[:5]), atol=1e-5
    )
    np.testing.assert_allclose(loaded.reconstruct(x[:5]), loaded.restore(x[:5]), atol=1e-6)


def test_each_example_is_corrupted_anew_in_each_step():
    model = restorer(corruption=MaskingCorruption(0.5))
    x = np.repeat(images(1), 4, axis=0)
    one, two = (model.terms(x, seed=tf.constant([0, k])).squared_error.numpy() for k in (1, 2))
    assert len(np.unique(np.concatenate([one, two]))) == 8


def test_whole_numbers_are_images_too():
    model, x = restorer(), (images() > 0.5).astype(int)
    model.compile("sgd")
    assert np.isfinite(model.fit(x, batch_size=3, verbose=0).history["loss"]).all()


def test_what_does_not_fit_is_said():
    for wrong in (None, 3, GaussianCorruption):
        with pytest.raises(ValueError, match="none such as GaussianCorruption"):
            Restorer(Same(), IndependentDeterministic(EVENT), wrong)
    with pytest.raises(ValueError, match="levels are numbers"):
        GaussianCorruption("a")
    with pytest.raises(ValueError, match="SparseCode is an objective over ReconstructionTerms"):
        Restorer(Same(), IndependentDeterministic(EVENT), GaussianCorruption(0.1), SparseCode(0.1))
    with pytest.raises(ValueError, match="the network is 'unet'"):
        Restorer("unet", IndependentDeterministic(EVENT), GaussianCorruption(0.1))
    with pytest.raises(DataError, match="unit"):
        restorer().reconstruct(images() * 3)
