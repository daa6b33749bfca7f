"""Sequences and texts: likelihoods over borders, padding, other lengths, counted entries."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml

import zoo
import zoo.data
from zoo import cli, storing
from zoo.configuration import Config
from zoo.distributions import IndependentBernoulli, IndependentCategorical
from zoo.errors import DataError, NotSupported
from zoo.evaluation import evaluate
from zoo.models import Autoregressive, NGram
from zoo.networks import GRU, MADE, GatedPixelCNN, OneHot, Transformer
from zoo.networks.causal import dropped
from zoo.objectives import Ramp

TEXT = "the cat sat on the mat. the dog sat on the log.\nno cat is a dog.\n"


def gru(length=6, levels=3, **arguments) -> Autoregressive:
    likelihood = arguments.pop("likelihood", None) or IndependentCategorical([length], levels)
    model = Autoregressive(GRU(levels + 1, 5), likelihood, **arguments)
    model.ensure_built()
    random = np.random.RandomState(0)
    for variable in model.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    return model


def as_text(numbers: np.ndarray, batch_size: int = 2):
    return tf.data.Dataset.from_tensor_slices(numbers).batch(batch_size)


@pytest.mark.parametrize("context", [0, 2, 5])
def test_each_element_of_a_text_is_predicted_from_its_window(context):
    model = gru()
    x = np.random.RandomState(1).randint(0, 3, (5, 6)).astype(np.float32)
    found = evaluate(model, as_text(x), context=context, element="char")["exact"]
    stream, total = x.ravel(), 0.0
    for place, symbol in enumerate(stream):
        # The first window that ends behind the place; the last one is moved back to the end.
        starts = range(0, len(stream), 6 - context)
        start = min(next(s for s in starts if s + 6 > place), len(stream) - 6)
        window = stream[start : start + 6][np.newaxis]
        logits = model.likelihood(model.features(window))["logits"].numpy()[0, place - start]
        total += logits[int(symbol)] - np.log(np.exp(logits).sum())
        assert place < 6 or place - start >= context
    assert found.value == pytest.approx(total / 5, rel=1e-5)
    assert found.bits_per_dim == pytest.approx(-total / 30 / np.log(2), rel=1e-5)
    assert "bits/char" in str(found)


def test_without_a_context_each_sequence_stands_by_itself():
    model = gru()
    x = np.random.RandomState(1).randint(0, 3, (5, 6)).astype(np.float32)
    found = evaluate(model, as_text(x))["exact"]
    np.testing.assert_allclose(found.per_example, model.log_prob(x), rtol=1e-5)
    assert found.kind == "exact" and found.dimensions == 6


@pytest.mark.parametrize(("context", "message"), [(6, "below 6"), (-1, "from 0")])
def test_a_context_that_is_none_is_refused(context, message):
    with pytest.raises(DataError, match=message):
        evaluate(gru(), as_text(np.zeros((2, 6), np.float32)), context=context)


def test_words_have_a_perplexity():
    model = NGram(2, 4).fit_stream(np.random.RandomState(0).randint(0, 4, 300))
    x = np.random.RandomState(1).randint(0, 4, (7, 6)).astype(np.float32)
    found = evaluate(model, as_text(x), stream=True, element="word")
    mean = -model.log_probs_stream(x.ravel()).mean()
    assert found["perplexity"].value == pytest.approx(np.exp(mean), rel=1e-6)
    apart = evaluate(model, as_text(x), element="word")["exact"].value
    assert apart == pytest.approx(model.log_prob(x).mean()) and apart != found["exact"].value
    with pytest.raises(DataError, match="an element is one of"):
        evaluate(model, as_text(x), element="letter")


def test_padding_counts_nothing():
    model = gru(likelihood=IndependentCategorical([6], 3, padding=True))
    x = np.array([[0, 1, 2, 3, 3, 3], [2, 2, 0, 1, 1, 0]], np.float32)
    short = gru(length=3)
    short.set_weights(model.get_weights())
    expected = [short.log_prob(x[:1, :3]).numpy()[0], model.log_prob(x).numpy()[1]]
    np.testing.assert_allclose(model.log_prob(x), expected, rtol=1e-5)
    found = evaluate(model, as_text(x))["exact"]
    assert found.dimensions == 4.5
    assert found.bits_per_dim == pytest.approx(-sum(expected) / 9 / np.log(2), rel=1e-5)
    assert (model.sample(50, seed=1).numpy() < 3).all()
    with pytest.raises(DataError, match="0 to 2"):
        gru().log_prob(x)


def test_another_length_has_the_same_weights():
    model = gru()
    longer = model.at_length(9)
    x = np.random.RandomState(0).randint(0, 3, (4, 9)).astype(np.float32)
    np.testing.assert_allclose(
        longer.features(x)[:, :6], model.features(x[:, :6]), rtol=1e-5, atol=1e-6
    )
    assert longer.sample(2, seed=0).shape == (2, 9)
    with pytest.raises(NotSupported, match="images"):
        Autoregressive(MADE([4]), IndependentBernoulli((2, 2, 1))).at_length(3)
    fixed = Autoregressive(MADE([4]), IndependentBernoulli((4,)))
    fixed.ensure_built()
    with pytest.raises(NotSupported, match="length 4 only"):
        fixed.at_length(5)


def test_a_table_that_is_looked_up_often_takes_the_steps_of_adam():
    model = gru(length=30)
    x = np.random.RandomState(0).randint(0, 3, (8, 30)).astype(np.float32)
    table = model.network.previous.table
    before = table.numpy()
    model.compile(keras.optimizers.Adam(1e-3, epsilon=0.0))
    model.fit(zoo.data.from_array(x, levels=3, batch_size=8), verbose=0)
    # Whatever the slope, the first step of Adam is as long as the learning rate.
    used = [0, 1, 2, 4]
    np.testing.assert_allclose(np.abs(table - before)[used], 1e-3, rtol=1e-2)


def test_own_draws_replace_their_share_in_training_only():
    model = gru(length=200, own_draws=Ramp(0.0, 0.5, 10))
    x = tf.zeros((20, 200))
    key = tf.constant([1, 2])
    np.testing.assert_array_equal(model._mixed(x, None, key), x)
    model.train_steps.assign(10)
    mixed = model._mixed(x, None, key).numpy()
    drawn = model.distribution(x).sample(seed=tf.constant([3, 4])).numpy()
    assert (mixed != 0).mean() == pytest.approx(0.5 * (drawn != 0).mean(), abs=0.04)
    terms = [model.terms(x, training=t, seed=key).log_likelihood.numpy() for t in (True, False)]
    assert np.abs(terms[0] - terms[1]).max() > 1
    np.testing.assert_allclose(terms[1], model.log_prob(x), rtol=1e-5)
    again = Autoregressive.from_config(model.get_config())
    assert again.own_draws(10) == 0.5


@pytest.mark.parametrize(
    "network",
    [
        GRU(levels=3, units=8, layers=2, embedding=4, dropout=0.5),
        Transformer(levels=3, size=8, layers=2, heads=2, dropout=0.5),
    ],
)
def test_dropout_is_of_training_alone_and_repeats_with_its_key(network):
    model = Autoregressive(network, IndependentCategorical((6,), levels=3))
    model.ensure_built()
    for weight in model.trainable_variables:
        weight.assign(tf.random.stateless_normal(weight.shape, (1, 2)))
    x = tf.constant(np.random.default_rng(0).integers(0, 3, (4, 6)), tf.float32)

    def nats(training, key):
        return model.terms(x, training=training, seed=tf.constant([0, key])).log_likelihood.numpy()

    np.testing.assert_array_equal(nats(False, 1), nats(False, 2))
    np.testing.assert_allclose(nats(False, 1), model.log_prob(x), rtol=1e-6)
    np.testing.assert_array_equal(nats(True, 1), nats(True, 1))
    assert np.abs(nats(True, 1) - nats(True, 2)).min() > 1e-3
    again = type(network).from_config(network.get_config())
    assert again.get_config()["dropout"] == 0.5


def test_what_dropout_leaves_keeps_its_mean():
    x = tf.ones((100, 100))
    left = dropped(x, 0.25, 3, "purpose").numpy()
    assert set(np.unique(left)) == {0.0, np.float32(1 / 0.75)}
    assert (left == 0).mean() == pytest.approx(0.25, abs=0.02)
    assert np.abs(left - dropped(x, 0.25, 3, "another").numpy()).max() > 1
    assert dropped(x, 0.25, None, "purpose") is x
    for rate in (-0.1, 1.0):
        with pytest.raises(ValueError, match="share"):
            GRU(levels=3, units=2, dropout=rate)


def test_a_class_beside_a_text():
    model = gru(condition=OneHot(2))
    x = np.zeros((2, 6), np.float32)
    assert np.ptp(model.log_prob(x, np.array([0, 1]))) > 0.01


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """A run of a 3-gram over a text file of the user's."""
    folder = tmp_path_factory.mktemp("text")
    (folder / "book.txt").write_text(TEXT * 40, encoding="utf-8")
    config = {
        "title": "a book",
        "density": "exact",
        "licence": "Apache-2.0",
        "data": {"name": f"text:{folder / 'book.txt'}", "length": 16},
        "model": {"type": "NGram", "order": 3, "levels": len(set(TEXT)) + 1},
        "training": {},
        "evaluation": {"stream": True, "element": "char"},
    }
    (folder / "book.yaml").write_text(yaml.safe_dump(config))
    assert cli.main(["train", str(folder / "book.yaml"), "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_a_counted_run_is_loaded_saved_and_measured(counted, tmp_path, capsys):
    model = zoo.load(counted)
    x = zoo.data.stream(model.config["data"]["name"], "train", length=16).reshape(-1, 16)
    expected = NGram(3, model.levels).fit_stream(x.ravel()).log_prob(x)
    np.testing.assert_array_equal(model.log_prob(x), expected)
    zoo.save(model, tmp_path / "again")
    np.testing.assert_array_equal(zoo.load(tmp_path / "again").log_prob(x), expected)
    assert storing.built(storing.spec(model)).order == 3
    assert cli.main(["evaluate", str(counted)]) == 0
    assert "bits/char" in capsys.readouterr().out
    with pytest.raises(NotSupported, match="cannot be exported"):
        zoo.export(model, tmp_path / "served")


def test_a_damaged_count_is_not_read(counted, tmp_path):
    model = zoo.load(counted)
    zoo.save(model, tmp_path / "again")
    file = tmp_path / "again" / "model.weights.h5"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(zoo.errors.WeightsError, match="damaged"):
        zoo.load(tmp_path / "again")


def test_text_is_drawn_on_the_screen_or_into_a_file(counted, tmp_path, capsys):
    assert cli.main(["sample", str(counted), "--length", "60"]) == 0
    text = capsys.readouterr().out
    assert len(text) == 61 and set(text) <= set(TEXT) | {"\ufffd"}
    file = tmp_path / "three.txt"
    arguments = ["--n", "3", "--length", "20", "--prompt", "the c", "--out", str(file)]
    assert cli.main(["sample", str(counted), *arguments]) == 0
    found = file.read_text(encoding="utf-8")
    assert found.startswith("the c") and found.count("the c") >= 3
    assert cli.main(["complete", str(counted), "--prompt", "no ", "--top-k", "1"]) == 0
    assert "no cat on the dog" in capsys.readouterr().out
    numbers = tmp_path / "n.npz"
    assert cli.main(["sample", str(counted), "--n", "2", "--out", str(numbers)]) == 0
    assert np.load(numbers)["samples"].shape == (2, 128)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["complete", "DIR"], "say --prompt"),
        (["sample", "DIR", "--prompt", "x" * 30, "--length", "9"], "leaves nothing"),
        (["sample", "DIR", "--out", "a.png"], "must end in .txt or .npz"),
        (["sample", "DIR", "--top-k", "99"], "top_k"),
        (["sample", "vae.digits", "--prompt", "a"], "no model of text"),
        (["sample", "DIR", "--mean"], "models text: leave out --mean"),
        (["sample", "DIR", "--label", "3"], "models text: leave out --label"),
        (["complete", "DIR", "--prompt", "a", "--keep", "0.3"], "models text: leave out --keep"),
        (["complete", "DIR", "--prompt", "a", "--images", "x.png"], "leave out --images"),
        (["sample", "wavenet.spoken_digits", "--out", "a.txt"], "must end in .wav"),
        (["sample", "wavenet.spoken_digits", "--mean"], "models sound: leave out --mean"),
        (["complete", "wavenet.spoken_digits"], "models sounds"),
        (["picture", "samples", "wavenet.spoken_digits"], "more than a label"),
        (["complete", "vae.digits"], "does not complete"),
    ],
)
def test_bad_requests_are_one_line(counted, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert cli.main([str(counted) if a == "DIR" else a for a in arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert message in error[-1] and error[-1].startswith("zoo: ")


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    config = {
        "data": {"name": "digits", "values": "levels"},
        "model": {
            "type": "Autoregressive",
            "network": {"type": "GatedPixelCNN", "filters": 4, "layers": 2, "units": 4},
            "likelihood": {
                "type": "IndependentCategorical",
                "event_shape": [8, 8, 1],
                "levels": 17,
            },
        },
    }
    folder = tmp_path_factory.mktemp("models") / "tiny"
    zoo.save(storing.build_model(Config("tiny", config)), folder)
    return folder


def test_images_are_completed_as_numbers_and_as_a_picture(pixels, tmp_path):
    file = tmp_path / "c.npz"
    arguments = ["complete", str(pixels), "--index", "3", "5", "--n", "4", "--keep", "0.25"]
    assert cli.main([*arguments, "--out", str(file)]) == 0
    found = np.load(file)
    assert found["completions"].shape == (2, 4, 8, 8, 1)
    assert found["known"][:2].all() and not found["known"][2:].any()
    kept = np.broadcast_to(found["originals"][:, None, :2], (2, 4, 2, 8, 1))
    np.testing.assert_array_equal(found["completions"][:, :, :2], kept)
    assert np.ptp(found["completions"][:, :, 2:], axis=1).max() > 0
    assert cli.main([*arguments, "--out", str(tmp_path / "c.png")]) == 0


def test_a_reversed_order_keeps_the_last_rows():
    from zoo.pictures.completions import kept

    model = Autoregressive(
        GatedPixelCNN(4, 1, order="reversed"), IndependentCategorical([8, 8, 1], 17)
    )
    model.ensure_built()
    known = kept(model, 0.25)
    assert known[6:].all() and not known[:6].any()
