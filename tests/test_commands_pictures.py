import csv

import numpy as np
import pytest
from PIL import Image

import zoo
import zoo.data
from zoo import cli, storing
from zoo.commands import inputs, pictures
from zoo.configuration import Config


def config(**model):
    return {
        "data": {"name": "digits", "values": "levels"},
        "model": {
            "type": "VAE",
            "encoder": {"type": "MLP", "units": [8]},
            "posterior": {"type": "MultivariateNormalDiag", "size": 2},
            "decoder": {"type": "MLP", "units": [8]},
            "likelihood": {
                "type": "IndependentCategorical",
                "event_shape": [8, 8, 1],
                "levels": 17,
            },
            **model,
        },
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    zoo.save(storing.build_model(Config("tiny", config())), folder)
    with (folder / "log.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([["epoch", "elbo", "val_elbo"], [1, -9, -8], [2, -7, -7]])
    return folder


@pytest.fixture(scope="module")
def model(saved):
    return zoo.load(saved)


@pytest.fixture(scope="module")
def digits():
    return np.concatenate(list(zoo.data.load("digits", values="levels").test))


@pytest.fixture
def run(saved, tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder; `DIR` stands for the model's."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            code = cli.main([str(saved) if a == "DIR" else a for a in arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


def refused(result, message):
    code, out, err = result
    assert (code, out) == (2, "") and message in err
    assert err.count("\n") == 1 and err.startswith("zoo")


def test_what_a_denoiser_restores_is_a_png(run, tmp_path):
    folder = tmp_path / "denoiser"
    zoo.save(zoo.create("salt_pepper_dae.digits", smoke=True), folder)
    code, out, _ = run("picture", "restorations", str(folder), "--n", "3")
    assert (code, out) == (0, "denoiser-restorations.png\n")
    assert Image.open(tmp_path / out.strip()).width > 200
    code, _, said = run("picture", "restorations", "DIR")
    assert code == 2 and "was not trained to restore" in said


@pytest.mark.parametrize("kind", sorted(set(pictures.KINDS) - {"toy", "restorations"}))
def test_every_kind_of_picture_is_a_png(kind, run, tmp_path):
    code, out, _ = run("picture", kind, "DIR")
    assert (code, out) == (0, f"tiny-{kind}.png\n")
    with Image.open(tmp_path / f"tiny-{kind}.png") as image:
        assert image.format == "PNG" and min(image.size) > 200
    assert [p.name for p in tmp_path.iterdir()] == [f"tiny-{kind}.png"]


def test_the_kinds_are_those_that_people_expect(run):
    refused(run("picture", "manifld", "DIR"), "invalid choice: 'manifld'")
    _, _, err = run("picture", "manifld", "DIR")
    for kind in ("manifold", "scatter", "traversal", "reconstructions", "several", "samples"):
        assert kind in err
    assert "interpolation" in err and "curves" in err and "toy" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("picture", "samples", "DIR", "--out", "there.png"),
        ("picture", "toy", "DIR", "--out", "there.png"),
        ("sample", "DIR", "--out", "there.png"),
        ("encode", "DIR", "--out", "there.npz"),
    ],
)
def test_a_file_that_exists_is_left_alone(arguments, run, tmp_path):
    for name in ("there.png", "there.npz"):
        (tmp_path / name).write_text("mine")
    refused(run(*arguments), "exists already")
    assert {p.read_text() for p in tmp_path.iterdir()} == {"mine"}


@pytest.mark.parametrize("number", ["0", "-3", "2.5", "many", "1e3", ""])
def test_counts_are_whole_numbers_from_one(number, run):
    for command in (("sample", "DIR"), ("picture", "samples", "DIR")):
        refused(run(*command, "--n", number), f"must be a whole number from 1, not '{number}'")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("sample", "DIR", "--seed", "-1"), "whole number from 0"),
        (("sample", "DIR", "--out", "samples.jpg"), "must end in .png or .npz"),
        (("encode", "DIR", "--out", "codes.png"), "must end in .npz"),
        (("sample", "nothing.here"), "no entry and no folder 'nothing.here'"),
        (("picture", "curves", "nothing.here"), "no entry 'nothing.here'"),
        (("picture", "curves", "vae.digits"), "no log.csv"),
        (("picture", "scatter", "DIR", "--index", "3"), "scatter has no --index"),
        (("picture", "manifold", "DIR", "--split", "test"), "manifold has no --split"),
        (("picture", "scatter", "DIR", "--draw"), "scatter has no --mean or --draw"),
        (("sample", "DIR", "--n", "10000000"), "do not fit into one picture"),
        (("sample", "DIR", "--n", "10000000000000", "--out", "s.npz"), "GB are free"),
        (("reconstruct", "DIR", "--index", "300"), "has the images 0 to 299, not 300"),
        (("reconstruct", "DIR", "--n", "301"), "has the images 0 to 299, not 300"),
        (("interpolate", "DIR", "--index", "1", "2", "3"), "3 is no pair"),
        (("picture", "toy", "DIR"), "toy has (4, 4, 1)"),
        (("interpolate", "DIR", "--steps", "1"), "whole number from 2"),
        (("picture", "interpolation", "DIR", "--n", "1"), "at least 2 steps"),
        (("traverse", "DIR", "--index", "1", "2"), "one image, not from 2"),
        (("reconstruct", "DIR", "--images", "no.png"), "no.png cannot be read"),
        (("reconstruct", "DIR", "--split", "all"), "invalid choice: 'all'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(arguments, message, run, tmp_path):
    refused(run(*arguments), message)
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_other_data_and_other_latents(run, tmp_path):
    triples = {"type": "IndependentNormal", "event_shape": [3]}
    three = {"type": "MultivariateNormalDiag", "size": 3}
    zoo.save(storing.build_model(Config("p", config(likelihood=triples))), tmp_path / "triples")
    refused(run("picture", "samples", "triples"), "no pictures")
    zoo.save(storing.build_model(Config("t", config(posterior=three))), tmp_path / "three")
    refused(run("picture", "manifold", "three"), "this model has 3")
    nameless = config()
    del nameless["data"]
    zoo.save(storing.build_model(Config("n", nameless)), tmp_path / "nameless")
    refused(run("encode", "nameless"), "does not say on which data")
    assert run("sample", "nameless", "--n", "1")[0] == 0


def test_samples_as_numbers(run, model):
    assert run("sample", "DIR", "--n", "230", "--seed", "4", "--out", "s.npz")[:2] == (0, "s.npz\n")
    found = np.load("s.npz")["samples"]
    assert found.shape == (230, 8, 8, 1) and found.dtype == np.float32
    np.testing.assert_array_equal(found[:100], model.sample(100, seed=4))
    assert set(np.unique(found)) <= set(range(17))
    run("sample", "DIR", "--n", "230", "--seed", "4", "--mean", "--out", "m.npz")
    assert np.any(np.load("m.npz")["samples"] % 1)


def test_many_samples_are_never_in_memory_together(run, monkeypatch):
    largest = []

    def watched(path, name, shape, parts):
        for part in parts:
            largest.append(len(part))

    monkeypatch.setattr("zoo.commands.operations.write_long", watched)
    run("sample", "DIR", "--n", "1050", "--out", "s.npz")
    assert sum(largest) == 1050 and max(largest) == 100


def test_a_write_that_fails_leaves_nothing(tmp_path):
    def parts():
        yield np.zeros((1, 2), np.float32)
        raise OSError(28, "No space left on device")

    with pytest.raises(zoo.errors.ZooError, match="disk full"):
        inputs.write_long(tmp_path / "x.npz", "x", (2, 2), parts())
    assert list(tmp_path.iterdir()) == []


def test_reconstructions_as_numbers(run, model, digits):
    run("reconstruct", "DIR", "--index", "7", "299", "0", "--out", "r.npz")
    found = np.load("r.npz")
    np.testing.assert_array_equal(found["originals"], digits[[7, 299, 0]])
    np.testing.assert_allclose(
        found["reconstructions"], model.reconstruct(digits[[7, 299, 0]]), atol=1e-4
    )
    run("reconstruct", "DIR", "--draw", "--out", "d.npz")
    drawn = np.load("d.npz")["reconstructions"]
    assert drawn.shape == (20, 8, 8, 1) and np.all(drawn % 1 == 0)


def test_an_interpolation_as_numbers(run, model, digits):
    run("interpolate", "DIR", "--index", "5", "6", "--steps", "3", "--out", "i.npz")
    found = np.load("i.npz")
    np.testing.assert_array_equal(found["end"], digits[[6]])
    middle = tf_mean(model, digits[[5, 6]]).mean(axis=0)
    np.testing.assert_allclose(found["images"][0, 1], model.decode(middle).mean(), atol=1e-4)


def tf_mean(model, x):
    return model.encode(x).mean().numpy()


def test_a_traversal_as_numbers(run, model, digits):
    run("traverse", "DIR", "--index", "4", "--rows", "1", "--out", "t.npz")
    found = np.load("t.npz")
    (latent,) = found["latents"]
    assert found["images"].shape == (1, 11, 8, 8, 1) and found["kl"].shape == (1,)
    code = tf_mean(model, digits[[4]])[0]
    code[latent] = found["values"][0]
    np.testing.assert_allclose(found["images"][0, 0], model.decode(code).mean(), atol=1e-4)


def test_codes_of_a_split_and_of_own_images(run, model, digits, tmp_path):
    run("encode", "DIR", "--out", "codes.npz")
    found = np.load("codes.npz")
    np.testing.assert_allclose(found["mean"], tf_mean(model, digits), atol=1e-5)
    np.testing.assert_allclose(found["stddev"], model.encode(digits).stddev(), atol=1e-5)
    labels = np.concatenate([y for _, y in zoo.data.load("digits", labels=True).test])
    np.testing.assert_array_equal(found["labels"], labels)
    run("encode", "DIR", "--split", "valid", "--out", "valid.npz")
    assert len(np.load("valid.npz")["mean"]) == 200
    own = np.rint(digits[3, ..., 0] / 16 * 255).astype(np.uint8)
    Image.fromarray(own).save("mine.png")
    code, _, err = run("encode", "DIR", "--images", "mine.png", "--out", "own.npz")
    assert code == 0 and "pixels" not in err
    np.testing.assert_allclose(np.load("own.npz")["mean"], found["mean"][3:4], atol=1e-5)


def test_own_images_of_another_size_are_scaled_and_said_so(run, tmp_path):
    Image.new("RGB", (40, 20), "red").save(tmp_path / "red.png")
    code, out, err = run("reconstruct", "DIR", "--images", "red.png", "--out", "r.npz")
    assert (code, out) == (0, "r.npz\n") and "40 x 20 pixels, made 8 x 8" in err
    red = np.load("r.npz")["originals"]
    # Rec. 601 luma of red, 0.299, of the 16 that are white.
    np.testing.assert_array_equal(red, np.full((1, 8, 8, 1), round(0.299 * 16)))
    (tmp_path / "text.png").write_text("no image")
    refused(run("reconstruct", "DIR", "--images", "text.png"), "text.png cannot be read")


def test_names_of_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "vae.mnist" / "3").mkdir(parents=True)
    assert inputs.file_name("runs/vae.mnist/3/") == "vae.mnist-3"
    assert inputs.file_name("runs/vae.mnist") == "vae.mnist"
    assert inputs.file_name("vae.digits") == "vae.digits"
