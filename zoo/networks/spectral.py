"""Weights whose largest singular value is held at 1."""

import keras
import tensorflow as tf

_ITERATIONS = 20


class SpectralNorm(keras.constraints.Constraint):
    """kernel / sigma(kernel), where sigma is the largest singular value.

    A kernel of any rank is the matrix `[rows, outputs]` that its last axis makes of it. sigma is
    found by power iteration from a fixed start, too small by a few per cent at most.

    Reference: Miyato et al. 2018, arXiv 1802.05957, section 2.1 and algorithm 1. Departures: the
    kernel itself is divided after each step of its optimizer, so gradients do not pass through
    sigma; the iteration begins anew each time, so no replica or checkpoint has to keep its vector.
    """

    def __call__(self, w):
        matrix = tf.reshape(tf.convert_to_tensor(w), [-1, w.shape[-1]])
        # A fixed random start: an even one can be orthogonal to what is sought.
        u = tf.random.stateless_normal([matrix.shape[-1], 1], [0, 1], dtype=matrix.dtype)
        for _ in range(_ITERATIONS):
            v = tf.math.l2_normalize(matrix @ u)
            u = tf.math.l2_normalize(tf.transpose(matrix) @ v)
        sigma = tf.norm(matrix @ u)
        return w / tf.maximum(sigma, 1e-12)
