"""n-gram models, against the formulas in plain Python, and what probabilities must keep."""

import itertools
import math

import h5py
import numpy as np
import pytest
import tensorflow as tf

from zoo import data
from zoo.errors import DataError, WeightsError
from zoo.models.ngram import NGram
from zoo.registration import build

SMOOTHINGS = ("kneser_ney", "absolute")
START = "start"


def text(seed, length, symbols=4):
    """A text with habits: some symbols are rare, and what comes next depends on what was."""
    random = np.random.RandomState(seed)
    table = random.dirichlet(np.full(symbols, 0.4), symbols)
    found = [0]
    while len(found) < length:
        found.append(random.choice(symbols, p=table[found[-1]]))
    return np.array(found)


class Oracle:
    """Interpolated smoothing from the formulas, over dictionaries."""

    def __init__(self, sequences, order, levels, smoothing):
        self.order, self.levels = order, levels
        self.counts, self.discounts = {}, {}
        for k in range(1, order + 1):
            occurrences, before = {}, {}
            for sequence in sequences:
                for i in range(len(sequence) - k + 1):
                    gram = tuple(int(w) for w in sequence[i : i + k])
                    occurrences[gram] = occurrences.get(gram, 0) + 1
                    before.setdefault(gram, set()).add(int(sequence[i - 1]) if i else START)
            if smoothing == "kneser_ney" and k < order:
                occurrences = {gram: len(symbols) for gram, symbols in before.items()}
            once = sum(c == 1 for c in occurrences.values())
            twice = sum(c == 2 for c in occurrences.values())
            self.counts[k] = occurrences
            self.discounts[k] = once / (once + 2 * twice) if once else 0.5

    def probability(self, symbol, context):
        context = tuple(int(w) for w in context)
        context = context[max(0, len(context) - self.order + 1) :]
        lower = self.probability(symbol, context[1:]) if context else 1 / self.levels
        k = len(context) + 1
        following = {g[-1]: c for g, c in self.counts[k].items() if g[:-1] == context}
        if not following:
            return lower
        discounted = max(following.get(int(symbol), 0) - self.discounts[k], 0)
        left = self.discounts[k] * len(following) * lower
        return (discounted + left) / sum(following.values())


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_are_those_of_the_formulas(order, smoothing):
    seen, unseen = text(0, 60), text(1, 50, symbols=5)
    oracle = Oracle([seen], order, 5, smoothing)
    model = NGram(order, 5, smoothing).fit_stream(seen)
    np.testing.assert_allclose(model.discounts, list(oracle.discounts.values()), rtol=1e-12)
    for stream in (seen, unseen):
        wanted = [math.log(oracle.probability(w, stream[:i])) for i, w in enumerate(stream)]
        np.testing.assert_allclose(model.log_probs_stream(stream), wanted, rtol=1e-10)
    contexts = np.stack([unseen[i : i + 4] for i in range(40)])
    wanted = [[oracle.probability(w, context) for w in range(5)] for context in contexts]
    np.testing.assert_allclose(model.next_probabilities(contexts), wanted, rtol=1e-10)


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_sequences_are_counted_each_by_itself(smoothing):
    # The shortest is shorter than the order.
    sequences = [text(i, length) for i, length in enumerate((2, 9, 9, 9, 30))]
    oracle = Oracle(sequences, 3, 4, smoothing)
    batches = [sequences[:1], sequences[1:4], sequences[4:]]

    def yielded():
        for batch in batches:
            yield np.stack(batch).astype(np.float32), np.zeros(len(batch), np.int32)

    signature = (tf.TensorSpec([None, None]), tf.TensorSpec([None], tf.int32))
    dataset = tf.data.Dataset.from_generator(yielded, output_signature=signature)
    model = NGram(3, 4, smoothing).fit(dataset)
    x = np.stack([text(i, 12) for i in range(9, 14)])
    wanted = [sum(math.log(oracle.probability(w, s[:i])) for i, w in enumerate(s)) for s in x]
    np.testing.assert_allclose(model.log_prob(x), wanted, rtol=1e-10)
    joined = NGram(3, 4, smoothing).fit_stream(np.concatenate(sequences))
    assert not np.allclose(joined.log_prob(x), wanted)


def test_the_order_of_sequences_does_not_matter():
    x = np.stack([text(i, 20) for i in range(12)])
    train = data.from_array(x, levels=4, values="levels", shuffle=True, batch_size=4)
    a, b = NGram(3, 4).fit(train), NGram(3, 4).fit(x)
    np.testing.assert_array_equal(a.log_prob(x), b.log_prob(x))


