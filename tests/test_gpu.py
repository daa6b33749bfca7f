"""What only a GPU can show. Run with `pytest -m gpu`; skipped where none is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import NoNoise, batches, difference, five_steps, images, vae

from zoo.exporting import export
from zoo.training import make_strategy

pytestmark = pytest.mark.gpu


def test_fit_on_a_gpu_with_keras_own_choice_of_xla():
    model = vae()
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    history = model.fit(batches(), validation_data=batches(19), epochs=5, verbose=0).history
    assert history["elbo"][-1] > history["elbo"][0] + 0.2
    assert model.guard.first() is None
    assert "GPU" in model.encoder.weights[0].value.device


def test_gpu_and_cpu_do_the_same_steps():
    weights = {}
    for device in ("CPU:0", "GPU:0"):
        with tf.device(device):
            model = vae(NoNoise)
            model.compile(optimizer=keras.optimizers.SGD(0.05), jit_compile=False)
            model.fit(batches(), verbose=0)
            weights[device] = model.get_weights()
    assert difference(weights["GPU:0"], weights["CPU:0"]) < 1e-3


def test_mirrored_over_all_gpus_does_the_steps_of_one_device():
    strategy = make_strategy("mirrored")
    assert strategy.num_replicas_in_sync == len(tf.config.list_physical_devices("GPU"))
    one = five_steps(make_strategy("one"))
    # TensorFloat-32 may round the products.
    assert difference(five_steps(strategy), one) < 1e-3


def test_mixed_precision_with_loss_scaling():
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = vae()
        model.compile(optimizer=keras.optimizers.Adam(1e-2))
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    history = model.fit(batches(), epochs=10, verbose=0).history
    assert history["elbo"][-1] > history["elbo"][0] + 0.2
    assert model.guard.first() is None


def test_export_from_a_gpu(tmp_path):
    model = vae()
    export(model, tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1"))
    x = images(3)
    np.testing.assert_allclose(served.encode(x)["mean"], model.encode(x).mean(), atol=1e-3)
