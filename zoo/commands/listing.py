"""`zoo list` and `zoo info`: what there is. Neither needs TensorFlow."""

import argparse
from typing import Any

from zoo import catalogue
from zoo.cards import line
from zoo.commands.command import Command, add_json, print_json, say


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pattern", nargs="?", help="such as 'vae.*'; all entries if left out")
    parser.add_argument("--pretrained", action="store_true", help="only those with weights")
    add_json(parser)


def _list(args: argparse.Namespace) -> None:
    names = catalogue.entries(args.pattern, pretrained=True if args.pretrained else None)
    found = [catalogue.describe(name) for name in names]
    if args.json:
        keys = ("name", "title", "density", "pretrained")
        print_json({"entries": [{key: entry[key] for key in keys} for entry in found]})
        return
    if not found:
        say("no entry matches; `zoo list` shows all")
    width = max((len(name) for name in names), default=0)
    for entry in found:
        mark = "pretrained" if entry["pretrained"] else ""
        print(f"{entry['name']:<{width}}  {mark:<10}  {entry['title'] or ''}".rstrip())


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="an entry, such as vae.mnist")
    add_json(parser)


def _info(args: argparse.Namespace) -> None:
    found = catalogue.describe(args.name)
    if args.json:
        print_json(found)
        return
    # What a number was measured on stands on the card, and in `--json`.
    if found.get("numbers"):
        found["numbers"] = {name: line(record) for name, record in found["numbers"].items()}
    lines = [(key, text) for key, value in found.items() for key, text in _lines(key, value)]
    width = max(len(key) for key, _ in lines)
    for key, text in lines:
        print(f"{key:<{width}}  {text}")


def _lines(key: str, value: Any) -> list[tuple[str, str]]:
    """A value as lines: what is inside of it gets its path as key."""
    if value is None:
        return [(key, "-")]
    if isinstance(value, bool):
        return [(key, "yes" if value else "no")]
    if isinstance(value, dict):
        return [line for k, v in value.items() for line in _lines(f"{key}.{k}", v)]
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return [line for i, v in enumerate(value) for line in _lines(f"{key}.{i}", v)]
    if isinstance(value, list):
        return [(key, ", ".join(map(str, value)))]
    return [(key, str(value))]


LIST = Command("list", "which entries there are", _list_arguments, _list)
INFO = Command("info", "what is known of an entry", _info_arguments, _info)
