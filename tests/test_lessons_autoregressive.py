"""The lessons of the autoregressive family, at tiny budgets, and the normal over levels."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

import zoo.data
from zoo.distributions import IndependentNormal
from zoo.errors import DataError
from zoo.lessons import language, orders, pixels
from zoo.models.ngram import NGram


def _shakespeare() -> None:
    try:
        zoo.data.stream("shakespeare", "test", length=1)
    except DataError as error:
        if "is not prepared" not in str(error):
            raise
        pytest.skip("shakespeare is not prepared here")


def _table(page, index: int) -> list[list[str]]:
    """The cells of the page's table number `index`, without its head."""
    tables = [block for block in page.blocks if block.startswith("| ")]
    return [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in tables[index].splitlines()[2:]
    ]


# The normal over levels.


def _quantized(loc, scale, levels):
    """Its log-probabilities `[L]` of one element, and scipy's probabilities."""
    parameters = {
        "loc": tf.fill([levels, 1, 1, 1], loc),
        "scale": tf.fill([levels, 1, 1, 1], scale),
    }
    p = IndependentNormal([1, 1, 1]).quantized(parameters, levels)
    found = p.log_prob(np.arange(levels, dtype="float32").reshape(-1, 1, 1, 1)).numpy()
    # The borders between the bins of x / (levels - 1).
    borders = [-np.inf, *((np.arange(levels - 1) + 0.5) / (levels - 1)), np.inf]
    return found.astype("float64"), np.diff(scipy.stats.norm.cdf(borders, loc, scale))


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("scale", [0.002, 0.1, 1.0])
@pytest.mark.parametrize("loc", [-0.4, 0.0, 0.31, 1.0, 1.7])
def test_a_normal_over_levels_is_scipys(loc, scale, levels):
    found, expected = _quantized(loc, scale, levels)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-6)
    # Float32 knows a place among 256 levels to some 1e-5 of a level.
    np.testing.assert_allclose(np.exp(found), expected, atol=1e-5)


def test_a_normal_over_levels_is_finite_far_away():
    for loc in (-40.0, 40.0):
        found, _ = _quantized(loc, 0.002, 256)
        assert np.isfinite(found).all() and found.min() < -1e7
        near = 0 if loc < 0 else 255
        assert found[near] == pytest.approx(0, abs=1e-6) and found.argmax() == near


@pytest.mark.parametrize("scale", ["fixed", "per_element"])
def test_a_normal_over_levels_is_of_whole_images(scale):
    likelihood = IndependentNormal([3, 2, 1], scale=scale, value=0.3)
    parameters = likelihood(np.random.default_rng(0).normal(size=(4, 5)).astype("float32"))
    x = np.random.default_rng(1).integers(0, 17, (4, 3, 2, 1)).astype("float32")
    p = likelihood.quantized(parameters, 17)
    whole = tf.reduce_sum(p.distribution.log_prob(x), axis=[1, 2, 3])
    np.testing.assert_allclose(p.log_prob(x), whole, rtol=1e-6)
    drawn = p.sample(50, seed=[0, 1]).numpy()
    assert drawn.shape == (50, 4, 3, 2, 1) and set(np.unique(drawn)) <= set(range(17))
    # The draws of fine levels have the mean of the density, where no edge is near.
    fine = likelihood.quantized(
        {"loc": tf.fill([9, 3, 2, 1], 0.5), "scale": tf.constant(0.05)}, 256
    )
    assert fine.sample(200, seed=[0, 2]).numpy().mean() / 255 == pytest.approx(0.5, abs=2e-3)


@pytest.mark.parametrize("levels", [1, 2.5])
def test_levels_that_are_none_are_refused(levels):
    parameters = {"loc": tf.zeros([1, 1, 1, 1]), "scale": tf.ones([1, 1, 1, 1])}
    with pytest.raises(ValueError, match="2 levels or more"):
        IndependentNormal([1, 1, 1]).quantized(parameters, levels)


# The lessons.


def test_pixels_are_compared_as_probabilities_of_levels(monkeypatch):
    monkeypatch.setattr(pixels, "SETS", {"digits": pixels.Budget(4, 40)})
    monkeypatch.setattr(pixels, "NETWORK", {"filters": 4, "layers": 1, "units": 8})
    trials = {}
    original = pixels._trials
    monkeypatch.setattr(pixels, "_trials", lambda *a: trials.setdefault("digits", original(*a)))
    page = pixels.make()
    rows = _table(page, 0)
    assert [row[0] for row in rows] == list(pixels.likelihoods((8, 8, 1), 17))
    assert [row[1] == "P(x)" for row in rows] == [False, False, False, True, True]
    assert [row[3] == "" for row in rows] == [False, False, False, True, True]
    assert set(page.figures) == {"pixels-predictive", "pixels-samples-digits"}
    x = np.concatenate([b.numpy() for b in zoo.data.load("digits", values="levels").test])[:3]
    for (kind, trial), row in zip(trials["digits"].items(), rows, strict=True):
        p = pixels.probabilities(trial, x)
        assert p.shape == (3, 8, 8, 17), kind
        np.testing.assert_allclose(p.sum(axis=-1), 1, atol=1e-5, err_msg=kind)
        # What was reported is the sum over the very probabilities of the picture.
        own = np.log(np.take_along_axis(p, x.astype(int), axis=-1)).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(own, trial.result.per_example[:3], rtol=1e-4, err_msg=kind)
        bits = -trial.result.per_example.mean() / 64 / np.log(2)
        assert row[2].startswith(f"{bits:.3f} +- ")


