"""Records as Markdown: the table, the ratios, and what they are worth."""

import importlib.metadata
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.turns import Problem, Record

#: Largest relative difference between the contenders' first loss, of the same weights and batch.
TOLERANCE = 1e-4
#: Share of the processors that other programs may take before the numbers mean little.
DISTURBED = 0.03


def table(
    problem: Problem, records: Sequence[Record], shares: Mapping[str, float] | None = None
) -> list[str]:
    """One row for each contender; the first is Latent Zoo. Losses where there are any.

    Args:
        problem: what they worked on.
        records: of those contenders.
        shares: of the processor's peak, one per title, for a column more.
    """
    more = shares is not None
    lossy = any("loss" in turn for record in records for turn in record.turns)
    titles = ["", f"{problem.unit}/s", "lowest to highest", "Latent Zoo is times as fast"]
    titles += [*["of peak"] * more, *["last loss"] * lossy]
    lines = [_row(titles), "|" + "---|" * len(titles)]
    for record in records:
        title = record.contender.title
        if not record.turns:
            lines.append(_row([title, "failed", *[""] * (len(titles) - 2)]))
            continue
        found = rates(problem, record)
        cells = [title, f"{statistics.median(found):,.0f}"]
        cells += [f"{min(found):,.0f} to {max(found):,.0f}", _ratio(records[0], record)]
        if more:
            cells.append(f"{shares[title]:.0%}" if title in shares else "")
        if lossy:
            cells.append(_short(record.turns[-1]["loss"]))
        lines.append(_row(cells))
    return lines


def verdicts(
    problem: Problem, records: Sequence[Record], bars: Mapping[str, float | None]
) -> list[str]:
    """Our ratio to the fastest of each other library, and the bar where there is one."""
    groups: dict[tuple[str, bool], list[Record]] = {}
    for record in records[1:]:
        library = record.contender.title.split(",")[0]
        if record.turns and records[0].turns:
            groups.setdefault((library, bool(record.contender.environment)), []).append(record)
    lines = []
    for (library, tuned), group in groups.items():
        fastest = max(group, key=lambda record: rate(problem, record))
        bar = None if tuned else bars.get(library)
        lines.append(
            f"- {_ratio(records[0], fastest)} times the best of {library}"
            f"{' with a malloc that keeps memory' if tuned else ''} ({fastest.contender.title})"
            + (f"; the bar is {bar}." if bar else ".")
        )
    return lines


def compilation(ours: Record) -> str:
    """How Latent Zoo was compiled."""
    return f"- Latent Zoo is compiled with {ours.ready.get('note', 'nothing')}."


def first_losses(records: Sequence[Record], what: str) -> list[str]:
    """Whether all contenders found the same at first; `what` that was, such as a loss."""
    losses = _losses(records)
    if not losses:
        return []
    if not agree(records):
        found = ", ".join(f"{loss:.4f}" for loss in losses)
        return [f"- {what}: **the contenders differ**: {found}."]
    apart = (max(losses) - min(losses)) / abs(losses[0])
    return [f"- {what}: {losses[0]:.4f}, the same for all within a relative {apart:.0e}."]


def circumstances(records: Sequence[Record]) -> list[str]:
    """How many rounds there were, and what other programs did meanwhile."""
    rounds = min((len(record.turns) for record in records if record.turns), default=0)
    lines = [f"- Medians of {rounds} rounds."] if rounds > 1 else []
    others = [turn["others"] for record in records for turn in record.turns if "others" in turn]
    if others:
        lines.append(
            f"- Other programs took {statistics.median(others):.1%} of the processors, in the "
            f"worst turn {max(others):.1%}."
            + (" **Too much: run it again.**" if max(others) > DISTURBED else "")
        )
    return lines


def agree(records: Sequence[Record]) -> bool:
    """Whether all contenders find the same loss for the same weights and batch."""
    losses = _losses(records)
    return bool(losses) and max(losses) - min(losses) <= TOLERANCE * abs(losses[0])


def machine(threads: int, packages: Sequence[str]) -> str:
    """What the numbers belong to."""
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    return (
        f"{_processor()}, {os.cpu_count()} cores; {threads} threads each; "
        f"{platform.system()}, Python {platform.python_version()}, {versions}."
    )


def rates(problem: Problem, record: Record) -> list[float]:
    """Units per second of each round."""
    return [problem.units / turn["seconds"] for turn in record.turns]


def rate(problem: Problem, record: Record) -> float:
    """Median over the rounds."""
    return statistics.median(rates(problem, record))


def _row(cells: Sequence[str]) -> str:
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def _ratio(ours: Record, other: Record) -> str:
    """Median over the rounds, in each of which both worked within the same minute."""
    pairs = zip(ours.turns, other.turns, strict=False)
    ratios = [theirs["seconds"] / mine["seconds"] for mine, theirs in pairs]
    return f"{statistics.median(ratios):.2f}" if ratios else ""


def _losses(records: Sequence[Record]) -> list[float]:
    return [record.ready["loss"] for record in records if "loss" in record.ready]


def _short(loss: float) -> str:
    return f"{loss:.1f}" if abs(loss) >= 10 else f"{loss:#.3g}"


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
