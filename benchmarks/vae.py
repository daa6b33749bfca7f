"""How fast two VAEs train: Latent Zoo beside PyTorch and pythae, on the CPU.

    python -m benchmarks.vae [--quick] [--threads N] [--rounds N] [--minutes N] [--only NAME]

Prints Markdown on standard output and progress on standard error.
"""

import statistics
import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.command import ZOO, Benchmark, pytorch
from benchmarks.problem import BATCH, PROBLEMS, VAEProblem
from benchmarks.turns import Contender, Record

PEAK = Contender("large matrix products", "peak", "Peak")
PEAK_LIBRARIES = ("TensorFlow", "XLA", "numpy")
#: How many times as fast Latent Zoo is to be.
BARS = {"mlp": {"PyTorch": 1.15, "pythae": 1.6}, "conv": {"PyTorch": 1.4}}


def contenders(problem: VAEProblem) -> list[Contender]:
    """The peak, then Latent Zoo, then the others."""

    def torch(title: str, **options: bool) -> Contender:
        return pytorch("torch_loop", title, **options)

    def pythae(title: str, maker: str, **options: bool) -> Contender:
        return Contender(f"pythae, {title}", "pythae_vae", maker, options)

    found = [
        PEAK,
        Contender(ZOO, "ours", "Zoo"),
        torch("eager"),
        torch("eager, fused Adam", fused=True),
        torch("`torch.compile`, fused Adam", fused=True, compiled=True),
    ]
    loop = pythae("in the plain PyTorch loop", "PythaeLoop")
    if not problem.convolutional:
        return [
            *found,
            pythae("its own trainer", "PythaeTrainer"),
            loop,
            pythae("in the plain PyTorch loop, fused Adam", "PythaeLoop", fused=True),
        ]
    last = {"fused": True, "channels_last": True}
    return [
        *found,
        torch("eager, fused Adam, channels-last", **last),
        torch("`torch.compile`, fused Adam, channels-last", **last, compiled=True),
        torch("eager, fused Adam, channels-last", tuned=True, **last),
        torch("`torch.compile`, fused Adam, channels-last", tuned=True, **last, compiled=True),
        loop,
    ]


def describe(problem: VAEProblem, records: Sequence[Record]) -> list[str]:
    """The table and what follows from it, in Markdown."""
    peak, *own = records
    best = _peak(peak)
    shares = {
        record.contender.title: report.rate(problem, record) * problem.operations / best
        for record in own
        if record.turns and best
    }
    return [
        *report.table(problem, own, shares),
        "",
        *report.verdicts(problem, own, BARS[problem.name]),
        report.compilation(own[0]) + f" Batch {BATCH}, Adam.",
        *report.first_losses(
            own, "First loss, the negative ELBO on 64 images, at the posterior's mean"
        ),
        *_peak_note(problem, peak),
        *report.circumstances(records),
    ]


def _peak_note(problem: VAEProblem, peak: Record) -> list[str]:
    if not peak.turns:
        return []
    rates = ", ".join(
        f"{name} {statistics.median(turn[name] for turn in peak.turns) / 1e9:.0f}"
        for name in PEAK_LIBRARIES
    )
    return [
        f"- Peak, float32 products of 2048 x 2048, GFLOP/s: {rates}. One image costs "
        f"{problem.operations / 1e6:.1f} MFLOP in products."
    ]


def _peak(record: Record) -> float:
    """Operations per second of the best library."""
    if not record.turns:
        return 0.0
    return max(statistics.median(turn[name] for turn in record.turns) for name in PEAK_LIBRARIES)


BENCHMARK = Benchmark(
    "vae",
    __doc__.splitlines()[0],
    PROBLEMS,
    contenders,
    describe,
    ("tensorflow", "keras", "tensorflow-probability", "torch", "pythae", "numpy"),
    minutes=3.75,
    quick_batches=5,
)

if __name__ == "__main__":
    sys.exit(BENCHMARK.run())