def test_the_differing_pixel_is_where_distributions_are_apart():
    same = np.full([2, 3, 4, 5], 0.2)
    other = same.copy()
    other[1, 2, 0] = [1, 0, 0, 0, 0]
    other[0, 1, 1] = [0.4, 0.2, 0.2, 0.2, 0.0]
    assert pixels.differing_pixel({"a": same, "b": other}) == (1, 2, 0)


def test_orders_are_measured_on_the_same_images(monkeypatch):
    made = orders.BUDGETS["MADE"]._replace(network={"units": [16]}, batch_size=20, steps=40)
    gated = orders.BUDGETS["GatedPixelCNN"]
    gated = gated._replace(network={"filters": 4, "layers": 1}, batch_size=20, steps=4)
    monkeypatch.setattr(orders, "BUDGETS", {"MADE": made, "GatedPixelCNN": gated})
    monkeypatch.setattr(orders, "DATA", "digits")
    monkeypatch.setattr(orders, "RANDOM_SEEDS", (0,))
    page = orders.make()
    rows = _table(page, 0)
    names = [(row[0], row[1].split(",")[0]) for row in rows]
    assert names == [
        *(("MADE", order) for order in ("forward", "reversed", "forward", "random")),
        *(("GatedPixelCNN", order) for order in ("forward", "reversed", "forward")),
    ]
    nats = [float(row[2].split("+-")[0]) for row in rows]
    assert len(set(nats)) == len(nats)
    for row, value in zip(rows, nats, strict=True):
        first = nats[0] if row[0] == "MADE" else nats[4]
        if row[3]:
            assert float(row[3].split("+-")[0]) == pytest.approx(value - first, abs=0.02)
    assert [row[3] == "" for row in rows].count(True) == 2
    assert set(page.figures) == {"orders-samples"}


def test_a_sample_in_the_making_follows_the_order(monkeypatch):
    budget = orders.BUDGETS["MADE"]._replace(network={"units": [4]}, batch_size=20, steps=1)
    monkeypatch.setattr(orders, "BUDGETS", {"MADE": budget})
    monkeypatch.setattr(orders, "DATA", "digits")
    row = orders._row(orders._run("MADE", "reversed", {"model.network.order": "reversed"}).model)
    assert row[0][-1, -1] == 0 and row[0][0, 0] == 1
    # A quarter of the steps: the lowest two of eight rows.
    assert (row[1][:6] == 0.5).all() and set(np.unique(row[1][6:])) <= {0, 1}
    assert set(np.unique(row[4])) <= {0, 1}


def test_bits_by_place_are_those_of_each_piece_by_itself():
    random = np.random.RandomState(0)
    judge = NGram(3, 5).fit(random.randint(0, 5, (40, 30)))
    pieces = random.randint(0, 5, (7, 12))
    found = language.bits_by_place(judge, pieces, 4)
    assert len(found) == 3
    whole = -judge.log_prob(pieces).sum() / np.log(2)
    assert sum(bits.value for bits in found) * 4 * 7 == pytest.approx(whole)
    # Directly, of the middle positions.
    expected = []
    for piece in pieces:
        p = [judge.next_probabilities(piece[None, :i])[0, piece[i]] for i in range(4, 8)]
        expected.append(-np.log2(p).mean())
    assert found[1].value == pytest.approx(np.mean(expected))
    assert found[1].error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(7))


def test_language_is_measured_and_drawn(monkeypatch):
    _shakespeare()
    changes = {"ORDERS": (1, 2, 3), "UNITS": 8, "SAMPLES": 4, "LENGTH": 64, "EPOCHS": 1}
    for name, value in changes.items():
        monkeypatch.setattr(language, name, value)
    original, shares = language.trained, []

    def quick(name, overrides):
        shares.append(overrides.get("model.own_draws"))
        return original(name, {**overrides, "data.examples_per_epoch": 64})

    monkeypatch.setattr(language, "trained", quick)
    page = language.make()
    context, positions = _table(page, 0), _table(page, 1)
    bits = [[float(cell.split("+-")[0]) for cell in row[1:]] for row in context]
    # More context, fewer bits, up to three characters; without context the counts alone decide.
    assert all(a > b for a, b in zip(bits[0], bits[1], strict=True))
    assert all(a > b for a, b in zip(bits[1], bits[2], strict=True))
    assert 4.5 < bits[0][0] < 5
    assert [row[0] for row in positions] == ["0 to 31", "32 to 63"]
    real, forced = (float(positions[1][i].split("+-")[0]) for i in (1, 2))
    assert real < forced
    assert shares[0] is None and shares[1]["end"] == language.SHARE
    assert set(page.figures) == {"language-context", "language-positions"}
    assert sum("```text" in block for block in page.blocks) == len(language.TEMPERATURES)
