"""The running average of weights: its values, saving, exporting, resuming, replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import cli
from zoo.distributions import IndependentBernoulli, MultivariateNormalDiag
from zoo.models import VAE
from zoo.networks import MLP

DECAY = 0.7


def model(average=DECAY, seed=0) -> VAE:
    keras.utils.set_random_seed(seed)
    made = VAE(MLP([4]), MultivariateNormalDiag(2), MLP([4]), IndependentBernoulli((2, 2, 1)))
    made.compile(keras.optimizers.SGD(0.1), average=average)
    made.ensure_built()
    return made


def images(n=8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, (n, 2, 2, 1)).astype(np.float32)


def weights(made) -> list[np.ndarray]:
    return [v.numpy() for v in made.trainable_variables]


def test_it_is_the_average_of_the_weights_after_each_step():
    trained = model()
    wanted = weights(trained)
    for step in range(12):
        trained.fit(images(), batch_size=8, verbose=0)
        decay = min(DECAY, (1 + step) / (10 + step))
        after = weights(trained)
        wanted = [decay * a + (1 - decay) * w for a, w in zip(wanted, after, strict=True)]
    found = trained.average.averages
    assert any(np.abs(w - v).max() > 1e-3 for w, v in zip(wanted, after, strict=True))
    for a, w in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), w, rtol=1e-5, atol=1e-7)


def test_what_is_saved_and_exported_is_the_average_and_the_model_goes_on(tmp_path):
    trained = model()
    trained.fit(images(), batch_size=4, epochs=3, verbose=0)
    before = weights(trained)
    zoo.save(trained, tmp_path / "saved")
    zoo.export(trained, tmp_path / "served")
    for v, b in zip(weights(trained), before, strict=True):
        np.testing.assert_array_equal(v, b)
    loaded = zoo.load(tmp_path / "saved")
    averages = [a.numpy() for a in trained.average.averages]
    for found, average in zip(weights(loaded), averages, strict=True):
        np.testing.assert_array_equal(found, average)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(
        served.encode(x=images())["mean"], loaded.encode(images()).mean(), rtol=1e-5, atol=1e-6
    )
    assert np.abs(loaded.encode(images()).mean() - trained.encode(images()).mean()).max() > 1e-4


def test_keras_own_file_keeps_both(tmp_path):
    trained = model()
    trained.fit(images(), batch_size=4, epochs=2, verbose=0)
    trained.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.average.decay == DECAY
    for one, other in ((trained.average.averages, again.average.averages),):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    for a, b in zip(weights(trained), weights(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_compiling_again_begins_anew_or_ends_it():
    trained = model()
    trained.fit(images(), batch_size=4, verbose=0)
    trained.compile("sgd", average=0.5)
    for a, v in zip(trained.average.averages, trained.trainable_variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), v.numpy())
    trained.compile("sgd")
    trained.fit(images(), batch_size=4, verbose=0)
    for kept, v in zip(trained.kept_weights(), weights(trained), strict=False):
        np.testing.assert_array_equal(kept, v)
    assert len(trained.kept_weights()) == len(model(None).get_weights())


@pytest.mark.parametrize("decay", [1.0, -0.1, True, "0.9", float("nan")])
def test_decays_that_are_none(decay):
    with pytest.raises(ValueError, match="from 0 and below 1"):
        model(decay)


def test_a_decay_of_0_keeps_the_last_weights():
    trained = model(0)
    trained.fit(images(), batch_size=4, verbose=0)
    for kept, v in zip(trained.kept_weights(), weights(trained), strict=False):
        np.testing.assert_array_equal(kept, v)


def test_a_resumed_run_keeps_weights_and_average(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    extra = ["--set", "training.average=0.9", "--set", "training.backup_seconds=0"]
    extra += ["--set", "data.examples_per_epoch=64", "--set", "training.keep=last"]

    def train(folder, epochs, *more):
        argv = ["train", "vae.digits", "--out", folder, "--set", f"training.epochs={epochs}"]
        assert cli.main([*argv, *extra, *more]) == 0

    train("whole", 2)
    train("parts", 1)
    train("parts", 2, "--resume")
    for a, b in zip(*(weights(zoo.load(tmp_path / f)) for f in ("whole", "parts")), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert cli.main(["train", "vae.digits", "--set", "training.average=1"]) == 2
