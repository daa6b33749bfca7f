"""Numbers of models that are made to draw: of GANs, which have no density, and of diffusions."""

import dataclasses

import numpy as np
import tensorflow as tf

from zoo.data.checks import whole_number
from zoo.evaluation.likelihood import likelihood_result
from zoo.evaluation.results import ELBO, Result, evaluate, mean_result, pairs, protocol
from zoo.models.diffusion import Diffusion
from zoo.models.gan import GAN
from zoo.noise import fold

# Parts of the time axis whose shares of a bound are told.
_PARTS = 10
# The first look at a diffusion: how many terms, ranges of times that are told apart, and the share
# of all later times that falls evenly, whatever was found.
_LOOKS, _RANGES, _EVEN = 4_000, 31, 0.1


@evaluate.register
def evaluate_gan(model: GAN, data: tf.data.Dataset, seed: int = 0) -> dict[str, Result]:
    """Measures a GAN by its own discriminator, which knows what it was trained on.

    Args:
        model: the GAN.
        data: batches of `x` or `(x, y)`, the same at each pass.
        seed: of the draws.

    Returns:
        "told_apart": the share of data and of as many samples that the discriminator tells apart,
        0.5 where it cannot; "diversity": the deviation of samples over that of data.
    """
    right, fakes, reals = [], [], []
    for i, (x, y) in enumerate(pairs(data, model)):
        fake = model.sample(len(x), y, seed=fold(seed, "evaluate", i)).numpy()
        real_logit, fake_logit = (model.logit(v, y).numpy() for v in (x, fake))
        # Of a critic without a zero of its own, the middle stands for it.
        middle = 0.0 if model.objective.has_zero else np.median([real_logit, fake_logit])
        right.append(((real_logit > middle) + (fake_logit <= middle).astype(float)) / 2)
        fakes.append(fake)
        reals.append(x)
    real, fake = (np.concatenate(v).astype(np.float64) for v in (reals, fakes))
    ratio = np.sqrt(fake.var(axis=0).mean() / real.var(axis=0).mean())
    source = protocol(data)
    return {
        "told_apart": mean_result(np.concatenate(right), "share", source),
        "diversity": Result(float(ratio), None, "times the data's deviation", len(real), source),
    }


@evaluate.register
def evaluate_diffusion(
    model: Diffusion, data: tf.data.Dataset, num_samples: int = 20, seed: int = 0
) -> dict[str, Result]:
    """Measures the bound of a diffusion.

    Times are drawn where they matter: p(t) is proportional to the root mean square of the bound's
    term at t, as a first look at some examples finds it (Nichol and Dhariwal 2021, arXiv
    2102.09672, Eq. 18), and every term is divided by its p(t). That changes the error, not the
    mean: the second look has noise of its own.

    Args:
        model: the diffusion.
        data: batches of `x` or `(x, y)`, the same at each pass.
        num_samples: times at which each example is looked at, spread over p(t).
        seed: of times and noise.

    Returns:
        "elbo", an unbiased estimate whose standard error holds the choice of times; its detail has
        the nats that each tenth of the times costs, from the data to the noise, and those of the
        last latent.
    """
    whole_number("num_samples", num_samples, low=1)
    steps = model.schedule.steps
    probabilities = _probabilities(model, data, fold(seed, "first look"))

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def look(x, y, k, index):
        key = fold(seed, "evaluate", index)
        t = model.spread_times(x, k, num_samples, key, probabilities)
        terms = model.terms_at(x, t, fold(key, "noise", k), y)
        p = tf.gather(tf.constant(probabilities, tf.float32), t - 1)
        return terms.cost(1 / (steps * p)), terms.prior_kl, t

    found, tenths, priors = [], np.zeros(_PARTS), []
    for i, (x, y) in enumerate(pairs(data, model)):
        total = np.zeros(len(x))
        for k in range(num_samples):
            cost, prior, t = (v.numpy() for v in look(x, y, tf.constant(k), tf.constant(i)))
            total += cost
            tenths += np.bincount((t - 1) * _PARTS // steps, cost.astype(np.float64), _PARTS)
        priors.append(prior)
        found.append(total / num_samples)
    prior = np.concatenate(priors).astype(np.float64)
    values = -np.concatenate(found) - prior
    result = likelihood_result(model, data, ELBO, values)
    detail = {
        "times_per_example": [num_samples],
        "nats_by_tenth_of_times": [round(float(v), 4) for v in tenths / num_samples / len(values)],
        "nats_of_the_last_latent": [round(float(prior.mean()), 6)],
    }
    return {"elbo": dataclasses.replace(result, detail=detail)}


def _probabilities(model: Diffusion, data: tf.data.Dataset, key: tf.Tensor) -> np.ndarray:
    """p(t) `[T]`, large where terms are large; constant over ranges that grow with t."""
    steps = model.schedule.steps
    x, y = next(iter(pairs(data, model)))
    count = -(-_LOOKS // len(x))

    @tf.function(jit_compile=model.prefers_xla())
    def look(k):
        t = model.spread_times(x, k, count, key)
        return model.terms_at(x, t, fold(key, "noise", k), y).cost(), t

    looks = [[v.numpy() for v in look(tf.constant(k))] for k in range(count)]
    cost, t = (np.concatenate(v) for v in zip(*looks, strict=True))
    ends = np.unique(np.geomspace(1, steps + 1, _RANGES).round().astype(int))
    where = np.searchsorted(ends, t, side="right") - 1
    squares = np.bincount(where, cost.astype(np.float64) ** 2, len(ends) - 1)
    counts = np.bincount(where, minlength=len(ends) - 1)
    # A range where no time fell is as dear as the dearest.
    seen = np.sqrt(squares / np.maximum(counts, 1))
    seen[counts == 0] = seen.max()
    dear = np.repeat(seen, np.diff(ends))
    return (1 - _EVEN) * dear / dear.sum() + _EVEN / steps
