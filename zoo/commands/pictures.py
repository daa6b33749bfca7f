"""`zoo picture`: one picture of a trained model."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo import catalogue
from zoo.commands.command import Command
from zoo.commands.inputs import (
    add_common,
    add_inputs,
    at_least,
    chosen,
    data_set,
    file_name,
    labelled,
    output,
)
from zoo.errors import EntryError, ZooError
from zoo.files import new_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOG = "log.csv"
_INPUTS = ("split", "index", "images")
_LOOK = ("mean", "seed")


def manifold(model, args: argparse.Namespace) -> "Figure":
    from zoo import pictures

    return pictures.manifold(model, args.n or 20, **_look(args, mean=True))


def scatter(model, args: argparse.Namespace) -> "Figure":
    from zoo import pictures

    data = data_set(model, args, labels=True)
    return pictures.scatter(model, data, limit=args.n or 5000, name=args.name)


def traversal(model, args: argparse.Namespace) -> "Figure":
    from zoo import pictures

    data = data_set(model, args)
    base, where = traversal_base(model, args, data)
    return pictures.traversal(
        model,
        data,
        base,
        rows=args.n or 10,
        base_name=where,
        **_look(args, mean=True),
    )


def traversal_base(model, args: argparse.Namespace, data) -> tuple[Any, str]:
    """The one image that a traversal starts from, and its name."""
    x, where = chosen(model, args, [0], data)
    if len(x) != 1:
        raise ZooError(f"a traversal starts from one image, not from {len(x)}")
    return x[0], where if args.images else f"image {(args.index or [0])[0]} of {where}"


def reconstructions(model, args: argparse.Namespace) -> "Figure":
    from zoo import pictures

    x, y, data = labelled(model, args, range(args.n or 20))
    return pictures.reconstructions(model, x, y=y, data=data, **_look(args, mean=True))


def several(model, args: argparse.Namespace) -> "Figure":
    from zoo import pictures

    x, data = chosen(model, args, range(4))
    return pictures.several_reconstructions(
        model, x, args.n or 10, data=data, **_look(args, mean=True)
    )


def restorations(model, args: argparse.Namespace) -> "Figure":
    from zoo import pictures
    from zoo.pictures.restorations import corruption_of

    # Before the data are looked for.
    corruption_of(model)
    x, y, data = labelled(model, args, range(args.n or 10))
    return pictures.restorations(model, x, y=y, data=data, seed=args.seed or 0, name=args.name)


def samples(model, args: argparse.Namespace, **how: Any) -> "Figure":
    from zoo import pictures

    look = _look(args, mean=False)
    return pictures.samples(model, args.n or 100, label=args.label, **look, **how)


def completions(model, args: argparse.Namespace, **how: Any) -> "Figure":
    from zoo import pictures

    x, labels, where = labelled(model, args, range(8))
    return pictures.completions(
        model,
        x,
        args.keep or 0.5,
        args.n or 5,
        y=labels,
        data=where,
        seed=args.seed or 0,
        name=args.name,
        **how,
    )


def interpolation(model, args: argparse.Namespace) -> "Figure":
    from zoo import pictures

    start, end, data = interpolation_ends(model, args)
    return pictures.interpolation(
        model, start, end, args.n or 11, data=data, **_look(args, mean=True)
    )


def interpolation_ends(model, args: argparse.Namespace) -> tuple[Any, Any, str]:
    """First and last images of the rows: pairs as they were named."""
    x, data = chosen(model, args, range(12))
    if len(x) % 2:
        raise ZooError(f"an interpolation leads from one image to another: {len(x)} is no pair")
    if args.n == 1:
        raise ZooError("an interpolation has at least 2 steps, not 1")
    return x[::2], x[1::2], data


class Kind(NamedTuple):
    """A kind of picture: how it is drawn, and which options it has."""

    draw: Callable[[Any, argparse.Namespace], "Figure"] | None
    options: tuple[str, ...]
    help: str


KINDS = {
    "manifold": Kind(manifold, ("n", *_LOOK), "images over one or two latents; --n in a row"),
    "scatter": Kind(scatter, ("n", "split"), "codes coloured by label; --n of them"),
    "traversal": Kind(traversal, ("n", *_INPUTS, *_LOOK), "one latent at a time; --n rows"),
    "reconstructions": Kind(
        reconstructions, ("n", *_INPUTS, *_LOOK), "originals beside reconstructions; --n of them"
    ),
    "several": Kind(
        several, ("n", *_INPUTS, *_LOOK), "--n reconstructions of one image, or of each of several"
    ),
    "restorations": Kind(
        restorations,
        ("n", *_INPUTS, "seed"),
        "what is made of images that are corrupted more and more; --n of them",
    ),
    "samples": Kind(samples, ("n", "label", *_LOOK), "--n samples, drawn unless --mean"),
    "interpolation": Kind(
        interpolation, ("n", *_INPUTS, *_LOOK), "from one image to another in --n steps"
    ),
    "curves": Kind(None, (), "training curves of a run's folder"),
    "toy": Kind(None, (), "what a lecturer draws of vae.toy; --out is a folder"),
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "kinds:\n" + "\n".join(f"  {k:<16} {v.help}" for k, v in KINDS.items())
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help="one of those below")
    add_common(parser, out="a new PNG file (NAME-KIND.png)")
    parser.add_argument("--n", type=at_least(1), help="how many; of what: see the kinds")
    parser.add_argument("--label", type=at_least(0), help="class of a conditional model (all)")
    add_inputs(parser)
    look = parser.add_mutually_exclusive_group()
    look.add_argument("--mean", action="store_true", default=None, help="show the mean of p(x|z)")
    look.add_argument(
        "--draw", dest="mean", action="store_false", default=None, help="draw from p(x|z)"
    )


def _run(args: argparse.Namespace) -> None:
    _refuse_options(args)
    if args.kind == "toy":
        _toy(args)
        return
    path = output(args, args.kind, (".png",))
    if args.kind == "curves":
        figure = _curves(args.name)
    else:
        figure = KINDS[args.kind].draw(catalogue.load(args.name), args)
    from zoo.pictures import save

    print(save(figure, path))


def _refuse_options(args: argparse.Namespace) -> None:
    """An option that the kind does not look at is a misunderstanding."""
    for option in ("n", "label", *_INPUTS, *_LOOK):
        if getattr(args, option) is not None and option not in KINDS[args.kind].options:
            shown = "--mean or --draw" if option == "mean" else f"--{option}"
            raise ZooError(f"a picture of kind {args.kind} has no {shown}")


def _curves(name: str) -> "Figure":
    folder = Path(name)
    if not folder.is_dir():
        catalogue.describe(name)  # says so, if there is no such entry
        folder = catalogue.PRETRAINED / name
    if not (folder / LOG).is_file():
        raise EntryError(f"{name} has no {LOG}: training curves are drawn of a run's folder")
    from zoo.pictures import training_curves
    from zoo.training.callbacks import read_log

    return training_curves(read_log(folder / LOG), name=name)


def _toy(args: argparse.Namespace) -> None:
    folder = Path(args.out or f"{file_name(args.name)}-toy")
    with new_folder(folder) as partial:
        model = catalogue.load(args.name)
        from zoo.training.toy_lesson import toy_pictures

        toy_pictures(model, partial)
    print(folder)


def _look(args: argparse.Namespace, mean: bool) -> dict[str, Any]:
    """Options of every picture of decoded images; `mean` is what it shows if not told."""
    return {
        "mean": mean if args.mean is None else args.mean,
        "seed": args.seed or 0,
        "name": args.name,
    }


PICTURE = Command("picture", "draw a picture of a model as PNG", _arguments, _run)
