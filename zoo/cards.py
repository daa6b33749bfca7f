"""How a card reads: the numbers of a shipped entry, for people."""

from collections.abc import Mapping
from typing import Any


def card_text(card: Mapping[str, Any]) -> str:
    """The card for people, in Markdown."""
    training, published = card["training"], card["published"]
    rows = [
        f"# {card['name']}",
        f"{card['title']}. {card['parameters']:,} parameters. Licence: {card['licence']}.",
        f"Paper: {card['paper']}.",
        "## Numbers",
        "Measured on the test set after training; nothing was selected by it. `zoo verify "
        f"{card['name']}` measures them again.",
        _table(
            [(k, line(r) + _detail(r)) for k, r in card["numbers"].items()], ("number", "value")
        ),
    ]
    if card.get("note"):
        rows += ["## Note", card["note"]]
    if published:
        rows += ["## Published", _published(published, card["numbers"])]
    rows += [
        "## Protocol",
        _table(list(_flat({"data": card["data"], "training": training})), ("what", "value")),
    ]
    return "\n\n".join(rows) + "\n"


def line(record: Mapping[str, Any]) -> str:
    """One number with its kind, unit and standard error."""
    error = record.get("standard_error")
    text = f"{record['value']:.5g}" + (f" +- {error:.2g}" if error is not None else "")
    text += f" {record['unit']}"
    kinds = [record["kind"]] if "kind" in record else []
    if "num_samples" in record:
        kinds.append(f"K={record['num_samples']}")
    if "gap" in record:
        kinds.append(f"gap to the ELBO measured on {record['gap']['subset']} examples")
    if "bits_per_dim" in record:
        bits = f"{record['bits_per_dim']:.4f} bits/{record.get('element', 'dim')}"
        text += f" ({bits}; {', '.join(kinds)})"
    return text


def _detail(record: Mapping[str, Any]) -> str:
    """What stands behind a number, for the card alone."""
    lists = record.get("detail", {}).items()
    return "".join(
        f"; {k.replace('_', ' ')}: {', '.join(f'{v:.3g}' for v in vs)}" for k, vs in lists
    )


def _published(published: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    """A paper's number, beside ours: their protocols differ, so no difference is taken."""
    unit = numbers[published["number"]]["unit"]
    return f"{published['value']} {unit} ({published['source']}; {published['protocol']})."


def _table(rows: list[tuple[str, str]], head: tuple[str, str]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]
    return "\n".join(lines)


def _flat(value: Any, key: str = ""):
    if isinstance(value, Mapping):
        for k, v in value.items():
            yield from _flat(v, f"{key}.{k}" if key else k)
    else:
        yield key, value
