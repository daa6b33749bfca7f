"""Two optimizers and averages: on two replicas, with two workers, and across resuming."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from processes import finish, free_addresses, result, running, start

import zoo
from zoo.training import train

CONFIG = {
    "data": {"name": "points", "examples_per_epoch": 256, "valid": 0},
    "model": {
        "type": "GAN",
        "generator": {"type": "MLP", "units": [8]},
        "discriminator": {"type": "MLP", "units": [8]},
        "likelihood": {
            "type": "IndependentDeterministic",
            "event_shape": [2],
            "activation": "linear",
        },
        "prior": {"type": "StandardNormal", "size": 3},
        "discriminator_optimizer": {"type": "Adam", "learning_rate": 1e-3},
        "discriminator_steps": 2,
        "spectral_norm": True,
        "objective": {"type": "Hinge"},
    },
    "training": {
        "epochs": 3,
        "batch_size": 32,
        "optimizer": {"type": "Adam"},
        "average": 0.9,
        "keep": "last",
        "backup_seconds": 0,
        "deterministic": True,
    },
}


def arrays(file: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(file) as opened:
        opened.visititems(lambda n, v: found.update({n: v[()]}) if hasattr(v, "dtype") else None)
    return found


@pytest.fixture(scope="module")
def replicas():
    return result("generators.py")


@pytest.mark.parametrize("name", ["non-saturating", "hinge, spectral", "wasserstein", "diffusion"])
def test_two_replicas_do_five_steps_as_one_does(replicas, name):
    found = replicas[name]
    assert replicas["replicas"] == 2
    assert found["moved"] > 0.01 and found["averages_moved"] > 0.001
    assert found["difference"] < 1e-5 and found["averages_difference"] < 1e-5


def test_a_resumed_game_ends_as_one_that_was_not_stopped(tmp_path):
    def run(name, epochs, resume=False):
        config = {**CONFIG, "training": {**CONFIG["training"], "epochs": epochs}}
        return train(config, tmp_path / name, strategy="one", resume=resume)

    run("whole", 3)
    run("stopped", 2)
    resumed = run("stopped", 3, resume=True).model
    # 8 batches of two parts each in 3 epochs.
    assert int(resumed.optimizer.iterations.numpy()) == 24
    assert int(resumed.discriminator_optimizer.iterations.numpy()) == 48
    for file in ("model.weights.h5", "backup/epoch3.weights.h5"):
        whole, parts = (arrays(tmp_path / name / file) for name in ("whole", "stopped"))
        assert whole.keys() == parts.keys()
        for name, value in whole.items():
            np.testing.assert_allclose(parts[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
    # Iterations, the rate, and two moments for each of four variables.
    assert len([name for name in whole if name.startswith("discriminator_optimizer")]) == 10
    assert len([name for name in whole if name.startswith("average")]) == 8


def test_two_workers_play(tmp_path):
    cluster = free_addresses(2)
    what = {"config": CONFIG, "directory": str(tmp_path / "run"), "strategy": "multiworker"}
    both = [start("runs.py", json.dumps([what]), cluster=cluster, index=i) for i in (0, 1)]
    with running(*both):
        for process in both:
            finish(process)
    saved = arrays(tmp_path / "run" / "backup/epoch3.weights.h5")
    steps = sorted(int(v) for name, v in saved.items() if name.endswith("optimizer/vars/0"))
    assert steps == [24, 48]
    assert np.isfinite(zoo.load(tmp_path / "run").sample(5, seed=0)).all()
