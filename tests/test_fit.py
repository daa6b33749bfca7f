"""A model in the hands of a Keras user: plain compile, fit, evaluate, predict, save and load."""

import errno

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import BATCH, EVENT, NoNoise, batches, images, vae

import zoo.data
from zoo import distributions as zd
from zoo import networks as zn
from zoo.errors import DataError, TrainingError
from zoo.models import VAE, weights


@pytest.fixture(scope="module")
def trained():
    model = vae()
    before = model.get_weights()
    model.compile(optimizer=keras.optimizers.Adam(3e-3))
    history = model.fit(
        images(), batch_size=BATCH, epochs=4, validation_data=(images(12, seed=1), None), verbose=0
    )
    return model, history.history, before


def test_fit_on_an_array(trained):
    model, history, _ = trained
    names = {"loss", "log_likelihood", "kl", "elbo"}
    assert set(history) == names | {f"val_{name}" for name in names}
    assert history["elbo"][-1] > history["elbo"][0] + 0.5
    assert history["elbo"][-1] == pytest.approx(
        history["log_likelihood"][-1] - history["kl"][-1], abs=1e-4
    )
    assert int(model.train_steps.numpy()) == int(model.optimizer.iterations.numpy()) == 20


def test_every_variable_has_moved(trained):
    model, _, before = trained
    for variable, old in zip(model.weights, before, strict=True):
        now = variable.numpy()
        assert np.isfinite(now).all() and not np.array_equal(now, old), variable.path


def test_evaluate_repeats_itself_and_changes_nothing(trained):
    model, _, _ = trained
    weights, steps = model.get_weights(), int(model.train_steps.numpy())
    first, second = (model.evaluate(images(), return_dict=True, verbose=0) for _ in range(2))
    assert first == second
    assert steps == int(model.train_steps.numpy())
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_predict_gives_tensors_of_every_image(trained):
    found = trained[0].predict(images(13), batch_size=5, verbose=0)
    assert {k: v.shape for k, v in found.items()} == {
        "latent": (13, 3),
        "reconstruction": (13, *EVENT),
    }


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float64", "int64"])
def test_other_types_of_numbers_give_the_same(trained, dtype):
    model = trained[0]
    expected = model.evaluate(images(), return_dict=True, verbose=0)
    assert model.evaluate(images().astype(dtype), return_dict=True, verbose=0) == pytest.approx(
        expected, rel=1e-5
    )


def test_keras_file_keeps_weights_optimizer_and_compilation(trained, tmp_path):
    model = trained[0]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again, VAE) and again.seed == model.seed
    assert int(again.optimizer.iterations.numpy()) == 20
    assert float(again.optimizer.learning_rate) == pytest.approx(3e-3)
    for a, b in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    before = model.evaluate(images(), return_dict=True, verbose=0)
    assert again.evaluate(images(), return_dict=True, verbose=0) == before


@pytest.mark.parametrize("name", ["loss", "metrics", "loss_weights", "weighted_metrics"])
def test_compile_refuses_what_it_would_ignore(name):
    with pytest.raises(ValueError, match=f"compile it without `{name}`"):
        vae().compile(**{name: ["mse"]})


BAD = {
    "grey values": (images() * 0.5, r'binarize="dynamic"'),
    "levels": (images() * 255, r"from 0 to 255.*binarize"),
    "NaN": (np.where(images() > 0, np.nan, 0.0), "NaN"),
    "wrong shape": (np.zeros((8, 5, 5, 1)), r"\[4, 4, 1\].*\[8, 5, 5, 1\]"),
    "no channel": (images()[..., 0], r"reshape to \[-1, 4, 4, 1\]"),
    "empty": (images()[:0], "no data"),
    "empty data set": (tf.data.Dataset.from_tensor_slices(images()).batch(BATCH).take(0), "empty"),
}


@pytest.mark.parametrize("fault", BAD)
@pytest.mark.parametrize("method", ["fit", "evaluate", "validation"])
def test_bad_data_are_said_before_the_first_step(fault, method):
    model = vae()
    model.compile()
    data, message = BAD[fault]
    with pytest.raises(DataError, match=message) as error:
        if method == "validation":
            model.fit(images(), validation_data=(data, None), verbose=0)
        else:
            getattr(model, method)(data, verbose=0)
    assert "\n" not in str(error.value)
    assert int(model.optimizer.iterations.numpy()) == 0


def one_shot():
    yield from np.split(images(), 5)


UNCOUNTED = {
    "from_generator": lambda: tf.data.Dataset.from_generator(
        one_shot, output_signature=tf.TensorSpec((None, *EVENT))
    ),
    "filter": lambda: batches().filter(lambda x: True),
    "repeat": lambda: batches().repeat(),
    "generator": one_shot,
}


@pytest.mark.parametrize("kind", UNCOUNTED)
def test_data_of_unknown_length_are_refused(kind):
    model = vae()
    model.compile()
    for run in (
        lambda data: model.fit(data, verbose=0),
        lambda data: model.evaluate(data, verbose=0),
        lambda data: model.fit(images(), validation_data=data, verbose=0),
    ):
        with pytest.raises(DataError, match="assert_cardinality"):
            run(UNCOUNTED[kind]())
    assert int(model.optimizer.iterations.numpy()) == 0


