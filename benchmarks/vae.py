"""How fast two VAEs train: Latent Zoo beside PyTorch and pythae, on the CPU.

    python -m benchmarks.vae [--quick] [--threads N] [--rounds N] [--minutes N] [--only NAME]

Prints Markdown on standard output and progress on standard error.
"""

import argparse
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.problem import BATCH, PROBLEMS, Problem
from benchmarks.turns import Contender, Record, say, take_turns

ZOO = Contender("**Latent Zoo**, `model.fit`", "ours", "Zoo")
PEAK = Contender("large matrix products", "peak", "Peak")
PACKAGES = ("tensorflow", "keras", "tensorflow-probability", "torch", "pythae", "numpy")
PEAK_LIBRARIES = ("TensorFlow", "XLA", "numpy")
#: glibc's allocator hands large blocks back to the system at once, unless it is told not to. The
#: convolutional model in PyTorch then spends a third of its time in page faults.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
#: How many times as fast Latent Zoo is to be.
BARS = {("mlp", "PyTorch"): 1.15, ("mlp", "pythae"): 1.6, ("conv", "PyTorch"): 1.4}
#: Largest relative difference between the contenders' ELBO of the same weights and images.
TOLERANCE = 1e-4
#: Share of the processors that other programs may take before the numbers mean little.
DISTURBED = 0.03


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; 1 if a contender failed or computes something else."""
    settings = _parser().parse_args(arguments)
    print(_machine(settings.threads))
    sound = True
    names = [settings.only] if settings.only else [*PROBLEMS]
    for name in names:
        problem = PROBLEMS[name].resized(5) if settings.quick else PROBLEMS[name]
        start = time.perf_counter()
        records = take_turns(
            [PEAK, *contenders(problem)],
            problem.name,
            problem.images // BATCH,
            settings.threads,
            rounds=1 if settings.quick else settings.rounds,
            seconds=60 * settings.minutes / len(names),
        )
        print(f"\n### {problem.title}\n")
        print("\n".join(report(problem, records[0], records[1:])), flush=True)
        say(f"{name}: {time.perf_counter() - start:.0f} s")
        sound &= not any(record.failure for record in records) and agree(records[1:])
    if settings.quick:
        print("\n`--quick`: shows that everything runs; the rates mean nothing.")
    return 0 if sound else 1


def contenders(problem: Problem) -> list[Contender]:
    """Latent Zoo first."""

    def torch(title: str, tuned: bool = False, **options: bool) -> Contender:
        title = f"PyTorch, {title}{', malloc keeps memory' if tuned else ''}"
        return Contender(title, "torch_loop", "PyTorch", options, KEEP_MEMORY if tuned else {})

    def pythae(title: str, maker: str, **options: bool) -> Contender:
        return Contender(f"pythae, {title}", "pythae_vae", maker, options)

    found = [
        ZOO,
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


def report(problem: Problem, peak: Record, records: Sequence[Record]) -> list[str]:
    """The table and what follows from it, in Markdown."""
    best = _peak(peak)
    lines = [
        "| | images/s | lowest to highest | Latent Zoo is times as fast | of peak | last loss |",
        "|---|---|---|---|---|---|",
    ]
    for record in records:
        if not record.turns:
            lines.append(f"| {record.contender.title} | failed | | | | |")
            continue
        rates = sorted(_rates(problem, record))
        share = statistics.median(rates) * problem.operations / best if best else 0.0
        lines.append(
            f"| {record.contender.title} | {statistics.median(rates):,.0f} "
            f"| {rates[0]:,.0f} to {rates[-1]:,.0f} | {_ratio(records[0], record)} "
            f"| {f'{share:.0%}' if best else ''} | {record.turns[-1]['loss']:.1f} |"
        )
    lines += ["", *_verdicts(problem, records), *_notes(problem, peak, records)]
    return lines


def agree(records: Sequence[Record]) -> bool:
    """Whether all contenders find the same ELBO for the same weights and images."""
    elbos = [record.ready["elbo"] for record in records if record.ready]
    return bool(elbos) and max(elbos) - min(elbos) <= TOLERANCE * abs(elbos[0])


def _verdicts(problem: Problem, records: Sequence[Record]) -> list[str]:
    """Our ratio to the fastest of each other library, and the bar where there is one."""
    groups: dict[tuple[str, bool], list[Record]] = {}
    for record in records[1:]:
        library = record.contender.title.split(",")[0]
        if record.turns and records[0].turns:
            groups.setdefault((library, bool(record.contender.environment)), []).append(record)
    lines = []
    for (library, tuned), group in groups.items():
        fastest = max(group, key=lambda r: statistics.median(_rates(problem, r)))
        bar = None if tuned else BARS.get((problem.name, library))
        lines.append(
            f"- {_ratio(records[0], fastest)} times the best of {library}"
            f"{' with a malloc that keeps memory' if tuned else ''} ({fastest.contender.title})"
            + (f"; the bar is {bar}." if bar else ".")
        )
    return lines


def _notes(problem: Problem, peak: Record, records: Sequence[Record]) -> list[str]:
    elbos = [record.ready["elbo"] for record in records if record.ready]
    turns = [turn for record in (peak, *records) for turn in record.turns]
    lines = [f"- Latent Zoo is compiled with {records[0].ready.get('note', 'nothing')}."]
    if elbos:
        lines.append(
            f"- ELBO of the first weights on 64 images, at the posterior's mean: {elbos[0]:.4f} "
            "nats"
            + (
                f", the same for all within {max(elbos) - min(elbos):.4f}."
                if agree(records)
                else f". **The contenders differ**: {', '.join(f'{e:.4f}' for e in elbos)}."
            )
        )
    if peak.turns:
        rates = ", ".join(
            f"{name} {statistics.median(turn[name] for turn in peak.turns) / 1e9:.0f}"
            for name in PEAK_LIBRARIES
        )
        lines.append(
            f"- Peak, float32 products of 2048 x 2048, GFLOP/s: {rates}. One image costs "
            f"{problem.operations / 1e6:.1f} MFLOP in products."
        )
    others = [turn["others"] for turn in turns if "others" in turn]
    if others:
        lines.append(
            f"- Other programs took {statistics.median(others):.1%} of the processors, in the "
            f"worst turn {max(others):.1%}."
            + (" **Too much: run it again.**" if max(others) > DISTURBED else "")
        )
    return lines


def _peak(record: Record) -> float:
    """Operations per second of the best library."""
    if not record.turns:
        return 0.0
    return max(statistics.median(turn[name] for turn in record.turns) for name in PEAK_LIBRARIES)


def _rates(problem: Problem, record: Record) -> list[float]:
    return [problem.images / turn["seconds"] for turn in record.turns]


def _ratio(ours: Record, other: Record) -> str:
    """Median over the rounds, in each of which both worked within the same minute."""
    pairs = zip(ours.turns, other.turns, strict=False)
    ratios = [theirs["seconds"] / mine["seconds"] for mine, theirs in pairs]
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def _machine(threads: int) -> str:
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return (
        f"{_processor()}, {os.cpu_count()} cores; {threads} threads each; "
        f"{platform.system()}, Python {platform.python_version()}, {versions}. Batch {BATCH}, Adam."
    )


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.vae", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--only", choices=[*PROBLEMS], help="one of the two")
    parser.add_argument("--quick", action="store_true", help="only show that everything runs")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each contender")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    parser.add_argument("--minutes", type=float, default=7.5, help="in all; rounds are left out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
