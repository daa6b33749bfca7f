"""A shipped card, measured anew: only what was asked for changes."""

import json
import shutil

import pytest

from zoo import cards, catalogue, cli, measuring, shipping
from zoo.files import CARD, WEIGHTS

NAME = "vae.digits"


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of a shipped entry, and of the README, in the place of the real ones."""
    shutil.copytree(catalogue.PRETRAINED / NAME, tmp_path / NAME)
    shutil.copy(shipping.README, tmp_path / "README.md")
    monkeypatch.setattr(catalogue, "PRETRAINED", tmp_path)
    monkeypatch.setattr(shipping, "README", tmp_path / "README.md")
    return tmp_path / NAME


def test_one_section_is_measured_anew(copy):
    before = json.loads((copy / CARD).read_text())
    stale = json.loads((copy / CARD).read_text())
    key = "baseline.gaussian_mixture"
    stale["numbers"][key]["value"] -= 50
    stale["numbers"]["elbo"]["value"] -= 50
    (copy / CARD).write_text(json.dumps(stale))
    weights = (copy / WEIGHTS).read_bytes()
    card = shipping.measure_again(NAME, ["baselines"])
    assert card == json.loads((copy / CARD).read_text())
    assert (copy / "README.md").read_text() == cards.card_text(card)
    assert measuring.drifts({key: before["numbers"][key]}, {key: card["numbers"][key]}) == []
    assert card["numbers"]["elbo"] == stale["numbers"]["elbo"]
    assert (copy / WEIGHTS).read_bytes() == weights
    assert shipping.results_table() in shipping.README.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "no entry"),
        (["vae.nothing"], "the nearest entries"),
        ([NAME, "--only", "nothing"], "nothing to measure in evaluation.nothing"),
        ([NAME, "--only", "published"], "nothing to measure in evaluation.published"),
    ],
)
def test_what_cannot_be_measured_changes_nothing(copy, capsys, arguments, message):
    before = {file.name: file.read_bytes() for file in copy.iterdir()}
    assert cli.main(["remeasure", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in copy.iterdir()} == before
