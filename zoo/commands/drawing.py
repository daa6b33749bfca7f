"""How an image is drawn, for `zoo sample`: arguments of `model.sample` on the command line."""

import argparse
from typing import Any

from zoo.commands.inputs import at_least
from zoo.commands.sequences import refuse

# Which options a family has.
_OF_DIFFUSIONS, _OF_ORDERS = ("steps", "guidance"), ("temperature", "top_k")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares what can be asked of a diffusion; the rest `sequences` declares."""
    group = parser.add_argument_group("of diffusions")
    group.add_argument("--steps", type=at_least(1), help="of the sampler (the model's own)")
    group.add_argument(
        "--guidance", type=float, metavar="W", help="strength of the condition (the model's own)"
    )


def refuse_options(args: argparse.Namespace) -> None:
    """Those of diffusions, given for another model."""
    refuse(args, _OF_DIFFUSIONS, "is no diffusion")


def options(model, args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `model.sample` that are asked for.

    Raises:
        ZooError: an option of another family.
    """
    from zoo.models import Autoregressive, Diffusion

    if isinstance(model, Diffusion):
        refuse(args, _OF_ORDERS, "is not autoregressive")
        sampler = model.sampler
        if args.steps is not None:
            sampler = type(sampler).from_config({**sampler.get_config(), "steps": args.steps})
        return {"sampler": sampler, "guidance": args.guidance}
    refuse_options(args)
    if isinstance(model, Autoregressive):
        return {"temperature": args.temperature or 1.0, "top_k": args.top_k}
    refuse(args, _OF_ORDERS, "is not autoregressive")
    return {}
