"""The VQ-VAE: its gradients, its two replicas, what is done with it, its measures."""

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from processes import result

import zoo
from zoo import cli, configuration, storing
from zoo import distributions as zd
from zoo import networks as zn
from zoo.errors import DataError, NotSupported
from zoo.evaluation import evaluate
from zoo.models import VQVAE
from zoo.objectives import QuantizationTerms, VectorQuantization

EVENT = (8, 8, 1)


def vq_vae(update="ema", codes=8, size=3, **arguments) -> VQVAE:
    keras.utils.set_random_seed(1)
    model = VQVAE(
        zn.DownEncoder([8, 8], blocks=1, block_filters=4),
        zn.VectorQuantizer(codes, size, update=update, **arguments),
        zn.UpDecoder([8, 8], blocks=1, block_filters=4),
        zd.IndependentDeterministic(EVENT),
    )
    model.ensure_built()
    return model


def images(count=16, seed=0) -> np.ndarray:
    return np.random.RandomState(seed).uniform(size=(count, *EVENT)).astype("float32")


def spread_codes(model: VQVAE, x: np.ndarray) -> None:
    """Puts the codes among the encoder's outputs, so that several are in use."""
    z = model._features(tf.constant(x), False).numpy().reshape(-1, model.quantizer.size)
    rows = np.random.RandomState(0).choice(len(z), model.quantizer.codes, replace=False)
    model.quantizer.book.assign(z[rows])


# The model's gradients.


def test_the_decoders_gradient_goes_straight_through():
    model, x = vq_vae(), images()
    spread_codes(model, x)
    with tf.GradientTape() as tape:
        error = model.terms(x, training=False).squared_error
    through = tape.gradient(error, model.projection.bias.value)
    codes = model.encode(x).mean()
    with tf.GradientTape() as tape:
        tape.watch(codes)
        error = tf.reduce_mean((x - model.decode(codes).mean()) ** 2, axis=(1, 2, 3))
    # The bias is added at each position.
    wanted = tf.reduce_sum(tape.gradient(error, codes), axis=(0, 1, 2)).numpy()
    assert len(np.unique(model.codes(x))) > 4 and np.abs(wanted).max() > 1e-4
    np.testing.assert_allclose(through, wanted, rtol=1e-3, atol=1e-6)


def test_commitment_moves_the_encoder_and_the_other_term_the_book():
    model, x = vq_vae("gradient"), images()
    spread_codes(model, x)
    z = model._features(tf.constant(x), False).numpy()
    codes, indices = model.encode(x).mean().numpy(), model.codes(x).numpy()
    bias, entries = model.projection.bias.value, model.quantizer.book.value
    with tf.GradientTape(persistent=True) as tape:
        terms = model.terms(x, training=False)
    distance = ((z - codes) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(terms.commitment, distance, rtol=1e-4)
    np.testing.assert_allclose(terms.codebook, distance, rtol=1e-4)
    each = 2 * (z - codes) / z[0].size
    gradient = tape.gradient(terms.commitment, bias)
    np.testing.assert_allclose(gradient, each.sum(axis=(0, 1, 2)), rtol=1e-3, atol=1e-6)
    assert tape.gradient(terms.commitment, entries) is None
    assert tape.gradient(terms.codebook, bias) is None
    gradient = tf.convert_to_tensor(tape.gradient(terms.codebook, entries)).numpy()
    wanted = np.stack([-each[indices == j].sum(axis=0) for j in range(8)])
    np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-6)


def test_a_gradient_moves_the_book_only_where_it_is_meant_to():
    moved = vq_vae("gradient", revive_below=0)
    followed = vq_vae("ema", revive_below=0)
    assert any(v is moved.quantizer.book for v in moved.trainable_variables)
    assert not any(v is followed.quantizer.book for v in followed.trainable_variables)
    for model in (moved, followed):
        spread_codes(model, images())
        before = model.quantizer.book.numpy()
        model.compile(optimizer=keras.optimizers.SGD(0.1))
        model.evaluate(images(), verbose=0)
        np.testing.assert_array_equal(model.quantizer.book.numpy(), before)
        model.fit(images(), batch_size=16, verbose=0)
        assert np.abs(model.quantizer.book.numpy() - before).max() > 1e-4
    assert not np.any(followed.terms(images(), training=False).codebook)


