"""A wrong config is one line and exit code 2, and nothing is written."""

import json

import pytest

from zoo import cli, plain_yaml
from zoo.commands.command import print_json
from zoo.errors import ConfigError, NotSupported, WeightsError
from zoo.storing import read

LONG = "9" * 5000
TINY = (
    "data.examples_per_epoch=32",
    "model.encoder.units=[4]",
    "model.decoder.units=[4]",
    "model.posterior.size=2",
    "training.epochs=1",
    "training.batch_size=16",
    "training.jit_compile=false",
)


def zoo(capsys, *arguments):
    """Exit code, and the one line on standard error."""
    code = cli.main([str(a) for a in arguments])
    return code, capsys.readouterr().err


def sets(overrides):
    return [part for override in overrides for part in ("--set", override)]


@pytest.fixture
def refused(capsys, tmp_path):
    """`zoo train` with these arguments ends in one line that says `words`, and writes nothing."""

    def check(words, *arguments, name="vae.digits"):
        before = sorted(tmp_path.rglob("*"))
        code, err = zoo(capsys, "train", name, "--out", tmp_path / "run", *arguments)
        assert code == 2 and err.count("\n") == 1 and words in err, err
        assert sorted(tmp_path.rglob("*")) == before

    return check


@pytest.mark.parametrize(
    "override, words",
    [
        ("optimizer=os.system", "training.optimizer is 'os.system'; valid"),
        ("optimizer={type: [1]}", "training.optimizer is"),
        ("optimizer={type: MLP, units: [1]}", "with Adam, AdamW, SGD"),
        ("optimizer.learning_rate=1", "training.learning_rate"),
        ("optimizer.beta_1=abc", "training.optimizer.beta_1 is 'abc'"),
        ("optimizer.beta=1", "no key 'beta'"),
        ("learning_rate=abc", "training.learning_rate is 'abc'"),
        ("learning_rate=0", "a number above 0"),
        ("learning_rate=-1", "a number above 0"),
        ("learning_rate=.nan", "a number above 0"),
        ("learning_rate=true", "a number above 0"),
        (f"learning_rate={'9' * 400}", "a number above 0"),
        ("learning_rate={type: MLP, units: [1]}", "Cosine or Stages"),
        ("learning_rate.initial=0", "initial is 0; valid: a number above 0"),
        ("learning_rate.initial=abc", "initial is 'abc'"),
        ("learning_rate.initial=-1", "initial is -1"),
        ("learning_rate.initial=.nan", "initial is nan"),
        ("learning_rate.final=-1", "final is -1"),
        ("learning_rate.warmup_epochs=abc", "warmup_epochs is 'abc'"),
        ("learning_rate={type: Stages, rates: [abc], epochs: [1]}", "rates is ['abc']"),
        ("learning_rate={type: Stages, rates: [1], epochs: [0]}", "epochs is [0]"),
        ("learning_rate={type: Stages, rates: [], epochs: []}", "rates is []"),
        ("learning_rate={type: Stages, rates: [1], epochs: [1, 2]}", "1 rates for 2 stages"),
        ("seed=-1", "training.seed is -1"),
        ("seed=4294967296", "training.seed is"),
        ("epochs=true", "training.epochs is True"),
        ("epochs=0", "training.epochs is 0"),
        ("batch_size=1.5", "training.batch_size is 1.5"),
        ("backup_seconds=abc", "training.backup_seconds is 'abc'"),
        ("backup_seconds=.nan", "training.backup_seconds is nan"),
        ("pictures_every=abc", "training.pictures_every is 'abc'"),
        ("pictures_every=-1", "training.pictures_every is -1"),
        ("tensorboard=abc", "training.tensorboard is 'abc'"),
        ("deterministic=yes", "training.deterministic is 'yes'"),
        ("patience=0", "training.patience is 0"),
        ("monitor=[a]", "training.monitor is ['a']"),
        ("keep=[a]", "best or last"),
        ("jit_compile=1", "auto, true or false"),
        ("precision=half", "mixed_bfloat16"),
    ],
)
def test_a_setting_of_the_wrong_kind(refused, override, words):
    refused(words, "--dry-run", "--set", f"training.{override}")


CASES = [
    (["training.monitor=foo"], "val_elbo"),
    (["training.monitor=val_foo"], "training.monitor is 'val_foo'"),
    (["data.name=nosuch"], "no data set 'nosuch'"),
    (["data.nosuch=3"], "takes no argument 'nosuch'"),
    (["data.batch_size=3"], "training.batch_size"),
    (["evaluation.foo=1"], "evaluation has no key 'foo'"),
    (["evaluation.baselines=[foo]"], "no baseline 'foo'"),
    (["model={type: ELBO}"], "ELBO is a part, not a model"),
    ([f"training.epochs={LONG}"], "5000 digits"),
]


