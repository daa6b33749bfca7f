"""Sequences from a model, for `zoo sample` and `zoo complete`: text on the screen or in a file."""

import argparse
from pathlib import Path

from zoo.commands.inputs import at_least, write_numbers
from zoo.errors import DataError, NotSupported, ZooError

OPTIONS = ("length", "prompt")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declares what can be asked of a sequence."""
    group = parser.add_argument_group("of text and sound")
    group.add_argument(
        "--length",
        type=at_least(1),
        help="pieces, or samples, in each (the model's own; of sounds half a second)",
    )
    group.add_argument("--prompt", metavar="TEXT", help="what every sample begins with (nothing)")


def is_sequence(model) -> bool:
    from zoo.models import Autoregressive, NGram

    return isinstance(model, Autoregressive | NGram) and len(model.event_shape) == 1


def vocabulary(model):
    """What the numbers of a model of text mean.

    Raises:
        NotSupported: its data are no text.
        DataError: a vocabulary of words whose text is not at hand.
    """
    import inspect

    import zoo.data
    from zoo.data.text import NoText

    section = dict((getattr(model, "config", None) or {}).get("data") or {})
    if not section:
        raise DataError(f"{model.name} does not say on which text it was trained")
    # The arguments of `load` say nothing of the vocabulary.
    own = [k for k in inspect.signature(zoo.data.load).parameters if k != "options"]
    options = {k: v for k, v in section.items() if k not in own}
    try:
        return zoo.data.vocabulary(section["name"], **options)
    except NoText as error:
        raise NotSupported(f"{error}: ask for numbers, in a file that ends in .npz") from error


def write(model, args: argparse.Namespace, path: Path | None) -> None:
    """Draws `args.n` sequences into a `.txt` or `.npz` file, or onto the screen."""
    import numpy as np

    if path is not None and path.suffix.lower() not in (".txt", ".npz"):
        raise ZooError(f"--out {path} must end in .txt or .npz: {args.name} models sequences")
    numbers_only = path is not None and path.suffix.lower() == ".npz"
    words = None if numbers_only and args.prompt is None else vocabulary(model)
    prompt = np.zeros(0, int) if args.prompt is None else words.encode(args.prompt)
    drawn = draw(model, args, prompt)
    if numbers_only:
        write_numbers(path, samples=drawn)
        return
    text = "\n\n".join(words.decode(row) for row in drawn) + "\n"
    if path is None:
        print(text, end="")
        return
    from zoo.pictures.saving import new_file

    with new_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def draw(model, args: argparse.Namespace, prompt):
    """`[n, length]` integers, each row beginning with the prompt."""
    import numpy as np

    from zoo.models import NGram

    length = args.length or max(model.event_shape[0], len(prompt) + 1)
    if length <= len(prompt):
        raise DataError(f"a prompt of {len(prompt)} pieces leaves nothing of {length} to draw")
    how = {"temperature": args.temperature or 1.0, "top_k": args.top_k, "seed": args.seed or 0}
    if isinstance(model, NGram):
        return np.asarray(
            model.sample(args.n, length, prompt=prompt if len(prompt) else None, **how)
        )
    if length != model.event_shape[0]:
        model = model.at_length(length)
    x = np.zeros((args.n, length), np.float32)
    x[:, : len(prompt)] = prompt
    known = np.arange(length) < len(prompt)
    if getattr(model, "condition", None) is not None:
        raise NotSupported(f"{args.name} is conditional: use model.sample(n, y) in Python")
    return model.complete(x, known, **how).numpy().astype(int)
