"""Twenty PNG files in a folder: trained on, measured, loaded again, sampled, exported."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import zoo
from zoo.cli import main

CONFIG = """
title: my own pictures
data: {{name: "folder:{folder}", image_size: 8, channels: 1}}
model:
  type: VAE
  encoder: {{type: MLP, units: [16]}}
  posterior: {{type: MultivariateNormalDiag, size: 2}}
  decoder: {{type: MLP, units: [16]}}
  likelihood: {{type: IndependentNormal, event_shape: [8, 8, 1], scale: learned, value: 0.3}}
training:
  epochs: 3
  batch_size: 4
  pictures_every: 3
  tensorboard: true
evaluation: {{num_samples: 20}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("own")
    random = np.random.RandomState(0)
    (place / "images").mkdir()
    for index in range(20):
        pixels = np.full((8, 8), 12 * index) + random.randint(0, 10, (8, 8))
        Image.fromarray(pixels.astype(np.uint8)).save(place / "images" / f"{index:02}.png")
    (place / "mine.yaml").write_text(CONFIG.format(folder=place / "images"))
    assert main(["train", str(place / "mine.yaml"), "--out", str(place / "run")]) == 0
    return place


def test_what_a_run_leaves(place):
    run = place / "run"
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "log.csv", "model.weights.h5", "sha256", "pictures"} <= names
    assert len((run / "log.csv").read_text().splitlines()) == 1 + 3
    assert [p.name for p in (run / "pictures").iterdir()] == ["epoch-0003.png"]
    assert list((run / "tensorboard").rglob("events*"))


def test_it_is_measured_and_loads_again(place, capsys):
    assert main(["evaluate", str(place / "run"), "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)["numbers"]
    assert numbers["importance"]["count"] == 2 and numbers["importance"]["num_samples"] == 20
    assert zoo.load(place / "run").sample(3, seed=0).shape == (3, 8, 8, 1)


def test_it_is_exported(place):
    assert main(["export", str(place / "run"), str(place / "served")]) == 0
    served = tf.saved_model.load(str(place / "served"))
    x = np.zeros((2, 8, 8, 1), np.float32)
    wanted = zoo.load(place / "run").reconstruct(x).numpy()
    np.testing.assert_allclose(served.reconstruct(x=x)["mean"].numpy(), wanted, atol=1e-5)


def test_a_second_run_does_not_overwrite_the_first(place, capsys):
    before = (place / "run" / "sha256").read_text()
    assert main(["train", str(place / "mine.yaml"), "--out", str(place / "run")]) == 2
    error = capsys.readouterr().err
    assert "exists" in error and error.count("\n") == 1
    assert (place / "run" / "sha256").read_text() == before


def test_resuming_for_more_epochs(place):
    arguments = ["--out", str(place / "run"), "--resume", "--set", "training.epochs=5"]
    assert main(["train", str(place / "mine.yaml"), *arguments]) == 0
    assert len((place / "run" / "log.csv").read_text().splitlines()) == 1 + 5


def test_a_dry_run_writes_nothing(place, capsys):
    target = place / "nothing"
    assert main(["train", "vae.digits", "--dry-run", "--out", str(target)]) == 0
    printed = capsys.readouterr()
    assert "type: VAE" in printed.out and "parameters" in printed.err
    assert not target.exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epocs=3", "epochs"),
        ("training.optimizer.type=Adamm", "Adam"),
        ("training.epochs=many", "training.epochs"),
        ("data.name=folder:/no/such/place", "/no/such/place"),
        ("model.likelihood.type=IndependentBernoulli", "IndependentBernoulli"),
        ("model.likelihood.event_shape=[9, 9, 1]", "[9, 9, 1]"),
    ],
)
def test_a_wrong_config_is_one_line_and_writes_nothing(place, capsys, override, words):
    target = place / "wrong"
    code = main(["train", str(place / "mine.yaml"), "--out", str(target), "--set", override])
    error = capsys.readouterr().err
    assert code == 2 and words in error and error.count("\n") == 1
    assert not target.exists()
