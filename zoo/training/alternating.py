"""Alternating against joint updates of a VAE, measured exactly.

The bound is a function of two parts, and EM is ascent in one part at a time:

    E-step like: the encoder moves, log p(x) stands still, KL(q(z|x) || p(z|x)) falls
    M-step like: the decoder moves, and log p(x) with it

A VAE moves both at once. Every update here is one of the model's own gradient steps on the same
loss; the runs differ only in which variables a step may touch.

References: Neal and Hinton 1998, "A view of the EM algorithm that justifies incremental, sparse,
and other variants"; Kingma and Welling 2014, arXiv 1312.6114. Departures: gradient steps in place
of full maximisations.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from zoo.evaluation.quadrature import elbo, log_evidence
from zoo.models.vae import VAE
from zoo.noise import fold


@dataclasses.dataclass(frozen=True)
class Curve:
    """What was measured during one training, `[S]` each, means over the same images in nats.

    Attributes:
        block: steps in a row that the encoder, and then the decoder, takes alone; None: joint.
        steps: gradient steps done so far.
        evidence: log p(x), by quadrature.
        elbo: the bound, by quadrature.
    """

    block: int | None
    steps: np.ndarray
    evidence: np.ndarray
    elbo: np.ndarray

    @property
    def divergence(self) -> np.ndarray:
        """KL(q(z|x) || p(z|x)), which is what lies between the other two."""
        return self.evidence - self.elbo


def train_by_parts(
    model: VAE,
    data: tf.data.Dataset,
    x: np.ndarray,
    steps: int,
    block: int | None = None,
    every: int = 1,
    learning_rate: float = 3e-3,
) -> Curve:
    """Trains a model in place, alternately or jointly, and measures as it goes.

    Args:
        model: built, with one or two latents; it need not be compiled.
        data: training batches, repeated as long as needed.
        x: images `[B, *event]` on which to measure.
        steps: gradient steps in all, whichever variables they move.
        block: the encoder moves for so many steps, then the decoder for so many, and so on; None:
            every step moves both.
        every: steps between measurements; the beginning is measured too.
        learning_rate: of Adam; each part has its own moments.
    """
    inner = [*model.encoder.trainable_variables, *model.posterior.trainable_variables]
    own = {id(v) for v in inner}
    outer = [v for v in model.trainable_variables if id(v) not in own]
    groups = [[*inner, *outer]] if block is None else [inner, outer]
    updates = [_update(model, group, learning_rate) for group in groups]
    at, measured = [0], [_measure(model, x)]
    for step, batch in enumerate(data.repeat().take(steps)):
        updates[step // (block or 1) % len(updates)](batch)
        if (step + 1) % every == 0:
            at.append(step + 1)
            measured.append(_measure(model, x))
    evidence, bound = np.array(measured).T
    return Curve(block, np.array(at), evidence, bound)


def _update(model: VAE, variables: list[keras.Variable], learning_rate: float):
    """One gradient step on these variables, compiled."""
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(variables)

    @tf.function
    def update(x):
        seed = fold(model.seed, "train", model.train_steps, 0)
        model._minimize(lambda: model._loss(x, None, True, seed), variables, optimizer)
        model.train_steps.assign_add(1)

    return update


def _measure(model: VAE, x: np.ndarray) -> tuple[float, float]:
    return float(log_evidence(model, x).mean()), float(elbo(model, x).mean())
