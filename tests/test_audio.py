"""Sound: windows of recordings, files, pictures, and linear prediction as a probability."""

import math
import wave as riff
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from scipy.signal import lfilter
from scipy.special import logsumexp
from scipy.stats import logistic

from zoo import data
from zoo.commands.sounds import draw
from zoo.data import spoken_digits, wav
from zoo.data.spoken_digits import PADDING, Recording, from_mu_law, mu_law, to_wave, windows
from zoo.errors import DataError, ZooError
from zoo.evaluation.audio_baselines import BORDERS, LinearPredictor, bits_per_sample
from zoo.pictures import audio


def recordings():
    """Invented ones: shorter than a window of 10, exactly one or two, one more, and longer."""
    draw = np.random.RandomState(0)
    found = []
    for i, length in enumerate((3, 10, 20, 11, 57)):
        levels = draw.randint(0, 256, length).astype(np.uint8)
        found.append(Recording(i % 5, i, i, levels))
    return found


@pytest.fixture(scope="module")
def prepared():
    """The real recordings, by split; a skipped test where they are not prepared."""
    try:
        return {split: spoken_digits.recordings(split) for split in ("train", "valid", "test")}
    except DataError as error:
        if "is not prepared" not in str(error):
            raise
        pytest.skip("spoken_digits is not prepared here")


def put_together(x, y):
    """Windows -> recordings by (digit, speaker), without what is behind their ends."""
    found = {}
    for window, (digit, speaker, start) in zip(x, y, strict=True):
        parts = found.setdefault((digit, speaker), [])
        assert start == sum(len(part) for part in parts)
        end = np.argmax(window == PADDING) if PADDING in window else len(window)
        assert np.all(window[end:] == PADDING) and end > 0
        parts.append(window[:end])
    return {key: np.concatenate(parts) for key, parts in found.items()}


@pytest.mark.parametrize("length", [1, 7, 10, 100])
def test_windows_hold_each_sample_of_each_recording_once(length):
    x, y = windows(recordings(), length)
    assert x.shape == (sum(-(-n // length) for n in (3, 10, 20, 11, 57)), length)
    found = put_together(x, y)
    for recording in recordings():
        again = found.pop((recording.digit, recording.speaker))
        np.testing.assert_array_equal(again, recording.levels)
    assert not found


def test_the_set_holds_all_recordings_and_nothing_else(prepared):
    splits = data.load("spoken_digits", labels=True, length=2048, batch_size=100)
    for split in ("valid", "test"):
        x, y = (np.concatenate(p) for p in zip(*getattr(splits, split), strict=True))
        assert x.shape[1:] == (2048,) and y.dtype == np.int32
        samples = x[x != PADDING]
        np.testing.assert_array_equal(samples, np.concatenate([r.levels for r in prepared[split]]))
        ends = np.concatenate([y[1:, 2] == 0, [True]])
        recorded = np.array([(r.digit, r.speaker) for r in prepared[split]])
        np.testing.assert_array_equal(y[ends, :2], recorded)
    # Shuffled, and the remainder is dropped: of the windows, look at the count.
    wanted = sum(-(-len(r.levels) // 2048) for r in prepared["train"])
    assert data.description(splits.train).count == wanted
    known = data.description(splits.test)
    assert (known.levels, known.value_range, known.values) == (256, (0.0, 256.0), "levels")


def test_whole_recordings_are_tested_as_one_example_each(prepared):
    windowed = data.load("spoken_digits", length=2048)
    splits = data.load("spoken_digits", labels=True, length=2048, whole=True, batch_size=50)
    x, y = (np.concatenate(p) for p in zip(*splits.test, strict=True))
    longest = max(len(r.levels) for r in prepared["test"])
    assert x.shape == (250, longest) and not y[:, 2].any()
    for row, recording in zip(x, prepared["test"], strict=True):
        np.testing.assert_array_equal(row[row != PADDING], recording.levels)
    # Everything else stays, and the two are told apart.
    assert data.description(splits.valid).event_shape == (2048,)
    versions = [data.description(s.test).version for s in (windowed, splits)]
    assert versions[0] != versions[1]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"values": "unit"}, r"padding beside its levels 0..255: leave out values="),
        ({"values": "dequantized"}, "padding"),
        ({"length": 0}, "length must be"),
        ({"whole": 1}, "whole is True or False"),
    ],
)
def test_what_would_take_padding_for_sound_is_refused(options, match, prepared):
    with pytest.raises(DataError, match=match):
        data.load("spoken_digits", **options)


def test_an_example_is_heard_without_its_padding():
    levels = np.array([0, 128, 255, PADDING, PADDING], np.float32)
    np.testing.assert_allclose(to_wave(levels), [-1, from_mu_law(128), 1])


# Files.


def test_a_wave_is_the_same_after_its_file(tmp_path):
    samples = np.array([-(2**15), -5, 0, 1, 12345, 2**15 - 1])
    wav.write(tmp_path / "a.wav", samples / 2**15, 8000)
    found, rate = wav.read(tmp_path / "a.wav")
    np.testing.assert_array_equal(found * 2**15, samples)
    assert rate == 8000
    with riff.open(str(tmp_path / "a.wav")) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getnframes()) == (1, 2, 6)
        assert sound.readframes(2) == bytes([0x00, 0x80, 0xFB, 0xFF])
    # What is too loud is cut off, not turned around.
    wav.write(tmp_path / "b.wav", np.array([2.0, -2.0]), 11025)
    found, rate = wav.read(tmp_path / "b.wav")
    np.testing.assert_array_equal(found * 2**15, [2**15 - 1, -(2**15)])
    assert rate == 11025


