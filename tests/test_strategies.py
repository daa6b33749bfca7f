"""Several devices and several processes do what one device does with the whole batch."""

import json
import re
import socket
import threading
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from models import difference, five_steps
from processes import finish, free_addresses, output, result, running, start

from zoo.errors import ConfigError, NotSupported, TrainingError
from zoo.models.base import require_hooks
from zoo.training import make_strategy
from zoo.training.rendezvous import Cluster, meet

CONFIG = {
    "data": {"name": "digits", "values": "levels", "examples_per_epoch": 512},
    "model": {
        "type": "VAE",
        "encoder": {"type": "MLP", "units": [16]},
        "posterior": {"type": "MultivariateNormalDiag", "size": 2},
        "decoder": {"type": "MLP", "units": [16]},
        "likelihood": {"type": "IndependentCategorical", "event_shape": [8, 8, 1], "levels": 17},
    },
    "training": {"epochs": 4, "batch_size": 64, "deterministic": True, "backup_seconds": 0},
}


@pytest.fixture(scope="module")
def mirrored():
    return result("mirrored.py")


def test_two_replicas_do_five_steps_as_one_does(mirrored):
    assert mirrored["replicas"] == 2
    assert mirrored["moved"] > 0.01
    assert mirrored["difference"] < 1e-5


def test_replicas_draw_different_noise_in_every_step(mirrored):
    keys = {replica: [tuple(k) for r, k in mirrored["keys"] if r == replica] for replica in (0, 1)}
    # Two epochs of five steps, and two validations of three, which repeat themselves.
    assert [len(keys[r]) for r in (0, 1)] == [16, 16]
    assert len(set(keys[0])) == len(set(keys[1])) == 10 + 3
    assert not set(keys[0]) & set(keys[1])


def test_metrics_of_replicas_are_those_of_the_whole_set(mirrored):
    for two, one in zip(*mirrored["evaluated"], strict=True):
        assert two == pytest.approx(one, rel=1e-5)


def test_mirrored_fit_and_predict(mirrored):
    history = mirrored["history"]
    assert history["elbo"][1] > history["elbo"][0] and history["val_elbo"][1] < 0
    assert mirrored["prediction_error"] < 1e-5


def test_what_keras_cannot_do_under_a_strategy_is_refused(mirrored):
    for name, message in zip(
        ("jit_compile", "steps_per_execution"), mirrored["refused"], strict=True
    ):
        assert f"training.{name}" in message and "leave it out" in message


def arrays(directory: Path) -> list[np.ndarray]:
    found = {}
    with h5py.File(directory / "model.weights.h5") as file:
        file.visititems(lambda n, v: found.update({n: v[()]}) if hasattr(v, "dtype") else None)
    return [found[name] for name in sorted(found)]


def workers(directory: Path, **spec):
    """Both workers of a run, started."""
    cluster = free_addresses(2)
    what = [{"config": CONFIG, "directory": str(directory), "strategy": "multiworker", **spec}]
    return [start("runs.py", json.dumps(what), cluster=cluster, index=i) for i in (0, 1)]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run of two workers from start to end; five fixed steps after it."""
    at = tmp_path_factory.mktemp("workers")
    both = workers(at / "straight")
    with running(*both):
        for process in both:
            finish(process)
    return at


def test_two_workers_do_five_steps_as_one_device_does(straight):
    one = five_steps(tf.distribute.get_strategy())
    for index in (0, 1):
        with np.load(straight / f"five_steps{index}.npz") as file:
            assert difference([file[name] for name in file.files], one) < 1e-5


def test_a_worker_killed_in_mid_epoch_costs_nothing_but_time(straight, tmp_path):
    both = workers(tmp_path / "killed", kill={"epoch": 2, "batch": 3, "worker": 1})
    with running(*both):
        assert both[1].wait(300) == -9, output(both[1])[-3000:]
        # The other one notices, and ends by itself.
        assert both[0].wait(60) not in (0, None)
    assert json.loads((tmp_path / "killed/backup/state.json").read_text())["epoch"] == 2
    both = workers(tmp_path / "killed", resume=True)
    with running(*both):
        printed = [finish(process) for process in both]
    # The chief alone speaks, and no epoch is done twice.
    assert [re.findall(r"^epoch (\d+)/4", text, re.MULTILINE) for text in printed] == [
        ["3", "4"],
        [],
    ]
    resumed, whole = arrays(tmp_path / "killed"), arrays(straight / "straight")
    assert len(whole) == 8
    for a, b in zip(resumed, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_peer_ends_in_a_clear_error_in_time(index, tmp_path):
    cluster = free_addresses(2)
    spec = {"config": CONFIG, "directory": str(tmp_path / "run"), "strategy": "multiworker"}
    process = start(
        "runs.py", json.dumps([{**spec, "peer_seconds": 1}]), cluster=cluster, index=index
    )
    with running(process):
        assert process.wait(120) == 2, output(process)
        message = output(process).splitlines()[-1]
    assert message == (
        f"zoo: waited 1 seconds for worker {1 - index} ({cluster[1 - index]}) of TF_CONFIG: start "
        "all workers within that time"
    )
    assert not (tmp_path / "run").exists()


def test_a_peer_that_dies_after_the_meeting_does_not_hang_tensorflow():
    process = start("lonely.py", cluster=free_addresses(2))
    with running(process):
        assert process.wait(120) == 1, output(process)
        assert "Timeout (0:00:02)!" in output(process)


def test_workers_meet_whoever_comes_first():
    addresses = tuple(free_addresses(3))
    failures = []

    def worker(index: int, delay: float) -> None:
        time.sleep(delay)
        try:
            meet(Cluster(addresses, index), 10)
        except TrainingError as error:
            failures.append(str(error))

    threads = [
        threading.Thread(target=worker, args=(i, d)) for i, d in ((1, 0), (0, 0.3), (2, 0.6))
    ]
    start_time = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures and 0.5 < time.monotonic() - start_time < 5
    # The port is free again for TensorFlow.
    socket.create_server(("127.0.0.1", int(addresses[0].rpartition(":")[2]))).close()


def test_workers_with_different_lists_do_not_start():
    addresses = tuple(free_addresses(2))
    other = Cluster((addresses[0], "127.0.0.1:1"), 1)
    messages = []

    def joins():
        with pytest.raises(TrainingError) as error:
            meet(other, 10)
        messages.append(str(error.value))

    thread = threading.Thread(target=joins)
    thread.start()
    with pytest.raises(TrainingError, match="worker 1 has another list of workers"):
        meet(Cluster(addresses, 0), 10)
    thread.join(20)
    assert "another list of workers" in messages[0]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": {}, "task": {"index": 0}}',
        '{"cluster": {"worker": ["here"]}, "task": {"index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"index": 0}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"index": 1}}',
    ],
)
def test_a_wrong_tf_config_is_said(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match="TF_CONFIG"):
        make_strategy("auto")


def test_strategies_by_name(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert make_strategy("one").num_replicas_in_sync == 1
    with pytest.raises(ConfigError, match="auto, one, mirrored, multiworker"):
        make_strategy("parameter_server")
    with pytest.raises(ConfigError, match="needs the environment variable TF_CONFIG"):
        make_strategy("multiworker")


def test_a_keras_without_the_private_hooks_is_said():
    require_hooks(keras.Model)
    with pytest.raises(
        NotSupported, match=r"no _maybe_symbolic_build and no _make_function.*3\.16"
    ):
        require_hooks(object)
