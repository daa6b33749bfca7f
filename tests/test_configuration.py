import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from zoo import configuration, plain_yaml
from zoo.errors import ConfigError, EntryError
from zoo.registration import build, register_builder

ROOT = Path(__file__).resolve().parent.parent


def config_file(folder, text, name="mine.toy.yaml"):
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text, value",
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("012", 12),
        ("-7", -7),
        ("true", True),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("~", None),
        ("", None),
        ("'1e-3'", "1e-3"),
        ("[1, [a, {b: 2.5}]]", [1, ["a", {"b": 2.5}]]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    parsed, _ = plain_yaml.parse(text, "here")
    assert parsed == value and type(parsed) is type(value)


def test_what_dump_writes_parse_reads_back_equal():
    data = {
        "words": ["1e-3", "true", "no", "012", "12:30", "~", "", "a: b", "#", "ä", " x", "1_000"],
        "numbers": [0, -3, 1e-5, 1e300, 0.1, 3.0, float("inf")],
        "others": [None, True, False, {}, [], {"deep": {"er": [[]]}}],
    }
    shared = {"x": 1}
    data["twice"] = [shared, shared]
    parsed, _ = plain_yaml.parse(plain_yaml.dump(data), "here")
    assert parsed == data
    assert [type(n) for n in parsed["numbers"]] == [type(n) for n in data["numbers"]]


def test_every_key_knows_its_line():
    _, lines = plain_yaml.parse("a:\n  b: 1\n\n  c: [x,\n    {d: 2}]\n", "here")
    assert lines[("a",)] == 1
    assert lines[("a", "b")] == 2
    assert lines[("a", "c")] == 4
    assert lines[("a", "c", "1", "d")] == 5


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: 1\nb: 2\na: 3\n", "here:3: the key 'a' is given twice, first on line 1"),
        ("a: &x [1]\nb: *x\n", "here:1: anchors and aliases"),
        ("a: !!python/object/apply:os.system [ls]\n", "here:1: the tag"),
        ("1: a\n", "here:1: a key must be a word"),
        ("a: [1\nb: 2\n", "here:2: "),
        ("a: 1\n--- \nb: 2\n", "here:2: "),
        ("a: \x00\n", "here: "),
        ("[" * 50_000 + "]" * 50_000, "here: nested too deeply"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_in_one_line(text, message):
    with pytest.raises(ConfigError) as caught:
        plain_yaml.parse(text, "here")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_every_shipped_config_reads_plain_smoke_and_stored(tmp_path):
    names = configuration.names()
    assert "vae.digits" in names
    for name in names:
        for smoke in (False, True):
            config = configuration.read(name, smoke=smoke)
            assert config.name == name and "base" not in config.values
            stored = config_file(tmp_path, config.to_yaml(), "config.yaml")
            assert configuration.read(stored).values == config.values
        assert config.values["density"] in configuration.DENSITIES
        assert "smoke" not in config.values
        assert config.values != configuration.read(name).values


def test_base_merges_one_level_deeply(tmp_path):
    config_file(
        tmp_path,
        "title: one\nmodel:\n  type: VAE\n  encoder: {type: MLP, units: [2, 2], activation: relu}\n"
        "  decoder: {type: MLP, units: [3]}\n",
        "one.toy.yaml",
    )
    two = config_file(
        tmp_path,
        "base: one.toy\nmodel:\n  encoder: {units: [9]}\n  decoder: {type: Other, size: 1}\n",
        "two.toy.yaml",
    )
    config = configuration.read(two)
    assert config.values == {
        "title": "one",
        "model": {
            "type": "VAE",
            "encoder": {"type": "MLP", "units": [9], "activation": "relu"},
            # Another type: the arguments of the type before are gone.
            "decoder": {"type": "Other", "size": 1},
        },
    }
    assert config.places[("model", "encoder", "units")] == f"{two}:3"
    assert config.places[("model", "encoder", "activation")].endswith("one.toy.yaml:4")
    three = config_file(tmp_path, "base: two.toy\n", "three.toy.yaml")
    with pytest.raises(ConfigError, match=r"three.toy.yaml:1: two.toy has a base itself"):
        configuration.read(three)
    four = config_file(tmp_path, "base: vae.mnits\n", "four.toy.yaml")
    with pytest.raises(ConfigError, match=r"four.toy.yaml:1: base: .*vae.mnist"):
        configuration.read(four)


def test_overrides_come_last_and_are_read_as_yaml(tmp_path):
    path = config_file(
        tmp_path,
        "model: {type: A, x: 1, y: 2}\ntraining: {epochs: 3}\n"
        "smoke: {training: {epochs: 1, batch_size: 2}}\n",
    )
    settings = ["training.epochs=7", "model.x=[1e-3, b]", "training.optimizer.type=Adam"]
    values = configuration.read(path, settings, smoke=True).values
    assert values["training"] == {"epochs": 7, "batch_size": 2, "optimizer": {"type": "Adam"}}
    assert values["model"] == {"type": "A", "x": [0.001, "b"], "y": 2}
    assert configuration.read(path, ["model.type=B", "model.z=1"]).values["model"] == {
        "type": "B",
        "z": 1,
    }
    assert configuration.read(path).values["training"] == {"epochs": 3}


@pytest.mark.parametrize(
    "override, message",
    [
        ("epochs", "write it as key=value"),
        ("a..b=1", "write it as key=value"),
        ("trainin.epochs=1", "unknown key 'trainin'; valid: title"),
        ("base=vae.toy", "fixed by the file"),
        ("model.x.0=1", "model.x is 1"),
        ("density=high", "density is one of exact"),
        ("model.x=[1", "--set model.x=[1:1: "),
    ],
)
def test_a_bad_override_is_named(tmp_path, override, message):
    path = config_file(tmp_path, "model: {type: A, x: 1}\n")
    with pytest.raises(ConfigError) as caught:
        configuration.read(path, [override])
    assert str(caught.value).startswith(f"--set {override}") and message in str(caught.value)


@pytest.mark.parametrize(
    "text, message",
    [
        ("model: {}\nmodle: {}\n", ":2: unknown key 'modle'; valid: title, paper"),
        ("model: {}\nsmoke:\n  modle: {}\n", ":3: unknown key 'modle' in smoke; valid: title"),
        ("model: {}\ndata: mnist\n", ":2: data must be a mapping, not 'mnist'"),
        ("model: {}\ntitle: 3\n", ":2: title must be a text"),
        ("model: {}\ndensity: precise\n", ":2: density is one of exact, bound, implicit, none"),
        ("title: a\n", ": there is no `model:` section"),
        ("- a\n", ": a config is a mapping with the keys title"),
        ("", ": a config is a mapping"),
    ],
)
def test_a_bad_config_is_named_with_file_and_line(tmp_path, text, message):
    path = config_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        configuration.read(path)
    assert f"{path}{message}" in str(caught.value)


def test_smoke_is_asked_for_only_where_it_is(tmp_path):
    with pytest.raises(ConfigError, match="no `smoke:` section"):
        configuration.read(config_file(tmp_path, "model: {}\n"), smoke=True)


def test_what_is_not_there_is_an_entry_error(tmp_path):
    with pytest.raises(EntryError, match=r"nearest names: vae\.mnist"):
        configuration.read("vae.mnits")
    with pytest.raises(EntryError, match="no config file"):
        configuration.read(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"title: \xe9\n")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        configuration.read(tmp_path / "latin.yaml")


def test_errors_of_building_get_the_line_of_the_key(tmp_path):
    register_builder("ForLines", for_lines)
    path = config_file(
        tmp_path, "model:\n  type: ForLines\n  size: 1\n  part:\n    type: ForLines\n    sice: 2\n"
    )
    for overrides, place in (
        ([], f"{path}:6: "),
        (["model.part={type: ForLines, sice: 3}"], "--set model.part={type: ForLines, sice: 3}: "),
        (["model.part=null", "model.sise=3"], "--set model.sise=3: "),
    ):
        config = configuration.read(path, overrides)
        with pytest.raises(ConfigError) as caught, configuration.located(config):
            build(config.values["model"], ("model",))
        assert str(caught.value).startswith(place)
        assert "valid keys: size, part" in str(caught.value)
        # A located error is not located twice.
        with pytest.raises(ConfigError) as again, configuration.located(config):
            raise caught.value
        assert again.value is caught.value


def for_lines(size=1, part=None):
    return size, part


@pytest.mark.parametrize("installed", [True, False])
def test_configs_are_found_in_a_package_and_in_a_bare_checkout(tmp_path, installed):
    ignore = shutil.ignore_patterns("__pycache__", "*.h5")
    shutil.copytree(ROOT / "zoo", tmp_path / "zoo", ignore=ignore)
    shutil.copytree(ROOT / "configs", tmp_path / ("zoo/configs" if installed else "configs"))
    script = "from zoo import configuration as c; print(c.folder()); print(*c.names())"
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found, names = result.stdout.splitlines()
    assert Path(found).is_relative_to(tmp_path.resolve())
    assert names.split() == configuration.names()
