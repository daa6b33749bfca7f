"""Commands on entries of other kinds: points, codes in maps, conditions; and on mistakes."""

import numpy as np
import pytest
from PIL import Image

import zoo.data
from zoo import cli
from zoo.errors import DataError


def needs_mnist() -> None:
    try:
        zoo.data.load("mnist")
    except DataError as error:
        pytest.skip(f"MNIST is not at hand: {error}")


def refused(capsys, *arguments) -> str:
    """What a command says that ends in one line."""
    assert cli.main([str(a) for a in arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    return line


@pytest.mark.parametrize("name", ["gan.points", "ddpm.points"])
def test_points_are_sampled_as_numbers_and_drawn(name, tmp_path):
    assert cli.main(["sample", name, "--n", "30", "--out", str(tmp_path / "x.npz")]) == 0
    samples = np.load(tmp_path / "x.npz")["samples"]
    assert samples.shape == (30, 2) and samples.dtype == np.float32
    assert np.median(np.abs(np.linalg.norm(samples, axis=1) - 2)) < 0.3
    assert cli.main(["sample", name, "--n", "30", "--out", str(tmp_path / "x.png")]) == 0
    assert np.asarray(Image.open(tmp_path / "x.png")).std() > 5


def test_points_are_not_completed(capsys, tmp_path):
    out = tmp_path / "x.npz"
    assert "no pictures" in refused(capsys, "complete", "ddpm.points", "--out", out)
    assert "GAN does not complete" in refused(capsys, "complete", "gan.points", "--out", out)
    assert not out.exists()


def test_codes_in_maps_are_not_lines(capsys, tmp_path):
    needs_mnist()
    out = tmp_path / "x.npz"
    said = refused(capsys, "interpolate", "vq_vae.mnist", "--index", 0, 1, "--out", out)
    assert "are no vectors" in said and not out.exists()


def test_codes_without_a_prior_are_scattered(tmp_path):
    needs_mnist()
    out = tmp_path / "x.png"
    assert cli.main(["picture", "scatter", "ae.mnist", "--n", "50", "--out", str(out)]) == 0
    assert out.exists()


def test_a_conditional_model_reconstructs_by_the_labels_of_its_data(tmp_path):
    needs_mnist()
    out = tmp_path / "x.npz"
    assert cli.main(["reconstruct", "cvae.mnist", "--n", "3", "--out", str(out)]) == 0
    found = np.load(out)
    assert found["reconstructions"].shape == found["originals"].shape == (3, 28, 28, 1)
    assert np.mean((found["reconstructions"] - found["originals"]) ** 2) < 0.05


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("unet.mnist", "model.corruption=null", "corruption is None"),
        ("unet.mnist", "model.network.filters=[16,32,32,8]", "halves an image 3 times"),
        ("unet.mnist", "model.network.filters=[16,30]", "multiples of its 8 groups"),
        ("ddpm.points", "model.network={type: MLP, units: [3]}", "takes no context"),
        ("gan.points", "model.prior=null", "prior is None"),
        ("gan.points", "evaluation.samples.foo=1", "no key 'foo'"),
        ("gan.points", "evaluation.samples.count=abc", "whole number from 4"),
        ("gan.points", "evaluation.samples.counts=3", "no key 'counts'"),
        ("gan.points", "evaluation.samples.sampler={type: DDIM, steps: 5}", "know no sampler"),
        ("gan.points", "evaluation.samples.ways={a: 0}", "is a section, not 0"),
        ("gan.points", "evaluation.samples.ways=abc", "ways are changes by name"),
        ("gan.points", "evaluation.samples.ways={a: {eyes: null}}", "no key 'eyes'"),
        ("gan.points", "evaluation.samples.ways={a: {count: 0}}", "whole number from 4"),
        ("gan.points", "evaluation.samples.mean=7", "mean is true or false"),
        ("unet.mnist", "evaluation.levels=[abc]", "list of numbers"),
        ("cvae.mnist", "evaluation.judge=nope", "no trained classifier"),
        ("wgan_gp.mnist", "model.objective.gradient_penalty=abc", "not a finite number"),
    ],
)
def test_a_config_that_is_wrong_is_found_before_training(name, change, words, capsys, tmp_path):
    arguments = ("train", name, "--dry-run", "--set", change)
    assert words in refused(capsys, *arguments)


def test_an_image_of_more_than_eight_bits_is_refused(capsys, tmp_path):
    deep = np.full((28, 28), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    out = tmp_path / "x.npz"
    said = refused(
        capsys, "reconstruct", "ae.mnist", "--images", tmp_path / "deep.png", "--out", out
    )
    assert "more than 8 bits" in said and not out.exists()
