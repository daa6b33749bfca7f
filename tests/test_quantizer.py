"""The book of codes against numpy: nearest codes, moving averages, revival, perplexity."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo import networks as zn
from zoo import registration
from zoo.errors import ConfigError


def book(codes=5, size=3, **arguments) -> zn.VectorQuantizer:
    keras.utils.set_random_seed(0)
    layer = zn.VectorQuantizer(codes, size, **arguments)
    layer.build((None, size))
    return layer


def numpy_nearest(inputs: np.ndarray, codes: np.ndarray) -> np.ndarray:
    distances = ((inputs[..., np.newaxis, :].astype(float) - codes) ** 2).sum(axis=-1)
    return distances.argmin(axis=-1)


def numpy_update(inputs, codes, counts, sums, decay):
    """Eq. 6 to 8 of the paper's appendix, with the smoothing of the authors' code."""
    nearest = numpy_nearest(inputs, codes).ravel()
    flat = inputs.reshape(-1, inputs.shape[-1]).astype(float)
    use = np.eye(len(codes))[nearest]
    counts = decay * counts + (1 - decay) * use.sum(axis=0)
    sums = decay * sums + (1 - decay) * use.T @ flat
    total = counts.sum()
    smoothed = (counts + 1e-5) / (total + len(codes) * 1e-5) * total
    return sums / smoothed[:, np.newaxis], counts, sums


def test_the_nearest_codes_are_found():
    layer = book(codes=40)
    layer.book.assign(np.random.RandomState(1).normal(size=(40, 3)))
    inputs = np.random.RandomState(2).normal(size=(2, 7, 4, 3)).astype("float32")
    indices, codes = layer(inputs)
    wanted = numpy_nearest(inputs, layer.book.numpy())
    assert indices.dtype == tf.int32 and len(np.unique(wanted)) > 10
    np.testing.assert_array_equal(indices, wanted)
    np.testing.assert_array_equal(codes, layer.book.numpy()[wanted])
    # A code is its own nearest.
    np.testing.assert_array_equal(layer.nearest(layer.book), np.arange(40))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_averages_move_the_book_as_the_appendix_says(jit_compile):
    layer = book(decay=0.9, revive_below=0)
    # As if a batch before had used each code once.
    codes, counts, sums = layer.book.numpy(), np.full(5, 0.1), 0.1 * layer.book.numpy()
    np.testing.assert_allclose(layer.sums.numpy(), sums, rtol=1e-6)
    np.testing.assert_allclose(layer.counts.numpy(), counts, rtol=1e-6)

    @tf.function(jit_compile=jit_compile)
    def update(inputs):
        layer.update(inputs, layer.nearest(inputs), 0)

    for step in range(4):
        inputs = np.random.RandomState(step).normal(size=(2, 6, 3)).astype("float32")
        codes, counts, sums = numpy_update(inputs, codes, counts, sums, 0.9)
        update(tf.constant(inputs))
        np.testing.assert_allclose(layer.book.numpy(), codes, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(layer.counts.numpy(), counts, rtol=1e-5)
        np.testing.assert_allclose(layer.sums.numpy(), sums, rtol=1e-4, atol=1e-5)
        # The float32 and the float64 book would part where an input is between two codes.
        codes = layer.book.numpy()


def test_smoothing_keeps_an_unused_code_finite():
    layer = book(codes=3, size=2, decay=0.0, revive_below=0)
    layer.book.assign([[0, 0], [1, 1], [50, 50]])
    inputs = np.array([[0.25, 0], [1, 1], [1, 1.5]], "float32")
    wanted, _, _ = numpy_update(inputs, layer.book.numpy(), np.ones(3), layer.sums.numpy(), 0.0)
    layer.update(inputs, layer.nearest(inputs), 0)
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(layer.book.numpy(), wanted, rtol=1e-6, atol=1e-12)


def test_codes_become_the_means_of_clusters():
    layer = book(codes=2, size=1, decay=0.5, revive_below=0)
    layer.book.assign([[-1.0], [1.0]])
    inputs = np.array([[-4.0], [-2.0], [3.0], [5.0], [7.0]], "float32")
    for _ in range(40):
        layer.update(inputs, layer.nearest(inputs), 0)
    np.testing.assert_allclose(layer.book.numpy(), [[-3.0], [5.0]], rtol=1e-4)
    np.testing.assert_allclose(layer.counts.numpy(), [2, 3], rtol=1e-4)


@pytest.mark.parametrize("update", ["ema", "gradient"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_dead_code_is_revived_where_the_book_errs(update, jit_compile):
    layer = book(codes=3, size=2, update=update, decay=0.5, revive_below=0.4)
    layer.book.assign([[0, 0], [1, 1], [50, 50]])
    # Three inputs have no error, so they are never drawn.
    inputs = np.array([[0, 0], [0, 0], [1, 1], [-3, 0], [-4, 0]], "float32")

    @tf.function(jit_compile=jit_compile)
    def step(seed):
        layer.update(inputs, layer.nearest(tf.constant(inputs)), seed)

    step(tf.constant([1, 2]))
    # All counts were 0.5, and four, one and none of the inputs came: averages at equal weights.
    mean = (2.25 + 0.75 + 0.25) / 3
    np.testing.assert_allclose(layer.counts.numpy(), [2.25, 0.75, mean], rtol=1e-6)
    revived = layer.book.numpy()[2].tolist()
    assert revived in ([-3, 0], [-4, 0])
    if update == "ema":
        np.testing.assert_allclose(layer.sums.numpy()[2], mean * np.array(revived), rtol=1e-6)
    else:
        np.testing.assert_array_equal(layer.book.numpy()[:2], [[0, 0], [1, 1]])
    step(tf.constant([3, 4]))
    assert layer.book.numpy()[2, 0] < -2


def test_far_inputs_are_drawn_in_proportion_to_their_squared_distance():
    inputs = np.array([[0, 0], [3, 0], [0, 4]], "float32")
    drawn = []
    for seed in range(20):
        layer = book(codes=50, size=2, decay=0.0, revive_below=0.5)
        layer.book.assign(np.concatenate([[[0, 0]], np.full((49, 2), 90.0)]))
        layer.update(inputs, layer.nearest(inputs), seed)
        drawn.append(layer.book.numpy()[1:])
    drawn = np.concatenate(drawn)
    share = np.mean((drawn == [0, 4]).all(axis=1))
    assert np.mean((drawn == [3, 0]).all(axis=1)) == pytest.approx(1 - share)
    # 16 / (9 + 16), four standard errors.
    assert share == pytest.approx(0.64, abs=4 * math.sqrt(0.64 * 0.36 / len(drawn)))


def test_perplexity_counts_codes_in_equal_use():
    layer = book(codes=6)
    assert float(layer.perplexity(tf.tile(tf.range(6), [7]))) == pytest.approx(6, rel=1e-6)
    assert float(layer.perplexity(tf.constant([[2, 2], [2, 2]]))) == pytest.approx(1)
    shares = np.array([0.5, 0.25, 0.25])
    wanted = math.exp(-(shares * np.log(shares)).sum())
    found = float(layer.perplexity(tf.constant([0, 0, 3, 5])))
    assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [{"codes": 0}, {"size": 1.5}, {"update": "sgd"}, {"decay": 1.0}, {"revive_below": -0.1}],
)
def test_a_book_that_cannot_be_is_refused(arguments):
    spec = {"type": "VectorQuantizer", "codes": 4, "size": 2, **arguments}
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        registration.build(spec)
