"""`zoo train`."""

import argparse
from pathlib import Path

from zoo import configuration
from zoo.commands.command import Command, say
from zoo.errors import EntryError
from zoo.files import CONFIG, refuse_existing


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME|FILE.yaml", help="an entry, or a config of your own")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="key=value",
        action="append",
        default=[],
        help="change the config, such as training.epochs=5; may be repeated",
    )
    parser.add_argument("--out", metavar="DIR", help="the run's folder (runs/NAME/<number>)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument(
        "--strategy",
        default="auto",
        metavar="auto|one|mirrored|multiworker",
        help="of tf.distribute",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the resolved config, no more")


def _run(args: argparse.Namespace) -> None:
    config = configuration.read(args.name, args.overrides)
    directory = Path(args.out) if args.out else _numbered(Path("runs") / config.name, args.resume)
    if args.resume:
        if not (directory / CONFIG).is_file():
            raise EntryError(f"there is no run to resume in {directory}")
        # What was begun goes on, except where the user says otherwise now.
        config = configuration.read(directory / CONFIG, args.overrides)
    else:
        refuse_existing(directory)
    print(config.to_yaml(), end="", flush=True)
    from zoo import storing

    storing.register_all()
    from zoo.training import TrainingSettings, train

    with configuration.located(config):
        if args.dry_run:
            TrainingSettings.from_config(config.values.get("training", {}))
            model = storing.build_model(config)
            say(f"{model.count_params():,} parameters; nothing was written")
            return
        run = train(config.values, directory, strategy=args.strategy, resume=args.resume)
    say(f"{directory}: the weights of epoch {run.selected_epoch}; next: zoo evaluate {directory}")


def _numbered(parent: Path, resume: bool) -> Path:
    """The next free number below `parent`, or the last one taken."""
    numbers = [int(p.name) for p in parent.glob("*") if p.name.isdigit()]
    last = max(numbers, default=0)
    return parent / str(last if resume else last + 1)


TRAIN = Command("train", "train an entry or a config of your own", _arguments, _run)