@pytest.mark.parametrize("dry", [["--dry-run"], []], ids=["dry", "train"])
@pytest.mark.parametrize("overrides, words", CASES, ids=[words for _, words in CASES])
def test_what_is_found_before_the_first_step(refused, overrides, words, dry):
    refused(words, *dry, *sets([*TINY, *overrides]))


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("vae.digits", "val_elbo"),
        ("made.mnist", "val_log_likelihood"),
        ("ae.digits", "val_squared_error"),
    ],
)
def test_what_a_run_selects_by_if_nobody_says(name, own):
    from zoo import create
    from zoo.training import TrainingSettings
    from zoo.training.run import monitored

    model = create(name, smoke=True)
    assert monitored(model, TrainingSettings()) == own
    assert monitored(model, TrainingSettings(keep="last")) is None
    with pytest.raises(ConfigError, match="GAN has no metric to select by"):
        monitored(create("gan.points", smoke=True), TrainingSettings())


def test_levels_that_the_data_do_not_have(refused):
    words = "digits has 17 levels, and model.likelihood.levels is 300"
    refused(words, *sets([*TINY, "model.likelihood.levels=300"]))


@pytest.mark.parametrize("dry", [["--dry-run"], []], ids=["dry", "train"])
def test_a_strategy_that_is_none(refused, dry):
    refused("no strategy 'two'", *dry, "--strategy", "two")


@pytest.mark.parametrize("dry", [["--dry-run"], []], ids=["dry", "train"])
def test_a_model_that_memory_cannot_take(refused, monkeypatch, dry):
    import tensorflow as tf

    from zoo.models.vae import VAE

    # TensorFlow tries for ten seconds before it says so of `posterior.size: 999999999999`.
    def build(self, input_shape=None):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore lines")

    monkeypatch.setattr(VAE, "build", build)
    refused("the model is too large for this machine", *dry, *sets(TINY))


@pytest.mark.parametrize("dry", [["--dry-run"], []], ids=["dry", "train"])
@pytest.mark.parametrize("data", ["", "data: {values: levels}\n", "data: {name: [digits]}\n"])
def test_a_config_without_data(refused, tmp_path, data, dry):
    file = tmp_path / "mine.yaml"
    file.write_text(f"{data}model: {{type: ELBO}}\n")
    refused("`data:` with a `name:`", *dry, name=file)


def test_an_integer_of_a_file_that_is_too_long():
    with pytest.raises(ConfigError, match=r"f\.yaml:2: a number of 5000 digits"):
        plain_yaml.parse(f"a: 1\nb: {LONG}\n", "f.yaml")


@pytest.mark.parametrize("out", ["/proc/foo/x", "/dev/null/x"])
def test_a_folder_that_cannot_be_made(capsys, out):
    code, err = zoo(capsys, "train", "vae.digits", "--out", out, *sets(TINY))
    assert code == 2 and err.count("\n") == 1 and f"cannot write {out}" in err


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert cli.main(["train", "vae.digits", "--out", str(folder), *sets(TINY)]) == 0
    return folder


@pytest.mark.parametrize(
    "name, overrides, words",
    [
        ("vae.toy", [], "another `data:` than vae.toy"),
        ("vae.digits", [TINY[0]], "another `model:` than vae.digits"),
        (None, ["model.posterior.size=3"], "another `model:`"),
        (None, ["training.batch_size=8"], "began with training.batch_size 16, not 8"),
        (None, ["training.seed=1"], "training.seed 0, not 1"),
        (None, ["training.optimizer.type=SGD"], "training.optimizer"),
    ],
)
def test_a_run_is_not_resumed_as_another_one(capsys, run, name, overrides, words):
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    name = name or run / "config.yaml"
    code, err = zoo(capsys, "train", name, "--resume", "--out", run, *sets(overrides))
    assert code == 2 and err.count("\n") == 1 and words in err, err
    assert before == {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}


def test_more_epochs_are_fine_and_an_unfinished_run_says_how_to_go_on(
    capsys, run, tmp_path, monkeypatch
):
    import keras

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    arguments = [run / "config.yaml", "--resume", "--out", run, "--set", "training.epochs=2"]
    assert zoo(capsys, "train", *arguments)[0] == 0
    assert not list(run.glob("new.*"))
    assert read(run).config["training"]["epochs"] == 2
    code, err = zoo(capsys, "train", *arguments[:-1], "training.epochs=1")
    assert code == 2 and "has taken 2 epochs, more than 1" in err
    assert read(run).config["training"]["epochs"] == 2
    monkeypatch.setattr(keras.Model, "fit", interrupt)
    other = tmp_path / "other"
    code, err = zoo(capsys, "train", "vae.digits", "--out", other, *sets(TINY))
    assert code == 130 and err.startswith("zoo: interrupted; no state was saved yet")
    (other / "backup").mkdir()
    (other / "backup" / "state.json").write_text("{}")
    hint = f"`zoo train {other}/config.yaml --resume --out {other}`"
    code, err = zoo(capsys, "evaluate", other)
    assert code == 2 and "is not finished" in err and hint in err
    with pytest.raises(WeightsError, match="not finished"):
        read(other)


def test_a_model_without_encoder_says_so():
    from zoo.models.base import GenerativeModel
    from zoo.pictures.codes import encode_set

    with pytest.raises(NotSupported, match="GenerativeModel has no encoder"):
        encode_set(GenerativeModel((4,)), [])


def test_json_has_null_for_what_is_no_number(capsys):
    print_json({"a": [float("nan"), 1.5], "b": {"c": float("-inf"), "d": 2}})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5], "b": {"c": None, "d": 2}}
