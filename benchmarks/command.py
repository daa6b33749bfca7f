"""What the commands of the benchmarks share: their options, and the loop over their problems."""

import argparse
import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks import report
from benchmarks.turns import Contender, Problem, Record, say, take_turns

#: Ours, of a module with a class `Zoo`.
ZOO = "**Latent Zoo**, `model.fit`"
#: glibc's allocator hands large blocks back to the system at once, unless it is told not to. The
#: convolutional model in PyTorch then spends a third of its time in page faults.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """A command.

    Args:
        module: of `benchmarks`, the command's own.
        description: in one line.
        problems: by name.
        contenders: of a problem.
        report: Markdown, from the problem and the records of those contenders.
        packages: whose versions count.
        minutes: for each problem.
        quick_batches: in a turn under `--quick`.
    """

    module: str
    description: str
    problems: Mapping[str, Problem]
    contenders: Callable[[Problem], list[Contender]]
    report: Callable[[Problem, Sequence[Record]], list[str]]
    packages: Sequence[str]
    minutes: float
    quick_batches: int

    def run(self, arguments: Sequence[str] | None = None) -> int:
        """Prints what was found; 1 if a contender failed or computes something else."""
        settings = self._parser().parse_args(arguments)
        print(report.machine(settings.threads, self.packages))
        sound = True
        for name in [settings.only] if settings.only else [*self.problems]:
            problem = self.problems[name]
            if settings.quick:
                problem = problem.resized(self.quick_batches)
            start = time.perf_counter()
            records = take_turns(
                self.contenders(problem),
                problem,
                settings.threads,
                rounds=1 if settings.quick else settings.rounds,
                seconds=60 * settings.minutes,
            )
            print(f"\n### {problem.title}\n")
            print("\n".join(self.report(problem, records)), flush=True)
            say(f"{name}: {time.perf_counter() - start:.0f} s")
            sound &= not any(record.failure for record in records) and report.agree(records)
        if settings.quick:
            print("\n`--quick`: shows that everything runs; the rates mean nothing.")
        return 0 if sound else 1

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(
            prog=f"python -m benchmarks.{self.module}", description=self.description
        )
        parser.add_argument("--only", choices=[*self.problems], help="one of them")
        parser.add_argument("--quick", action="store_true", help="only show that everything runs")
        parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each contender")
        parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
        parser.add_argument(
            "--minutes",
            type=float,
            default=self.minutes,
            help=f"for each problem; rounds are left out (default: {self.minutes:g})",
        )
        return parser


def pytorch(
    module: str, title: str, tuned: bool = False, library: str = "PyTorch", **options: bool
) -> Contender:
    """A contender of a module with a class `PyTorch`.

    Args:
        module: of `benchmarks`.
        title: in the table, behind the library.
        tuned: its malloc keeps memory.
        library: whose best is looked for; another one than PyTorch, where the work is another.
        **options: of the class.
    """
    title = f"{library}, {title}{', malloc keeps memory' if tuned else ''}"
    return Contender(title, module, "PyTorch", options, KEEP_MEMORY if tuned else {})