def test_the_loss_is_the_sum_of_its_terms():
    terms = QuantizationTerms(*(tf.constant(v) for v in ([0.2, 0.4], [1.0, 2.0], [3.0, 4.0], 5.0)))
    objective = VectorQuantization(commitment_weight=0.5, codebook_weight=2, data_variance=0.1)
    np.testing.assert_allclose(objective(terms), [2 + 0.5 + 6, 4 + 1 + 8], rtol=1e-6)
    assert {k: v.numpy().tolist() for k, v in terms.metrics().items()} == {
        "squared_error": [np.float32(0.2), np.float32(0.4)],
        "commitment": [1, 2],
        "perplexity": [5, 5],
    }
    for wrong in ({"commitment_weight": -1}, {"data_variance": 0}, {"codebook_weight": math.nan}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            VectorQuantization(**wrong)


# Two replicas.


@pytest.fixture(scope="module")
def mirrored():
    return result("quantized.py")


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_two_replicas_learn_the_book_of_one_device(mirrored, update):
    found = mirrored[update]
    assert mirrored["replicas"] == 2 and found["weights"] == 20 + (update == "ema")
    assert found["difference"] < 1e-5
    two, one = found["logs"]
    assert one["perplexity"][0] > 3
    for name in ("perplexity", "val_perplexity", "commitment", "squared_error"):
        assert two[name] == pytest.approx(one[name], rel=1e-4)


def test_replicas_revive_the_same_codes_alike(mirrored):
    found = mirrored["revived"]
    assert found["book"][0] == found["book"][1] and found["counts"][0] == found["counts"][1]
    inputs = [[tuple(x) for x in rows] for rows in found["inputs"]]
    revived = [tuple(code) for code in found["book"][0][2:]]
    # Codes are drawn by the replicas in turn, each from its own share of the batch.
    assert [inputs[j % 2].index(code) >= 0 for j, code in enumerate(revived)] == [True] * 4
    # 16 inputs are nearest to the first two codes; the others count as the mean, 16 / 6.
    assert sum(found["counts"][0][:2]) == 16
    assert found["counts"][0][2:] == pytest.approx([16 / 6] * 4)


# The model.


def test_images_become_codes_and_codes_images():
    model, x = vq_vae(), images(5)
    spread_codes(model, x)
    codes = model.codes(x)
    assert codes.shape == (5, 2, 2) and codes.dtype == tf.int32
    assert model.latent_shape == (2, 2, 3) and model.bits == 4 * 3
    latent = model.encode(x)
    assert latent.event_shape == (2, 2, 3)
    np.testing.assert_array_equal(latent.mean(), model.quantizer.book.numpy()[codes])
    seen = model.reconstruct(x)
    assert seen.shape == x.shape
    np.testing.assert_array_equal(model.decode_codes(codes).mean(), seen)
    outputs = model.predict(x, verbose=0)
    np.testing.assert_array_equal(outputs["codes"], codes)
    np.testing.assert_allclose(outputs["reconstruction"], seen, rtol=1e-5)
    # Any dimensions may lead.
    many = model.decode(tf.tile(latent.mean()[tf.newaxis], [2, 1, 1, 1, 1])).mean()
    np.testing.assert_allclose(many, np.stack([seen, seen]), rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_training_learns_a_few_images_by_heart(jit_compile):
    model, x = vq_vae(codes=16), np.repeat(images(4), 4, axis=0)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=jit_compile)
    history = model.fit(x, batch_size=16, epochs=150, verbose=0).history
    assert history["squared_error"][-1] < 0.5 * history["squared_error"][0]
    assert history["perplexity"][-1] > 2


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_what_is_saved_is_loaded(update, tmp_path):
    model, x = vq_vae(update), images()
    model.compile(optimizer="sgd")
    model.fit(x, verbose=0)
    zoo.save(model, tmp_path / "saved")
    model.save(tmp_path / "model.keras")
    for again in (
        zoo.load(tmp_path / "saved"),
        keras.models.load_model(tmp_path / "model.keras"),
    ):
        assert storing.spec(again) == storing.spec(model)
        for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(again(x)["codes"], model(x)["codes"])
        np.testing.assert_array_equal(again.reconstruct(x), model.reconstruct(x))


def test_the_book_keeps_to_float32_in_mixed_precision():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = vq_vae()
        model.compile(optimizer="sgd")
        model.fit(images(), verbose=0)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert model.encoder.stack[0].compute_dtype == "bfloat16"
    assert model.quantizer(tf.zeros((1, 3), tf.bfloat16))[1].dtype == tf.float32
    assert model.reconstruct(images()).dtype == tf.float32


def test_what_it_cannot_do_is_said():
    model = vq_vae()
    assert model.can("reconstruct") and not model.can("sample") and not model.prefers_xla()
    with pytest.raises(NotSupported, match=r"model\.codes\(x\).*model\.decode_codes"):
        model.sample(3)
    with pytest.raises(DataError, match="from 2 to 2"):
        model.codes(2 + 0 * images())
    with pytest.raises(ValueError, match="DownEncoder"):
        VQVAE(
            zn.MLP([4]),
            zn.VectorQuantizer(4, 2),
            zn.UpDecoder([4]),
            zd.IndependentDeterministic(EVENT),
        )
    with pytest.raises(ValueError, match="quantizer"):
        VQVAE(zn.DownEncoder([4]), 256, zn.UpDecoder([4]), zd.IndependentDeterministic(EVENT))


@pytest.mark.parametrize("blocks", [0, 2])
def test_the_networks_mirror_each_other(blocks):
    down, up = zn.DownEncoder([4, 6, 8], blocks=blocks), zn.UpDecoder([8, 6, 4], blocks=blocks)
    small = down(np.zeros((2, 16, 24, 3), "float32"))
    assert small.shape == (2, 2, 3, 8) == tuple(down.compute_output_shape((2, 16, 24, 3)))
    large = up(small)
    assert large.shape == (2, 16, 24, 4) == tuple(up.compute_output_shape((2, 2, 3, 8)))
    for wrong in ({"filters": []}, {"filters": [4], "blocks": -1}):
        with pytest.raises(ValueError, match=r"filters|blocks"):
            zn.DownEncoder(**wrong)


@pytest.mark.parametrize("network", [zn.DownEncoder, zn.UpDecoder])
def test_a_network_hands_its_precision_on(network):
    stack = network([4], blocks=1, dtype="mixed_bfloat16").stack
    block = next(layer for layer in stack if hasattr(layer, "inner"))
    for layer in (*stack, block.inner, block.outer):
        assert layer.compute_dtype == "bfloat16", layer


@pytest.mark.parametrize("name", ["vq_vae.mnist", "vq_vae.cars"])
def test_the_entry_trains_at_smoke_size(name):
    values = configuration.read(name).values
    assert values["training"]["keep"] == "last"
    parameters = sum(math.prod(v.shape) for v in zoo.create(name).variables)
    assert 4 * parameters < 8e6
    model = zoo.create(name, smoke=True)
    x = np.random.RandomState(0).uniform(size=(32, *model.event_shape)).astype("float32")
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    before = model.get_weights()
    history = model.fit(x, batch_size=16, epochs=1, verbose=0).history
    assert all(math.isfinite(v[0]) for v in history.values())
    for old, new, variable in zip(before, model.get_weights(), model.weights, strict=True):
        assert not np.array_equal(old, new), variable.path


# Its measures.


def test_measures_are_those_of_the_whole_set():
    model, x = vq_vae(codes=4), images(30)
    spread_codes(model, x)
    found = evaluate(model, zoo.data.from_array(x, batch_size=8))
    errors = ((x - model.reconstruct(x).numpy()) ** 2).mean(axis=(1, 2, 3))
    spread = errors.std(ddof=1) / math.sqrt(30)
    assert found["squared_error"].value == pytest.approx(errors.mean(), rel=1e-5)
    assert found["squared_error"].standard_error == pytest.approx(spread, rel=1e-3)
    psnr = found["psnr"]
    assert psnr.value == pytest.approx(-10 * math.log10(errors.mean()), rel=1e-5)
    shift = -10 * math.log10(1 + spread / errors.mean())
    assert psnr.standard_error == pytest.approx(-shift, rel=0.1) and psnr.unit == "dB"
    shares = np.bincount(model.codes(x).numpy().ravel(), minlength=4) / (30 * 4)
    shares = shares[shares > 0]
    perplexity = math.exp(-(shares * np.log(shares)).sum())
    assert perplexity > 2 and found["perplexity"].value == pytest.approx(perplexity)
    assert found["codes_used"].value == len(shares) and found["bits"].value == 8
    json.dumps({name: result.record() for name, result in found.items()})


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (np.full((1, 2, 2), 8), "codes 0 to 7, not 8 to 8"),
        (np.full((1, 2, 2), -1), "codes 0 to 7, not -1 to -1"),
        (np.zeros((1, 2, 2)), "as integers"),
        (np.zeros((1, 2, 3), int), "shape"),
    ],
)
def test_codes_that_are_none(codes, words):
    with pytest.raises(DataError, match=words):
        vq_vae("ema").decode_codes(codes)


def test_the_command_writes_indices_that_decode_to_the_codes(tmp_path):
    model, data = vq_vae(), {"name": "digits", "values": "unit"}
    object.__setattr__(model, "config", {"data": data, "model": storing.spec(model)})
    zoo.save(model, tmp_path / "model")
    file = tmp_path / "codes.npz"
    assert cli.main(["encode", str(tmp_path / "model"), "--out", str(file)]) in (None, 0)
    found = np.load(file)
    assert sorted(found) == ["codes", "labels", "mean"]
    x = np.concatenate(list(zoo.data.load(**data).test))
    np.testing.assert_array_equal(found["codes"], model.codes(x))
    np.testing.assert_allclose(found["mean"], model.quantizer.lookup(found["codes"]), atol=1e-6)
