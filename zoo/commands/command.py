"""What a command is, and how it speaks: results to standard output, all else to standard error.

A module of commands imports TensorFlow, and whatever needs it, only inside its functions.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Command(NamedTuple):
    """One command.

    Attributes:
        name: what stands after `zoo`.
        help: one line for `zoo --help`.
        add_arguments: declares its arguments on a parser.
        run: does it; an error that the user can cause is a `ZooError`.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declares `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")


def print_json(value: Any) -> None:
    """Prints the one JSON object that `--json` promises."""
    print(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    """With null for each number that JSON does not have: NaN and the infinities."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say(text: str) -> None:
    """Tells the user how it goes, on standard error."""
    print(text, file=sys.stderr, flush=True)
