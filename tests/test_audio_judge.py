"""A judge of sounds: its spectrogram, how it is trained, and what it finds of what was asked."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo import data, measuring
from zoo.data.spoken_digits import PADDING, Recording, from_mu_law, mu_law, windows
from zoo.distributions import IndependentCategorical
from zoo.errors import DataError, NotSupported
from zoo.evaluation.classification import _conditions, evaluate_classifier, share_as_asked
from zoo.models import Classifier
from zoo.models.classifier import _noisy, _shifted
from zoo.networks import MLP, ConvEncoder, LogMelEncoder, OneHot, RecordingLabels
from zoo.noise import fold

RATE = 8000


def encoder(**changes):
    return LogMelEncoder(ConvEncoder([2], units=[4]), **changes)


def levels_of(wave):
    return mu_law(wave)[np.newaxis].astype(np.float32)


# The spectrogram.


@pytest.mark.parametrize(("window", "hop", "rate"), [(64, 24, 8000), (51, 51, 11025)])
def test_the_spectrogram_is_its_formula(window, hop, rate):
    random = np.random.RandomState(0)
    x = random.randint(0, 256, (2, 700)).astype(np.float32)
    x[1, 500:] = PADDING
    layer = encoder(bands=5, window=window, hop=hop, quietest=-50.0, rate=rate)
    # By numpy: silence behind the end, windows of Hann, squared amplitudes, triangles, logarithm.
    waves = from_mu_law(np.where(x == PADDING, 128, x))
    waves = np.pad(waves, [[0, 0], [0, window]])
    hann = np.hanning(window + 1)[:-1]
    starts = range(0, 700, hop)
    frames = np.stack([waves[:, s : s + window] for s in starts], axis=1)
    power = np.abs(2 * np.fft.rfft(frames * hann) / hann.sum()) ** 2
    mel = 2595 * np.log10(1 + np.fft.rfftfreq(window, 1 / rate) / 700)
    corners = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), 7)
    triangles = [np.interp(mel, corners[b : b + 3], [0, 1, 0]) for b in range(5)]
    expected = np.log1p(power @ np.stack(triangles, axis=1) * 1e5) / np.log1p(1e5)
    found = layer.spectrogram(x)
    assert found.shape == (2, len(starts), 5, 1)
    np.testing.assert_allclose(found[..., 0], expected, atol=2e-4)


@pytest.mark.parametrize("hertz", [300, 1000, 3100])
def test_a_tone_is_bright_in_its_band_alone(hertz):
    layer = encoder(bands=32)
    tone = np.sin(2 * np.pi * hertz * np.arange(4096) / RATE)
    corners = 700 * np.expm1(np.linspace(0, np.log1p(RATE / 2 / 700), 34))
    band = np.abs(corners[1:-1] - hertz).argmin()
    loud = layer.spectrogram(levels_of(0.99 * tone))[0, 2:-2, :, 0].numpy()
    assert set(loud.argmax(axis=1)) == {band}
    assert np.all(np.abs(loud[:, band] - 1) < 0.1)
    far = np.abs(np.arange(32) - band) > 4
    assert loud[:, far].max() < 0.5
    # A tenth of the amplitude is 20 of 60 dB less.
    soft = layer.spectrogram(levels_of(0.099 * tone))[0, 2:-2, band, 0]
    np.testing.assert_allclose(loud[:, band] - soft, 1 / 3, atol=0.02)


def test_padding_is_silence():
    x = np.random.RandomState(0).randint(0, 256, (3, 600)).astype(np.float32)
    x[0, 400:], x[1], x[2] = PADDING, PADDING, 128
    layer = encoder()
    layer.build((None, 600))
    silent = np.where(x == PADDING, 128, x)
    np.testing.assert_array_equal(layer.spectrogram(x), layer.spectrogram(silent))
    np.testing.assert_array_equal(layer(x), layer(silent))
    assert (
        np.abs(layer.spectrogram(x[1:])).max()
        < 0.001
        < layer.spectrogram(x[:1])[0, 0].numpy().min()
    )


def test_sixteen_bits_hold_what_the_spectrogram_needs():
    x = np.append(np.arange(257), np.full(300, 200)).astype(np.float32)[np.newaxis]
    exact = encoder().spectrogram(x)
    layer = encoder(dtype="mixed_bfloat16")
    half = layer.spectrogram(tf.cast(x, tf.bfloat16))
    assert half.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(half, tf.float32), exact, atol=0.005)


def test_bad_spectrograms_are_refused():
    for change in ({"bands": 0}, {"hop": 257}, {"hop": 0}, {"quietest": 0}, {"rate": 0}):
        with pytest.raises(ValueError, match="LogMelEncoder takes"):
            encoder(**change)
    with pytest.raises(ValueError, match="32 bands are too many for windows of 64 samples"):
        encoder(window=64, hop=32)
    with pytest.raises(ValueError, match=r"takes sounds \[B, T\]"):
        encoder().build((None, 28, 28, 1))
    with pytest.raises(ValueError, match="not a layer"):
        LogMelEncoder("ConvEncoder")


# How it is trained.


def test_shifts_move_a_sound_in_time_and_nothing_comes_in():
    x = np.random.RandomState(0).randint(0, 256, (200, 20)).astype(np.float32)
    found = _shifted(tf.constant(x), 3, float(PADDING), fold(0, "test")).numpy()
    offsets = set()
    for before, after in zip(x, found, strict=True):
        padded = np.concatenate([np.full(3, PADDING), before, np.full(3, PADDING)])
        offset = [i for i in range(7) if np.array_equal(padded[i : i + 20], after)]
        offsets |= {*offset}
        assert len(offset) == 1
    assert offsets == set(range(7))


def test_shifts_move_an_image_both_ways():
    x = np.random.RandomState(0).uniform(size=(100, 5, 6, 2)).astype(np.float32)
    found = _shifted(tf.constant(x), 1, 0.0, fold(0, "test")).numpy()
    offsets = set()
    for before, after in zip(x, found, strict=True):
        padded = np.pad(before, [[1, 1], [1, 1], [0, 0]])
        places = [(i, j) for i in range(3) for j in range(3)]
        equal = [p for p in places if np.array_equal(padded[p[0] :, p[1] :][:5, :6], after)]
        offsets |= {*equal}
        assert len(equal) == 1
    assert offsets == set(places)


def test_noise_is_of_each_example_its_own_and_also_where_there_is_nothing():
    x = np.full((400, 1000), 100.0, np.float32)
    x[:, 500:] = PADDING
    found = _noisy(tf.constant(x), 256, 20.0, fold(0, "test")).numpy()
    assert np.array_equal(found, np.round(found)) and found.min() >= 0 and found.max() <= 255
    means = found.reshape(400, 2, 500).mean(axis=2)
    np.testing.assert_allclose(means, [[100, 128]] * 400, atol=5)
    strengths = found.reshape(400, 2, 500).std(axis=2)
    np.testing.assert_allclose(strengths[:, 0], strengths[:, 1], rtol=0.25, atol=0.5)
    # Uniform from 0 to 20.
    assert strengths.max() < 22
    np.testing.assert_allclose(np.quantile(strengths, [0.25, 0.5, 0.75]), [5, 10, 15], atol=1.5)


class First(keras.layers.Layer):
    """Says what stands first, as one-hot code, and remembers what it was asked."""

    def call(self, x):
        self.seen = x
        return tf.one_hot(tf.cast(x[:, 0], tf.int32), 10)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 10)


def first_judge(**changes):
    """A classifier that is sure of the digit that the first number of a sound is."""
    model = Classifier(
        First(),
        IndependentCategorical([1], levels=10),
        **{"event_shape": (8,), "levels": 256, "name": "first", **changes},
    )
    model.ensure_built()
    model.likelihood.projection.set_weights([20 * np.eye(10), np.zeros(10)])
    return model


def test_only_training_changes_what_is_heard():
    x = tf.constant(np.random.RandomState(0).randint(0, 10, (4, 8)), tf.float32)
    y = tf.zeros([4, 3], tf.int32)
    for changes in ({"shift": 4}, {"noise": 30.0}, {}):
        model = first_judge(**changes)
        for training in (False, True):
            model.terms(x, y, training=training, seed=fold(0, "test"))
            heard = np.array_equal(model.network.seen, x)
            assert heard == (not training or not changes), (changes, training)


def test_its_label_is_one_of_several():
    x = np.tile(np.arange(4.0)[:, np.newaxis], 8).astype(np.float32)
    y = np.array([[0, 3, 5], [1, 2, 5], [2, 1, 5], [3, 0, 5]], np.int32)
    for label, right in ((0, [1, 1, 1, 1]), (1, [0, 0, 0, 0]), (2, [0, 0, 0, 0])):
        model = first_judge(label=label)
        found = model.terms(tf.constant(x), tf.constant(y)).metrics()["accuracy"]
        np.testing.assert_array_equal(found, right)
        measured = evaluate_classifier(model, tf.data.Dataset.from_tensors((x, y)))
        assert measured["accuracy"].value == np.mean(right)
        sure = np.where(right, -np.log1p(9 * np.exp(-20)), -20)
        assert measured["log_likelihood"].value == pytest.approx(sure.mean(), abs=1e-4)
    # A single label needs no place.
    np.testing.assert_array_equal(first_judge().label_of(y[:, 1]), y[:, 1])
    with pytest.raises(DataError, match="first learns label 3 of each example"):
        first_judge(label=3).label_of(y)
    with pytest.raises(DataError, match="labels=True"):
        first_judge().label_of(None)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.full((1, 8), 257.0), "the integers 0 to 256"),
        (np.full((1, 8), 0.5), "fractional"),
        (np.full((1, 8), np.nan), "NaN"),
        (np.zeros((1, 9)), r"shape \[8\]"),
        (np.zeros((0, 8)), "no data"),
    ],
)
def test_a_judge_of_sounds_takes_levels_alone(x, words):
    with pytest.raises(DataError, match=words):
        first_judge().classify(x)


@pytest.mark.parametrize(
    "changes",
    [{"binarized_share": 0.5}, {"levels": 1}, {"label": -1}, {"levels": None, "noise": 1}],
)
def test_classifiers_that_make_no_sense(changes):
    with pytest.raises(ValueError, match=r"classifier of integers|counted from 0"):
        first_judge(**changes)


# What it finds.


def replaying(length: int = 5, unlucky: int = 5):
    """A "model" of sounds that begin with the digit asked; one speaker says the next digit."""

    def sample(n, asked, seed):
        model.asked.append(asked)
        digit = (asked[:, 0] + (asked[:, 1] == unlucky)) % 10
        x = np.random.RandomState(seed).randint(0, 256, (n, length))
        x[:, 0] = digit
        return tf.constant(x, tf.float32)

    def at_length(other):
        model.longer = replaying(other, unlucky)
        return model.longer

    model = types.SimpleNamespace(
        condition=RecordingLabels([10, 5]),
        condition_shape=(3,),
        event_shape=(length,),
        sample=sample,
        at_length=at_length,
        asked=[],
    )
    return model


def test_a_judge_counts_the_digits_that_were_asked():
    model = replaying()
    found = share_as_asked(model, first_judge(), samples=1020)
    assert found.value == 1 and found.count == 1000 and found.unit == "share"
    # At the judge's length; every digit of every speaker equally often, from the beginning.
    asked = np.concatenate(model.longer.asked)
    combinations, counts = np.unique(asked, axis=0, return_counts=True)
    assert len(combinations) == 50 and set(counts) == {20} and not asked[:, 2].any()
    assert combinations.max(axis=0).tolist() == [9, 4, 0]
    wrong = share_as_asked(replaying(8, unlucky=3), first_judge(), samples=500)
    assert wrong.value == pytest.approx(0.8)
    assert wrong.standard_error == pytest.approx(np.sqrt(0.8 * 0.2 / 499))
    # A judge of speakers knows them by another label.
    other = share_as_asked(replaying(8), first_judge(label=1), samples=500)
    assert other.value == pytest.approx(0.1)


def test_labels_alone_are_asked_one_after_the_other():
    model = types.SimpleNamespace(condition=OneHot(3), condition_shape=())
    assert _conditions(model, 7).tolist() == [0, 0, 1, 1, 2, 2]
    assert _conditions(model, 1).tolist() == [0, 1, 2]


def test_a_wavenet_is_judged_from_its_config(monkeypatch):
    model = zoo.create("wavenet.spoken_digits", smoke=True)
    section = zoo.configuration.read("wavenet.spoken_digits").values["evaluation"]
    judge = first_judge(event_shape=(12,))
    monkeypatch.setattr(measuring.catalogue, "load", {section["judge"]: judge}.get)
    found = measuring._judged(model, section["judge"], 50)["asked_class"]
    assert found.count == 50 and 0 <= found.value < 1
    assert found.data["judge"] == "classifier.spoken_digits"
    assert section["judged"] == 500


def test_what_cannot_be_judged():
    images = Classifier(MLP([4]), IndependentCategorical([1], levels=10), (4, 4, 1), name="eye")
    images.ensure_built()
    with pytest.raises(NotSupported, match=r"judge eye looks at examples of shape \[4, 4, 1\]"):
        share_as_asked(replaying(), images)
    model = replaying(8)
    with pytest.raises(DataError, match="samples must be a whole number"):
        share_as_asked(model, first_judge(), samples=0)
    with pytest.raises(DataError, match="learns label 3"):
        share_as_asked(model, first_judge(label=3), samples=50)
    model.condition = MLP([3])
    with pytest.raises(NotSupported, match="condition is on other things"):
        share_as_asked(model, first_judge())


# The data.


def test_first_windows_are_the_beginnings_of_all_recordings():
    draw = np.random.RandomState(0)
    lengths = (3, 10, 25)
    found = [
        Recording(i, i, i, draw.randint(0, 256, n).astype(np.uint8)) for i, n in enumerate(lengths)
    ]
    x, y = windows(found, 10, first_only=True)
    assert y.tolist() == [[0, 0, 0], [1, 1, 0], [2, 2, 0]]
    for row, recording, length in zip(x, found, lengths, strict=True):
        np.testing.assert_array_equal(row[:length], recording.levels[:10])
        assert np.all(row[length:] == PADDING)


def test_the_judge_hears_each_recording_once():
    try:
        splits = data.load(
            "spoken_digits", labels=True, length=1000, first_only=True, batch_size=50
        )
    except DataError as error:
        if "is not prepared" not in str(error):
            raise
        pytest.skip("spoken_digits is not prepared here")
    counts = [data.description(split).count for split in splits]
    assert counts == [2100, 150, 250]
    for split in (splits.valid, splits.test):
        y = np.concatenate([y for _, y in split])
        assert not y[:, 2].any()
        assert set(np.unique(y[:, :2], axis=0, return_counts=True)[1]) == {len(y) // 50}
    both = data.load("spoken_digits", length=1000, first_only=True, whole=True)
    assert data.description(both.test).event_shape > (1000,)
    assert data.description(both.test).version != data.description(splits.test).version
    with pytest.raises(DataError, match="first_only is True or False"):
        data.load("spoken_digits", first_only="yes")