def test_the_remedy_for_unknown_length_works():
    model = vae(NoNoise)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    counted = UNCOUNTED["from_generator"]().apply(tf.data.experimental.assert_cardinality(5))
    loss = model.fit(counted, epochs=2, verbose=0).history["loss"]
    assert int(model.optimizer.iterations.numpy()) == 10
    assert loss == pytest.approx([model.evaluate(images(), verbose=0)[0]] * 2, rel=1e-5)
    endless = UNCOUNTED["repeat"]()
    model.fit(endless, steps_per_epoch=3, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 13


def test_looking_at_a_training_set_does_not_count_as_an_epoch():
    train = zoo.data.from_array(images(), values="unit", batch_size=BATCH, shuffle=True)
    model = vae()
    model.compile()
    model.check(train)
    assert int(train.epoch.numpy()) == 0


def test_one_batch_is_overfitted():
    x = images(4, seed=5)
    model = vae()
    model.compile(optimizer=keras.optimizers.Adam(0.03), steps_per_execution=50)
    data = tf.data.Dataset.from_tensors(x).repeat(600)
    first = model.evaluate(x, return_dict=True, verbose=0)["elbo"]
    model.fit(data, verbose=0)
    last = model.evaluate(x, return_dict=True, verbose=0)["elbo"]
    # log 1/4 is the best: four images, equally likely, each known exactly.
    assert first < -9 and -4 < last < np.log(1 / 4) + 0.5


def test_every_variable_gets_a_gradient_in_three_steps():
    model = VAE(
        encoder=zn.ConvEncoder(filters=[4], units=[8]),
        posterior=zd.MultivariateNormalTriL(2),
        decoder=zn.ConvDecoder(start=[2, 2, 4], filters=[4]),
        likelihood=zd.IndependentNormal(EVENT, scale="learned", value=0.5),
    )
    model.ensure_built()
    before = [w.numpy() for w in model.trainable_variables]
    model.compile(optimizer=keras.optimizers.Adam(1e-2), jit_compile=True)
    model.fit(images(24), batch_size=8, verbose=0)
    assert model.guard.first() is None
    for variable, old in zip(model.trainable_variables, before, strict=True):
        assert not np.array_equal(variable.numpy(), old), variable.path
    moments = [v for v in model.optimizer.variables if "momentum" in v.path]
    assert len(moments) == len(before)
    assert all(np.isfinite(m.numpy()).all() and m.numpy().any() for m in moments)


def test_xla_takes_the_same_steps_where_there_is_no_noise():
    results = []
    for jit in (False, True):
        model = vae(NoNoise)
        model.compile(
            optimizer=keras.optimizers.SGD(0.05), jit_compile=jit, steps_per_execution=1 + 2 * jit
        )
        model.fit(batches(), verbose=0)
        results.append(np.concatenate([w.ravel() for w in model.get_weights()]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_has_terms_in_float32(policy):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = vae()
        # A scale that overflows 16 bits at first: the optimizer halves it, and skips these steps.
        adam = keras.optimizers.Adam(1e-2)
        if policy == "mixed_float16":
            adam = keras.optimizers.LossScaleOptimizer(adam, initial_scale=2.0**24)
        model.compile(optimizer=adam)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    terms = model.terms(tf.constant(images(8)), training=True, seed=tf.constant([0, 1]))
    assert {v.dtype for v in terms.metrics().values()} == {tf.float32}
    hidden = model.encoder(images(8))
    assert hidden.dtype == policy.removeprefix("mixed_")
    history = model.fit(batches(), epochs=6, verbose=0).history
    assert model.guard.first() is None
    assert history["elbo"][-1] > history["elbo"][0] + 0.2
    if policy == "mixed_float16":
        assert 0 < int(adam.iterations.numpy()) < 30


def test_weights_of_examples_are_refused():
    model = vae()
    model.compile()
    x = images()
    for arguments in ({"sample_weight": np.ones(len(x))}, {"class_weight": {0: 1.0}}):
        with pytest.raises(ValueError, match="takes no"):
            model.fit(x, verbose=0, **arguments)


def test_bad_values_in_a_later_batch_do_not_pass_in_silence():
    x = images(3 * BATCH)
    x[2 * BATCH :] = np.nan
    model = vae()
    model.compile(jit_compile=True)
    with pytest.raises(TrainingError, match="not finite at step 2"):
        model.fit(tf.data.Dataset.from_tensor_slices(x).batch(BATCH), epochs=1, verbose=0)


def test_encode_and_reconstruct_look_at_what_they_get():
    model = vae()
    for wrong in (images()[:, :-1], images() * np.float32(np.nan)):
        for operation in (model.encode, model.reconstruct):
            with pytest.raises(DataError):
                operation(wrong)


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    model = vae()

    def no_room(folder, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights, "check_room", no_room)
    with pytest.raises(OSError, match="No space"):
        weights.write_weights(model, tmp_path / "model.weights.h5")
    assert not list(tmp_path.iterdir())
