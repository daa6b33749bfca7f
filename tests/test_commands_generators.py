"""Commands on entries of other kinds: points, codes in maps, conditions; and on mistakes."""

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import cli
from zoo.errors import DataError
from zoo.models import DDIM, Ancestral
from zoo.pictures.images import requested


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


def test_how_an_image_is_drawn_can_be_asked_for(tmp_path):
    out, shown = str(tmp_path / "x.npz"), str(tmp_path / "x.png")
    assert cli.main(["sample", "ddpm.digits", "--steps", "3", "--n", "4", "--out", out]) == 0
    few = zoo.load("ddpm.digits").sample(4, seed=0, sampler=DDIM(3))
    np.testing.assert_array_equal(np.load(out)["samples"], few)
    assert cli.main(["sample", "ddpm.digits", "--steps", "3", "--n", "4", "--out", shown]) == 0
    out = str(tmp_path / "c.npz")
    assert cli.main(["complete", "ddpm.digits", "--steps", "3", "--n", "1", "--out", out]) == 0
    found = np.load(out)
    again = zoo.load("ddpm.digits").complete(
        found["originals"], found["known"], seed=0, sampler=DDIM(3)
    )
    np.testing.assert_array_equal(found["completions"][:, 0], again)
    saved, out = str(tmp_path / "made"), str(tmp_path / "y.npz")
    own = tmp_path / "made.yaml"
    likelihood = "{type: IndependentCategorical, event_shape: [28, 28, 1], levels: 2}"
    own.write_text(f"base: made.mnist\nmodel: {{likelihood: {likelihood}}}\n")
    model = zoo.create(own, smoke=True)
    # Untrained logits are equal, and then all values are the likeliest.
    model.set_weights([np.random.RandomState(0).normal(size=w.shape) for w in model.get_weights()])
    zoo.save(model, saved)
    assert cli.main(["sample", saved, "--top-k", "1", "--n", "3", "--out", out]) == 0
    # Where only the likeliest is drawn, there is one image.
    assert np.ptp(np.load(out)["samples"], axis=0).max() == 0


def test_a_caption_says_what_was_asked_for_and_nothing_else():
    asked = {"sampler": DDIM(3, eta=1.0), "guidance": 0.0, "temperature": 0.5, "top_k": 2}
    assert requested({}) == requested({"guidance": None}) == []
    assert requested(asked) == [
        *("DDIM, eta 1, steps: 3", "guidance 0", "temperature 0.5", "of the 2 likeliest values")
    ]
    assert requested({"sampler": Ancestral()}) == ["Ancestral, all steps"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ddpm.digits", "--steps", "1001"], "no 1001 times"),
        (["ddpm.digits", "--guidance", "1"], "withheld"),
        (["ddpm.digits", "--temperature", "0.5"], "not autoregressive: leave out --temperature"),
        (["vae.digits", "--steps", "5"], "no diffusion: leave out --steps"),
        (["vae.digits", "--top-k", "5"], "not autoregressive: leave out --top-k"),
        (["vae.digits", "--prompt", "a"], "no model of text: leave out --prompt"),
        (["vae.digits", "--guidance", "0"], "no diffusion: leave out --guidance"),
        (["gru.shakespeare", "--guidance", "1"], "no diffusion: leave out --guidance"),
        (["ngram.shakespeare", "--label", "0"], "models text: leave out --label"),
    ],
)
def test_a_way_of_another_family_is_refused(arguments, words, capsys, tmp_path):
    out = tmp_path / "x.npz"
    assert words in refused(capsys, "sample", *arguments, "--out", out) and not out.exists()


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
