"""Residual networks: shapes of the two image sizes, what a block computes, gradients, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.networks import ResidualBlock, ResidualDecoder, ResidualEncoder
from zoo.registration import build


def _random(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))


NETWORKS = {
    "encoder": (lambda: ResidualEncoder([4, 8], 1, [10]), (8, 8, 1)),
    "decoder": (lambda: ResidualDecoder([2, 2, 8], [8, 4], 1, [10]), (5,)),
    "swish": (lambda: ResidualEncoder([4], 2, activation="swish"), (4, 4, 3)),
}
networks = pytest.mark.parametrize(("make", "shape"), NETWORKS.values(), ids=NETWORKS.keys())


@pytest.mark.parametrize(
    ("image", "start"), [((28, 28, 1), (7, 7, 16)), ((32, 32, 3), (8, 8, 16))], ids=str
)
def test_both_image_sizes_go_down_and_come_back(image, start):
    encoder = ResidualEncoder([8, 16], blocks=1, units=[20])
    assert encoder(_random(2, *image)).shape == (2, 20)
    assert encoder.compute_output_shape((None, *image)) == (None, 20)
    flat = ResidualEncoder([8, 16], blocks=1)
    assert flat(_random(2, *image)).shape == (2, np.prod(start))
    decoder = ResidualDecoder(start, [16, 8], blocks=1)
    assert decoder(_random(2, 5)).shape == (2, *image[:2], 8)
    assert tuple(decoder.compute_output_shape((None, 5))) == (None, *image[:2], 8)


@pytest.mark.parametrize("activation", ["elu", "swish"])
def test_a_block_is_its_formula(activation):
    block = ResidualBlock(activation)
    x = _random(2, 5, 5, 3)
    block(x)
    block.first.bias.assign(_random(3, seed=1))
    a = {"elu": tf.nn.elu, "swish": tf.nn.silu}[activation]
    hidden = a(tf.nn.conv2d(a(x), block.first.kernel, 1, "SAME") + block.first.bias)
    expected = x + tf.nn.conv2d(hidden, block.second.kernel, 1, "SAME")
    np.testing.assert_allclose(block(x), expected, rtol=1e-5, atol=1e-5)


def test_blocks_begin_near_the_identity_but_not_at_it():
    x = _random(2, 8, 8, 16)
    hidden = x
    for _ in range(8):
        hidden = ResidualBlock()(hidden)
    change = np.std(hidden - x) / np.std(x)
    assert 0.01 < change < 0.5


def test_the_number_of_blocks_counts():
    sizes = []
    for blocks in (0, 1, 3):
        network = ResidualEncoder([4, 8], blocks)
        network.build((None, 8, 8, 1))
        sizes.append(network.count_params())
    # Two convolutions of 3x3, one with biases, in each block of each stage.
    one = (2 * 9 * 4 * 4 + 4) + (2 * 9 * 8 * 8 + 8)
    assert sizes[1] - sizes[0] == one and sizes[2] - sizes[0] == 3 * one


def test_every_pixel_of_a_doubling_gets_as_many_contributions():
    decoder = ResidualDecoder([6, 6, 1], [1], blocks=0, activation="linear")
    decoder.build((None, 2))
    doubling = next(x for x in decoder.stack if isinstance(x, keras.layers.Conv2DTranspose))
    doubling.kernel.assign(tf.ones_like(doubling.kernel))
    inner = doubling(tf.ones([1, 6, 6, 1]))[0, 1:-1, 1:-1, 0]
    np.testing.assert_array_equal(inner, np.full((10, 10), 4.0))


@networks
def test_three_small_steps_move_every_variable(make, shape):
    network = make()
    x = _random(4, *shape)
    network(x)
    before = [v.numpy() for v in network.trainable_variables]
    optimizer = keras.optimizers.SGD(1e-4)
    for _ in range(3):
        with tf.GradientTape() as tape:
            outputs = network(x)
            value = tf.reduce_mean(tf.reduce_sum((outputs - 1) ** 2, axis=-1))
        optimizer.apply(
            tape.gradient(value, [v.value for v in network.trainable_variables]),
            network.trainable_variables,
        )
    for variable, old in zip(network.trainable_variables, before, strict=True):
        assert np.isfinite(variable).all() and np.any(variable.numpy() != old), variable.path


@networks
def test_xla_agrees(make, shape):
    network = make()
    x = _random(3, *shape)
    plain = network(x)
    compiled = tf.function(network, jit_compile=True)(x)
    np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=1e-5)


@networks
def test_config_round_trip_and_saving(make, shape, tmp_path):
    network = make()
    inputs = keras.Input(shape)
    model = keras.Model(inputs, network(inputs))
    again = type(network).from_config(network.get_config())
    assert again.get_config() == network.get_config()
    spec = {
        k: v for k, v in network.get_config().items() if k not in ("name", "trainable", "dtype")
    }
    built = build({"type": type(network).__name__, **spec})
    assert built.get_config().items() >= spec.items()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = _random(3, *shape)
    np.testing.assert_array_equal(loaded(x), model(x))


@networks
def test_mixed_precision_is_the_layers_choice(make, shape):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = make()
        assert network(_random(2, *shape)).dtype == tf.bfloat16
        assert {v.dtype for v in network.variables} == {"float32"}
        exact = type(network)(**{**_arguments(network), "dtype": "float32"})
        assert exact(_random(2, *shape)).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy(before)


def _arguments(network):
    return {
        k: v for k, v in network.get_config().items() if k not in ("name", "trainable", "dtype")
    }


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ResidualEncoder([4], blocks=-1), "blocks is a whole number from 0"),
        (lambda: ResidualDecoder([4, 4], [4]), "start is"),
        (lambda: ResidualDecoder([4, 4, 4], [4], blocks=0.5), "blocks is a whole number"),
    ],
)
def test_refusals(make, words):
    with pytest.raises(ValueError, match=words):
        make()
