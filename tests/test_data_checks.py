"""Bad data and bad arguments: one line that names the thing, as a DataError."""

import numpy as np
import pytest

from zoo import data
from zoo.errors import DataError

GREY = np.random.RandomState(0).randint(0, 256, (20, 6, 6, 1)).astype(np.uint8)
UNIT = (GREY / 255).astype(np.float32)


def with_value(value):
    x = UNIT.copy()
    x[3, 0, 0, 0] = value
    return x


ARRAYS = {
    "NaN": (with_value(np.nan), {}, "NaN, first in example 3"),
    "infinite": (with_value(np.inf), {}, "infinite"),
    "infinite real": (with_value(-np.inf), {"values": "real"}, "infinite"),
    "grey floats": (GREY.astype(np.float32), {}, r"outside of \[0, 1\].*uint8"),
    "negative": (with_value(-0.1), {}, r"outside of \[0, 1\]"),
    "empty": (UNIT[:0], {}, "empty"),
    "no pixels": (UNIT[:, :0], {}, "empty"),
    "a vector": (UNIT[:, 0, 0, 0], {}, "shape"),
    "a video": (UNIT[:, None], {}, "shape"),
    "text": (np.array([["a", "b"]]), {}, "numbers"),
    "complex": (UNIT.astype(complex), {}, "numbers"),
    "integers without levels": (GREY.astype(int), {}, "levels=, such as"),
    "too few levels": (GREY, {"levels": 16}, "outside of 0..15"),
    "fractions": (UNIT, {"levels": 4}, "fractions"),
    "one level": (GREY, {"levels": 1}, "levels"),
    "colour binarized": (np.repeat(GREY, 3, -1), {"binarize": "dynamic"}, "grey"),
    "binary binarized": (GREY > 9, {"binarize": "static"}, "binary already"),
    "real binarized": (UNIT, {"binarize": "dynamic", "values": "real"}, "does not go with"),
    "levels binarized": (GREY, {"binarize": "dynamic", "values": "levels"}, "does not go with"),
    "floats dequantized": (UNIT, {"values": "dequantized"}, "levels="),
    "integers real": (GREY, {"values": "real"}, "holds integers"),
    "labels missing": (GREY, {"y": np.arange(3)}, "20 examples and 3 labels"),
    "labels as floats": (GREY, {"y": np.zeros(20)}, "must be integers"),
    "batch too large": (GREY, {"shuffle": True}, "do not fill one batch of 128"),
    "unknown binarization": (GREY, {"binarize": "dynamical"}, "did you mean: dynamic"),
    "unknown values": (GREY, {"values": "units"}, "did you mean: unit"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_are_refused(case):
    x, arguments, message = ARRAYS[case]
    with pytest.raises(DataError, match=message) as caught:
        data.from_array(x, name="mine", **arguments)
    assert "\n" not in str(caught.value)


LOADS = {
    "no such set": ("minst", {}, "did you mean: mnist"),
    "no name": ("folder:", {}, "no data set"),
    "not a name": (None, {}, "no data set"),
    "unknown argument": ("digits", {"binarise": "dynamic"}, "takes no argument 'binarise'"),
    "argument of another": ("toy", {"download": True}, "takes no argument 'download'"),
    "zero batch": ("digits", {"batch_size": 0}, "batch_size must be a whole number of at least 1"),
    "NaN batch": ("digits", {"batch_size": float("nan")}, "batch_size"),
    "text seed": ("digits", {"seed": "x"}, "seed"),
    "negative valid": ("digits", {"valid": -1}, "valid must be"),
    "fraction valid": ("digits", {"valid": 0.1}, "valid must be"),
    "NaN valid": ("digits", {"valid": float("nan")}, "valid must be"),
    "all valid": ("digits", {"valid": 1497}, "nothing to train on: digits has 1497"),
    "epoch too short": ("digits", {"examples_per_epoch": 99}, "examples_per_epoch=99"),
    "negative epoch": ("digits", {"examples_per_epoch": -5}, "examples_per_epoch must be"),
    "batch too large": ("digits", {"batch_size": 1400}, "1297 training examples of digits"),
    "no labels": ("toy", {"labels": True}, "toy has no labels"),
    "real set in units": ("toy", {"values": "unit"}, "toy holds real numbers"),
    "real set binarized": ("toy", {"binarize": "dynamic"}, "does not go with"),
    "points binarized": ("points", {"binarize": "static"}, "does not go with"),
    "shapes binarized": ("shapes", {"binarize": "dynamic"}, "shapes is binary already"),
}


@pytest.mark.parametrize("case", LOADS)
def test_loads_are_refused(case):
    name, arguments, message = LOADS[case]
    with pytest.raises(DataError, match=message) as caught:
        data.load(name, **arguments)
    assert "\n" not in str(caught.value)


def test_what_is_right_passes():
    for x, arguments, levels in (
        (GREY, {}, 256),
        (GREY[..., 0], {"binarize": "dynamic"}, 2),
        (UNIT, {"binarize": "static"}, 2),
        (UNIT, {}, None),
        (GREY > 9, {}, 2),
        (GREY.astype(np.float32), {"levels": 256, "values": "levels"}, 256),
        (UNIT * 9 - 4, {"values": "real"}, None),
    ):
        dataset = data.from_array(x, **arguments)
        found = data.description(dataset)
        assert found.levels == levels and found.event_shape == (6, 6, 1)
        low, high = found.value_range
        batch = next(iter(dataset)).numpy()
        assert batch.shape == (20, 6, 6, 1) and batch.dtype == np.float32
        assert low <= batch.min() and batch.max() <= high


def test_every_name_says_its_shape_or_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    for name in data.names():
        try:
            assert all(side > 0 for side in data.image_shape(name))
        except DataError as error:
            assert "TFDS_DATA_DIR" in str(error) or "path=" in str(error)
    assert data.image_shape("mnist") == (28, 28, 1)
