"""Exact likelihoods of products of conditionals."""

import numpy as np
import tensorflow as tf

from zoo.evaluation.likelihood import likelihood_result
from zoo.evaluation.results import EXACT, Result, evaluate, pairs
from zoo.models.autoregressive import Autoregressive


@evaluate.register
def evaluate_autoregressive(model: Autoregressive, data: tf.data.Dataset) -> dict[str, Result]:
    """Measures an autoregressive model: "exact", the mean of log p(x), nats."""

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def step(x, y):
        return model.terms(x, y).log_likelihood

    values = [step(x, y).numpy() for x, y in pairs(data, model)]
    found = np.concatenate(values).astype(np.float64)
    return {"exact": likelihood_result(model, data, EXACT, found)}
