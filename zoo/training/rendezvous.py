"""Several workers find each other before TensorFlow starts.

TensorFlow waits for a missing peer for ever, in C++ and with Python's lock held: no thread, no
exception and no SIGTERM gets through. So the workers meet first, in plain Python, at the port that
TF_CONFIG gives to worker 0: each says who it is, and when all have come, all go.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import socket
import time

from zoo.errors import ConfigError, TrainingError

_GO = b"go"
_BYTES = 4096
_RETRY_SECONDS = 0.1
_HELLO_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What TF_CONFIG says.

    Attributes:
        workers: `host:port` of each worker; empty without TF_CONFIG.
        index: which of them this process is.
    """

    workers: tuple[str, ...] = ()
    index: int = 0

    @classmethod
    def from_environment(cls) -> "Cluster":
        """Reads TF_CONFIG; raises ConfigError where it is no description of workers."""
        text = os.environ.get("TF_CONFIG")
        if not text:
            return cls()
        try:
            config = json.loads(text)
            jobs = dict(config["cluster"])
            workers = tuple(str(w) for w in jobs.pop("worker"))
            index = int(config["task"]["index"])
            for worker in workers:
                int(worker.rpartition(":")[2])
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                'TF_CONFIG must be JSON like {"cluster": {"worker": ["host:port", ...]}, '
                '"task": {"type": "worker", "index": 0}}'
            ) from error
        if jobs:
            raise ConfigError(
                f"TF_CONFIG names the jobs {', '.join(jobs)}: only workers are supported, and "
                "worker 0 is the chief"
            )
        if not 0 <= index < len(workers):
            raise ConfigError(f"TF_CONFIG has no worker {index}: it names {len(workers)}")
        return cls(workers, index)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(" ".join(self.workers).encode()).hexdigest()[:16]


def meet(cluster: Cluster, seconds: float) -> None:
    """Returns when all workers of `cluster` have called this.

    Raises:
        TrainingError: not all came within `seconds`, or they have different TF_CONFIGs.
    """
    if len(cluster.workers) < 2:
        return
    deadline = time.monotonic() + seconds
    if cluster.index == 0:
        _gather(cluster, deadline, seconds)
    else:
        _join(cluster, deadline, seconds)


def _gather(cluster: Cluster, deadline: float, seconds: float) -> None:
    """Worker 0: waits for the others, then tells all of them to go, or who is missing."""
    peers: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(socket.create_server(("", _address(cluster)[1])))
        except OSError as error:
            raise TrainingError(
                f"worker 0 cannot listen at {cluster.workers[0]} ({os.strerror(error.errno)}): "
                "end the program that does, or give another port in TF_CONFIG"
            ) from error
        fault = ""
        while not fault and len(peers) < len(cluster.workers) - 1:
            try:
                server.settimeout(_left(deadline))
                peer = stack.enter_context(server.accept()[0])
            except TimeoutError:
                fault = _absent(cluster, set(range(1, len(cluster.workers))) - set(peers), seconds)
                break
            index, fault = _identify(peer, cluster)
            if index is not None:
                # A worker that was started again counts with its newest connection.
                peers[index] = peer
        for peer in peers.values():
            with contextlib.suppress(OSError):
                # A worker that is gone by now shows up in TensorFlow's own check.
                peer.sendall(fault.encode() or _GO)
    if fault:
        raise TrainingError(fault)


def _identify(peer: socket.socket, cluster: Cluster) -> tuple[int | None, str]:
    """Which worker speaks, None for a stranger; and what is wrong with it."""
    try:
        peer.settimeout(_HELLO_SECONDS)
        words = peer.recv(_BYTES).decode("ascii", errors="replace").split()
    except OSError:
        return None, ""
    if len(words) != 3 or words[0] != "zoo" or not words[2].isdigit():
        return None, ""
    index = int(words[2])
    if words[1] != cluster.fingerprint or not 0 < index < len(cluster.workers):
        return index, f"worker {index} has another list of workers in TF_CONFIG than worker 0"
    return index, ""


def _join(cluster: Cluster, deadline: float, seconds: float) -> None:
    """Any other worker: calls worker 0 until it answers."""
    hello = f"zoo {cluster.fingerprint} {cluster.index}".encode("ascii")
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(_address(cluster), _left(deadline)) as chief:
                chief.sendall(hello)
                # Worker 0 gives up at about the same time, and knows better who is missing.
                chief.settimeout(_left(deadline) + _HELLO_SECONDS)
                answer = chief.recv(_BYTES)
        except OSError:
            # Nobody listens there yet, or no longer.
            answer = b""
        if answer == _GO:
            return
        if answer:
            raise TrainingError(answer.decode())
        time.sleep(_RETRY_SECONDS)
    raise TrainingError(_absent(cluster, {0}, seconds))


def _absent(cluster: Cluster, missing: set[int], seconds: float) -> str:
    names = ", ".join(f"worker {i} ({cluster.workers[i]})" for i in sorted(missing))
    return (
        f"waited {seconds:g} seconds for {names} of TF_CONFIG: start all workers within that time"
    )


def _address(cluster: Cluster) -> tuple[str, int]:
    host, _, port = cluster.workers[0].rpartition(":")
    return host.strip("[]"), int(port)


def _left(deadline: float) -> float:
    # A timeout of 0 would mean: do not wait at all.
    return max(0.01, deadline - time.monotonic())
