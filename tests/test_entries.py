import hashlib
import json
import random
import re
import resource
import shutil

import h5py
import numpy as np
import pytest
import yaml

import zoo
from zoo import catalogue, configuration, storing
from zoo.errors import ConfigError, DataError, EntryError, NotSupported, WeightsError, ZooError
from zoo.models.weights import round_to_half

NAME = "vae.digits"


@pytest.fixture(scope="module")
def model():
    return zoo.create(NAME, seed=1, smoke=True)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    zoo.save(model, folder, card={"parameters": model.count_params()})
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy to be damaged."""
    return shutil.copytree(saved, tmp_path / "model")


def same_weights(one, two):
    ours, theirs = one.get_weights(), two.get_weights()
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


def test_entries_are_found_by_pattern_and_by_weights():
    names = configuration.names()
    assert zoo.entries() == names and NAME in names
    assert zoo.entries("*.mnist") == [n for n in names if n.endswith(".mnist")]
    assert zoo.entries("nothing*") == []
    trained, untrained = zoo.entries(pretrained=True), zoo.entries(pretrained=False)
    assert sorted(trained + untrained) == names and not set(trained) & set(untrained)


def test_the_function_stays_the_function():
    assert zoo.entries is catalogue.entries and callable(zoo.load)
    with pytest.raises(AttributeError, match="no attribute 'entrees'"):
        zoo.entrees  # noqa: B018
    assert set(zoo.__all__) <= set(dir(zoo))


def test_describe():
    found = zoo.describe("vae.mnist")
    assert found["name"] == "vae.mnist" and found["density"] == "bound" and found["model"] == "VAE"
    assert found["data"]["name"] == "mnist" and "1509.00519" in found["paper"]
    with pytest.raises(EntryError, match=r"vae\.mnist"):
        zoo.describe("vae.mnits")


def test_the_seed_decides_the_weights_and_nothing_else(model):
    state = random.getstate()
    again, other = (zoo.create(NAME, seed=s, smoke=True) for s in (1, 2))
    assert random.getstate() == state
    assert same_weights(model, again) and not same_weights(model, other)
    assert (again.seed, other.seed) == (1, 2)


def test_a_model_remembers_its_config(model):
    assert type(model.config) is dict
    values = configuration.read(NAME, smoke=True).values
    assert model.config == {**values, "model": {**values["model"], "seed": 1}}


@pytest.mark.parametrize("name", configuration.names())
def test_config_to_model_to_spec_to_model(name):
    model = zoo.create(name, smoke=True)
    spec = storing.spec(model)
    config = configuration.Config("again", {"model": spec})
    assert yaml.safe_load(yaml.safe_dump(spec)) == spec
    again = storing.build_model(config)
    assert storing.spec(again) == spec
    for key, value in model.config["model"].items():
        if not isinstance(value, dict):
            assert spec[key] == value
            continue
        assert_within(value, spec[key], key)


def assert_within(given, spec, *path):
    """What a config says stands in the spec, which says the defaults besides."""
    for key, value in given.items():
        if isinstance(value, dict):
            assert_within(value, spec[key], *path, key)
            continue
        # An optimizer keeps its learning rate in float32.
        wanted = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        assert spec[key] == wanted, (*path, key)


def test_what_is_saved_is_loaded(model, saved):
    assert sorted(p.name for p in saved.iterdir()) == [
        "card.json",
        "config.yaml",
        "model.weights.h5",
        "sha256",
    ]
    loaded = zoo.load(saved)
    assert same_weights(model, loaded) and loaded.config == model.config
    x = np.zeros((3, *model.event_shape), "float32")
    for key, value in model(x).items():
        np.testing.assert_array_equal(value, loaded(x)[key])
    digest, name = (saved / "sha256").read_text().split("  ")
    assert hashlib.sha256((saved / name.strip()).read_bytes()).hexdigest() == digest
    assert json.loads((saved / "card.json").read_text())["parameters"] == model.count_params()


def test_messages_call_a_model_as_its_user_does(saved, tmp_path):
    odd = tmp_path / "-mine, 2nd é"
    shutil.copytree(saved, odd)
    wrong = np.zeros((3, 2, 2, 1), "float32")
    for model, name in (
        (zoo.create("vae.digits", smoke=True), r"vae\.digits"),
        (zoo.load("vae.digits"), r"vae\.digits"),
        (zoo.load(odd), "mine__2nd__"),
    ):
        assert re.fullmatch(name, model.name)
        with pytest.raises(DataError, match=f"^{name} "):
            model.encode(wrong)
        model.compile()
        model.fit(np.zeros((4, *model.event_shape), "float32"), verbose=0)


def test_a_model_built_by_hand_is_saved_after_training(tmp_path):
    from zoo.distributions import IndependentBernoulli, MultivariateNormalDiag
    from zoo.models import VAE
    from zoo.networks import MLP

    model = VAE(
        encoder=MLP([5], activation="tanh"),
        posterior=MultivariateNormalDiag(2),
        decoder=MLP([6]),
        likelihood=IndependentBernoulli((2, 3, 1)),
    )
    model.compile(optimizer="adam")
    x = (np.arange(48).reshape(8, 2, 3, 1) % 2).astype("float32")
    model.fit(x, batch_size=4, verbose=0)
    zoo.save(model, tmp_path / "mine")
    loaded = zoo.load(str(tmp_path / "mine"))
    assert same_weights(model, loaded)
    assert loaded.encoder.activation == "tanh" and loaded.latent_size == 2
    # The optimizer's moments are not in the file.
    assert len(stored(tmp_path / "mine" / "model.weights.h5")) == len(model.weights)


def stored(file):
    """Names of the data sets in a weights file."""
    names = []
    with h5py.File(file) as store:
        store.visititems(lambda n, x: names.append(n) if isinstance(x, h5py.Dataset) else None)
    return names


def test_a_part_that_no_config_can_name_is_refused(tmp_path):
    import keras

    from zoo.distributions import IndependentBernoulli, MultivariateNormalDiag
    from zoo.models import VAE

    part = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])
    model = VAE(part, MultivariateNormalDiag(1), part, IndependentBernoulli((2, 2, 1)))
    with pytest.raises(NotSupported, match="Sequential"):
        zoo.save(model, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused(model, tmp_path):
    for path in (tmp_path, tmp_path / "file"):
        (tmp_path / "file").touch()
        with pytest.raises(ZooError, match="exists already"):
            zoo.save(model, path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_leaves_nothing_behind(model, tmp_path, capfd):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(ZooError, match=r"cannot write .*mine: .*disk full") as caught:
            zoo.save(model, tmp_path / "mine")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_a_folder_that_cannot_be_made(model, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ZooError, match=r"cannot write .*mine: File exists"):
        zoo.save(model, tmp_path / "file" / "mine")


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "foreign checksum"])
def test_damaged_weights_are_refused(folder, damage):
    file = folder / "model.weights.h5"
    data = bytearray(file.read_bytes())
    if damage == "truncate":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "remove":
        file.unlink()
    else:
        (folder / "sha256").write_text("0" * 64 + "  model.weights.h5\n")
    refuse_weights(folder)


@pytest.mark.parametrize("text", ["", "abc", "abc  other.h5\n", None])
def test_a_folder_without_a_checksum_is_refused(folder, text):
    (folder / "sha256").unlink()
    if text is not None:
        (folder / "sha256").write_text(text)
    refuse_weights(folder)


@pytest.mark.parametrize("kind", ["half", "no hdf5", "other sizes", "less", "more", "linked"])
def test_foreign_weights_with_a_right_checksum_are_refused(folder, model, kind):
    file = folder / "model.weights.h5"
    if kind == "half":
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2])
    elif kind == "no hdf5":
        file.write_bytes(b"weights")
    elif kind == "other sizes":
        overrides = ["model.encoder.units=[9]"]
        other = storing.build_model(configuration.read(NAME, overrides, smoke=True))
        other.save_weights(file)
    else:
        names = stored(file)
        with h5py.File(file, "r+") as store:
            if kind == "more":
                store.create_dataset("vars/0", data=np.zeros(3))
            else:
                value = store[names[0]][()]
                del store[names[0]]
            if kind == "linked":
                with h5py.File(folder / "other.h5", "w") as other:
                    other["x"] = value
                store[names[0]] = h5py.ExternalLink(str(folder / "other.h5"), "x")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "sha256").write_text(f"{digest}  model.weights.h5\n")
    refuse_weights(folder)


def refuse_weights(folder):
    with pytest.raises(WeightsError) as caught:
        zoo.load(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("type: VAE", "type: os.system", "unknown type 'os.system'"),
        ("type: MLP", "type: [MLP]", "unknown type"),
        ("units", "unit", "no key 'unit'"),
        ("model:", "modle:", "unknown key 'modle'"),
        ("model:", "model: !!python/name:os.system", "tag"),
    ],
)
def test_a_hostile_or_foreign_config_is_refused_with_its_line(folder, old, new, message):
    file = folder / "config.yaml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=r"config\.yaml:\d+: ") as caught:
        zoo.load(folder)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(EntryError, match=r"no folder 'vae.mnits'; the nearest entries: vae.mnist"):
        zoo.load("vae.mnits")
    with pytest.raises(EntryError, match=r"no config\.yaml in it"):
        zoo.load(tmp_path)


def test_an_entry_without_weights_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(catalogue, "CHECKSUMS", {})
    with pytest.raises(EntryError, match=rf"zoo train {NAME}"):
        zoo.load(NAME)


def test_a_pretrained_entry_is_checked_against_the_code(saved, model, tmp_path, monkeypatch):
    shutil.copytree(saved, tmp_path / NAME)
    digest = (saved / "sha256").read_text().split()[0]
    monkeypatch.setattr(catalogue, "PRETRAINED", tmp_path)
    monkeypatch.setattr(catalogue, "CHECKSUMS", {NAME: digest})
    assert zoo.entries(pretrained=True) == [NAME]
    assert zoo.describe(NAME)["parameters"] == model.count_params()
    assert same_weights(zoo.load(NAME), model)
    # The folder's own checksum does not count here.
    monkeypatch.setattr(catalogue, "CHECKSUMS", {NAME: "0" * 64})
    with pytest.raises(WeightsError):
        zoo.load(NAME)


def test_every_checksum_has_its_folder_and_every_folder_its_checksum():
    folders = {p.name for p in catalogue.PRETRAINED.iterdir() if (p / "config.yaml").exists()}
    assert folders == set(catalogue.CHECKSUMS)
    assert folders <= set(configuration.names())
    for name in folders:
        assert catalogue.is_pretrained(name)


def test_weights_in_16_bits_are_what_was_rounded(tmp_path):
    model = zoo.create(NAME, seed=3)
    full = [w.copy() for w in model.get_weights()]
    round_to_half(model)
    for before, after in zip(full, model.get_weights(), strict=True):
        # Eleven bits of a number count.
        np.testing.assert_allclose(after, before, rtol=2**-11, atol=1e-7)
    zoo.save(model, tmp_path / "half", half=True)
    zoo.save(model, tmp_path / "whole")
    loaded = zoo.load(tmp_path / "half")
    assert same_weights(model, loaded) and loaded.get_weights()[0].dtype == np.float32
    sizes = [(tmp_path / k / "model.weights.h5").stat().st_size for k in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]
    model.trainable_variables[0].assign(np.full(model.trainable_variables[0].shape, 1e5))
    with pytest.raises(WeightsError, match="16 bits cannot hold"):
        round_to_half(model)


def test_many_small_arrays_take_little_more_than_their_numbers(tmp_path):
    model = zoo.create("unet.mnist")
    zoo.save(model, tmp_path / "half", half=True)
    # HDF5's older groups take as much again.
    assert (tmp_path / "half" / "model.weights.h5").stat().st_size < 1.2 * 2 * model.count_params()
