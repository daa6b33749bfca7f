"""Sets out of TFDS; those that are not prepared here are skipped."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.io

from zoo import data
from zoo.data import frey_faces, shakespeare, spoken_digits, tfds_sets
from zoo.errors import DataError

NO_NETWORK = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


def load(name, **arguments):
    """A set, or a skipped test where it is not prepared."""
    try:
        return data.load(name, **arguments)
    except DataError as error:
        if "is not prepared" not in str(error):
            raise
        pytest.skip(f"{name} is not prepared here")


def images(dataset):
    return np.concatenate([x.numpy() for x in dataset])


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def video(empty):
    """An invented video in the layout of the original file, in TFDS's manual folder."""
    frames = np.random.RandomState(0).randint(0, 256, (1965, 28, 20)).astype(np.uint8)
    folder = empty / "downloads" / "manual"
    folder.mkdir(parents=True)
    scipy.io.savemat(folder / frey_faces.FILE, {"ff": frames.reshape(1965, -1).T})
    return frames


def test_mnist_is_the_original_and_binarizes_as_recorded():
    splits = load("mnist", binarize="dynamic", labels=True, batch_size=1000)
    assert [data.description(s).count for s in splits] == [50_000, 10_000, 10_000]
    tag = "static:seed=1:sha256=121751ecd7d28d3a"
    assert data.description(splits.test).binarization == tag
    y = np.concatenate([labels.numpy() for _, labels in splits.test])
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(y).tolist() == counts
    whole = data.load("mnist", valid=0, values="levels")
    assert data.description(whole.train).count == 60_000 and whole.valid is None
    assert images(whole.test).mean() == pytest.approx(33.791, abs=1e-3)


def test_mnist_is_the_same_by_its_tfds_name():
    ours, theirs = load("mnist", batch_size=1000), load("tfds:mnist", batch_size=1000, valid=10_000)
    np.testing.assert_array_equal(images(ours.test), images(theirs.test))
    np.testing.assert_array_equal(images(ours.valid), images(theirs.valid))
    small = data.load("tfds:mnist", image_size=14)
    assert data.description(small.test).event_shape == (14, 14, 1)
    # Halving averages four pixels.
    fours = images(ours.test).reshape(-1, 14, 2, 14, 2, 1).mean((2, 4))
    np.testing.assert_allclose(images(small.test), fours, atol=0.51 / 255)


def test_binarized_mnist_keeps_up_with_training():
    train = load("mnist", binarize="dynamic").train
    list(train)
    start = time.perf_counter()
    count = sum(x.shape[0] for x in train)
    # A floor for busy machines; alone, two cores make about 450 000 a second.
    assert count / (time.perf_counter() - start) > 30_000


@pytest.mark.parametrize("name", ["mnist", "tfds:fashion_mnist", "shakespeare", "spoken_digits"])
def test_a_missing_set_says_at_once_how_to_get_it(name, empty):
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"download=True.*TFDS_DATA_DIR") as caught:
        data.load(name)
    assert time.perf_counter() - start < 2
    assert f"zoo.data.load('{name}', download=True)" in str(caught.value)
    assert str(empty) in str(caught.value) and "\n" not in str(caught.value)
    assert not any(empty.iterdir())


def test_an_unknown_tfds_name_and_a_set_without_images():
    with pytest.raises(DataError, match="did you mean: fashion_mnist"):
        data.load("tfds:fashion_mnits")
    load("shakespeare")
    with pytest.raises(DataError, match="no 8-bit `image` feature"):
        data.load("tfds:tiny_shakespeare")


def test_frey_faces_are_prepared_from_the_manual_folder_and_split_by_blocks(video):
    splits = data.load("frey_faces", values="levels", batch_size=100)
    assert [data.description(s).count for s in splits] == [1310, 262, 393]
    test = images(splits.test)[..., 0]
    np.testing.assert_array_equal(test[:131], video[262:393])
    np.testing.assert_array_equal(test, video[frey_faces.split_frames("test")])
    np.testing.assert_array_equal(
        images(splits.valid)[..., 0], video[frey_faces.split_frames("validation")]
    )
    again = data.load("tfds:frey_faces", values="levels")
    np.testing.assert_array_equal(images(again.test)[..., 0], test)


