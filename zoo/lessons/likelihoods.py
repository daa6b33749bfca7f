"""Every family in one table of likelihoods, as far as their numbers mean the same."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from zoo import catalogue
from zoo.lessons.page import Lesson, Page

# The tightest first: of several numbers of a model, the first is shown.
_KINDS = ("exact", "importance", "elbo")
_BASELINE = "baseline."
_FORMS = {
    ("dim", "levels"): "integers",
    ("dim", "dequantized"): "integers and uniform noise",
    ("dim", "unit"): "binary images",
    ("dim", "real"): "real numbers",
    ("char", "levels"): "characters",
    ("word", "levels"): "words",
    ("sample", "levels"): "mu-law codes",
}


class _Row(NamedTuple):
    """A model's number, or a baseline's."""

    who: str
    bits: float
    nats: str
    kind: str
    of: str
    examples: str
    parameters: str


class _Protocol(NamedTuple):
    """What must agree before two numbers stand in one table."""

    data: str
    part: str
    values: str
    binarization: str
    element: str

    @property
    def title(self) -> str:
        drawn = "" if self.binarization == "none" else ", drawn once from the grey values"
        part = f", {self.part}" if self.part else ""
        return f"{self.data}{part}: {_FORMS[self.element, self.values]}{drawn}"


def make() -> Page:
    page = Page("One table of likelihoods")
    page.say(
        "What the shipped entries need for one example of the test set, lowest first, read from "
        "their cards; `zoo verify` measures each again. A table holds numbers of the same data "
        "in the same form only. The kind says how a number is known: `exact` is the "
        "likelihood itself; the `elbo`, and an `importance` estimate of K samples, are on average "
        "too high. So a bound that is lower than an exact number has won, and one that is higher "
        "has proved nothing. Bits are what to compare by: texts are cut into examples of another "
        "length for each model, so that their nats differ. Where y is given, the model was told "
        "the label, which is worth up to ln 10 = 2.30 nats of ten classes."
    )
    tables = defaultdict(list)
    for name in catalogue.entries(pretrained=True):
        for protocol, row in _rows(catalogue.card(name)):
            tables[protocol].append(row)
    for protocol in sorted(tables):
        rows = sorted(tables[protocol], key=lambda row: row.bits)
        if len(rows) > 1:
            page.say(f"## {protocol.title}")
            head = ("", f"bits/{protocol.element}", "nats", "kind", "of", "examples", "parameters")
            page.tabulate(head, [(r.who, f"{r.bits:.4f}", *r[2:]) for r in rows])
    return page


def tightest(numbers: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Kind and number, in bits, of each part of the test data that a card has one of; "" is all."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for key, number in numbers.items():
        part, _, kind = key.rpartition(".")
        if key.startswith(_BASELINE) or kind not in _KINDS or bits(number) is None:
            continue
        if part not in found or _KINDS.index(kind) < _KINDS.index(found[part][0]):
            found[part] = kind, number
    return found


def _rows(card: Mapping[str, Any]) -> Iterator[tuple[_Protocol, _Row]]:
    """The tightest number of each part of the test data, and every baseline in bits."""
    for key, number in card["numbers"].items():
        if key.startswith(_BASELINE) and bits(number) is not None:
            who = key.removeprefix(_BASELINE).replace("_", " ")
            yield _protocol("", number), _row(who, "", number, "x")
    of = "x given y" if card["data"].get("labels") else "x"
    for part, (_, number) in tightest(card["numbers"]).items():
        row = _row(f"`{card['name']}`", f"{card['parameters']:,}", number, of)
        yield _protocol(part, number), row


def _protocol(part: str, number: Mapping[str, Any]) -> _Protocol:
    data = number["data"]
    # A part that is the whole test set by another name.
    part = "" if part in ("test", "recordings") else part.replace("_", " ")
    element = number.get("element", "dim")
    return _Protocol(data["name"], part, data["values"], data["binarization"], element)


def _row(who: str, parameters: str, number: Mapping[str, Any], of: str) -> _Row:
    kind = number.get("kind", "a code's length")
    if number.get("num_samples"):
        kind += f", K = {number['num_samples']}"
    nats = ""
    if number["unit"] == "nats":
        nats = f"{-number['value']:.2f} +- {number['standard_error']:.2f}"
    return _Row(who, bits(number), nats, kind, of, f"{number['count']:,}", parameters)


def bits(number: Mapping[str, Any]) -> float | None:
    """Per element of an example, such as a pixel; None of what is no likelihood."""
    if number["unit"] == "bits/dim":
        return number["value"]
    return number.get("bits_per_dim")


LESSON = Lesson("likelihoods of all families, by data, kind and form of the numbers", make)
