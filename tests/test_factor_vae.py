"""FactorVAE: what its critic estimates, who moves what, and that both optimizers survive."""

import functools
import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from models import EVENT, images
from processes import result

import zoo
from zoo import distributions as zd
from zoo import networks as zn
from zoo import registration, storing
from zoo.errors import ConfigError
from zoo.models.factor_vae import FactorVAE, permuted
from zoo.noise import fold
from zoo.numerics import inverse_positive
from zoo.training import train

KEY = fold(0, "test")
SPEC = {
    "type": "FactorVAE",
    "encoder": {"type": "MLP", "units": [8]},
    "posterior": {"type": "MultivariateNormalDiag", "size": 3},
    "decoder": {"type": "MLP", "units": [8]},
    "likelihood": {"type": "IndependentBernoulli", "event_shape": list(EVENT)},
    "critic": {"type": "MLP", "units": [8], "activation": "leaky_relu"},
    "critic_optimizer": {"type": "Adam", "learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.9},
    "correlation_weight": 5.0,
    "seed": 3,
}


def factor_vae(**changes) -> FactorVAE:
    keras.utils.set_random_seed(1)
    model = registration.build({**SPEC, **changes})
    model.ensure_built()
    return model


def split(model) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights of the VAE and of the critic."""
    critic = {id(v) for layer in (model.critic, model.critic_logit) for v in layer.weights}
    of_critic = [v.numpy() for v in model.weights if id(v) in critic]
    return [v.numpy() for v in model.weights if id(v) not in critic], of_critic


def all_moved(before, after) -> bool:
    return all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def none_moved(before, after) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@functools.cache
def trained() -> FactorVAE:
    model = factor_vae()
    model.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=True)
    model.fit(images(), batch_size=8, epochs=2, verbose=0)
    return model


# The permutation.


def test_permuting_keeps_the_values_of_each_latent():
    z = np.random.RandomState(0).normal(size=(50, 3)).astype("float32")
    for find in (permuted, tf.function(permuted, jit_compile=True)):
        found = find(tf.constant(z), KEY).numpy()
        np.testing.assert_array_equal(np.sort(found, axis=0), np.sort(z, axis=0))
        orders = [np.argsort(np.argsort(found[:, d]))[np.argsort(z[:, d])] for d in range(3)]
        # Each latent has an order of its own, and none stays.
        assert len({tuple(np.argsort(o)) for o in orders}) == 3
        assert np.mean(found == z) < 0.15


def test_permuting_destroys_dependence():
    one = np.random.RandomState(0).normal(size=(5000, 1)).astype("float32")
    z = np.concatenate([one, one**2, -one], axis=1)
    found = permuted(tf.constant(z), KEY).numpy()
    for values in (found, found**2):
        correlation = np.corrcoef(values, rowvar=False)
        assert np.abs(correlation - np.eye(3)).max() < 4 / np.sqrt(5000)


def test_every_order_is_as_likely():
    z = tf.constant([[0.0], [1.0], [2.0]])
    find = tf.function(lambda i: permuted(z, fold(5, i)))
    found = tf.map_fn(find, tf.range(1200), tf.float32).numpy()
    _, counts = np.unique(found[:, :, 0], axis=0, return_counts=True)
    assert len(counts) == 6 and np.abs(counts - 200).max() < 4 * np.sqrt(200)


# The two players.


def test_the_loss_adds_the_critics_logit():
    model = factor_vae()
    x = tf.constant(images(8))
    terms, loss = model._loss(x, None, False, KEY)
    logit = model.critic_logit(model.critic(terms.latents[0]))[:, 0]
    np.testing.assert_allclose(loss, 5 * logit - terms.elbo, rtol=1e-5)
    assert np.abs(logit).max() > 1e-3
    model.compile(run_eagerly=True)
    log = model.evaluate(images(), return_dict=True, verbose=0)
    assert log["elbo"] == pytest.approx(log["log_likelihood"] - log["kl"], rel=1e-5)
    assert abs(log["loss"] + log["elbo"]) > 1e-3


def test_each_optimizer_moves_its_own_variables():
    still = {"type": "SGD", "learning_rate": 0.0}
    for first, second in ((0.0, 0.1), (0.1, 0.0), (0.1, 0.1)):
        model = factor_vae(critic_optimizer={**still, "learning_rate": second})
        before = split(model)
        model.compile(optimizer=keras.optimizers.SGD(first), run_eagerly=True)
        model.fit(images(8), batch_size=8, verbose=0)
        for rate, old, new in zip((first, second), before, split(model), strict=True):
            assert (all_moved if rate else none_moved)(old, new)
        (_, own), (_, critic) = model.optimized()
        assert len(own) == 8 and len(critic) == 4
        assert {id(v) for v in [*own, *critic]} == {id(v) for v in model.trainable_variables}


def test_one_step_is_the_papers_algorithm():
    model = factor_vae(critic_optimizer={"type": "SGD", "learning_rate": 0.1})
    model.compile(optimizer=keras.optimizers.SGD(0.01), run_eagerly=True)
    x, key = tf.constant(images(8)), fold(3, "train", 0, 0)
    (_, own), (_, critic) = ((None, [v.value for v in vs]) for _, vs in model.optimized())
    with tf.GradientTape(persistent=True) as tape:
        terms = model.terms(x, training=True, seed=key)
        z = terms.latents[0]
        loss = tf.reduce_mean(5 * model.logit(z) - terms.elbo)
        real = model.logit(tf.stop_gradient(z))
        fake = model.logit(tf.stop_gradient(permuted(z, fold(key, "permute"))))
        # Cross-entropy of the two classes, each with half of the mass.
        entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        classes = tf.concat([tf.ones(8), tf.zeros(8)], axis=0)
        wrong = entropy(classes, tf.concat([real, fake], axis=0))
    expected = [v - 0.01 * g for v, g in zip(own, tape.gradient(loss, own), strict=True)]
    expected += [v - 0.1 * g for v, g in zip(critic, tape.gradient(wrong, critic), strict=True)]
    model.fit(images(8), batch_size=8, shuffle=False, verbose=0)
    for found, wanted in zip([*own, *critic], expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_both_train_under_xla():
    before, after = split(factor_vae()), split(trained())
    assert all_moved(before[0], after[0]) and all_moved(before[1], after[1])
    assert trained().guard.first() is None


def test_a_fault_of_the_critic_is_noticed():
    model = factor_vae()
    model.compile(run_eagerly=True)
    model.critic_logit.kernel.assign(np.full((8, 1), np.nan))
    with pytest.raises(zoo.errors.TrainingError, match="not finite at step 0"):
        model.fit(images(8), verbose=0)


# What the critic finds.

# Of two numbers with deviation 1 and this correlation, and the posterior's noise.
CORRELATION, DEVIATION = 0.8, 0.1


@functools.cache
def critic_of_a_normal() -> tuple[FactorVAE, np.ndarray]:
    """A model whose code is x itself with a little noise, and whose critic alone has learned."""
    keras.utils.set_random_seed(1)
    model = FactorVAE(
        encoder=zn.MLP([]),
        posterior=zd.MultivariateNormalDiag(2),
        decoder=zn.MLP([2]),
        likelihood=zd.IndependentNormal([2]),
        critic=zn.MLP([32, 32], activation="leaky_relu"),
        critic_optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-2, 600)),
    )
    model.ensure_built()
    raw = inverse_positive(DEVIATION) - inverse_positive(1.0)
    kernel = np.concatenate([np.eye(2), np.zeros((2, 2))], axis=1)
    model.posterior.projection.set_weights([kernel, np.array([0, 0, raw, raw])])
    model.compile(optimizer=keras.optimizers.SGD(0.0), steps_per_execution=50)
    covariance = [[1, CORRELATION], [CORRELATION, 1]]
    x = np.random.RandomState(0).multivariate_normal([0, 0], covariance, 512 * 100)
    x = x.astype("float32")
    model.fit(x, batch_size=512, epochs=6, verbose=0)
    return model, x


def test_the_critic_finds_the_total_correlation_of_a_normal():
    model, x = critic_of_a_normal()
    code = model.encode(x)
    np.testing.assert_allclose(code.mean(), x, atol=1e-6)
    np.testing.assert_allclose(code.stddev(), np.full_like(x, DEVIATION), rtol=1e-3)
    z = code.sample(seed=KEY)
    correlation = CORRELATION / (1 + DEVIATION**2)
    exact = -0.5 * np.log(1 - correlation**2)
    assert exact == pytest.approx(0.494, abs=1e-3)
    assert np.mean(model.logit(z)) == pytest.approx(exact, abs=0.03)
    # At every point: log N(z; 0, C) - sum_d log N(z_d; 0, C_dd).
    z, width = z.numpy()[:2000].astype("float64"), 1 + DEVIATION**2
    a, b = (z / np.sqrt(width)).T
    exponent = (a**2 + b**2) * correlation**2 - 2 * correlation * a * b
    ratio = exact - exponent / (2 * (1 - correlation**2))
    assert np.mean(np.abs(model.logit(z.astype("float32")) - ratio)) < 0.1


# Keeping it.


def states(optimizer) -> list[np.ndarray]:
    return [v.numpy() for v in optimizer.variables]


def test_a_keras_file_keeps_both_optimizers(tmp_path):
    model = trained()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.correlation_weight == 5
    for old, new in zip(model.optimized(), again.optimized(), strict=True):
        assert int(new[0].iterations.numpy()) == 10 and type(new[0]) is type(old[0])
        assert len(new[0].variables) == 2 + 2 * len(new[1])
        for a, b in zip(states(old[0]), states(new[0]), strict=True):
            np.testing.assert_array_equal(a, b)
    assert again.critic_optimizer.beta_1 == 0.5 and again.critic_optimizer.beta_2 == 0.9
    assert none_moved(model.get_weights(), again.get_weights())


def test_a_folder_keeps_weights_and_config_and_no_optimizer(tmp_path):
    model = trained()
    zoo.save(model, tmp_path / "saved")
    again = zoo.load(tmp_path / "saved")
    assert none_moved(model.get_weights(), again.get_weights())
    np.testing.assert_array_equal(again.logit(np.ones((2, 3))), model.logit(np.ones((2, 3))))
    spec = storing.spec(again)
    assert spec == storing.spec(model) and spec["correlation_weight"] == 5
    for key, value in SPEC["critic_optimizer"].items():
        assert spec["critic_optimizer"][key] == pytest.approx(value)
    # It can be trained on, with a critic's optimizer that begins anew.
    again.compile(run_eagerly=True)
    again.fit(images(8), batch_size=8, verbose=0)
    assert int(again.critic_optimizer.iterations.numpy()) == 1
    assert int(model.critic_optimizer.iterations.numpy()) == 10


def test_it_is_exported(tmp_path):
    model = trained()
    zoo.export(model, tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1"))
    found = served.encode(x=tf.constant(images(3)))["mean"]
    np.testing.assert_allclose(found, model.encode(images(3)).mean(), atol=1e-5)


CONFIG = {
    "data": {"name": "digits", "binarize": "dynamic", "examples_per_epoch": 128},
    "model": {**SPEC, "likelihood": {"type": "IndependentBernoulli", "event_shape": [8, 8, 1]}},
    "training": {
        "batch_size": 32,
        "keep": "last",
        "backup_seconds": 0,
        "jit_compile": False,
        "steps_per_execution": 2,
    },
}


def arrays(file: Path) -> dict[str, np.ndarray]:
    found = {}
    with h5py.File(file) as opened:
        opened.visititems(lambda n, v: found.update({n: v[()]}) if hasattr(v, "dtype") else None)
    return found


def test_a_resumed_run_ends_as_one_that_was_not_stopped(tmp_path):
    def run(name, epochs, resume=False):
        config = {**CONFIG, "training": {**CONFIG["training"], "epochs": epochs}}
        return train(config, tmp_path / name, strategy="one", resume=resume)

    run("whole", 3)
    run("stopped", 2)
    assert int(run("stopped", 3, resume=True).model.critic_optimizer.iterations.numpy()) == 12
    for file in ("model.weights.h5", "backup/epoch3.weights.h5"):
        whole, resumed = (arrays(tmp_path / name / file) for name in ("whole", "stopped"))
        assert whole.keys() == resumed.keys()
        for name, value in whole.items():
            np.testing.assert_allclose(resumed[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
    of_critic = [name for name in whole if name.startswith("critic_optimizer")]
    # Iterations, the rate, and two moments for each of four variables.
    assert len(of_critic) == 10
    assert zoo.load(tmp_path / "stopped").event_shape == (8, 8, 1)


MIRRORED = """
import json, sys
import keras, numpy as np, tensorflow as tf
from zoo import registration, storing
from zoo.training import make_strategy

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
storing.register_all()
spec = json.loads(sys.argv[1])
x = (np.random.RandomState(0).uniform(size=(32, 4, 4, 1)) < 0.5).astype("float32")
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
data = tf.data.Dataset.from_tensor_slices(x).batch(8).with_options(options)
strategy = make_strategy("mirrored")
with strategy.scope():
    model = registration.build(spec)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    model.ensure_built()
before = model.get_weights()
history = model.fit(data, validation_data=data, epochs=2, verbose=0).history
first, second = model.optimized()
replicas = [v.value.values for v in second[1]]
print(json.dumps({
    "replicas": strategy.num_replicas_in_sync,
    "iterations": [int(o.iterations.numpy()) for o in (first[0], second[0])],
    "moved": [not np.array_equal(a, b) for a, b in zip(before, model.get_weights())],
    "apart": max(float(np.abs(a - b).max()) for a, b in replicas),
    "loss": history["val_loss"],
}))
"""


def test_both_train_on_two_devices(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(MIRRORED)
    found = result(str(program), json.dumps(SPEC))
    assert found["replicas"] == 2 and found["iterations"] == [8, 8]
    assert len(found["moved"]) == 12 and all(found["moved"])
    assert found["apart"] == 0 and np.all(np.isfinite(found["loss"]))


def test_mixed_precision_scales_both_losses():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = factor_vae()
        model.compile(optimizer=keras.optimizers.Adam(1e-2))
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    for optimizer, _ in model.optimized():
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    old = split(model)
    model.fit(images(16), batch_size=8, verbose=0)
    assert model.guard.first() is None and all_moved(old[1], split(model)[1])


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"critic_optimizer": "Adam"}, "critic's optimizer is 'Adam', not one of Keras's"),
        ({"critic": 3}, "the critic is 3, not a layer"),
        ({"correlation_weight": float("inf")}, "correlation_weight is inf, not a finite"),
    ],
)
def test_bad_parts_are_said(changes, message):
    with pytest.raises(ConfigError, match=message):
        factor_vae(**changes)
