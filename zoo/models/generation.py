"""Drawing from a product of conditionals, step by step, in one compiled loop."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from zoo.distributions.base import Likelihood
from zoo.networks.causal import CausalNetwork
from zoo.noise import fold


class Drawn(NamedTuple):
    """Examples `[B, *event]` and, in nats `[B]`, the log-probability of what was drawn of them."""

    x: tf.Tensor
    log_prob: tf.Tensor


def generate(
    network: CausalNetwork,
    likelihood: Likelihood,
    x: tf.Tensor,
    known: tf.Tensor,
    context: tf.Tensor | None,
    key: tf.Tensor,
    temperature: tf.Tensor | None = None,
    top_k: int | None = None,
) -> Drawn:
    """Fills in what is not known, in the network's order, from its cached steps.

    Args:
        network: built.
        likelihood: over the network's features.
        x: `[B, *event]`; what is known stays, the rest is not looked at.
        known: `[*event]`, true where x is known; all channels of a pixel alike.
        context: `[B, C]` or None.
        key: `int32[2]`, of the draws.
        temperature: see `Likelihood.sharpened`.
        top_k: likewise.

    Returns:
        The examples, and the sum over the drawn steps of the log-probability that the likelihood,
        sharpened as asked, gave to what was drawn.
    """
    steps, numbers = network.steps, network.step_size
    batch = tf.shape(x)[0]
    given = _by_step(network, x)
    fixed = tf.gather(tf.reshape(known, [steps, numbers])[:, 0], network.order)
    # One step's features as the likelihood takes them: an image of one place.
    ones = [1] * (len(network.event_shape) - (not network.per_element))

    def body(index, state, previous, total, drawn):
        features, state = network.step(state, previous, index, context)
        parameters = likelihood(tf.reshape(features, [-1, *ones, features.shape[-1]]))
        parameters = likelihood.sharpened(parameters, temperature, top_k)
        here = likelihood.distribution(parameters)
        value = tf.cast(here.sample(seed=fold(key, index)), tf.float32)
        chosen = tf.where(fixed[index], tf.reshape(given[index], tf.shape(value)), value)
        # The given ones may be anything, even what has no probability.
        log_prob = tf.where(fixed[index], 0.0, here.log_prob(value))
        flat = tf.reshape(chosen, [-1, numbers])
        seen = flat if network.takes_levels else likelihood.to_network(flat)
        seen = tf.cast(seen, previous.dtype)
        return index + 1, state, seen, total + log_prob, drawn.write(index, flat)

    start = (
        tf.constant(0),
        network.start(batch, context),
        tf.zeros([batch, numbers], network.compute_dtype),
        tf.zeros([batch]),
        tf.TensorArray(tf.float32, steps, element_shape=[None, numbers]),
    )
    _, _, _, total, drawn = _row_by_row(network, context, body, start)
    return Drawn(_in_place(network, drawn.stack()), total)


def _row_by_row(network: CausalNetwork, context: tf.Tensor | None, body, start: tuple) -> tuple:
    """`body` at every step, on (index, state, previous, ...), from `start` on.

    A row is a loop of its own, instead of a condition in each step: in a compiled loop, a condition
    copies the whole state.
    """

    def row(index, state, previous, *rest):
        state = network.start_row(state, previous, index, context)
        end = index + network.row_length
        return tf.while_loop(
            lambda index, *_: index < end,
            body,
            (index, state, previous, *rest),
            parallel_iterations=1,
        )

    return tf.while_loop(lambda index, *_: index < network.steps, row, start, parallel_iterations=1)


def _by_step(network: CausalNetwork, x: tf.Tensor) -> tf.Tensor:
    """`[B, *event]` -> `[steps, B, numbers]`, in the network's order."""
    flat = tf.reshape(tf.cast(x, tf.float32), [-1, network.steps, network.step_size])
    return tf.gather(tf.transpose(flat, [1, 0, 2]), network.order)


def _in_place(network: CausalNetwork, drawn: tf.Tensor) -> tf.Tensor:
    """The inverse of `_by_step`."""
    flat = tf.transpose(tf.gather(drawn, np.argsort(network.order)), [1, 0, 2])
    return tf.reshape(flat, [-1, *network.event_shape])
