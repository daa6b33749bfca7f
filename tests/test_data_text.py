"""Vocabularies, and `text:PATH`: a user's own text."""

import json

import numpy as np
import pytest

from zoo import data
from zoo.data.text import Vocabulary, pieces
from zoo.errors import DataError

LINE = "Well, I say; 'tis o'er-done (in 1599!)\n"


@pytest.fixture
def book(tmp_path):
    """400 lines, of which the last forty hold what is nowhere else."""
    path = tmp_path / "book.txt"
    lines = [f"line {i % 7} of all" for i in range(360)] + [f"tail {i % 5} of Z" for i in range(40)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def numbers(dataset):
    return np.concatenate([x.numpy() for x in dataset])


def test_words_are_told_apart_as_described():
    found = ["Well", ",", "I", "say", ";", "'", "tis", "o'er", "-", "done", "(", "in", "1599", "!"]
    assert pieces(LINE, "words") == [*found, ")", "\n"]
    assert pieces("naïve Straße_2 x² «ja»\tи", "words") == [
        *("naïve", "Straße", "_", "2", "x²", "«", "ja", "»", "и")
    ]
    assert pieces("3rd a<unk>b dogs' '", "words") == [
        "3",
        "rd",
        "a",
        "<unk>",
        "b",
        "dogs",
        "'",
        "'",
    ]


def test_nothing_but_spaces_is_lost():
    strange = "".join(map(chr, range(32, 0x2100))) + "\n"
    # Of white space, line ends alone are pieces.
    kept = "".join(c for c in strange if not c.isspace() or c == "\n")
    assert "".join(pieces(strange, "words")) == kept


def test_what_is_decoded_encodes_to_the_same():
    for unit in ("characters", "words"):
        vocabulary = Vocabulary.of(pieces(LINE, unit), unit, 1)
        assert sorted(vocabulary.symbols[:-1]) == list(vocabulary.symbols[:-1])
        encoded = vocabulary.encode(LINE + LINE)
        assert encoded.dtype == np.uint8 and encoded.max() < len(vocabulary) - 1
        again = vocabulary.decode(encoded.astype(np.float32))
        np.testing.assert_array_equal(vocabulary.encode(again), encoded)
        np.testing.assert_array_equal(vocabulary.encode("§"), [len(vocabulary) - 1])
        unknown = vocabulary.decode([len(vocabulary) - 1, 0])
        np.testing.assert_array_equal(vocabulary.encode(unknown), [len(vocabulary) - 1, 0])
        plain = json.loads(json.dumps(vocabulary.get_config()))
        assert Vocabulary.from_config(plain) == vocabulary


def test_words_become_text_that_can_be_read():
    vocabulary = Vocabulary.of(pieces(LINE, "words"), "words", 1)
    text = "Well, say (o'er-done in 1599; I)!\nWell, I"
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert vocabulary.decode(vocabulary.encode("say nothing,  Well")) == "say <unk>, Well"
    assert vocabulary.decode([]) == ""


def test_rare_pieces_are_unknown():
    vocabulary = Vocabulary.of("aabbbc", "characters", 2)
    assert vocabulary.symbols == ("a", "b", "\ufffd") and len(vocabulary) == 3
    assert vocabulary.encode("cab").tolist() == [2, 0, 1]
    assert Vocabulary.of("aab", "characters", 3).symbols == ("\ufffd",)


def test_large_vocabularies_take_more_than_a_byte():
    vocabulary = Vocabulary.of([str(i) for i in range(999)], "words", 1)
    assert vocabulary.encode("998 5 x").tolist() == [
        *map(vocabulary.symbols.index, ("998", "5")),
        999,
    ]


def test_a_file_is_split_by_position(book):
    text, name = book.read_text(encoding="utf-8"), f"text:{book}"
    splits = data.load(name, length=10, batch_size=8)
    vocabulary = data.vocabulary(name, length=10)
    size = len(text)
    test = size // 20
    pool = (size - test) // 10
    counts = [data.description(s).count for s in splits]
    assert counts == [pool - pool // 19, pool // 19, test // 10]
    described = data.description(splits.test)
    assert described.event_shape == (10,) and described.levels == len(vocabulary)
    assert described.values == "levels" and described.version.startswith("sha256=")
    assert data.description(data.load(name, length=9).test).version != described.version
    found = vocabulary.decode(numbers(splits.test).reshape(-1))
    ends = text[size - test :][: len(found)]
    assert found == "".join(c if c in vocabulary.symbols else "\ufffd" for c in ends)
    assert next(iter(splits.train)).shape == (8, 10)
    joined = vocabulary.decode(data.stream(name, "train", length=10, valid=0))
    assert joined[: pool * 9] == text[: pool * 9] and len(joined) == pool * 10
    parts = [data.stream(name, part, length=10) for part in ("train", "valid")]
    assert vocabulary.decode(np.concatenate(parts)) == joined
    np.testing.assert_array_equal(numbers(splits.valid).reshape(-1), parts[1])


def test_the_vocabulary_is_of_the_training_text_alone(book):
    for unit, only_at_the_end, everywhere in (("characters", "Z", "f"), ("words", "tail", "of")):
        vocabulary = data.vocabulary(f"text:{book}", unit=unit, length=4)
        assert only_at_the_end not in vocabulary.symbols and everywhere in vocabulary.symbols
        assert vocabulary.encode(only_at_the_end)[0] == len(vocabulary) - 1
        # However long the sequences are.
        assert vocabulary == data.vocabulary(f"text:{book}", unit=unit, length=7)
    frequent = data.vocabulary(f"text:{book}", unit="words", length=4, min_count=100)
    assert frequent.symbols == ("\n", "all", "line", "of", "<unk>")


def test_line_ends_and_a_byte_order_mark_do_not_count(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbf" + b"ab\r\ncd\r" * 50)
    assert data.vocabulary(f"text:{path}", length=2).symbols == (*"\nabcd", "\ufffd")


def test_a_bad_file_or_option_says_so_in_one_line(tmp_path, book):
    latin, short, empty = (tmp_path / name for name in ("latin", "short", "empty"))
    latin.write_bytes("où".encode("latin-1"))
    short.write_text("abc" * 20, encoding="utf-8")
    empty.touch()
    for name, options, match in (
        (f"text:{tmp_path / 'no'}", {}, "does not exist"),
        (f"text:{tmp_path}", {}, "is a folder"),
        (f"text:{latin}", {}, "not UTF-8 text .byte 1 is 0xf9.*iconv"),
        (f"text:{short}", {}, "length=128 is too long .* training text has 57 characters"),
        (f"text:{short}", {"length": 4}, "its test text has 3 characters, and needs 4"),
        (f"text:{empty}", {"length": 1}, "has 0 characters"),
        (f"text:{book}", {"length": 0}, "length must be"),
        (f"text:{book}", {"unit": "letters"}, "unit='letters' is unknown"),
        (f"text:{book}", {"unit": 3}, "unit=3 is unknown"),
        (f"text:{book}", {"min_count": 0}, "min_count must be"),
        (f"text:{book}", {"size": 1}, "takes no argument 'size'.*length, unit, min_count"),
        ("text:", {}, "no data set 'text:'"),
    ):
        for take in (data.load, data.stream, data.vocabulary):
            with pytest.raises(DataError, match=match) as caught:
                take(name, **options)
            assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="did you mean: text:PATH"):
        data.load("txt:PATH")
    with pytest.raises(DataError, match="split='validation' is unknown; did you mean: valid"):
        data.stream(f"text:{book}", "validation")
    for take in (data.stream, data.vocabulary):
        with pytest.raises(DataError, match="toy is no text"):
            take("toy")


def test_a_vocabulary_refuses_what_it_does_not_know():
    vocabulary = Vocabulary("characters", ("a", "b"))
    for call, match in (
        (
            lambda: vocabulary.encode("abc%"),
            "not among the 2 characters of the vocabulary: '%', 'c'",
        ),
        (lambda: vocabulary.encode(["a"]), "encodes text, not list"),
        (lambda: vocabulary.decode([2]), r"whole numbers 0\.\.1"),
        (lambda: vocabulary.decode([-1]), r"whole numbers 0\.\.1"),
        (lambda: vocabulary.decode([0.5]), r"whole numbers 0\.\.1"),
        (lambda: vocabulary.decode([np.nan]), r"whole numbers 0\.\.1"),
        (lambda: vocabulary.decode([[1]]), r"takes numbers \[T\]"),
        (lambda: vocabulary.decode("a"), r"takes numbers \[T\]"),
        (lambda: Vocabulary("characters", ()), "needs symbols"),
        (lambda: Vocabulary("characters", ("a", "a")), "each of them once"),
        (lambda: Vocabulary("characters", ("a",), "b"), "'b' is not in the vocabulary"),
        (lambda: Vocabulary("bytes", ("a",)), "unit='bytes' is unknown"),
    ):
        with pytest.raises(DataError, match=match) as caught:
            call()
        assert "\n" not in str(caught.value)
