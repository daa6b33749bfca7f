"""Training that begins at the mean image of the data instead of at grey."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from models import EVENT, images, vae

import zoo.data
from zoo import distributions as zd
from zoo import networks as zn
from zoo import plain_yaml
from zoo.cli import main
from zoo.errors import ConfigError, NotSupported
from zoo.models import VAE, Autoregressive
from zoo.models.base import GenerativeModel
from zoo.training import TrainingSettings, train
from zoo.training.run import _mean

# A pixel that is never on, and one that always is, stay this far from certainty.
RAREST = 1e-3

CONFIG = {
    "data": {"name": "digits", "binarize": "dynamic", "examples_per_epoch": 256},
    "model": {
        "type": "VAE",
        "encoder": {"type": "MLP", "units": [4]},
        "posterior": {"type": "MultivariateNormalDiag", "size": 2},
        "decoder": {"type": "MLP", "units": [4]},
        "likelihood": {"type": "IndependentBernoulli", "event_shape": [8, 8, 1]},
    },
    "training": {
        "epochs": 1,
        "batch_size": 64,
        "keep": "last",
        "start_at_mean": True,
        "optimizer": {"type": "SGD"},
        "learning_rate": 1e-9,
        "jit_compile": False,
    },
}


def silenced(model) -> None:
    """The last hidden features become 0, whatever comes in."""
    for weight in model.decoder.weights:
        weight.assign(tf.zeros_like(weight))


def test_the_mean_image_is_the_datas():
    model = vae()
    mean = np.random.RandomState(0).uniform(size=EVENT)
    mean[0, 0], mean[1, 1] = 0, 1
    model.start_at(mean)
    silenced(model)
    z = np.random.RandomState(0).normal(size=(5, 3)).astype("float32")
    expected = np.clip(mean, RAREST, 1 - RAREST)
    for image in model.decode(z).mean():
        np.testing.assert_allclose(image, expected, rtol=1e-5)
    assert float(image[0, 0, 0]) == pytest.approx(RAREST, rel=1e-4)
    assert float(image[1, 1, 0]) == pytest.approx(1 - RAREST)


def test_each_pixel_of_a_made_starts_at_its_own_mean():
    model = Autoregressive(zn.MADE([6], order="random"), zd.IndependentBernoulli((3, 4, 1)))
    model.ensure_built()
    # Its one feature of a pixel is the logit, whatever the seed.
    np.testing.assert_array_equal(model.likelihood.projection.kernel, [[1.0]])
    mean = np.random.RandomState(0).uniform(0.1, 0.9, size=(3, 4, 1))
    model.start_at(mean)
    model.network.mlp.kernels[-1].assign(np.zeros((6, 12)))
    found = model.distribution(np.ones((2, 3, 4, 1), "float32")).mean()
    np.testing.assert_allclose(found, [mean] * 2, rtol=1e-5)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_bias_for_all_positions_starts_at_their_mean(channels):
    model = VAE(
        encoder=zn.MLP([4]),
        posterior=zd.MultivariateNormalDiag(2),
        decoder=zn.ConvDecoder(start=[2, 2, 3], filters=[4]),
        likelihood=zd.IndependentBernoulli((4, 4, channels)),
    )
    model.ensure_built()
    assert model.likelihood.projection.bias.shape == (channels,)
    mean = np.random.RandomState(0).uniform(size=(4, 4, channels)) ** 4
    model.start_at(mean)
    silenced(model)
    found = model.decode(np.ones((1, 2), "float32")).mean()[0]
    # Of all constant images, it gives the data the largest probability.
    np.testing.assert_allclose(found, np.broadcast_to(mean.mean(axis=(0, 1)), found.shape), 1e-5)


def test_the_mean_is_that_of_an_epoch_and_looking_is_none():
    x = images(60)
    for y in (None, np.arange(60)):
        data = zoo.data.from_array(x, y, values="unit", batch_size=12, shuffle=True)
        data.epoch.assign(3)
        found = _mean(data)
        np.testing.assert_allclose(found, x.mean(axis=0), rtol=1e-6)
        assert found.shape == EVENT and int(data.epoch.numpy()) == 3


def test_a_run_starts_there(tmp_path):
    run = train(CONFIG, tmp_path / "run", strategy="one")
    data = zoo.data.load("digits", binarize="dynamic", examples_per_epoch=256, batch_size=64)
    mean = np.clip(np.concatenate(list(data.train)).mean(axis=0), RAREST, 1 - RAREST)
    bias = run.model.likelihood.projection.bias.numpy()
    # Such a learning rate leaves it where it started.
    np.testing.assert_allclose(bias, scipy.special.logit(mean).ravel(), rtol=1e-4, atol=1e-5)
    assert np.ptp(bias) > 5
    # Grey images would cost 64 log 2 = 44.4 nats, before any step.
    assert float(run.log[0]["log_likelihood"]) > -40
    assert int(run.data.train.epoch.numpy()) == 1


@pytest.mark.parametrize(
    "likelihood, data",
    [
        ({"type": "IndependentNormal"}, {"name": "digits"}),
        ({"type": "IndependentCategorical", "levels": 17}, {"name": "digits", "values": "levels"}),
    ],
)
def test_a_likelihood_that_cannot_is_said_before_anything_is_written(
    likelihood, data, tmp_path, capsys
):
    model = {**CONFIG["model"], "likelihood": {**likelihood, "event_shape": [8, 8, 1]}}
    config = {**CONFIG, "model": model, "data": data}
    message = f"{likelihood['type']} cannot start at the mean of the data: leave out training."
    with pytest.raises(NotSupported, match=message):
        train(config, tmp_path / "run", strategy="one")
    (tmp_path / "own.yaml").write_text(plain_yaml.dump(config))
    assert main(["train", str(tmp_path / "own.yaml"), "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(f"zoo: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"]


def test_a_model_without_an_output_image_cannot():
    with pytest.raises(NotSupported, match="GenerativeModel cannot start at the mean"):
        GenerativeModel(event_shape=EVENT).start_at(np.zeros(EVENT))


@pytest.mark.parametrize("value", [1, "yes", None])
def test_the_setting_is_true_or_false(value):
    with pytest.raises(ConfigError, match=r"training.start_at_mean is .*valid: true or false"):
        TrainingSettings(start_at_mean=value)
