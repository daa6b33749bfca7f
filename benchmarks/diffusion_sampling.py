"""How fast a diffusion draws images: Latent Zoo beside PyTorch, on the CPU.

    python -m benchmarks.diffusion_sampling [--quick] [--threads N] [--rounds N] [--minutes N]
                                            [--only NAME]

Prints Markdown on standard output and progress on standard error.
"""

import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.command import Benchmark, pytorch
from benchmarks.drawings import PROBLEMS, Drawing
from benchmarks.turns import Contender, Record


def contenders(problem: Drawing) -> list[Contender]:
    """Latent Zoo first."""
    del problem

    def torch(title: str, **options: bool) -> Contender:
        return pytorch("torch_drawing", title, **options)

    last = {"channels_last": True}
    return [
        Contender("**Latent Zoo**, `model.sample`", "ours_entries", "Sampler"),
        torch("eager"),
        torch("`torch.compile`", compiled=True),
        torch("eager, channels-last", **last),
        torch("`torch.compile`, channels-last", **last, compiled=True),
        torch("`torch.compile`, channels-last", tuned=True, **last, compiled=True),
    ]


def describe(problem: Drawing, records: Sequence[Record]) -> list[str]:
    """The table and what follows from it, in Markdown."""
    return [
        *report.table(problem, records),
        "",
        *report.verdicts(problem, records, {"PyTorch": problem.bar}),
        f"- `{problem.entry.config}`, first weights.",
        *report.first_losses(records, "Mean square of the pixels drawn from one noise"),
        *report.circumstances(records),
    ]


BENCHMARK = Benchmark(
    "diffusion_sampling",
    __doc__.splitlines()[0],
    PROBLEMS,
    contenders,
    describe,
    ("tensorflow", "keras", "torch", "numpy"),
    minutes=4.0,
    quick_batches=1,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.run())
