"""A killed run, resumed, is the run that was never killed."""

import copy
import csv
import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from processes import finish, output, running, start

TIMES = ("seconds", "examples_per_second")

# After three epochs the rate is zero, so no later epoch is better, and patience runs out.
CONFIG = {
    "data": {"name": "digits", "values": "levels", "examples_per_epoch": 512},
    "model": {
        "type": "VAE",
        "encoder": {"type": "MLP", "units": [16]},
        "posterior": {"type": "MultivariateNormalDiag", "size": 2},
        "decoder": {"type": "MLP", "units": [16]},
        "likelihood": {"type": "IndependentCategorical", "event_shape": [8, 8, 1], "levels": 17},
    },
    "training": {
        "epochs": 9,
        "batch_size": 64,
        "learning_rate": {"type": "Stages", "rates": [3e-3, 0.0], "epochs": [3, 1]},
        "patience": 2,
        "deterministic": True,
        "backup_seconds": 0,
        "jit_compile": False,
        "steps_per_execution": 1,
    },
}
XLA = copy.deepcopy(CONFIG)
XLA["training"] |= {"jit_compile": True, "steps_per_execution": 3}


def arrays(directory: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(directory / "model.weights.h5") as file:
        file.visititems(lambda n, v: found.update({n: v[()]}) if hasattr(v, "dtype") else None)
    return found


def log(directory: Path) -> list[dict[str, str]]:
    with (directory / "log.csv").open() as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


def spec(directory, config=CONFIG, **more) -> dict:
    return {"config": config, "directory": str(directory), **more}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of runs, what the resumed ones printed, and the files left by a killed one."""
    at = tmp_path_factory.mktemp("runs")
    straight = start("runs.py", json.dumps([spec(at / "plain"), spec(at / "xla", XLA)]))
    in_epoch = {"epoch": 1, "batch": 4}
    killed = start("runs.py", json.dumps([spec(at / "plain_killed", kill=in_epoch)]))
    with running(straight, killed):
        assert killed.wait(300) == -9, output(killed)
        again = start(
            "runs.py",
            json.dumps(
                [
                    spec(
                        at / "plain_killed",
                        resume=True,
                        kill={"writing": "epoch4.weights.h5"},
                    )
                ]
            ),
        )
        xla_killed = start(
            "runs.py", json.dumps([spec(at / "xla_killed", XLA, kill={"epoch": 3, "batch": 4})])
        )
        with running(again, xla_killed):
            assert again.wait(300) == -9, output(again)
            assert xla_killed.wait(300) == -9, output(xla_killed)
        leftovers = sorted(p.name for p in (at / "plain_killed" / "backup").iterdir())
        resumed = start(
            "runs.py",
            json.dumps(
                [
                    spec(at / "plain_killed", resume=True),
                    spec(at / "plain_killed", resume=True),
                    spec(at / "xla_killed", XLA, resume=True),
                ]
            ),
        )
        with running(resumed):
            printed = finish(resumed)
        finish(straight)
        yield at, printed, leftovers


@pytest.mark.parametrize("name", ["plain", "xla"])
def test_a_resumed_run_ends_in_the_same_weights_bit_for_bit(runs, name):
    straight, resumed = arrays(runs[0] / name), arrays(runs[0] / f"{name}_killed")
    assert straight.keys() == resumed.keys() and len(straight) == 8
    for key, value in straight.items():
        np.testing.assert_array_equal(resumed[key], value, err_msg=key)


@pytest.mark.parametrize("name", ["plain", "xla"])
def test_a_resumed_run_writes_the_same_log(runs, name):
    straight = log(runs[0] / name)
    assert [row["epoch"] for row in straight] == ["1", "2", "3", "4", "5"]
    assert log(runs[0] / f"{name}_killed") == straight


def test_selection_and_patience_survive(runs):
    # A run that forgot the history would select a later epoch, and stop later.
    said = [json.loads(line) for line in runs[1].splitlines() if line.startswith("{")]
    assert said == [{"selected": 3, "epochs": 5}] * 3


def test_a_resumed_run_goes_on_where_the_last_state_is(runs):
    # Doing all epochs again would end in the same weights. The finished run does none.
    assert re.findall(r"^epoch (\d+)/9", runs[1], re.MULTILINE) == ["4", "5", "4", "5"]


def test_a_half_written_state_is_ignored(runs):
    at, _, leftovers = runs
    assert "new.epoch4.weights.h5" in leftovers and "epoch3.weights.h5" in leftovers
    after = sorted(p.name for p in (at / "plain_killed" / "backup").iterdir())
    assert after == ["best3.weights.h5", "epoch5.weights.h5", "state.json"]


def test_training_moves_the_weights(runs):
    rows = log(runs[0] / "plain")
    assert float(rows[2]["val_elbo"]) > float(rows[0]["val_elbo"]) + 1
    assert rows[3]["val_elbo"] == rows[2]["val_elbo"]
