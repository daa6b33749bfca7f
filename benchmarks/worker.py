"""One contender in a process of its own, which `turns` starts.

It answers one line of JSON when it is ready, and one for each line that it reads.
"""

import importlib
import json
import os
import sys
import time
from typing import Any

from benchmarks.turns import Problem


def main() -> None:
    """Prepares the contender that the argument describes, then trains whenever asked."""
    # Libraries print what they like: the answers get the pipe for themselves.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    task = json.loads(sys.argv[1])
    problem = _problem(**task.pop("problem"))
    contender = _contender(problem, **task)
    ready: dict[str, Any] = {"note": contender.note}
    if hasattr(contender, "first_loss"):
        ready["loss"] = contender.first_loss(problem.probe())
    # Compiles what is to be compiled.
    contender.turn()
    print(json.dumps(ready), file=answers)
    for _ in sys.stdin:
        before = time.process_time()
        answer = contender.turn()
        print(json.dumps({**answer, "cpu": time.process_time() - before}), file=answers)


def _problem(module: str, name: str, batches: int) -> Problem:
    return importlib.import_module(module).PROBLEMS[name].resized(batches)


def _contender(problem: Problem, module: str, maker: str, threads: int, options: dict):
    make = getattr(importlib.import_module(f"benchmarks.{module}"), maker)
    return make(problem, threads, **options)


if __name__ == "__main__":
    main()
