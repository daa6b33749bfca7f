"""Order, noise, scaling and batches: what `zoo/data/pipeline.py` and the frozen draws promise."""

import numpy as np
import pytest
import tensorflow as tf

from zoo import data
from zoo.data import frozen, pipeline
from zoo.data.source import from_memory
from zoo.errors import DataError


def numbered(count=50):
    """Examples that tell their own number."""
    return from_memory(np.arange(count, dtype=np.int32)[:, None], levels=count)


def batches(dataset):
    return [x.numpy() for x in dataset]


def training(source, **changes):
    settings = {"values": "levels", "dynamic": False, "labels": False, "batch_size": 10, "seed": 3}
    return pipeline.training_set(source, **(settings | changes))


def test_each_epoch_is_a_new_permutation_and_repeats_when_set():
    dataset = training(numbered())
    first, second = (np.concatenate(batches(dataset))[:, 0] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(50))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, np.arange(50))
    assert dataset.epoch.numpy() == 2
    dataset.epoch.assign(1)
    np.testing.assert_array_equal(np.concatenate(batches(dataset))[:, 0], second)


def test_a_new_process_continues_with_order_and_noise():
    def fresh():
        return data.load("digits", binarize="dynamic", seed=7, batch_size=100).train

    straight = fresh()
    epochs = [batches(straight) for _ in range(3)]
    resumed = fresh()
    resumed.epoch.assign(2)
    np.testing.assert_array_equal(batches(resumed), epochs[2])


def test_seed_decides_on_order():
    a, b = (np.concatenate(batches(training(numbered(), seed=s))) for s in (0, 1))
    assert not np.array_equal(a, b)


def test_training_drops_the_remainder_and_evaluation_keeps_it():
    source = numbered(25)
    train = training(source)
    held = pipeline.evaluation_set(source, values="levels", labels=False, batch_size=10)
    assert [len(x) for x in batches(train)] == [10, 10]
    assert [len(x) for x in batches(held)] == [10, 10, 5]
    assert train.cardinality() == 2 and held.cardinality() == 3
    assert train.element_spec.shape == (10, 1)
    np.testing.assert_array_equal(np.concatenate(batches(held))[:, 0], np.arange(25))


