"""Starts the programs in `tests/programs`, waits for them, and leaves none behind."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent


def start(program: str, *args, cluster: list[str] | None = None, index: int = 0):
    """A running program, worker `index` of `cluster`; its output goes to the file `.log`."""
    env = {
        **{k: v for k, v in os.environ.items() if k != "TF_CONFIG"},
        "PYTHONPATH": str(ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "",
    }
    if cluster:
        task = {"type": "worker", "index": index}
        env["TF_CONFIG"] = json.dumps({"cluster": {"worker": cluster}, "task": task})
    log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it lives as long as the process)
    process = subprocess.Popen(
        [sys.executable, str(TESTS / "programs" / program), *map(str, args)],
        env=env,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )
    process.log = log
    return process


def output(process) -> str:
    """All that the program has printed so far."""
    process.log.seek(0)
    return process.log.read()


def finish(process, seconds: float = 300) -> str:
    """The output of a program that ends well within the time."""
    assert process.wait(seconds) == 0, output(process)[-3000:]
    return output(process)


@contextlib.contextmanager
def running(*processes) -> Iterator[None]:
    """Kills what is left of `processes` at the end, by their ids."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.log.close()


def result(program: str, *args, seconds: float = 300):
    """What a program prints as its last line, read as JSON."""
    process = start(program, *args)
    with running(process):
        return json.loads(finish(process, seconds).splitlines()[-1])


def free_addresses(count: int) -> list[str]:
    """Addresses on this machine where nothing listens."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{s.getsockname()[1]}" for s in found]
