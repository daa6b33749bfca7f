"""What callers ask of a model, taken or refused."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import DataError
from zoo.models.requests import as_key, check_count, check_temperature, check_top_k


def test_one_seed_in_every_form_is_one_key():
    for form in (7, np.int64(7), np.array(7), tf.constant(7)):
        np.testing.assert_array_equal(as_key(form, "sample"), as_key(7, "sample"))
    pair = tf.constant([1, 2])
    for form in (pair.numpy(), [1, 2], (1, 2)):
        np.testing.assert_array_equal(as_key(pair, "sample"), as_key(form, "sample"))
    assert (as_key(7, "sample") != as_key(7, "encode")).numpy().any()
    assert (as_key(None, "sample") != as_key(None, "sample")).numpy().any()


@pytest.mark.parametrize(
    "seed", ["a", 0.5, np.float32(3), [1, 2, 3], tf.constant(1.0), (0,), [0.5, 1]]
)
def test_what_is_no_seed(seed):
    with pytest.raises(DataError, match="a seed is a whole number, or a key of two"):
        as_key(seed, "sample")


@pytest.mark.parametrize("n", [3, np.int64(3), np.array(3), tf.constant(3)])
def test_a_number_of_samples(n):
    check_count(n)


@pytest.mark.parametrize(
    "n", [0, -1, True, 2.0, np.inf, np.nan, "3", None, [2], np.int64(0), tf.constant(-1)]
)
def test_what_is_no_number_of_samples(n):
    with pytest.raises(DataError, match="a number of samples is a whole number from 1"):
        check_count(n)


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf, "1", None, True])
def test_what_is_no_temperature(temperature):
    with pytest.raises(DataError, match="a temperature is above 0"):
        check_temperature(temperature)


@pytest.mark.parametrize("top_k", [0, -1, 2.0, "3", True])
def test_what_is_no_top_k(top_k):
    with pytest.raises(DataError, match="top_k is a whole number from 1"):
        check_top_k(top_k)
    assert check_top_k(np.int64(3)) == 3 and check_top_k(None) is None
