"""What callers ask of a model, taken or refused."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import DataError
from zoo.models.requests import as_key


def test_one_seed_in_every_form_is_one_key():
    for form in (7, np.int64(7), np.array(7), tf.constant(7)):
        np.testing.assert_array_equal(as_key(form, "sample"), as_key(7, "sample"))
    pair = tf.constant([1, 2])
    np.testing.assert_array_equal(as_key(pair, "sample"), as_key(pair.numpy(), "sample"))
    assert (as_key(7, "sample") != as_key(7, "encode")).numpy().any()
    assert (as_key(None, "sample") != as_key(None, "sample")).numpy().any()


@pytest.mark.parametrize("seed", ["a", 0.5, np.float32(3), [1, 2], tf.constant(1.0), (0,)])
def test_what_is_no_seed(seed):
    with pytest.raises(DataError, match="a seed is a whole number, or a key of two"):
        as_key(seed, "sample")
