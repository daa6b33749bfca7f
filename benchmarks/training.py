"""How fast nine of the zoo's networks train: Latent Zoo beside PyTorch, on the CPU.

    python -m benchmarks.training [--quick] [--threads N] [--rounds N] [--minutes N] [--only NAME]

Prints Markdown on standard output and progress on standard error.
"""

import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.command import ZOO, Benchmark, pytorch
from benchmarks.entries import PROBED, PROBLEMS, Entry
from benchmarks.turns import Contender, Record


def contenders(problem: Entry) -> list[Contender]:
    """Latent Zoo first."""

    def torch(title: str, **options: bool | str) -> Contender:
        return pytorch("torch_games" if problem.game else "torch_entries", title, **options)

    plain, last = {"fused": True}, {"fused": True, "channels_last": True}
    found = [
        Contender(ZOO, "ours_entries", "Zoo"),
        torch("eager"),
        torch("eager, fused Adam", **plain),
        torch("`torch.compile`, fused Adam", **plain, compiled=True),
    ]
    if not problem.convolutional:
        return [*found, torch("`torch.compile`, fused Adam", tuned=True, **plain, compiled=True)]
    # Generating once where the zoo generates twice is less work, so it counts by itself.
    once = {"library": "PyTorch with one draw for both players", "reused": True}
    return [
        *found,
        torch("eager, fused Adam, channels-last", **last),
        torch("`torch.compile`, fused Adam, channels-last", **last, compiled=True),
        torch("`torch.compile`, fused Adam, channels-last", tuned=True, **last, compiled=True),
        *(
            [
                torch("eager, fused Adam, channels-last", **last, **once),
                torch("`torch.compile`, fused Adam", **plain, **once, compiled=True),
            ]
            if problem.game
            else []
        ),
    ]


def describe(problem: Entry, records: Sequence[Record]) -> list[str]:
    """The table and what follows from it, in Markdown."""
    changes = "".join(f", {change}" for change in problem.overrides)
    return [
        *report.table(problem, records),
        "",
        *report.verdicts(problem, records, {"PyTorch": problem.bar}),
        f"- `{problem.config}`{changes}; batch {problem.batch_size}, Adam.",
        report.compilation(records[0]),
        *report.first_losses(records, f"First loss, on {PROBED} examples"),
        *report.circumstances(records),
    ]


BENCHMARK = Benchmark(
    "training",
    __doc__.splitlines()[0],
    PROBLEMS,
    contenders,
    describe,
    ("tensorflow", "keras", "tensorflow-probability", "torch", "numpy"),
    minutes=4.0,
    quick_batches=2,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.run())