def test_levels_survive_a_file(tmp_path):
    # Where it is soft, mu-law is as fine as 16 bits allow.
    levels = np.arange(256)
    audio.save_wave(from_mu_law(levels), tmp_path / "new" / "all.wav")
    np.testing.assert_array_equal(mu_law(wav.read(tmp_path / "new" / "all.wav")[0]), levels)


def test_sounds_that_cannot_be_written_or_read(tmp_path):
    sound = np.zeros(4)
    with pytest.raises(ZooError, match=r"does not end in \.wav"):
        audio.save_wave(sound, tmp_path / "a.mp3")
    audio.save_wave(sound, tmp_path / "a.wav")
    with pytest.raises(ZooError, match="exists already"):
        audio.save_wave(sound + 0.5, tmp_path / "a.wav")
    assert not wav.read(tmp_path / "a.wav")[0].any()
    audio.save_wave(sound + 0.5, tmp_path / "a.wav", overwrite=True)
    assert wav.read(tmp_path / "a.wav")[0].tolist() == [0.5] * 4
    for wrong in (np.zeros([2, 2]), np.zeros(0), np.array([np.nan]), np.array(["a"])):
        with pytest.raises(DataError, match="a sound is a wave"):
            audio.save_wave(wrong, tmp_path / "b.wav")
    (tmp_path / "c.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:30])
    for name in ("b.wav", "c.wav"):
        with pytest.raises(DataError, match=f"{name} cannot be read"):
            wav.read(tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "c.wav"]


# Pictures.


def test_a_sine_is_bright_at_its_frequency_alone():
    t = np.arange(4000) / 8000
    loudness, frequencies, times = audio.decibels(0.5 * np.sin(2 * np.pi * 1000 * t))
    inside = loudness[:, 4:-4]
    np.testing.assert_allclose(frequencies[inside.argmax(axis=0)], 1000)
    assert inside.max() == pytest.approx(20 * math.log10(0.5), abs=0.01)
    assert inside[np.abs(frequencies - 1000) > 100].max() < -60
    assert times[0] == 0 and times[-1] < 0.5 and np.diff(times) == pytest.approx(0.008)
    assert np.all(audio.decibels(np.zeros(10))[0] == audio.QUIETEST)
    click = np.zeros(4000)
    click[2048] = 1
    loudness, _, times = audio.decibels(click)
    assert times[loudness.sum(axis=0).argmax()] == 0.256


def test_spectrograms_share_their_time_and_carry_their_labels():
    waves = [np.random.RandomState(i).uniform(-1, 1, 800 * (i + 1)) for i in range(5)]
    figure = audio.spectrogram(waves, [f"wave {i}" for i in range(5)], columns=2, caption="noise")
    assert [a.get_title() for a in figure.axes] == [f"wave {i}" for i in range(5)]
    assert {a.get_xlim() for a in figure.axes} == {(0.0, 0.5)}
    assert {a.get_ylim() for a in figure.axes} == {(0.0, 4.0)}
    # Each ends where its wave does.
    for wave, axes in zip(waves, figure.axes, strict=True):
        (mesh,) = axes.collections
        assert mesh.get_coordinates()[..., 0].max() == pytest.approx(len(wave) / 8000, abs=0.01)
    assert [a.get_xlabel() for a in figure.axes] == ["", "", "", "time (s)", "time (s)"]
    boxes = [a.get_tightbbox() for a in figure.axes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    texts = [t.get_text() for t in figure.texts]
    assert "noise" in " ".join(texts)


@pytest.mark.parametrize(
    "arguments",
    [([],), ([np.zeros([2, 2])],), ([np.array([np.nan])],), ([np.zeros(9)], ["a", "b"])],
)
def test_what_has_no_spectrogram(arguments):
    with pytest.raises(DataError, match="waves"):
        audio.spectrogram(*arguments)


# Linear prediction.


@pytest.fixture(scope="module")
def sounds():
    """A resonance, driven by noise that comes and goes, as levels."""
    draw, found = np.random.RandomState(0), []
    for length in (3000, 2000, 4000):
        loud = 0.02 * np.exp(1.5 * np.sin(np.arange(length) / 150))
        noise = draw.logistic(size=length) * loud / 4
        found.append(mu_law(lfilter([1], [1, -1.6, 0.9], noise)))
    return found


@pytest.mark.parametrize("adaptive", [False, True])
def test_linear_prediction_gives_256_levels_a_probability_of_one(sounds, adaptive):
    model = LinearPredictor.fit(sounds, order=4, adaptive=adaptive)
    every = model.next_log_probs(sounds[0][:300])
    np.testing.assert_allclose(logsumexp(every, axis=1), 0, atol=1e-9)
    chosen = every[np.arange(300), sounds[0][:300]]
    np.testing.assert_allclose(model.log_probs(sounds[0])[:300], chosen, rtol=1e-12)
    # Far from the prediction, and of tiny scales, too.
    far = LinearPredictor(np.array([50.0]), floor=1e-9).next_log_probs(np.array([0, 255, 0]))
    np.testing.assert_allclose(logsumexp(far, axis=1), 0, atol=1e-9)
    assert np.all(np.isfinite(far))


def test_linear_prediction_sees_only_what_was_before(sounds):
    model = LinearPredictor.fit(sounds, order=4)
    x = sounds[0][:40]
    before = model.next_log_probs(x)
    other = x.copy()
    other[20] = 255 - other[20]
    changed = np.abs(model.next_log_probs(other) - before).max(axis=1)
    assert changed[:21].max() == 0 and changed[21:].min() > 0


def test_linear_prediction_is_its_formula(sounds):
    model = LinearPredictor.fit(sounds, order=3)
    x, s = sounds[1][:200].astype(int), from_mu_law(sounds[1][:200])
    expected, follows = [], 0.0
    for t in range(200):
        m = sum(a * s[t - 1 - i] for i, a in enumerate(model.coefficients) if t > i)
        scale = model.gain * follows + model.floor
        high, low = logistic.cdf((BORDERS[[x[t] + 1, x[t]]] - m) / scale)
        expected.append(math.log(high - low))
        follows = model.memory * follows + (1 - model.memory) * abs(s[t] - m)
    np.testing.assert_allclose(model.log_probs(x), expected, atol=1e-6)
    assert bits_per_sample([model.log_probs(x)]) == pytest.approx(-np.mean(expected) / np.log(2))
    # The borders lie between the levels.
    inner = BORDERS[1:-1]
    assert np.all(mu_law(inner - 1e-9) == np.arange(255))
    assert np.all(mu_law(inner + 1e-9) == np.arange(1, 256))


def test_linear_prediction_finds_the_resonance_and_a_scale_of_largest_likelihood(sounds):
    fixed = LinearPredictor.fit(sounds, order=2, adaptive=False)
    following = LinearPredictor.fit(sounds, order=2)
    np.testing.assert_allclose(following.coefficients, [1.6, -0.9], atol=0.05)
    # The oracle solves all equations at once.
    rows = [[s[t - 1] if t else 0, s[t - 2] if t > 1 else 0, s[t]]
            for s in map(from_mu_law, sounds) for t in range(len(s))]  # fmt: skip
    a = np.linalg.lstsq(np.array(rows)[:, :2], np.array(rows)[:, 2], rcond=None)[0]
    np.testing.assert_allclose(fixed.coefficients, a, rtol=1e-9)

    def bits(model):
        return bits_per_sample(map(model.log_probs, sounds))

    for factor in (0.9, 1.1):
        assert bits(LinearPredictor(a, fixed.floor * factor)) > bits(fixed)
        other = LinearPredictor(a, following.floor, following.gain * factor, following.memory)
        assert bits(other) > bits(following)
    assert bits(following) < bits(fixed) - 0.1


@pytest.mark.parametrize(
    "make",
    [
        lambda: LinearPredictor.fit([]),
        lambda: LinearPredictor.fit([np.zeros(9)], order=0),
        lambda: LinearPredictor.fit([np.array([0, 256])]),
        lambda: LinearPredictor.fit([np.zeros([2, 2])]),
        lambda: LinearPredictor(np.zeros(2), 1.0).log_probs(np.array([0.5])),
    ],
)
def test_what_cannot_be_predicted(make):
    with pytest.raises(DataError, match=r"a recording is|takes an order"):
        make()


@pytest.mark.parametrize(("asked", "length"), [(None, 4000), (123, 123)])
def test_sounds_are_half_a_second_unless_asked(asked, length):
    class Silence:
        event_shape, condition = (2048,), SimpleNamespace(classes=(10, 5))

        def at_length(self, length):
            self.event_shape = (length,)
            return self

        def sample(self, n, y, **options):
            return tf.zeros([n, *self.event_shape])

    args = SimpleNamespace(
        name="silence",
        n=3,
        label=None,
        prompt=None,
        length=asked,
        seed=0,
        temperature=1,
        top_k=None,
    )
    levels, labels = draw(Silence(), args)
    assert levels.shape == (3, length) and labels[:, 0].tolist() == [0, 1, 2]
