"""`zoo lesson`: the pages of `docs/`, measured and drawn again."""

import argparse
from pathlib import Path

from zoo.commands.command import Command

# Their help stands here, so that `zoo --help` imports no TensorFlow.
_LESSONS = {
    "latent-spaces": "where an autoencoder, a denoising and a variational one put the digits",
    "gaps": "a grid decoded by an autoencoder and by a VAE, and what each term does",
    "rate-distortion": "rate and distortion of a VAE over the weight of its KL",
    "variants": "every variant of the models of digits, trained and measured alike",
    "traversals": "what each latent of the models of shapes does, sorted by KL",
    "pixels": "one causal network with Gaussian, softmax and mixture pixels",
    "orders": "orders of drawing: forward, reversed and random, one network each",
    "language": "n-grams by their order, and free-running networks by position",
    "likelihoods": "likelihoods of all families, by data, kind and form of the numbers",
    "points": "how a GAN, while it learns, and a diffusion carry noise to a ring",
    "samples": "how close samples of every entry of MNIST come to data",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "lessons:\n" + "\n".join(f"  {k:<16} {v}" for k, v in _LESSONS.items())
    parser.add_argument("lesson", metavar="LESSON", choices=_LESSONS, help="one of those below")
    parser.add_argument("--out", metavar="DIR", default="lessons", help="a folder (lessons)")
    parser.add_argument("--overwrite", action="store_true", help="replace the page in it")


def _run(args: argparse.Namespace) -> None:
    from zoo.lessons import LESSONS, write

    print(write(LESSONS[args.lesson].make, args.lesson, Path(args.out), args.overwrite))


LESSON = Command("lesson", "measure and draw a page of the documentation again", _arguments, _run)