def test_frey_blocks_are_whole_and_disjoint():
    splits = [frey_faces.split_frames(s) for s in ("train", "validation", "test")]
    np.testing.assert_array_equal(np.sort(np.concatenate(splits)), np.arange(1965))
    for frames in splits[1:]:
        blocks = frames.reshape(-1, 131)
        np.testing.assert_array_equal(
            blocks - blocks[:, :1], np.tile(np.arange(131), (len(blocks), 1))
        )
        assert np.all(blocks[:, 0] % 131 == 0)


def test_frey_faces_say_how_to_get_the_file_and_refuse_another(empty):
    with pytest.raises(DataError, match=r"cs.nyu.edu/~roweis.*manual"):
        data.load("frey_faces")
    with pytest.raises(DataError, match="is not an existing file"):
        data.load("frey_faces", path=str(empty / "nothing.mat"))
    scipy.io.savemat(empty / frey_faces.FILE, {"ff": np.zeros((3, 4), np.uint8)})
    with pytest.raises(DataError, match=r"`ff` is uint8 \[3, 4\]"):
        data.load("frey_faces", path=str(empty))
    (empty / frey_faces.FILE).write_bytes(b"not a matrix")
    with pytest.raises(DataError, match="not the original"):
        data.load("frey_faces", path=str(empty))
    assert not list((empty / "frey_faces").glob("1.0.0"))


def test_preparing_keeps_standard_output_clean(video, capfd):
    data.load("frey_faces")
    assert capfd.readouterr().out == ""


def test_a_damaged_prepared_set_says_so(video, empty):
    data.load("frey_faces")
    tfds_sets._read.cache_clear()
    (record,) = (empty / "frey_faces").glob("*/frey_faces-test.tfrecord*")
    record.write_bytes(record.read_bytes()[:1000])
    with pytest.raises(DataError, match="is damaged: delete it"):
        data.load("frey_faces")


def test_shakespeare_reads_back():
    splits = load("shakespeare", length=100, batch_size=10)
    vocabulary = data.vocabulary("shakespeare", length=100)
    text = "".join(vocabulary.decode(row) for row in images(splits.test)[:2])
    assert text.startswith("rance ta'en\nAs shall with either part's agreement stand?\n")
    counts = [data.description(s).count for s in splits]
    assert counts == [10_038 - 501, 501, 557]
    assert data.description(splits.train).levels == 65 == len(vocabulary)
    with pytest.raises(DataError, match="its test text has 55770 characters, and needs 60000"):
        data.load("shakespeare", length=60_000)


def test_shakespeare_is_not_selected_on_what_is_reported():
    load("shakespeare")
    whole = {"length": 1, "valid": 0}
    pool = data.stream("shakespeare", **whole)
    assert len(pool) == 1_003_854
    last, last_tenth = (
        data.stream("shakespeare", "test", test=t, **whole) for t in ("test", "last_tenth")
    )
    assert len(last) == 55_770 and len(last_tenth) == 111_540
    np.testing.assert_array_equal(last_tenth[-len(last) :], last)
    # The text goes on where the last tenth begins, and the validation set ends there.
    valid = data.stream("shakespeare", "valid", length=1)
    np.testing.assert_array_equal(valid, pool[-len(valid) :])
    assert len(valid) == 1_003_854 // 20
    joint = data.vocabulary("shakespeare").decode(np.concatenate([valid[-7:], last_tenth[:8]]))
    assert joint == "es here?\n\nGREMI"


def test_the_versions_of_shakespeare_tell_its_numbers_apart():
    load("shakespeare")
    options = ({}, {"length": 64}, {"unit": "words"}, {"test": "last_tenth"})
    options = (*options, {"unit": "words", "min_count": 3})
    versions = {data.description(data.load("shakespeare", **o).test).version for o in options}
    assert len(versions) == 5
    assert "1.0.0@length=128,unit=words,min_count=2,test=test" in versions


