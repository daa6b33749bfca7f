"""MirroredStrategy over two logical CPU devices: prints what it finds as JSON."""

import json

import keras
import numpy as np
import tensorflow as tf
from models import FixedNoise, NoNoise, batches, difference, five_steps, images, vae

from zoo.errors import ConfigError
from zoo.models import VAE
from zoo.training import make_strategy
from zoo.training.compilation import compile_arguments
from zoo.training.settings import TrainingSettings

seen = []


class Recorder(VAE):
    """Remembers the key of each step on each replica."""

    def terms(self, x, y=None, training=False, seed=None):
        def remember(replica, key):
            seen.append((int(replica), key.numpy().tolist()))

        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        with tf.control_dependencies([tf.py_function(remember, (replica, seed), [])]):
            return super().terms(tf.identity(x), y, training, seed)


def refusal(strategy, **settings) -> str:
    with strategy.scope():
        try:
            compile_arguments(vae(), TrainingSettings(**settings), 10)
        except ConfigError as error:
            return str(error)
    return ""


def evaluated(strategy) -> list[dict[str, float]]:
    """The last batch has 3 images, or 1: then one replica has none."""
    with strategy.scope():
        model = vae(NoNoise)
        model.compile()
    return [model.evaluate(batches(n), return_dict=True, verbose=0) for n in (17, 19)]


tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
two, one = make_strategy("mirrored"), make_strategy("one")

with two.scope():
    model = vae(Recorder)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
history = model.fit(batches(), validation_data=batches(19), epochs=2, verbose=0).history
prediction = model.predict(images(19), batch_size=8, verbose=0)["reconstruction"]

on_one = five_steps(one)
found = {
    "replicas": two.num_replicas_in_sync,
    "difference": difference(five_steps(two), on_one),
    "moved": difference(on_one, vae(FixedNoise).get_weights()),
    "keys": seen,
    "history": history,
    "prediction_error": float(np.abs(prediction - model(images(19))["reconstruction"]).max()),
    "evaluated": [evaluated(two), evaluated(one)],
    "refused": [refusal(two, jit_compile=True), refusal(two, steps_per_execution=5)],
}
print(json.dumps(found))
