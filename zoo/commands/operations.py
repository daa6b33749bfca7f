"""`zoo sample`, `reconstruct`, `interpolate`, `traverse`, `encode`: what a model does, to a file.

A file that ends in `.png` is a picture, as `zoo picture` draws it; in `.npz`, the same images as
numbers, in the scale of the data.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from zoo import catalogue
from zoo.commands import drawing, pictures, sequences, sounds
from zoo.commands.command import Command, say
from zoo.commands.inputs import (
    add_common,
    add_inputs,
    at_least,
    data_set,
    labelled,
    output,
    read_images,
    refuse,
    write_long,
    write_numbers,
)
from zoo.errors import ZooError

_OUT = "a new .png (a picture) or .npz (numbers) file"
Draw = Callable[[Any, argparse.Namespace], Any]
Write = Callable[[Any, argparse.Namespace, Path], None]


def _operation(what: str, draw: Draw, write: Write) -> Callable[[argparse.Namespace], None]:
    """The command that draws if `--out` ends in `.png`, and writes numbers otherwise."""

    def run(args: argparse.Namespace) -> None:
        path = output(args, what)
        _to_file(catalogue.load(args.name), args, path, draw, write)

    return run


def _to_file(model, args: argparse.Namespace, path: Path, draw: Draw, write: Write) -> None:
    if path.suffix.lower() == ".npz":
        write(model, args, path)
    else:
        from zoo.pictures import save

        save(draw(model, args), path)
    print(path)


def _sample_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, f"{_OUT}; of text, .txt (the screen); of sound, .wav")
    parser.add_argument("--n", type=at_least(1), help="how many (100; of sounds 10, texts 1)")
    parser.add_argument("--mean", action="store_true", help="means instead of draws")
    parser.add_argument("--label", type=at_least(0), help="class of a conditional model (all)")
    drawing.add_options(parser)
    sequences.add_options(parser)


def _sample(args: argparse.Namespace) -> None:
    path = output(args, "samples", (".png", ".npz", ".txt", ".wav")) if args.out else None
    model = catalogue.load(args.name)
    if sequences.is_sequence(model):
        refuse(args, drawing.OF_DIFFUSIONS, "is no diffusion")
    if sounds.is_sound(model):
        refuse(args, ("mean",), "models sound")
        args.n = args.n or 10
        path = output(args, "samples", (".wav", ".png", ".npz"))
        sounds.write(model, args, path)
        print(path)
        return
    if sequences.is_sequence(model):
        refuse(args, ("mean", "label"), "models text")
        args.n = args.n or 1
        sequences.write(model, args, path)
        if path:
            print(path)
        return
    refuse(args, sequences.OPTIONS, "is no model of text")
    args.n = args.n or 100
    how = drawing.options(model, args)
    draw, write = (partial(f, **how) for f in (pictures.samples, _write_samples))
    _to_file(model, args, output(args, "samples"), draw, write)


def _write_samples(model, args: argparse.Namespace, path: Path, **how: Any) -> None:
    from zoo.pictures.images import asked, draw_samples

    labels = asked(model, args.n, args.label)
    parts = draw_samples(model, args.n, args.mean, args.seed or 0, labels, **how)
    write_long(path, "samples", (args.n, *model.event_shape), parts)


def _reconstruct_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, _OUT)
    add_inputs(parser)
    parser.add_argument("--n", type=at_least(1), default=20, help="the first so many images (20)")
    _add_draw(parser)


def _write_reconstructions(model, args: argparse.Namespace, path: Path) -> None:
    from zoo.pictures.images import reconstruct

    x, y, _ = labelled(model, args, range(args.n))
    images = reconstruct(model, x, y=y, mean=args.mean, seed=args.seed or 0)
    write_numbers(path, originals=x, reconstructions=images)


def _complete_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, f"{_OUT}; of text, a new .txt file (the screen)")
    add_inputs(parser)
    parser.add_argument("--n", type=at_least(1), help="completions of each (5; of text, 1)")
    parser.add_argument(
        "--keep",
        type=_share,
        metavar="SHARE",
        help="what is kept of an image: the first rows, or pixels, of the model's order (0.5)",
    )
    drawing.add_options(parser)
    sequences.add_options(parser)


def _complete(args: argparse.Namespace) -> None:
    path = output(args, "completions", (".png", ".npz", ".txt")) if args.out else None
    model = catalogue.load(args.name)
    if sequences.is_sequence(model):
        if sounds.is_sound(model):
            raise ZooError(f"{args.name} models sounds: complete them by model.complete in Python")
        if args.prompt is None:
            raise ZooError(f"{args.name} models text: say --prompt, what is to be continued")
        refuse(args, drawing.OF_DIFFUSIONS, "is no diffusion")
        refuse(args, ("keep", "images", "index", "split"), "models text")
        args.n = args.n or 1
        sequences.write(model, args, path)
        if path:
            print(path)
        return
    refuse(args, sequences.OPTIONS, "is no model of text")
    how = drawing.options(model, args)
    draw, write = (partial(f, **how) for f in (pictures.completions, _write_completions))
    _to_file(model, args, output(args, "completions"), draw, write)


def _write_completions(model, args: argparse.Namespace, path: Path, **how: Any) -> None:
    from zoo.pictures.completions import complete, kept

    x, labels, _ = labelled(model, args, range(8))
    known = kept(model, args.keep or 0.5)
    found = complete(model, x, known, args.n or 5, labels, seed=args.seed or 0, **how)
    write_numbers(path, originals=x, known=known, completions=found)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, not {text!r}")
    return value


def _interpolate_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, _OUT)
    add_inputs(parser)
    parser.add_argument(
        "--steps", dest="n", type=at_least(2), default=11, help="decoded points of each way (11)"
    )
    _add_draw(parser)


def _write_interpolation(model, args: argparse.Namespace, path: Path) -> None:
    from zoo.pictures.images import interpolate

    start, end, _ = pictures.interpolation_ends(model, args)
    images = interpolate(model, start, end, args.n, mean=args.mean, seed=args.seed or 0)
    write_numbers(path, start=start, end=end, images=images)


def _traverse_arguments(parser: argparse.ArgumentParser) -> None:
    add_common(parser, _OUT)
    add_inputs(parser)
    parser.add_argument(
        "--rows", dest="n", type=at_least(1), default=10, help="latents, largest KL first (10)"
    )
    _add_draw(parser)


def _write_traversal(model, args: argparse.Namespace, path: Path) -> None:
    from zoo.pictures.latents import active_latents, traverse

    data = data_set(model, args)
    base, _ = pictures.traversal_base(model, args, data)
    latents, kl, _ = active_latents(model, data, args.n)
    images, values = traverse(model, latents, base, mean=args.mean, seed=args.seed or 0)
    write_numbers(path, images=images, values=values, latents=latents, kl=kl)


def _encode_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME|DIR", help="a trained entry, or a run's folder")
    parser.add_argument("--out", metavar="FILE", help="a new .npz file (NAME-codes.npz)")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--split", choices=("train", "valid", "test"), help="of the entry's data set (test)"
    )
    which.add_argument("--images", nargs="+", metavar="FILE", help="your own images instead")


def _encode(args: argparse.Namespace) -> None:
    path = output(args, "codes", (".npz",))
    model = catalogue.load(args.name)
    from zoo.pictures.codes import encode_set

    if args.images:
        x = read_images(args.images, model)
        model.check(x)
        data = [x]
    else:
        data = data_set(model, args, labels=True)
    mean, stddev, labels = encode_set(model, data)
    from zoo.models import VQVAE

    # A quantized code has no spread, but a number in the book.
    quantized = isinstance(model, VQVAE)
    beside = {"codes": model.quantizer.nearest(mean).numpy()} if quantized else {"stddev": stddev}
    arrays = {"mean": mean, **beside, **({} if labels is None else {"labels": labels})}
    write_numbers(path, **arrays)
    if args.split == "train":
        say("the training split is shuffled, and codes of its last, broken batch are left out")
    size = " x ".join(map(str, mean.shape[1:]))
    say(f"{len(mean)} codes of {size} numbers: {', '.join(arrays)}")
    print(path)


def _add_draw(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--draw",
        dest="mean",
        action="store_false",
        help="draw from p(x|z) instead of showing its mean",
    )


SAMPLE = Command(
    "sample",
    "draw samples from a model",
    _sample_arguments,
    _sample,
)
RECONSTRUCT = Command(
    "reconstruct",
    "see images through a model's code",
    _reconstruct_arguments,
    _operation("reconstructions", pictures.reconstructions, _write_reconstructions),
)
COMPLETE = Command(
    "complete",
    "go on where an image, or a text, was cut off",
    _complete_arguments,
    _complete,
)
INTERPOLATE = Command(
    "interpolate",
    "lead from one image to another through the latent space",
    _interpolate_arguments,
    _operation("interpolation", pictures.interpolation, _write_interpolation),
)
TRAVERSE = Command(
    "traverse",
    "change one latent at a time",
    _traverse_arguments,
    _operation("traversal", pictures.traversal, _write_traversal),
)
ENCODE = Command("encode", "write the codes of images", _encode_arguments, _encode)
