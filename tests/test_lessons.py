"""Lessons: the pages are written whole, and each is known to the command line."""

from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from zoo import lessons
from zoo.cli import main
from zoo.commands import lesson as command
from zoo.errors import ZooError
from zoo.lessons import Page, likelihoods, points, rate_distortion, samples, variants, write


def _page() -> Page:
    page = Page("A title")
    page.say("A paragraph.")
    figure, axes = plt.subplots()
    axes.plot([0, 1])
    page.show("a-picture", figure, "A caption")
    page.tabulate(("a", "b"), [("1", "2")])
    return page


def test_a_page_is_written_with_its_pictures(tmp_path):
    file = write(_page, "name", tmp_path)
    assert file.read_text() == (
        "# A title\n\nA paragraph.\n\n![A caption](pictures/a-picture.png)\n\n"
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n"
        "`zoo lesson name` measures and draws this page again.\n"
    )
    assert (tmp_path / "pictures" / "a-picture.png").stat().st_size > 1000
    with pytest.raises(ZooError, match="exists"):
        write(_page, "name", tmp_path)
    write(_page, "name", tmp_path, overwrite=True)


def test_the_command_knows_every_lesson(capsys):
    assert {k: v.help for k, v in lessons.LESSONS.items()} == command._LESSONS
    with pytest.raises(SystemExit) as stop:
        main(["lesson", "nothing"])
    assert stop.value.code == 2
    assert "latent-spaces" in capsys.readouterr().err


def test_the_command_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(lessons.LESSONS, "gaps", lessons.Lesson("a help", _page))
    assert main(["lesson", "gaps", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "gaps.md")
    assert (tmp_path / "gaps.md").is_file()
    assert main(["lesson", "gaps", "--out", str(tmp_path)]) == 2


def test_every_variant_of_the_digits_is_found():
    names = variants.names("vae.digits")
    assert names[0] == "vae.digits" and len(names) == len(set(names)) > 8
    assert "capacity_vae.digits" in names and "vae.mnist" not in names
    assert "masking_dae.digits" in variants.names("ae.digits")


def test_rate_and_distortion_move_apart(monkeypatch):
    monkeypatch.setattr(rate_distortion, "BETAS", (0.1, 10.0))
    original = rate_distortion.trained

    def quick(name, overrides):
        return original(name, {**overrides, "training.epochs": 5, "training.patience": "null"})

    monkeypatch.setattr(rate_distortion, "trained", quick)
    page = rate_distortion.make()
    low, high = (row.split("|") for row in page.blocks[2].splitlines()[2:])
    assert float(low[2].split("+-")[0]) > float(high[2].split("+-")[0])


def test_noise_is_carried_to_the_ring(monkeypatch):
    monkeypatch.setattr(points, "STAGES", (0, 200))
    monkeypatch.setattr(points, "_COUNTED", 500)
    page = points.make()
    assert set(page.figures) == {"points-game", "points-walk"}
    table = next(block for block in page.blocks if block.startswith("| steps"))
    first, last = (row.split("|") for row in table.splitlines()[2:])
    assert first[3].strip() == "0 of 8" and first[1].strip() == "0" and last[1].strip() == "200"
    # A game that has begun is no longer told apart by chance, or its samples have spread.
    assert last[2] != first[2]
    assert "8 of 8 modes" in page.blocks[-1]


def test_the_page_of_samples_is_that_of_the_cards(monkeypatch):
    names = ["vae_2d.mnist", "gan.mnist", "ae_2d.mnist"]
    monkeypatch.setattr(samples.catalogue, "entries", lambda *args, **options: names)
    original = samples.catalogue.card

    def number(value):
        return {"value": value, "count": 7}

    def card(name):
        keys = (*samples._COLUMNS, "classes", "smallest_class")
        best, worst = (
            {f"samples.{w}{k}": number(v) for k in keys} for w, v in (("", 9), ("means.", 1))
        )
        bits = {
            kind: number(9) | {"bits_per_dim": b, "unit": "nats", "data": {"values": "unit"}}
            for kind, b in (("elbo", 0.3), ("importance", 0.2))
        }
        return {"gan.mnist": original(name), "vae_2d.mnist": {"numbers": best | worst | bits}}.get(
            name, {"numbers": {}}
        )

    monkeypatch.setattr(samples.catalogue, "card", card)
    page = samples.make()
    table = next(block for block in page.blocks if block.startswith("| entry"))
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    assert [row[:3] for row in rows] == [
        ["`vae_2d.mnist`", "means", "7"],
        ["`vae_2d.mnist`", "draws", "7"],
        ["`gan.mnist`", "images", "10,000"],
    ]
    ratio = original("gan.mnist")["numbers"]["samples.frechet_ratio"]["value"]
    assert float(rows[-1][4]) == pytest.approx(ratio, abs=0.06)
    assert [row[-1] for row in rows] == [*["0.200 (binary, importance)"] * 2, ""]
    assert set(page.figures) == {"samples"}


def test_the_page_of_likelihoods_is_that_of_the_shipped_cards(tmp_path):
    page = Path(__file__).parents[1] / "docs" / "likelihoods.md"
    assert page.read_text() == write(likelihoods.make, "likelihoods", tmp_path).read_text()


def test_likelihoods_stand_together_only_if_they_mean_the_same(monkeypatch):
    def number(value, values="levels", **fields):
        data = {"name": "mnist", "values": values, "binarization": "none"}
        bits = {"bits_per_dim": value / 100}
        return {
            "value": -value, "standard_error": 1.0, "unit": "nats", "count": 9, "data": data,
            **bits, **fields,
        }  # fmt: skip

    cards = {
        "a": {"elbo": number(300.0, kind="elbo"), "gain.elbo": {**number(5.0), "unit": "nats"}},
        "b": {
            "elbo": number(250.0, kind="elbo"),
            "importance": number(210.0, kind="importance", num_samples=7),
            "baseline.webp": {**number(-4.0), "unit": "bits/dim"},
        },
        "c": {"exact": number(100.0, values="unit", kind="exact")},
        "d": {"exact": number(200.0, kind="exact")},
    }
    cards["a"]["gain.elbo"].pop("bits_per_dim")

    def card(name):
        labels = name == "d"
        return {"name": name, "parameters": 1, "data": {"labels": labels}, "numbers": cards[name]}

    monkeypatch.setattr(likelihoods.catalogue, "entries", lambda pretrained: list(cards))
    monkeypatch.setattr(likelihoods.catalogue, "card", card)
    said, title, table = likelihoods.make().blocks
    assert "read from their cards" in said and title == "## mnist: integers"
    rows = [[cell.strip() for cell in row.split("|")[1:6]] for row in table.splitlines()[2:]]
    assert rows == [
        ["`d`", "2.0000", "200.00 +- 1.00", "exact", "x given y"],
        ["`b`", "2.1000", "210.00 +- 1.00", "importance, K = 7", "x"],
        ["`a`", "3.0000", "300.00 +- 1.00", "elbo", "x"],
        ["webp", "4.0000", "", "a code's length", "x"],
    ]
