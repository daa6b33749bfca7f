"""The U-Net: shapes, what each output sees, the context, learning, storing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.networks import UNet
from zoo.networks.unet import _activated


def unet(shape=(8, 8, 2), context=3, **arguments) -> UNet:
    keras.utils.set_random_seed(0)
    made = UNet(**{"filters": [4, 8], "groups": 2, **arguments})
    made.build((None, *shape), None if context is None else (None, context))
    return made


def normal(*shape, seed=0) -> tf.Tensor:
    return tf.random.stateless_normal(shape, (0, seed))


@pytest.mark.parametrize("shape", [(8, 8, 2), (6, 4, 1)])
@pytest.mark.parametrize("outputs", [None, 5])
def test_images_become_images_of_the_same_size(shape, outputs):
    made = unet(shape, outputs=outputs)
    found = made(normal(3, *shape), normal(3, 3))
    assert found.shape == (3, *shape[:2], outputs or shape[-1])
    assert made.compute_output_shape((None, *shape)) == (None, *found.shape[1:])


def test_all_variables_have_gradients_and_all_pixels_are_seen():
    made, x, context = unet(), normal(2, 8, 8, 2), normal(2, 3)
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = made(x, context)
        loss = tf.reduce_sum(found**2)
    values = [v.value for v in made.trainable_variables]
    gradients = tape.gradient(loss, [*values, x])
    for variable, gradient in zip([*made.trainable_variables, x], gradients, strict=True):
        assert gradient is not None and np.abs(gradient).max() > 0, variable
    with tf.GradientTape() as tape:
        tape.watch(x)
        corner = made(x, context)[:, 0, 0, 0]
    assert (np.abs(tape.gradient(corner, x)).max(axis=-1) > 0).all()


def test_without_attention_a_corner_does_not_see_the_opposite_one(monkeypatch):
    made, x = unet((40, 40, 1), None, attention=False, groups=1), normal(1, 40, 40, 1)
    # Normalization looks at all places: shut it off.
    monkeypatch.setattr("zoo.networks.unet._activated", lambda norm, x, then=None: tf.nn.silu(x))
    with tf.GradientTape() as tape:
        tape.watch(x)
        corner = made(x)[:, 0, 0, 0]
    seen = np.abs(tape.gradient(corner, x))[0, :, :, 0] > 0
    assert seen[0, 0] and not seen[-1, -1]


def test_the_context_scales_and_shifts():
    made, x = unet(), normal(2, 8, 8, 2)
    a, b = made(x, normal(2, 3)), made(x, normal(2, 3, seed=1))
    assert np.abs(a - b).max(axis=(1, 2, 3)).min() > 1e-4
    with pytest.raises(ValueError, match="takes a context if"):
        made(x)
    with pytest.raises(ValueError, match="takes a context if"):
        unet(context=None)(x, normal(2, 3))


@pytest.mark.parametrize("part", ["scale", "shift"])
def test_each_of_scale_and_shift_counts_alone(part):
    made, x = unet(), normal(2, 8, 8, 2)
    dense = [layer.given for layer in made._flatten_layers() if getattr(layer, "given", None)]
    assert dense
    for layer in dense:
        keep = np.arange(layer.kernel.shape[1]) < layer.kernel.shape[1] // 2
        layer.kernel.assign(layer.kernel * (keep if part == "scale" else ~keep))
    a, b = made(x, normal(2, 3)), made(x, normal(2, 3, seed=1))
    assert np.abs(a - b).max(axis=(1, 2, 3)).min() > 1e-4


def test_what_is_kept_on_the_way_down_arrives_on_the_way_up():
    made, x = unet(context=None), normal(1, 8, 8, 2)
    # Nothing comes from below: the halving convolution is shut.
    below = [layer for layer in made._flatten_layers() if getattr(layer, "strides", 0) == (2, 2)]
    assert len(below) == 1
    below[0].kernel.assign(tf.zeros_like(below[0].kernel))
    # And nothing goes straight on: of a block on the way up, only the kept half counts.
    for block in (layer for layers in made.up for layer in layers if hasattr(layer, "short")):
        for kernel in (block.convs[0].kernel, block.short.kernel):
            cut = kernel.shape[-2] - kernel.shape[-1]
            own = np.arange(kernel.shape[-2]) >= max(cut, 0)
            kernel.assign(kernel * own[:, np.newaxis])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(made(x) ** 2)
    assert np.abs(tape.gradient(loss, x)).max() > 1e-6


def test_it_learns_to_move_an_image():
    made, x = unet((8, 8, 1), None, filters=[8, 16]), normal(16, 8, 8, 1)
    wanted, optimizer = tf.roll(x, 3, axis=2), keras.optimizers.Adam(1e-2)

    @tf.function(jit_compile=True)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((made(x) - wanted) ** 2)
        variables = made.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    optimizer.build(made.trainable_variables)
    losses = [float(step()) for _ in range(150)]
    assert losses[0] > 0.8 and losses[-1] < 0.3


def test_attention_is_the_weighted_sum():
    from zoo.networks.unet import _Attention

    layer, x = _Attention(4, 2), normal(2, 3, 2, 4)
    layer.out.kernel.assign(tf.eye(4))
    places = layer.norm(x).numpy().reshape(2, 6, 4)
    q, k, v = np.split(places @ layer.qkv.kernel.numpy() + layer.qkv.bias.numpy(), 3, axis=-1)
    scores = np.exp(q @ k.transpose(0, 2, 1) / 2)
    wanted = x + ((scores / scores.sum(-1, keepdims=True)) @ v).reshape(2, 3, 2, 4)
    np.testing.assert_allclose(layer(x), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"filters": []}, "multiples"), ({"groups": 3}, "multiples"), ({"blocks": 0}, "1 block")],
)
def test_arguments_that_are_none(arguments, words):
    with pytest.raises(ValueError, match=words):
        unet(**arguments)


def test_sizes_that_do_not_halve():
    with pytest.raises(ValueError, match="halves an image 1 times"):
        unet((7, 8, 1))
    with pytest.raises(ValueError, match="takes images"):
        unet((2,))


@pytest.mark.parametrize("scaled", [False, True])
def test_normalization_in_one_line_is_that_of_keras(scaled):
    norm = keras.layers.GroupNormalization(3)
    norm.build((None, None, None, 6))
    norm.gamma.assign(1 + 0.3 * normal(6, seed=1))
    norm.beta.assign(normal(6, seed=2))
    # A mean far from 0 would cost digits if squares were summed before it is taken off.
    x = 30 + normal(4, 5, 7, 6, seed=3)
    then = (1 + normal(4, 6, seed=4), normal(4, 6, seed=5)) if scaled else ()

    def plain(x, *then):
        y = norm(x)
        if then:
            y = then[0][:, None, None] * y + then[1][:, None, None]
        return tf.nn.silu(y)

    results = []
    for of in (lambda x, *then: _activated(norm, x, then), plain):
        with tf.GradientTape() as tape:
            tape.watch([x, *then])
            found = of(x, *then)
            loss = tf.reduce_sum(found * normal(*found.shape, seed=6))
        inputs = [x, *then, norm.gamma.value, norm.beta.value]
        results.append([found, *tape.gradient(loss, inputs)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_normalization_of_half_precision_sums_in_single():
    norm = keras.layers.GroupNormalization(2, dtype="float16")
    norm.build((None, None, None, 4))
    # Squares of 300 are beyond what 16 bits hold.
    x = 300.0 * normal(2, 16, 16, 4)
    found = _activated(norm, tf.cast(x, tf.float16))
    assert found.dtype == tf.float16
    np.testing.assert_allclose(found, _activated(norm, x), atol=0.01)
