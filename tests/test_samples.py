"""What is measured of samples: floors, classes, modes, conditions, and the keys of a config."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from zoo import judging, measuring
from zoo.data import points
from zoo.errors import DataError
from zoo.evaluation.sample_quality import frechet_distance
from zoo.evaluation.samples import Eyes, Reference, compare_modes, compare_samples, drawn

EYES = Eyes("points", lambda x: x)


class Fake:
    """Draws of the ring itself; conditional, it gives the class as the first number."""

    name, condition = "fake", None

    def __init__(self, condition=None):
        self.condition = condition

    def sample(self, n, y=None, seed=0, mean=False):
        x = points.sample(n, seed=seed)[0]
        if y is not None:
            x[:, 0] = y
        return x * (0 if mean else 1)


class Classes:
    classes = 4


def test_a_perfect_generator_is_at_the_floor_and_a_bad_one_is_not():
    train, test = points.sample(3_000, seed=1)[0], points.sample(1_000, seed=2)[0]
    reference = Reference(test, train, EYES, {"name": "points"})
    good = compare_samples(drawn(Fake(), 2_000), reference)
    assert good["frechet_ratio"].value < 5 and good["precision"].value > 0.9
    assert 0.8 < good["copying"].value < 1.25
    assert good["kernel"].standard_error > 1e-6
    bad = compare_samples(train[:2_000] * 0.5, reference)
    assert bad["frechet_ratio"].value > 20 and bad["precision"].value < 0.1
    copied = compare_samples(train[:2_000], reference)
    assert copied["copying"].value == pytest.approx(0, abs=1e-6)
    assert {r.count for r in good.values()} == {2_000}
    with pytest.raises(DataError, match="floor of 2000"):
        compare_samples(train[:2_000], Reference(test, train[:100], EYES, {}))


def test_what_cannot_be_compared_is_said():
    train, test = points.sample(300, seed=1)[0], points.sample(100, seed=2)[0]
    reference = Reference(test, train, EYES, {})
    assert compare_samples(tf.constant(train[:50]), reference)["frechet"].count == 50
    with pytest.raises(DataError, match=r"shape \[50, 1\] are compared"):
        compare_samples(train[:50, :1], reference)
    with pytest.raises(DataError, match="from 4 on"):
        compare_samples(train[:0], reference)
    with pytest.raises(DataError, match="are an array"):
        Reference(tf.data.Dataset.from_tensors(test), train, EYES, {})


def test_the_floor_of_few_samples_is_a_mean_over_draws():
    train, test = points.sample(3_000, seed=1)[0], points.sample(1_000, seed=2)[0]
    found = compare_samples(drawn(Fake(), 300), Reference(test, train, EYES, {}))
    floor = found["frechet_floor"]
    assert "mean of 10 draws" in floor.unit and floor.count == 300
    parts = np.split(np.random.RandomState(0).permutation(3_000), 10)
    wanted = [frechet_distance(test, train[part]) for part in parts]
    assert floor.value == pytest.approx(np.mean(wanted))
    assert found["frechet_ratio"].value == pytest.approx(found["frechet"].value / np.mean(wanted))


def test_a_reference_looks_at_data_once_for_all_comparisons():
    looks = []

    def features(x):
        looks.append(len(x))
        return x

    train, test = points.sample(3_000, seed=1)[0], points.sample(1_000, seed=2)[0]
    shared = Reference(test, train, Eyes("points", features), {})
    fakes = [drawn(Fake(), 2_000), drawn(Fake(), 2_000, seed=9), drawn(Fake(), 500)]
    for fake in fakes:
        alone = compare_samples(fake, Reference(test, train, EYES, {}))
        assert compare_samples(fake, shared) == alone
    # The test examples and the two floors once, and each set of samples.
    assert sorted(looks) == sorted([1_000, 2_000, *[500] * 6, 2_000, 2_000, 500])


def test_classes_are_counted():
    def classify(x):
        return np.eye(4)[np.clip(x[:, 0].astype(int), 0, 3)]

    train, test = points.sample(3_000, seed=1)[0], points.sample(1_000, seed=2)[0]
    eyes = Eyes("points", lambda x: x, classify)
    found = compare_samples(drawn(Fake(Classes()), 1_000), Reference(test, train, eyes, {}))
    assert found["classes"].value == 4 and found["smallest_class"].value == 0.25
    missing = drawn(Fake(Classes()), 1_000)
    missing[missing[:, 0] == 2, 0] = 3
    found = compare_samples(missing, Reference(test, train, eyes, {}))
    assert found["classes"].value == 3 and found["smallest_class"].value == 0


def test_modes_of_the_ring():
    found = compare_modes(points.sample(20_000, seed=3)[0], {})
    assert found["modes"].value == 8 and found["mode_error"].value < 0.08
    one = compare_modes(np.repeat(points.modes()[:1], 50, axis=0), {})
    assert one["modes"].value == 0 and one["mode_error"].value == 7
    lost = np.random.default_rng(0).normal(size=(50, 2)) * 0.01
    assert compare_modes(lost, {})["astray"].value == 1


def test_samples_are_means_if_asked_and_repeat():
    np.testing.assert_array_equal(drawn(Fake(), 700, seed=1), drawn(Fake(), 700, seed=1))
    assert not drawn(Fake(), 10, mean=True).any()
    with pytest.raises(DataError, match="more than a class"):
        drawn(Fake(object()), 10)


def test_a_config_says_what_looks_at_samples():
    config = {"data": {"name": "points", "valid": 0}, "training": {}}
    asked = {"count": 500, "ways": {"means": {"mean": True}}}
    found = judging.scores(Fake(), config, asked, functools.partial(measuring.splits, config))
    assert found["frechet_floor"].value > 0 and found["modes"].value >= 6
    assert found["means.modes"].value == 0
    sources = {way: found[f"{way}frechet"].data for way in ("", "means.")}
    assert {source["samples"] for source in sources.values()} == {"draws", "means"}
    assert {source["eyes"] for source in sources.values()} == {"none"}
