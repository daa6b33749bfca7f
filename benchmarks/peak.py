"""The rate of large float32 matrix products: what the processor could do at best."""

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from benchmarks.turns import Problem

_SIZE = 2048
_PRODUCTS = 5


class Peak:
    """Products of two 2048 x 2048 matrices, by TensorFlow, by XLA and by numpy.

    Args:
        problem: not looked at.
        threads: of TensorFlow's pools; numpy's follow OMP_NUM_THREADS.
    """

    note = ""

    def __init__(self, problem: Problem, threads: int):
        del problem
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        a, b = np.random.default_rng(0).normal(size=(2, _SIZE, _SIZE)).astype(np.float32)
        left, right = tf.constant(a), tf.constant(b)
        plain, xla = (
            tf.function(lambda: tf.matmul(left, right), jit_compile=jit) for jit in (False, True)
        )
        self.products: dict[str, Callable] = {
            "TensorFlow": plain,
            "XLA": xla,
            "numpy": lambda: a @ b,
        }

    def turn(self) -> dict[str, float]:
        """Operations per second of each library, the best product's."""
        return {name: _rate(product) for name, product in self.products.items()}


def _rate(product: Callable) -> float:
    seconds = []
    for _ in range(_PRODUCTS):
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return 2 * _SIZE**3 / min(seconds)