def test_a_bigram_by_hand():
    model = NGram(2, 2).fit_stream(np.array([0, 1, 0, 0, 1]))
    # D_2 = 2 / (2 + 2); 0 follows the start, 0 and 1, and 1 follows 0: D_1 = 1, p_1(0) = 3 / 4.
    assert model.discounts == [1.0, 0.5]
    np.testing.assert_allclose(
        model.next_probabilities([[0], [1]]), [[1.25 / 3, 1.75 / 3], [0.5 + 0.375, 0.125]]
    )
    np.testing.assert_allclose(model.next_probabilities(np.zeros([1, 0])), [[0.75, 0.25]])


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_probabilities_sum_to_one(smoothing):
    model = NGram(3, 3, smoothing).fit_stream(text(3, 40, symbols=3) % 2)
    # Symbol 2 was never seen, so there are contexts of all kinds.
    contexts = np.array(list(itertools.product(range(3), repeat=2)))
    p = model.next_probabilities(contexts)
    assert (p > 0).all() and len(np.unique(p.round(12), axis=0)) > 3
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    strings = np.array(list(itertools.product(range(3), repeat=4)))
    assert np.exp(model.log_prob(strings)).sum() == pytest.approx(1, abs=1e-9)


def test_data_without_anything_rare_leave_something_for_the_unseen():
    model = NGram(2, 3).fit_stream(np.tile([0, 0, 0, 1, 1, 1], 5))
    p = model.next_probabilities([[0], [1], [2]])
    assert (p > 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)


@pytest.mark.parametrize("temperature, top_k", [(1.0, None), (0.5, None), (2.0, 2), (1.0, 1)])
def test_what_is_drawn_is_as_frequent_as_its_probability(temperature, top_k):
    model = NGram(3, 4).fit_stream(text(5, 80))
    n, begin = 20_000, [1, 2]

    def sharpened(context):
        p = model.next_probabilities([context])[0]
        if top_k is not None:
            p = np.where(p >= np.sort(p)[-top_k], p, 0)
        p = p ** (1 / temperature)
        return p / p.sum()

    wanted = np.zeros(16)
    for a, p in enumerate(sharpened(begin)):
        wanted[4 * a : 4 * a + 4] = p * sharpened([*begin, a])
    x = model.sample(n, 4, seed=0, temperature=temperature, top_k=top_k, prompt=begin)
    assert x.shape == (n, 4) and (x[:, :2] == begin).all()
    found = np.bincount(4 * x[:, 2] + x[:, 3], minlength=16) / n
    assert (np.abs(found - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / n) + 1e-9).all()


def test_sequences_begin_with_the_prompt_and_repeat_with_the_seed():
    model = NGram(3, 4, length=20).fit_stream(text(6, 200))
    first, again, other = (model.sample(5, seed=s) for s in (1, 1, 2))
    assert first.shape == (5, 20) and (first == again).all() and (first != other).any()
    assert len(np.unique(first, axis=0)) > 1
    assert (model.sample(5) != model.sample(5)).any()
    rows = np.arange(15).reshape(5, 3) % 4
    x = model.sample(5, 10, seed=1, prompt=rows)
    assert (x[:, :3] == rows).all() and len(np.unique(x[:, 3:], axis=0)) > 1
    assert (model.sample(5, 3, prompt=rows) == rows).all()
    assert (model.sample(2, 4, seed=3, prompt=[]) == model.sample(2, 4, seed=3)).all()


@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_a_saved_model_gives_the_same_numbers(smoothing, tmp_path):
    model = NGram(4, 300, smoothing, length=7).fit(np.stack([text(i, 30) for i in range(5)]) * 99)
    path = tmp_path / "new" / "model.weights.h5"
    model.save_weights(path)
    again = NGram.from_config(model.get_config())
    again.load_weights(path)
    x = text(9, 200)[None] * 99
    np.testing.assert_array_equal(again.log_prob(x), model.log_prob(x))
    np.testing.assert_array_equal(again.sample(2, seed=4), model.sample(2, seed=4))
    assert again.event_shape == (7,) and [p.name for p in path.parent.iterdir()] == [path.name]
    built = build({"type": "NGram", **model.get_config()})
    assert isinstance(built, NGram) and built.get_config() == model.get_config()


