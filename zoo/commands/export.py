"""`zoo export`."""

import argparse

from zoo import catalogue
from zoo.commands.command import Command, say
from zoo.files import refuse_existing


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME|DIR", help="a trained entry, or a run's folder")
    parser.add_argument("out", metavar="OUT", help="the SavedModel's folder; must not exist")


def _run(args: argparse.Namespace) -> None:
    # Before TensorFlow starts, which takes seconds.
    refuse_existing(args.out)
    model = catalogue.load(args.name)
    from zoo.exporting import export

    found = export(model, args.out)
    what = ", ".join(f"{name}({', '.join(inputs)})" for name, inputs in found.items())
    say(f"{args.out}: a SavedModel with {what}")


EXPORT = Command("export", "write a SavedModel, for programs without zoo", _arguments, _run)
