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
        zero = not model.objective.gradient_penalty
        middle = 0.0 if zero else np.median([real_logit, fake_logit])
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

    Args:
        model: the diffusion.
        data: batches of `x` or `(x, y)`, the same at each pass.
        num_samples: times at which each example is looked at, spread evenly over 1 .. T.
        seed: of times and noise.

    Returns:
        "elbo", an unbiased estimate whose standard error holds the choice of times; its detail has
        the nats that each tenth of the times costs, from the data to the noise (NaN where no time
        fell).
    """
    whole_number("num_samples", num_samples, low=1)
    steps = model.schedule.steps

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def look(x, y, k, index):
        key = fold(seed, "evaluate", index)
        t = model.spread_times(x, k, num_samples, key)
        return model.terms_at(x, t, fold(key, "noise", k), y).elbo, t

    found, shares, counts = [], np.zeros(_PARTS), np.zeros(_PARTS)
    for i, (x, y) in enumerate(pairs(data, model)):
        total = np.zeros(len(x))
        for k in range(num_samples):
            elbo, t = (v.numpy() for v in look(x, y, tf.constant(k), tf.constant(i)))
            total += elbo
            part = (t - 1) * _PARTS // steps
            shares += np.bincount(part, -elbo.astype(np.float64), _PARTS)
            counts += np.bincount(part, minlength=_PARTS)
        found.append(total / num_samples)
    values = np.concatenate(found).astype(np.float64)
    # A tenth's estimates stand for T times a term; the last latent's KL is in all of them.
    with np.errstate(invalid="ignore"):
        tenths = [round(float(share), 4) for share in shares / counts / _PARTS]
    result = likelihood_result(model, data, ELBO, values)
    detail = {"times_per_example": [num_samples], "nats_by_tenth_of_times": tenths}
    return {"elbo": dataclasses.replace(result, detail=detail)}
