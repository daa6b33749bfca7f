"""Every shipped entry: its files, its card, and a part of its numbers, measured again."""

import json

import pytest

import zoo
from zoo import catalogue, configuration, measuring
from zoo.cards import card_text
from zoo.errors import DataError
from zoo.files import CARD, WEIGHTS
from zoo.models.weights import sha256
from zoo.pretrained.checksums import CHECKSUMS
from zoo.shipping import README, results_table

SHIPPED = zoo.entries(pretrained=True)
FOLDERS = sorted(p.name for p in catalogue.PRETRAINED.iterdir() if (p / CARD).is_file())


def test_the_table_of_checksums_is_the_list_of_folders():
    assert sorted(CHECKSUMS) == FOLDERS == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_files_and_card(name):
    folder = catalogue.PRETRAINED / name
    assert sha256(folder / WEIGHTS) == CHECKSUMS[name]
    assert (folder / WEIGHTS).stat().st_size <= 8 * 2**20
    card = json.loads((folder / CARD).read_text())
    assert (folder / "README.md").read_text() == card_text(card)
    # What was trained is what the config says today.
    shipped, today = (configuration.read(n).values for n in (folder / "config.yaml", name))
    for section in ("data", "model", "training"):
        assert shipped[section] == today[section], section


@pytest.mark.parametrize("name", SHIPPED)
def test_a_part_of_its_numbers_measured_again(name):
    model = zoo.load(name)
    try:
        results = measuring.measure_part(model, model.config)
    except DataError as error:
        pytest.skip(f"its data are not at hand: {error}")
    found = {key: result.record() for key, result in results.items()}
    assert measuring.drifts(catalogue.card(name)["part"], found) == []


def test_all_weights_together():
    sizes = [(catalogue.PRETRAINED / n / WEIGHTS).stat().st_size for n in SHIPPED]
    assert sum(sizes) <= 90 * 2**20


def test_the_readmes_table_is_made_of_the_cards():
    assert results_table() in README.read_text(encoding="utf-8")