def test_a_file_that_is_none_of_ours_is_refused(tmp_path):
    model = NGram(3, 4).fit_stream(text(0, 50))
    before = model.log_prob(text(1, 9)[None])
    path = tmp_path / "weights.h5"
    good = {"grams": np.array([[4, 4, 0], [4, 0, 1], [0, 1, 2]], "u1"), "counts": np.ones(3, "u1")}

    def refused(match, **arrays):
        with h5py.File(path, "w") as file:
            for name, array in (good | arrays).items():
                if array is not None:
                    file[name] = array
        with pytest.raises(WeightsError, match=match) as caught:
            model.load_weights(path)
        assert "\n" not in str(caught.value)

    refused("holds no n-grams", counts=None)
    refused("holds no n-grams", counts=np.ones(3))
    refused("holds no n-grams", counts=np.ones([3, 1], "u1"))
    refused("holds no n-grams", grams=h5py.ExternalLink("other.h5", "/grams"))
    refused("another model", grams=good["grams"][1:])
    refused("another model", grams=good["grams"] + np.uint8(1))
    refused("another model", grams=good["grams"].astype("u8") * 2**62)
    refused("is damaged", counts=np.zeros(3, "u1"))
    refused("is damaged", grams=good["grams"][::-1])
    # No gram ends in [1, 2], which begins the first.
    refused("is damaged", grams=np.array([[1], [2], [3]], "u1"), counts=np.ones(1, "u1"))
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="holds no n-grams"):
        model.load_weights(path)
    with pytest.raises(WeightsError, match="holds no n-grams"):
        model.load_weights(tmp_path / "missing.h5")
    np.testing.assert_array_equal(model.log_prob(text(1, 9)[None]), before)
    with h5py.File(path, "w") as file:
        file.update(good)
    model.load_weights(path)
    np.testing.assert_allclose(
        model.log_prob(np.array([[0, 1, 2]])),
        NGram(3, 4).fit_stream(np.array([0, 1, 2])).log_prob(np.array([[0, 1, 2]])),
    )


def test_bad_input_says_what_is_wrong():
    model = NGram(2, 4).fit_stream(text(0, 30))
    endless = tf.data.Dataset.from_tensors(np.zeros([1, 3])).repeat()
    for call, match in (
        (lambda: NGram(0, 4), "order must be a whole number of at least 1"),
        (lambda: NGram(2, 1), "levels must be"),
        (lambda: NGram(2, 4, length=None), "length must be"),
        (lambda: NGram(2, 4).log_prob([[1]]), "counted nothing yet"),
        (lambda: NGram(2, 4).sample(1), "counted nothing yet"),
        (lambda: NGram(2, 4).save_weights("nowhere.h5"), "counted nothing yet"),
        (lambda: model.log_prob([1, 2]), r"sequences \[B, T\], not \[2\]"),
        (lambda: model.log_prob([[1, 4]]), "the integers 0..3"),
        (lambda: model.log_prob([[1, -1]]), "the integers 0..3"),
        (lambda: model.log_prob([[0.5, 1]]), "the integers 0..3"),
        (lambda: model.log_prob([[np.nan, np.inf]]), "the integers 0..3"),
        (lambda: model.log_prob([["a"]]), "the integers 0..3"),
        (lambda: model.check(np.zeros([2, 0])), "sequences"),
        (lambda: model.log_probs_stream([[1, 2]]), r"one sequence of integers \[N\]"),
        (lambda: model.fit_stream([]), r"one sequence of integers \[N\]"),
        (lambda: model.fit(endless), "never ends"),
        (lambda: model.fit(endless.take(0)), "is empty"),
        (lambda: model.sample(0), "n must be a whole number"),
        (lambda: model.sample(1, 2.5), "length must be"),
        (lambda: model.sample(1, 2, seed="a"), "seed must be"),
        (lambda: model.sample(1, 2, temperature=0), "a temperature is above 0"),
        (lambda: model.sample(1, 2, temperature=math.nan), "a temperature is above 0"),
        (lambda: model.sample(1, 2, top_k=5), "from 1 to 4, not 5"),
        (lambda: model.sample(1, 2, top_k=0), "from 1 to 4, not 0"),
        (lambda: model.sample(1, 2, prompt=[1, 2, 3]), "P up to 2"),
        (lambda: model.sample(3, 2, prompt=[[1], [2]]), r"or \[3, P\]"),
        (lambda: model.sample(1, 2, prompt=[7]), "the integers 0..3"),
    ):
        with pytest.raises(DataError, match=match) as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="did you mean: kneser_ney"):
        NGram(2, 4, "kneser")
    assert model.log_prob([[0, 1]]).shape == (1,)


def test_six_characters_of_shakespeare(tmp_path):
    try:
        train = data.stream("shakespeare", "train", valid=0, length=1)
    except DataError as error:
        if "is not prepared" not in str(error):
            raise
        pytest.skip("shakespeare is not prepared here")
    model = NGram(6, 65).fit_stream(train)

    def bits(test):
        numbers = data.stream("shakespeare", "test", length=1, test=test)
        return -model.log_probs_stream(numbers).mean() / math.log(2)

    # An independent implementation measured 2.344 and 2.248.
    assert bits("test") == pytest.approx(2.344, abs=1e-3)
    assert bits("last_tenth") == pytest.approx(2.248, abs=1e-3)
    model.save_weights(tmp_path / "weights.h5")
    assert (tmp_path / "weights.h5").stat().st_size < 2**20
