"""`zoo ship` and `zoo remeasure`, for maintainers."""

import argparse
from pathlib import Path

from zoo.commands.command import Command, say


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="DIR", help="a finished run's folder")
    parser.add_argument("name", metavar="NAME", help="the entry that it becomes")


def _run(args: argparse.Namespace) -> None:
    from zoo.shipping import ship

    card = ship(Path(args.run), args.name)
    say(f"{args.name} is shipped with {', '.join(card['numbers'])}; look at its card, then commit")


SHIP = Command("ship", "for maintainers: make a run a shipped entry", _arguments, _run)


def _remeasure_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a trained entry")
    parser.add_argument(
        "--only", metavar="SECTION", action="append", help="of its `evaluation:`, such as samples"
    )


def _remeasure(args: argparse.Namespace) -> None:
    from zoo.shipping import measure_again

    measure_again(args.name, args.only)
    say(f"the card of {args.name} is written anew; look at it, then commit")


REMEASURE = Command(
    "remeasure",
    "for maintainers: a shipped entry's card, measured anew",
    _remeasure_arguments,
    _remeasure,
)
