"""Contenders in turn: each in its own process, asleep while another one works."""

import dataclasses
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS, _TURN_SECONDS, _STOP_SECONDS = 600.0, 120.0, 15.0
#: Below this many rounds a median says nothing.
_FEWEST_ROUNDS = 3
# Pools that libraries size for themselves, as many threads for everybody.
_POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ENVIRONMENT = {
    # No GPU: this is about processors.
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


class Problem(Protocol):
    """What all contenders train: `PROBLEMS[name]` of the module that its class stands in.

    Attributes:
        name: on the command line.
        title: in the table.
        batches: trained on in each turn.
        unit: what is counted, such as "images".
        units: so many of them are trained on in each turn.
    """

    name: str
    title: str
    batches: int
    unit: str

    @property
    def units(self) -> int: ...

    def probe(self) -> tuple[np.ndarray, ...]:
        """A fixed batch, on which all contenders must find the same loss at first."""

    def resized(self, batches: int) -> Self:
        """The same, with so many batches of data."""


@dataclasses.dataclass(frozen=True)
class Contender:
    """Who takes part.

    Args:
        title: in the table.
        module: of `benchmarks`, with the class.
        maker: the class.
        options: its further arguments.
        environment: variables of its process.
    """

    title: str
    module: str
    maker: str
    options: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Record:
    """What one contender did: `ready`, what it said at the start; `turns`; or why it failed."""

    contender: Contender
    ready: dict[str, Any] = dataclasses.field(default_factory=dict)
    turns: list[dict[str, float]] = dataclasses.field(default_factory=list)
    failure: str = ""


def take_turns(
    contenders: Sequence[Contender],
    problem: Problem,
    threads: int,
    rounds: int,
    seconds: float,
) -> list[Record]:
    """Starts all, one after the other, then lets each work once in every round.

    Args:
        contenders: in the order of the table.
        problem: what they train.
        threads: of each process's pools.
        rounds: at most so many.
        seconds: no further round starts when it would end later than this.

    Returns:
        One record each. The `others` of a turn is the share of the processors that other programs
        took meanwhile (Linux only).
    """
    start = time.perf_counter()
    where = {
        "module": type(problem).__module__,
        "name": problem.name,
        "batches": problem.batches,
    }
    records = [Record(contender) for contender in contenders]
    workers: list[_Worker] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for number, record in enumerate(records):
                say(f"{problem.name}: {record.contender.title} gets ready")
                task = {"problem": where, "threads": threads}
                workers.append(_Worker(record, task, Path(folder) / f"{number}.txt"))
            for number in range(rounds):
                say(f"{problem.name}: round {number + 1} of {rounds}")
                before = time.perf_counter()
                # Another one begins each time, so that none always follows the same neighbour.
                shift = number % len(workers)
                for worker in workers[shift:] + workers[:shift]:
                    worker.turn()
                now = time.perf_counter()
                if number + 1 >= _FEWEST_ROUNDS and now + (now - before) > start + seconds:
                    say(f"{problem.name}: no time for further rounds")
                    break
        finally:
            for worker in workers:
                worker.stop()
    return records


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


class _Worker:
    def __init__(self, record: Record, task: Mapping[str, Any], errors: Path):
        self.record, self.errors = record, errors
        contender = record.contender
        described = {
            "module": contender.module,
            "maker": contender.maker,
            "options": dict(contender.options),
            **task,
        }
        with errors.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", json.dumps(described)],
                cwd=ROOT,
                env={
                    **os.environ,
                    **_ENVIRONMENT,
                    **dict.fromkeys(_POOLS, str(task["threads"])),
                    **contender.environment,
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        record.ready = self._answer(_START_SECONDS) or {}

    def turn(self) -> None:
        if self.record.failure:
            return
        busy, start = _busy_seconds(), time.perf_counter()
        try:
            self.process.stdin.write(b"go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self._fail(self._last_words())
            return
        answer = self._answer(_TURN_SECONDS)
        if answer is None:
            return
        if busy is not None:
            capacity = (time.perf_counter() - start) * os.cpu_count()
            answer["others"] = max(0.0, _busy_seconds() - busy - answer["cpu"]) / capacity
        self.record.turns.append(answer)

    def stop(self) -> None:
        try:
            # At the end of its input a worker ends by itself, and tidies up.
            self.process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        line = self.process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        self._fail(self._last_words() if ready else f"no answer within {seconds:.0f} s")
        return None

    def _fail(self, why: str) -> None:
        # One that is still at work would disturb the others.
        self.process.kill()
        self.record.failure = why
        say(f"{self.record.contender.title} failed: {why}")

    def _last_words(self) -> str:
        text = self.errors.read_text(errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        named = [line for line in lines if "Error" in line]
        return (named or lines or ["it ended without a word"])[-1]


def _busy_seconds() -> float | None:
    """Processor seconds that all programs together have used since the machine started."""
    try:
        fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(int, fields[:8])
    ticks = user + nice + system + interrupts + soft_interrupts + stolen
    return ticks / os.sysconf("SC_CLK_TCK")
