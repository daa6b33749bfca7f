"""What the latents of a model do."""

import numpy as np
import tensorflow as tf

from zoo.evaluation.results import pairs

# Burda et al. 2016, section 5.2: above it, the variance of a unit's mean is bimodal and clear.
THRESHOLD = 1e-2


def latent_means(model, data: tf.data.Dataset) -> np.ndarray:
    """E_q[z|x] of every example, `[N, D]`."""
    step = tf.function(lambda x, y: model.encode(x, y).mean(), reduce_retracing=True)
    return np.concatenate([step(x, y).numpy() for x, y in pairs(data, model)])


def active_units(model, data: tf.data.Dataset) -> np.ndarray:
    """Which latents the encoder uses: Var_x(E_q[z_u|x]) > 0.01, a boolean `[D]`.

    Reference: Burda, Grosse and Salakhutdinov 2016, arXiv 1509.00519, section 5.2.
    """
    return latent_means(model, data).var(axis=0) > THRESHOLD
