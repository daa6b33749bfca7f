"""Likelihoods of models with latents: the bound, and importance estimates in bounded memory."""

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

import zoo.data
from zoo.evaluation.latents import active_units
from zoo.evaluation.results import (
    ELBO,
    IMPORTANCE,
    LikelihoodResult,
    Result,
    evaluate,
    examples,
    mean_result,
    protocol,
    standard_error,
)
from zoo.models.vae import VAE
from zoo.noise import fold
from zoo.objectives.variational import samples

# Images at once: few, so that many samples of each fit into memory.
_BATCH = 100


@evaluate.register
def evaluate_vae(
    model: VAE,
    data: tf.data.Dataset,
    num_samples: int | None = None,
    subset: int | None = None,
    seed: int = 0,
) -> dict[str, Result]:
    """Measures a VAE.

    Args:
        model: the VAE.
        data: batches of `x` or `(x, y)`, the same at each pass.
        num_samples: K of the importance estimate; None measures the bound only.
        subset: if given, K samples only for so many examples, drawn by `seed`; the mean gap between
            estimate and ELBO there is added to the whole set's ELBO.
        seed: of every draw.

    Returns:
        "elbo"; "importance" where K is given; "rate", the mean KL(q(z|x) || p(z)), and
        "distortion", the mean -log p(x|z), in nats; "active_units".
    """
    if num_samples is not None:
        samples(num_samples)
    if subset is not None and subset < 2:
        raise ValueError(f"a gap has a standard error from 2 examples on, not {subset}")
    terms, estimator = _terms(model, data, seed)
    source = protocol(data)
    units = active_units(model, data)
    results: dict[str, Result] = {
        "elbo": _likelihood(model, data, ELBO, terms["elbo"]),
        "rate": mean_result(terms["kl"], "nats", source, estimator=estimator),
        "distortion": mean_result(-terms["log_likelihood"], "nats", source),
        "active_units": Result(
            float(units.sum()), None, f"of {len(units)} latents", len(terms["elbo"]), source
        ),
    }
    if num_samples is not None:
        whole = subset is None or subset >= len(terms["elbo"])
        if whole:
            values = _importance(model, examples(data), num_samples, seed)
            results["importance"] = _likelihood(model, data, IMPORTANCE, values, num_samples)
        else:
            results["importance"] = _by_gap(model, data, terms["elbo"], num_samples, subset, seed)
    return results


def _terms(model: VAE, data: tf.data.Dataset, seed: int) -> tuple[dict[str, np.ndarray], str]:
    """Metrics of the terms, per example, over one pass; and how the KL was found."""
    estimators = set()

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def step(x, index):
        key = fold(seed, "evaluate", index)
        terms = model.terms(x, None, training=False, seed=key)
        # Known while tracing.
        estimators.add(terms.kl_estimator)
        return terms.metrics()

    batches = [step(x, tf.constant(i)) for i, x in enumerate(examples(data, model))]
    values = {k: np.concatenate([b[k] for b in batches]).astype(np.float64) for k in batches[0]}
    return values, estimators.pop()


def _importance(
    model: VAE, batches: Iterable[np.ndarray], num_samples: int, seed: int
) -> np.ndarray:
    # Not XLA: on two cores it took twice as long here, in a loop of products of many rows.
    @tf.function(reduce_retracing=True)
    def step(x, index):
        key = fold(seed, "log_prob", index)
        return model.importance_log_prob(x, tf.constant(num_samples), key)

    images = tf.data.Dataset.from_tensor_slices(np.concatenate(list(batches))).batch(_BATCH)
    values = [step(x, tf.constant(i)).numpy() for i, x in enumerate(images)]
    return np.concatenate(values).astype(np.float64)


def _by_gap(model, data, elbos, num_samples, subset, seed) -> LikelihoodResult:
    """The whole set's ELBO plus the mean gap to it on a seeded subset."""
    chosen = np.random.RandomState(seed).permutation(len(elbos))[:subset]
    images = np.concatenate(list(examples(data)))[chosen]
    gaps = _importance(model, [images], num_samples, seed) - elbos[chosen]
    gap, error = float(gaps.mean()), standard_error(gaps)
    whole = _likelihood(model, data, IMPORTANCE, elbos, num_samples)
    return dataclasses.replace(
        whole,
        value=whole.value + gap,
        standard_error=math.hypot(whole.standard_error, error),
        gap={"subset": subset, "seed": seed, "value": gap, "standard_error": error},
        per_example=None,
    )


def _likelihood(model, data, kind, values, num_samples=None) -> LikelihoodResult:
    return LikelihoodResult(
        value=float(values.mean()),
        standard_error=standard_error(values),
        unit="nats",
        count=len(values),
        data=protocol(data),
        kind=kind,
        dimensions=int(np.prod(model.event_shape)),
        num_samples=num_samples,
        log_levels=log_levels(model.likelihood.is_discrete, data),
        per_example=values,
    )


def log_levels(discrete: bool, data: tf.data.Dataset) -> float:
    """What a density on [0, 1] owes per dimension to one on the original levels.

    The natural log of the factor by which the levels 0 .. L - 1 were divided: L if dequantized,
    L - 1 for unit values, 1 if binarized.
    """
    description = zoo.data.description(data)
    if discrete or description is None or description.values not in ("unit", "dequantized"):
        return 0.0
    if not description.levels:
        return 0.0
    return math.log(description.levels - (description.values == "unit"))