def test_words_of_shakespeare():
    load("shakespeare")
    options = {"unit": "words", "length": 16}
    splits, vocabulary = load("shakespeare", **options), data.vocabulary("shakespeare", **options)
    assert data.description(splits.train).levels == len(vocabulary) == 6863
    text = vocabulary.decode(next(iter(splits.test))[0].numpy())
    assert text.startswith("<unk> ta'en\nAs shall with either <unk> <unk> stand?\n")
    # Two uses in what is trained on make a word known; those in the validation set do not count.
    train = data.stream("shakespeare", "train", unit="words", length=1)
    counts = np.bincount(train, minlength=6863)
    assert counts[:-1].min() == 2
    assert data.stream("shakespeare", "valid", unit="words", length=1).max() == 6862


def test_the_vocabulary_is_in_order_and_invertible(empty):
    # Known without the text, so that a trained model's samples can be read anywhere.
    vocabulary = data.vocabulary("shakespeare")
    assert sorted(vocabulary.symbols) == list(vocabulary.symbols)
    assert vocabulary == shakespeare.CHARACTERS and vocabulary.unknown is None
    line = "First Citizen:\nBefore we proceed any further, hear me speak."
    assert vocabulary.decode(vocabulary.encode(line)) == line
    with pytest.raises(DataError, match="'%', '0', '1'"):
        vocabulary.encode("100 %")


@pytest.mark.parametrize(
    "options, match",
    [
        ({"test": "valid"}, "test='valid' is unknown; did you mean: "),
        ({"min_count": 2}, 'min_count is for unit="words"'),
        ({"unit": "letters"}, "unit='letters' is unknown"),
        ({"length": 0}, "length must be"),
        ({"size": 3}, "shakespeare takes no argument 'size'"),
    ],
)
def test_options_that_shakespeare_has_not(options, match):
    for take in (data.load, data.vocabulary):
        with pytest.raises(DataError, match=match):
            take("shakespeare", **options)


def test_spoken_digits_are_split_by_recording():
    splits = load("spoken_digits", labels=True, length=1000, batch_size=50)
    y = [np.concatenate([labels.numpy() for _, labels in s]) for s in splits]
    # Windows that begin at sample 0 are one for each recording.
    assert [np.sum(labels[:, 2] == 0) for labels in y[1:]] == [150, 250]
    first = y[2][y[2][:, 2] == 0]
    np.testing.assert_array_equal(first[:, 0], np.tile(np.repeat(np.arange(10), 5), 5))
    np.testing.assert_array_equal(first[:, 1], np.repeat(np.arange(5), 50))
    x, _ = next(iter(splits.test))
    assert x.shape == (50, 1000) and x.numpy().max() <= 256
    assert len(data.load("spoken_digits", length=20_000, batch_size=1).train) == 2100


def test_mu_law_inverts_and_is_fine_where_it_is_soft():
    levels = np.arange(256)
    np.testing.assert_array_equal(spoken_digits.mu_law(spoken_digits.from_mu_law(levels)), levels)
    assert spoken_digits.mu_law(np.zeros(1))[0] == 128
    assert spoken_digits.mu_law(np.array([-1.0, 1.0])).tolist() == [0, 255]
    steps = np.diff(spoken_digits.from_mu_law(levels))
    assert steps[127] == steps.min() and steps.max() > 40 * steps.min()


def test_without_a_network_a_fresh_process_fails_fast(tmp_path):
    program = (
        "import time; from zoo import data, errors; start = time.time()\n"
        "try: data.load('mnist')\n"
        "except errors.DataError as error: print(time.time() - start, error)"
    )
    environment = os.environ | NO_NETWORK | {"TFDS_DATA_DIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    seconds, message = run.stdout.split(" ", 1)
    assert float(seconds) < 2 and "mnist is not prepared" in message
