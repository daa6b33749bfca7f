"""A book of codes under MirroredStrategy over two logical CPU devices: prints JSON."""

import json

import keras
import numpy as np
import tensorflow as tf
from models import difference

from zoo import distributions as zd
from zoo import networks as zn
from zoo.models import VQVAE
from zoo.noise import fold
from zoo.training import make_strategy

CODES, SIZE, BATCH, STEPS = 6, 2, 8, 5


def images() -> np.ndarray:
    return np.random.RandomState(0).uniform(size=(BATCH * STEPS, 4, 4, 1)).astype("float32")


def spread_codes(model) -> None:
    """Puts the codes among the encoder's outputs, so that several are in use."""
    model.ensure_built()
    features = model.encoder(images()[:CODES])
    codes = model.projection(features)[:, 0, 0].numpy()
    model.quantizer.book.assign(codes)
    if model.quantizer.follows_averages:
        model.quantizer.sums.assign(codes)


def trained(strategy, update: str) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """Weights and log after five steps of gradient descent, without revival, which draws."""
    keras.utils.set_random_seed(1)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    data = tf.data.Dataset.from_tensor_slices(images()).batch(BATCH).with_options(options)
    with strategy.scope():
        model = VQVAE(
            zn.DownEncoder([8], blocks=1),
            zn.VectorQuantizer(CODES, SIZE, update=update, decay=0.5, revive_below=0),
            zn.UpDecoder([8], blocks=1),
            zd.IndependentDeterministic((4, 4, 1)),
        )
        spread_codes(model)
        model.compile(optimizer=keras.optimizers.SGD(0.5))
    history = model.fit(data, verbose=0, validation_data=data).history
    return model.get_weights(), history


def revived(strategy) -> dict[str, list]:
    """One update of a book of which four codes are far from everything, as each replica sees it."""
    inputs = np.random.RandomState(1).normal(size=(strategy.num_replicas_in_sync, 8, SIZE))
    inputs = inputs.astype("float32")
    with strategy.scope():
        layer = zn.VectorQuantizer(CODES, SIZE, decay=0.0, revive_below=0.5)
        layer.build((None, SIZE))
        far = 100.0 + np.arange(CODES * SIZE, dtype="float32").reshape(CODES, SIZE)
        far[:2] = [[-0.5, 0.0], [0.5, 0.0]]
        layer.book.assign(far)

    @tf.function
    def update():
        def one():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            mine = tf.constant(inputs)[replica]
            layer.update(mine, layer.nearest(mine), fold(0, replica))

        strategy.run(one)

    update()
    return {
        "inputs": inputs.tolist(),
        **{
            name: [v.numpy().tolist() for v in strategy.experimental_local_results(weight.value)]
            for name, weight in (("book", layer.book), ("counts", layer.counts))
        },
    }


tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
two, one = make_strategy("mirrored"), make_strategy("one")
found = {"replicas": two.num_replicas_in_sync, "revived": revived(two)}
for rule in zn.quantizer.UPDATES:
    (on_two, log_of_two), (on_one, log_of_one) = trained(two, rule), trained(one, rule)
    found[rule] = {
        "difference": difference(on_two, on_one),
        "logs": [log_of_two, log_of_one],
        "weights": len(on_one),
    }
print(json.dumps(found))
