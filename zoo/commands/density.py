"""`zoo fit-density`: makes a model without a prior, or with one that is not met, one to sample."""

import argparse
from pathlib import Path

from zoo import catalogue
from zoo.commands.command import Command, say
from zoo.commands.inputs import at_least, file_name
from zoo.files import refuse_existing

_KINDS = ("gaussian", "gmm", "maf")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME|DIR", help="a trained entry, or a run's folder")
    parser.add_argument(
        "--density",
        choices=_KINDS,
        default="gmm",
        help="a normal, a mixture of normals, or a masked autoregressive flow (gmm)",
    )
    parser.add_argument("--out", metavar="DIR", help="a new folder (runs/NAME-DENSITY)")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of draws and held-out codes")


def _run(args: argparse.Namespace) -> None:
    folder = Path(args.out or f"runs/{file_name(args.name)}-{args.density}")
    refuse_existing(folder)
    model = catalogue.load(args.name)
    from zoo import storing
    from zoo.commands.inputs import data_set
    from zoo.training.density import fit_density

    args.split = "train"
    conditional = getattr(model, "condition", None) is not None
    found = fit_density(model, data_set(model, args, conditional), args.density, args.seed)
    storing.save(found.model, folder)
    say(f"held-out codes: {found.log_density:.4g} nats on average; next: zoo sample {folder}")
    print(folder)


FIT_DENSITY = Command("fit-density", "fit a density to the codes of a model", _arguments, _run)
