"""`zoo demo`: the whole way once, on digits that come with scikit-learn."""

import argparse
from pathlib import Path

from zoo import configuration
from zoo.commands.command import Command, say
from zoo.files import refuse_existing

ENTRY = "vae.digits"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", default="zoo-demo", help="a new folder (zoo-demo)")


def _run(args: argparse.Namespace) -> None:
    out = Path(args.out)
    refuse_existing(out)
    say(f"1/5  training {ENTRY}: a variational autoencoder on 1 297 images of 8 x 8 pixels")
    from zoo import exporting, storing

    storing.register_all()
    from zoo.measuring import splits
    from zoo.training import train

    run = train(configuration.read(ENTRY).values, out / "run")
    say(f"2/5  epoch {run.selected_epoch} was best on held-out images; measuring on test images")
    data = splits(configuration.read(ENTRY).values, labels=True)
    for name, result in _measured(run.model, data.test).items():
        print(f"{name}  {result}")
    say(f"3/5  pictures: {out / 'pictures'}")
    _pictures(run, data.test, out / "pictures")
    say(f"4/5  an entry that zoo.load reads: {out / 'entry'}")
    storing.save(storing.read(out / "run"), out / "entry")
    say(f"5/5  a SavedModel that answers without zoo: {out / 'served'}")
    exporting.export(run.model, out / "served")
    say(f"done; look at {out / 'pictures' / 'reconstructions.png'}")


def _measured(model, test):
    from zoo.evaluation import evaluate

    return evaluate(model, test, num_samples=1000)


def _pictures(run, test, folder: Path) -> None:
    from zoo import pictures

    folder.mkdir()
    x, _ = next(iter(test))
    say_what = {"name": ENTRY, "data": "digits, test split"}
    for name, figure in {
        "reconstructions": pictures.reconstructions(run.model, x.numpy()[:20], **say_what),
        "samples": pictures.samples(run.model, 100, mean=True, name=ENTRY),
        "interpolation": pictures.interpolation(
            run.model, x.numpy()[:8], x.numpy()[8:16], **say_what
        ),
        "curves": pictures.training_curves(run.log, name=ENTRY),
    }.items():
        pictures.save(figure, folder / f"{name}.png")


DEMO = Command("demo", "train, measure, draw, save and export a small model", _arguments, _run)
