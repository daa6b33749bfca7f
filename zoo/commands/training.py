"""`zoo train`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import configuration
from zoo.commands.command import Command, say
from zoo.errors import ConfigError, DataError, EntryError
from zoo.files import CONFIG, refuse_existing

if TYPE_CHECKING:
    from zoo.models.base import GenerativeModel


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
    config = named = configuration.read(args.name, args.overrides)
    directory = Path(args.out) if args.out else _numbered(Path("runs") / config.name, args.resume)
    if args.resume:
        if not (directory / CONFIG).is_file():
            raise EntryError(f"there is no run to resume in {directory}")
        # What was begun goes on, except where the user says otherwise now.
        config = configuration.read(directory / CONFIG, args.overrides)
        _require_same(named, config, directory)
    else:
        refuse_existing(directory)
    print(config.to_yaml(), end="", flush=True)
    from zoo import storing

    storing.register_all()
    if args.resume and not storing.has_state(directory):
        say(f"{directory} has no saved state: the run begins anew")
    from zoo.training import train

    with configuration.located(config):
        if args.dry_run:
            model = _checked(config, args.strategy)
            say(f"{model.count_params():,} parameters; nothing was written")
            return
        try:
            run = train(
                config.values,
                directory,
                strategy=args.strategy,
                resume=args.resume,
                check=lambda model: _check_evaluation(model, config),
            )
        except KeyboardInterrupt as interrupt:
            if not (directory / CONFIG).is_file():
                raise
            raise KeyboardInterrupt(storing.resume_hint(directory)) from interrupt
    done = f"the weights of epoch {run.selected_epoch}" if run.log else "counted"
    say(f"{directory}: {done}; next: zoo evaluate {directory}")


def _require_same(named: configuration.Config, begun: configuration.Config, at: Path) -> None:
    for section in ("data", "model"):
        if named.values.get(section) != begun.values.get(section):
            raise EntryError(
                f"the run in {at} has another `{section}:` than {named.name}: name the config that "
                f"it began with, {at / CONFIG}, or start a new run"
            )


def _checked(config: configuration.Config, strategy: str) -> "GenerativeModel":
    """What `train` checks, without data: the untrained model."""
    from zoo import storing
    from zoo.training import TrainingSettings
    from zoo.training.run import data_section, monitored
    from zoo.training.strategies import check_name

    check_name(strategy)
    settings = TrainingSettings.from_config(config.values.get("training", {}))
    settings.build_optimizer(steps_per_epoch=1)
    _check_data(data_section(config.values))
    model = storing.build_model(config)
    monitored(model, settings)
    _check_evaluation(model, config)
    return model


def _check_evaluation(model: "GenerativeModel", config: configuration.Config) -> None:
    from zoo.measuring import check

    check(model, config.values.get("evaluation", {}))


def _check_data(section: Mapping[str, Any]) -> None:
    """Raises a ConfigError for names that `zoo.data.load` does not know; reads no data."""
    from zoo.data.loading import check_names

    try:
        check_names(section["name"], section)
    except DataError as error:
        raise ConfigError(str(error), ("data",)) from error


def _numbered(parent: Path, resume: bool) -> Path:
    """The next free number below `parent`, or the last one taken."""
    numbers = [int(p.name) for p in parent.glob("*") if p.name.isdigit()]
    last = max(numbers, default=0)
    return parent / str(last if resume else last + 1)


TRAIN = Command("train", "train an entry or a config of your own", _arguments, _run)
