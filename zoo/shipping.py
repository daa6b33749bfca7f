"""For maintainers: a trained run becomes a shipped entry, with its card and its row in the README.

Works in a checkout only. Test data are looked at here, once.
"""

import json
import os
import platform
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from zoo import catalogue, configuration, plain_yaml, storing
from zoo.cards import card_text, line
from zoo.errors import EntryError, ZooError
from zoo.files import CARD, CHECKSUM, CONFIG, WEIGHTS, refuse_existing

README = Path(__file__).resolve().parent.parent / "README.md"
_TABLE = re.compile(r"(<!-- results -->\n).*?(<!-- end of results -->)", re.DOTALL)
# Numbers that stand on the card alone.
_DETAILS = re.compile(
    r"(.*\.)?(rate|distortion|active_units|code_mean|code_covariance|jacobian_norm|log_likelihood)"
    r"|gap_of_.*|baseline\.restoration\..*|samples\..+\..+"
)
_LARGEST = 8 * 2**20


def ship(run: Path, name: str) -> dict[str, Any]:
    """Measures a run's model and writes it as the entry `name`.

    Args:
        run: the run's folder.
        name: an entry whose config the run resolved.

    Returns:
        The card.

    Raises:
        EntryError: no such entry.
        ZooError: it is shipped already, its weights are too large, or this is no checkout.
    """
    if name not in configuration.names():
        raise EntryError(f"there is no config {name}: write configs/{name}.yaml first")
    if not README.is_file():
        raise ZooError("entries are shipped from a checkout of the project")
    folder = catalogue.PRETRAINED / name
    refuse_existing(folder)
    model = catalogue.load(run)
    entry = configuration.read(name).values
    for section in ("data", "model", "training"):
        if model.config.get(section) != entry.get(section):
            raise ZooError(f"{run} was not trained as configs/{name}.yaml says: {section} differs")
    # What is measured may have been written down after the training.
    if "evaluation" in entry:
        model.config["evaluation"] = entry["evaluation"]
    from zoo.measuring import measure, measure_part
    from zoo.models.weights import round_to_half

    # Half the room; what is measured is what is shipped.
    round_to_half(model)
    results = measure(model, model.config)
    part = measure_part(model, model.config)
    card = {
        "name": name,
        "title": model.config.get("title"),
        "paper": model.config.get("paper"),
        "licence": model.config.get("licence"),
        "note": entry.get("note"),
        "parameters": model.count_params(),
        "data": model.config["data"],
        "training": _training(run, model.config),
        "numbers": {key: result.record() for key, result in results.items()},
        "part": {key: result.record() for key, result in part.items()},
        "published": (model.config.get("evaluation") or {}).get("published"),
    }
    text = card_text(card)
    storing.save(model, folder, card, half=True)
    if (folder / WEIGHTS).stat().st_size > _LARGEST:
        shutil.rmtree(folder)
        raise ZooError(f"the weights of {run} take more than 8 MB: choose a smaller network")
    (folder / "README.md").write_text(text, encoding="utf-8")
    _record_checksum(name, (folder / CHECKSUM).read_text().split()[0])
    update_table()
    return card


def measure_again(name: str, only: Collection[str] | None = None) -> dict[str, Any]:
    """Measures a shipped entry as its config says now, and writes its card anew.

    Args:
        name: a trained entry.
        only: these sections of `evaluation`; the card's other numbers stay. None: all.

    Returns:
        The card.

    Raises:
        EntryError: no such entry, or one without weights.
        ConfigError: nothing to measure in a section of `only`.
    """
    from zoo.measuring import measure, measure_part

    card, model = catalogue.card(name), catalogue.load(name)
    evaluation = configuration.read(name).values.get("evaluation") or {}
    model.config["evaluation"] = evaluation
    found = {key: result.record() for key, result in measure(model, model.config, only).items()}
    if only is None:
        part = {key: result.record() for key, result in measure_part(model, model.config).items()}
        card |= {"numbers": found, "part": part, "published": evaluation.get("published")}
    else:
        card["numbers"] |= found
    folder, text = catalogue.PRETRAINED / name, card_text(card)
    (folder / CONFIG).write_text(plain_yaml.dump(model.config), encoding="utf-8")
    (folder / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(text, encoding="utf-8")
    update_table()
    return card


def results_table() -> str:
    """The README's table, from the cards."""
    rows = ["| entry | model | data | measured on the test set |", "|---|---|---|---|"]
    for name in catalogue.entries(pretrained=True):
        card = catalogue.card(name)
        numbers = "<br>".join(
            f"{k}: {line(r)}" for k, r in card["numbers"].items() if not _DETAILS.fullmatch(k)
        )
        rows.append(f"| `{name}` | {card['title']} | {card['data']['name']} | {numbers} |")
    return "\n".join(rows)


def update_table() -> None:
    """Writes the table of results in the README anew."""
    text = README.read_text(encoding="utf-8")
    table = _TABLE.sub(lambda found: f"{found[1]}{results_table()}\n{found[2]}", text)
    README.write_text(table, encoding="utf-8")


def _training(run: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    import keras
    import tensorflow as tf

    from zoo.training.callbacks import read_log

    log = read_log(Path(run) / "log.csv")
    return {
        **{k: v for k, v in config["training"].items() if k != "backup_seconds"},
        "epochs_run": len(log),
        "wall_clock_minutes": round(sum(float(row["seconds"]) for row in log) / 60, 1),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": f"tensorflow {tf.__version__}, keras {keras.__version__}",
    }


def _record_checksum(name: str, digest: str) -> None:
    file = catalogue.PRETRAINED / "checksums.py"
    # As the file is now: another entry may have been shipped since this process began.
    table = dict(re.findall(r'"(.+)": "([0-9a-f]{64})"', file.read_text(encoding="utf-8")))
    table = dict(sorted({**table, name: digest}.items()))
    lines = "".join(f'    "{key}": "{value}",\n' for key, value in table.items())
    head = file.read_text(encoding="utf-8").split("CHECKSUMS")[0]
    file.write_text(f"{head}CHECKSUMS: dict[str, str] = {{\n{lines}}}\n", encoding="utf-8")
    catalogue.CHECKSUMS.update(table)