@pytest.mark.parametrize("length", [20, 50, 120])
def test_virtual_epochs_cut_one_stream_of_passes(length):
    virtual = training(numbered(), examples_per_epoch=length)
    assert virtual.cardinality() == length // 10
    stream = np.concatenate([np.concatenate(batches(virtual))[:, 0] for _ in range(10)])
    passes = training(numbered())
    expected = np.concatenate(
        [np.concatenate(batches(passes))[:, 0] for _ in range(-(-len(stream) // 50))]
    )
    np.testing.assert_array_equal(stream, expected[: len(stream)])


def test_labels_stay_with_their_images():
    x = np.arange(40, dtype=np.uint8)[:, None]
    for shuffle in (True, False):
        for image, label in data.from_array(x, np.arange(40), batch_size=8, shuffle=shuffle):
            assert label.dtype == tf.int32
            np.testing.assert_array_equal(image.numpy()[:, 0], label.numpy())


def test_dynamic_binarization_draws_each_epoch_with_the_grey_value_as_probability():
    grey = np.tile(np.array([0, 64, 128, 192, 255], np.uint8), (4000, 1))[:, :, None, None]
    train = data.from_array(grey, binarize="dynamic", batch_size=1000, shuffle=True)
    first, second = (np.concatenate(batches(train)) for _ in range(2))
    assert set(np.unique(first)) == {0.0, 1.0}
    assert not np.array_equal(first, second)
    # No two batches share their noise: a key without the batch index would repeat it.
    assert not np.array_equal(first[:1000], first[1000:2000])
    p = np.array([0, 64, 128, 192, 255]) / 255
    error = np.sqrt(p * (1 - p) / 4000)
    assert np.all(np.abs(first.mean((0, 2, 3)) - p) <= 5 * error)


def test_static_binarization_is_one_draw_with_a_tag():
    def load(seed):
        return data.load("digits", binarize="static", seed=seed, batch_size=100)

    a, b = load(0), load(1)
    for i in (1, 2):
        np.testing.assert_array_equal(np.concatenate(batches(a[i])), np.concatenate(batches(b[i])))
    one, two = (sorted(x.tobytes() for x in np.concatenate(batches(a.train))) for _ in range(2))
    # The remainder differs from epoch to epoch, all else is drawn once.
    assert len(set(one) & set(two)) > 0.8 * len(set(one))
    assert data.description(a.test).binarization == "static:seed=1:sha256=b329c83ac9831f5d"
    assert data.description(a.train).levels == 2


def test_dynamic_leaves_valid_and_test_fixed_for_every_seed_and_batch_size():
    a = data.load("digits", binarize="dynamic", seed=0, batch_size=100)
    b = data.load("digits", binarize="dynamic", seed=1, batch_size=7)
    static = data.load("digits", binarize="static")
    for i in (1, 2):
        fixed = np.concatenate(batches(a[i]))
        np.testing.assert_array_equal(fixed, np.concatenate(batches(b[i])))
        np.testing.assert_array_equal(fixed, np.concatenate(batches(static[i])))
    assert data.description(a.train).binarization == "dynamic"
    assert data.description(a.test) == data.description(static.test)


def test_a_changed_test_set_is_refused(monkeypatch):
    monkeypatch.setitem(frozen.BINARIZED_TEST, "digits", "0" * 64)
    with pytest.raises(DataError, match="binarized test set of digits"):
        data.load("digits", binarize="static")


def test_the_frozen_draw_does_not_depend_on_its_chunks(monkeypatch):
    source = from_memory(np.full((100, 4, 4, 1), 128, np.uint8), levels=256)
    whole, _ = frozen.binarized(source, "valid", "x")
    monkeypatch.setattr(frozen, "_CHUNK", 7)
    parts, _ = frozen.binarized(source, "valid", "x")
    np.testing.assert_array_equal(whole.numpy(), parts.numpy())


def test_dequantized_values_lie_uniformly_in_their_level():
    levels = data.load("digits", values="levels", batch_size=100)
    noisy = data.load("digits", values="dequantized", batch_size=100)
    again = data.load("digits", values="dequantized", seed=5, batch_size=33)
    for integers, floats in zip(levels[1:], noisy[1:], strict=True):
        x, u = np.concatenate(batches(integers)), np.concatenate(batches(floats)) * 17
        u = u - x
        assert u.min() >= 0 and u.max() < 1
        assert abs(u.mean() - 0.5) < 5 / np.sqrt(12 * u.size)
    np.testing.assert_array_equal(
        np.concatenate(batches(noisy.test)), np.concatenate(batches(again.test))
    )
    first, second = batches(noisy.train), batches(noisy.train)
    assert not np.array_equal(first, second)
    order = batches(levels.train)
    # The same seed and epoch give the same order, so the levels can be read off.
    np.testing.assert_array_equal(np.floor(np.array(first) * 17), order)


def test_the_largest_level_stays_below_one():
    brightest = np.full((2000, 32, 32, 1), 255, np.uint8)
    for shuffle in (True, False):
        x = data.from_array(brightest, values="dequantized", batch_size=500, shuffle=shuffle)
        assert max(b.max() for b in batches(x)) < 1.0


def test_units_and_levels_of_the_same_image():
    unit = np.concatenate(batches(data.load("digits").test))
    levels = np.concatenate(batches(data.load("digits", values="levels").test))
    assert unit.dtype == levels.dtype == np.float32
    assert set(np.unique(levels)) == set(range(17))
    np.testing.assert_allclose(unit, levels / 16)


def test_holding_out_takes_the_end_of_the_pool():
    default, none = data.load("digits"), data.load("digits", valid=0)
    assert none.valid is None
    assert data.description(none.train).count == 1497
    few = data.load("digits", valid=50)
    whole = np.concatenate(batches(default.valid))
    np.testing.assert_array_equal(np.concatenate(batches(few.valid)), whole[-50:])
    np.testing.assert_array_equal(
        np.concatenate(batches(none.test)), np.concatenate(batches(default.test))
    )


def test_the_description_stays_with_the_returned_object():
    splits = data.load("digits", values="levels")
    found = [data.description(s) for s in splits]
    assert [d.split for d in found] == ["train", "valid", "test"]
    assert [d.count for d in found] == [1297, 200, 300]
    assert found[0].event_shape == (8, 8, 1) and found[0].value_range == (0.0, 16.0)
    assert found[0].checksum != found[2].checksum
    assert data.description(splits.test.map(lambda x: x)) is None


def test_a_strategy_does_not_mirror_the_epoch_and_keras_counts_its_steps():
    import keras

    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        train = data.load("digits", labels=True, batch_size=100).train
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert isinstance(train.epoch, tf.Variable)
    assert type(train.epoch).__name__ == "ResourceVariable"
    model.fit(train, epochs=2, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 24


def test_arrays_are_captured_and_not_copied_into_the_graph():
    x = np.random.RandomState(0).randint(0, 256, (2000, 28, 28, 1)).astype(np.uint8)
    source = from_memory(x, levels=256)
    traced = tf.function(source.take).get_concrete_function(tf.TensorSpec([None], tf.int64))
    assert traced.graph.as_graph_def().ByteSize() < 10_000


def test_no_thread_tunes_a_pipeline():
    for split in data.load("digits"):
        assert split.options().autotune.enabled is False
