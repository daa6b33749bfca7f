"""How a model draws, for `zoo sample` and `zoo complete`: what else its methods can be asked."""

import argparse
import math
from typing import Any

from zoo.commands.inputs import at_least, refuse

OF_DIFFUSIONS = ("steps", "guidance")
OF_AUTOREGRESSIVE = ("temperature", "top_k")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares what can be asked of a draw."""
    group = parser.add_argument_group("of diffusions")
    group.add_argument("--steps", type=at_least(1), help="of the sampler (the model's own)")
    group.add_argument(
        "--guidance", type=_finite, metavar="W", help="strength of the condition (the model's own)"
    )
    group = parser.add_argument_group("of autoregressive models")
    group.add_argument(
        "--temperature", type=_positive, help="below 1: what is likely becomes likelier (1)"
    )
    group.add_argument("--top-k", type=at_least(1), help="draw among the k likeliest only (all)")


def options(model, args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `model.sample`, or `model.complete`, that are asked for.

    Raises:
        ZooError: an option of another family.
    """
    from zoo.models import Autoregressive, Diffusion

    if not isinstance(model, Autoregressive):
        refuse(args, OF_AUTOREGRESSIVE, "is not autoregressive")
    if not isinstance(model, Diffusion):
        refuse(args, OF_DIFFUSIONS, "is no diffusion")
    names = (*OF_DIFFUSIONS, *OF_AUTOREGRESSIVE)
    asked = {k: v for k in names if (v := getattr(args, k)) is not None}
    if "steps" in asked:
        own = model.sampler
        changed = {**own.get_config(), "steps": asked.pop("steps")}
        asked["sampler"] = type(own).from_config(changed)
    return asked


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _positive(text: str) -> float:
    if not 0 < (value := _number(text)) < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def _finite(text: str) -> float:
    # What float32 takes for finite.
    if not abs(value := _number(text)) < 1e38:
        raise argparse.ArgumentTypeError(f"must be a finite number, not {text!r}")
    return value
