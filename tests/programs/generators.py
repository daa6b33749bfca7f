"""GANs and a diffusion on two logical CPU devices and on one: prints JSON.

Noise and times are fixed per example: a replica draws for the whole batch and takes its own rows.
"""

import json

import keras
import numpy as np
import tensorflow as tf
from models import BATCH, difference

from zoo import distributions as zd
from zoo import networks as zn
from zoo import objectives as zo
from zoo.models import GAN, Diffusion, base
from zoo.training import make_strategy

STEPS = 5
SGD = keras.optimizers.SGD


def own_rows(draw):
    """`draw`, for the whole batch; a replica gets its rows."""

    def drawn(shape, seed, *args, **kwargs):
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return draw(shape, seed, *args, **kwargs)
        shape = tf.convert_to_tensor(shape, tf.int32)
        rows = shape[0]
        whole = tf.concat([[rows * context.num_replicas_in_sync], shape[1:]], axis=0)
        start = rows * context.replica_id_in_sync_group
        found = draw(whole, seed, *args, **kwargs)[start : start + rows]
        static = tf.get_static_value(shape, partial=True)
        return found if static is None else tf.ensure_shape(found, list(static))

    return drawn


for name in ("stateless_normal", "stateless_uniform"):
    for module in (tf.random, tf.compat.v2.random):
        setattr(module, name, own_rows(getattr(module, name)))
# The step's key is that of the whole batch.
base._replica = lambda: 0


def points() -> tf.data.Dataset:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    x = np.random.RandomState(0).normal(size=(BATCH * STEPS, 2)).astype("float32")
    return tf.data.Dataset.from_tensor_slices(x).batch(BATCH).with_options(options)


def gan(objective, **arguments) -> GAN:
    return GAN(
        zn.MLP([6], activation="tanh"),
        zn.MLP([6, 5], activation="tanh"),
        zd.IndependentDeterministic((2,), activation="linear"),
        zd.StandardNormal(3),
        SGD(0.05),
        objective,
        **arguments,
    )


def diffusion() -> Diffusion:
    return Diffusion(
        zn.ContextMLP([16]), zd.IndependentNormal((2,)), zo.CosineSchedule(60), time_size=8
    )


MODELS = {
    "non-saturating": lambda: gan(zo.NonSaturating()),
    "hinge, spectral": lambda: gan(zo.Hinge(), spectral_norm=True),
    "wasserstein": lambda: gan(zo.Wasserstein(5.0)),
    "diffusion": diffusion,
}


def trained(strategy, make) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Weights before and after five steps, and their averages."""
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = make()
        model.compile(SGD(0.05), average=0.8)
        model.ensure_built()
    before = [v.numpy() for v in model.trainable_variables]
    model.fit(points(), verbose=0)
    assert [int(o.iterations.numpy()) for o, _ in model.optimized()] == [STEPS] * len(
        model.optimized()
    )
    after = [v.numpy() for v in model.trainable_variables]
    return before, after, [v.numpy() for v in model.average.averages]


tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
two, one = make_strategy("mirrored"), make_strategy("one")
found = {"replicas": two.num_replicas_in_sync}
for name, make in MODELS.items():
    (_, on_two, averages), (before, on_one, wanted) = trained(two, make), trained(one, make)
    found[name] = {
        "moved": difference(on_one, before),
        "difference": difference(on_two, on_one),
        "averages_moved": difference(wanted, on_one),
        "averages_difference": difference(averages, wanted),
    }
print(json.dumps(found))
