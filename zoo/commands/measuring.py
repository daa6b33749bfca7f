"""`zoo evaluate` and `zoo verify`: numbers, measured here and now on the test data."""

import argparse

from zoo import catalogue
from zoo.commands.command import Command, add_json, print_json, say
from zoo.errors import ZooError


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME|DIR", help="a trained entry, or a run's folder")
    add_json(parser)


def _evaluate(args: argparse.Namespace) -> None:
    model = catalogue.load(args.name)
    from zoo.measuring import measure

    results = measure(model, model.config)
    if args.json:
        print_json({"name": args.name, "numbers": {k: r.record() for k, r in results.items()}})
        return
    for name, result in results.items():
        print(f"{name}  {result}")


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a trained entry")
    add_json(parser)


def _verify(args: argparse.Namespace) -> None:
    card = catalogue.card(args.name)
    model = catalogue.load(args.name)
    from zoo.measuring import drifts, measure

    results = measure(model, model.config)
    found = {name: result.record() for name, result in results.items()}
    faults = drifts(card["numbers"], found)
    if args.json:
        print_json({"name": args.name, "numbers": found, "drifts": faults})
    else:
        for name, result in results.items():
            print(f"{name}  card {card['numbers'].get(name, {}).get('value')}  now {result}")
    if faults:
        raise ZooError(f"{args.name} has drifted: {'; '.join(faults)}")
    say(f"{args.name}: every number of its card was measured again")


EVALUATE = Command("evaluate", "measure a model on its test data", _evaluate_arguments, _evaluate)
VERIFY = Command("verify", "measure an entry again, against its card", _verify_arguments, _verify)
