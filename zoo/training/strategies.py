"""Strategies of `tf.distribute`, by name.

Not offered: `ParameterServerStrategy` (Keras 3 does not support it) and `keras.distribution`
(not usable on TensorFlow).
"""

import contextlib
import faulthandler
import sys
from collections.abc import Iterator

import tensorflow as tf

from zoo.errors import ConfigError
from zoo.training.rendezvous import Cluster, meet

STRATEGIES = ("auto", "one", "mirrored", "multiworker")


def make_strategy(name: str = "auto", peer_seconds: float = 120.0) -> tf.distribute.Strategy:
    """The strategy called `name`; make it before any other TensorFlow object.

    Args:
        name: "one" device; "mirrored" over all GPUs, or over all logical CPUs where there is none;
            "multiworker", from the environment variable TF_CONFIG; "auto": multiworker if TF_CONFIG
            names several workers, mirrored on several GPUs, else one.
        peer_seconds: how long several workers wait for each other at the start.

    Raises:
        ConfigError: no such strategy, or TF_CONFIG is missing or wrong.
        TrainingError: some worker did not come within `peer_seconds`.
    """
    check_name(name)
    cluster = Cluster.from_environment()
    gpus = tf.config.list_physical_devices("GPU")
    if name == "auto":
        several = len(cluster.workers) > 1
        name = "multiworker" if several else "mirrored" if len(gpus) > 1 else "one"
    if name == "one":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU" if gpus else "CPU")
        return tf.distribute.MirroredStrategy([d.name for d in devices])
    if not cluster.workers:
        raise ConfigError("the strategy multiworker needs the environment variable TF_CONFIG")
    meet(cluster, peer_seconds)
    with _deadline(peer_seconds):
        return tf.distribute.MultiWorkerMirroredStrategy()


def check_name(name: str) -> None:
    """Raises a ConfigError if no strategy is called so."""
    if name not in STRATEGIES:
        raise ConfigError(f"no strategy {name!r}; valid: {', '.join(STRATEGIES)}")


def is_chief() -> bool:
    """Whether this process writes the files: the only one, or worker 0."""
    return Cluster.from_environment().index == 0


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Ends the process, exit code 1, if the block does not: a peer can still die after `meet`.

    TensorFlow waits with Python's lock held, so this needs a thread that is not Python's.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
