"""Masked networks: the Jacobian is zero where it must be, and nowhere else."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.networks import MaskedMLP
from zoo.networks.masked import positions
from zoo.registration import build

ORDERS = ("forward", "reversed", "random")
SIZE = 6


def _random(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def _jacobian(network, z, context=None):
    """d outputs[b, i, k] / d z[b, j] as `[b, i, k, j]`."""
    with tf.GradientTape() as tape:
        tape.watch(z)
        outputs = network(z) if context is None else network(z, context)
    return tape.batch_jacobian(outputs, z).numpy()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("units", [(), (40,), (40, 30, 40), (3,)], ids=str)
@pytest.mark.parametrize("with_context", [False, True])
def test_outputs_see_exactly_the_elements_before_them(order, units, with_context):
    network = MaskedMLP(units, outputs=3, order=order, activation="elu", seed=5)
    context = _random(4, 2, seed=1) if with_context else None
    network.build((None, SIZE), None if context is None else (None, 2))
    for i, kernel in enumerate(network.kernels):
        # They begin masked, which would hide that the network masks nothing.
        kernel.assign(_random(*kernel.shape, seed=i))
    jacobian = _jacobian(network, _random(4, SIZE), context)
    places = positions(order, SIZE, seed=5)
    before = places[:, np.newaxis] > places
    seen = np.any(jacobian != 0, axis=(0, 2))
    assert not seen[~before].any()
    if units != (3,):
        assert seen[before].all()
    else:
        # Three units cannot hold all prefixes, but each later element sees something.
        assert seen[places > 1].any(axis=1).all()


def test_orders_are_permutations_and_the_random_one_is_of_its_seed():
    np.testing.assert_array_equal(positions("forward", 4), [0, 1, 2, 3])
    np.testing.assert_array_equal(positions("reversed", 4), [3, 2, 1, 0])
    np.testing.assert_array_equal(np.sort(positions("random", 50, seed=1)), np.arange(50))
    np.testing.assert_array_equal(positions("random", 50, seed=1), positions("random", 50, seed=1))
    assert np.any(positions("random", 50, seed=1) != positions("random", 50, seed=2))


@pytest.mark.parametrize("order", ORDERS)
def test_the_first_element_sees_the_context_and_nothing_else(order):
    network = MaskedMLP([20], outputs=2, order=order, seed=5)
    z, context = _random(3, SIZE), _random(3, 4, seed=1)
    outputs = network(z, context).numpy()
    changed = network(z + 1, context).numpy()
    moved = network(z, context + 1).numpy()
    first = np.argmin(positions(order, SIZE, seed=5))
    np.testing.assert_array_equal(outputs[:, first], changed[:, first])
    assert np.all(outputs[:, first] != moved[:, first])
    # All others see it too.
    assert np.all(np.any(outputs != moved, axis=(0, 2)))


def test_it_is_the_network_of_its_masked_weights():
    network = MaskedMLP([7, 5], outputs=2, activation="tanh")
    z, context = _random(3, 2, 4), _random(2, 3, seed=1)
    outputs = network(z, context)
    assert outputs.shape == (3, 2, 4, 2)
    # The kernels too: they begin masked, which would hide that the network masks nothing.
    for weight in (*network.kernels, *network.biases):
        weight.assign(_random(*weight.shape, seed=2))
    w = [kernel.numpy() * mask for kernel, mask in zip(network.kernels, network.masks, strict=True)]
    b = [bias.numpy() for bias in network.biases]
    hidden = np.tanh(z @ w[0] + b[0] + context @ network.context_kernel.numpy())
    expected = np.tanh(hidden @ w[1] + b[1]) @ w[2] + b[2]
    np.testing.assert_allclose(
        network(z, context), expected.reshape(3, 2, 4, 2), rtol=1e-4, atol=1e-5
    )


def test_the_masks_are_germains():
    # Worked by hand: degrees 1 1 2 2 of the hidden units, inputs 1 2 3, two outputs each.
    network = MaskedMLP([4], outputs=2)
    network.build((None, 3))
    np.testing.assert_array_equal(network.masks[0], [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]])
    row = [0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1]
    np.testing.assert_array_equal(network.masks[1], row)


def test_what_is_masked_begins_at_zero_and_the_rest_as_glorots():
    network = MaskedMLP([200, 300])
    network.build((None, 100))
    for kernel, mask in zip(network.kernels, network.masks, strict=True):
        assert not np.any(kernel.numpy()[mask == 0])
        bound = np.sqrt(6 / sum(kernel.shape))
        kept = kernel.numpy()[mask == 1]
        assert 0.99 * bound < np.abs(kept).max() <= bound
        assert np.std(kept) == pytest.approx(bound / np.sqrt(3), rel=0.02)


def test_last_weights_begin_as_small_as_asked():
    ratio = []
    for scale in (1.0, 0.01):
        keras.utils.set_random_seed(1)
        network = MaskedMLP([50], outputs=2, output_scale=scale)
        ratio.append(np.std(network(_random(20, SIZE))))
    np.testing.assert_allclose(ratio[1] / ratio[0], 0.01, rtol=1e-4)


@pytest.mark.parametrize("with_context", [False, True])
def test_gradients_reach_every_weight_that_has_an_effect(with_context):
    network = MaskedMLP([30, 30], outputs=2, activation="elu")
    z, context = _random(8, SIZE), _random(8, 3, seed=1) if with_context else None
    with tf.GradientTape() as tape:
        value = tf.reduce_sum((network(z, context) if with_context else network(z)) ** 2)
        # Weights start with biases of 0, whose outputs of the first element would be 0.
        value += tf.reduce_sum(network(z, context) if with_context else network(z))
    gradients = tape.gradient(value, [v.value for v in network.trainable_variables])
    for variable, gradient in zip(network.trainable_variables, gradients, strict=True):
        assert np.isfinite(gradient).all() and np.any(gradient != 0), variable.path
    for kernel, mask in zip(network.kernels, network.masks, strict=True):
        gradient = next(
            g for v, g in zip(network.trainable_variables, gradients, strict=True) if v is kernel
        )
        assert not np.any(gradient.numpy()[mask == 0])


def test_xla_agrees():
    network = MaskedMLP([16], outputs=2, order="random")
    z, context = _random(2, 8, SIZE), _random(8, 3, seed=1)
    plain = network(z, context)
    compiled = tf.function(network, jit_compile=True)(z, context)
    np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-6)


def test_config_round_trip_and_saving(tmp_path):
    network = MaskedMLP([16, 8], 2, "random", "elu", seed=3, output_scale=0.5)
    inputs, context = keras.Input((SIZE,)), keras.Input((4,))
    model = keras.Model([inputs, context], network(inputs, context))
    assert model.output_shape == (None, SIZE, 2)
    again = MaskedMLP.from_config(network.get_config())
    assert again.get_config() == network.get_config()
    spec = {
        k: v for k, v in network.get_config().items() if k not in ("name", "trainable", "dtype")
    }
    assert build({"type": "MaskedMLP", **spec}).get_config().items() >= spec.items()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    data = [_random(3, SIZE), _random(3, 4, seed=1)]
    np.testing.assert_array_equal(loaded(data), model(data))


def test_float32_is_kept_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert MaskedMLP([4])(_random(2, 3)).dtype == tf.bfloat16
        assert MaskedMLP([4], dtype="float32")(_random(2, 3)).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MaskedMLP([4], order="backward"), "forward, reversed, random"),
        (lambda: MaskedMLP([4], outputs=0), "outputs of 1 or more"),
        (lambda: MaskedMLP([4])(_random(2, 1)), "2 elements or more"),
        (lambda: _built()(_random(2, 3), _random(2, 3)), "if, and only if"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def _built():
    network = MaskedMLP([4])
    network.build((None, 3))
    return network
