"""Likelihoods of models with latents: the bound, and importance estimates in bounded memory."""

import contextlib
import dataclasses
import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

import zoo.data
from zoo.errors import NotSupported
from zoo.evaluation.latents import active_units
from zoo.evaluation.representation import code_moments
from zoo.evaluation.results import (
    ELBO,
    IMPORTANCE,
    LikelihoodResult,
    Result,
    evaluate,
    mean_result,
    pairs,
    protocol,
    standard_error,
)
from zoo.models.vae import VAE
from zoo.noise import fold
from zoo.objectives.variational import samples

# Images at once: few, so that many samples of each fit into memory.
_BATCH = 100

Pair = tuple[np.ndarray, np.ndarray | None]


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
        "distortion", the mean -log p(x|z), in nats; "active_units"; "code_mean" and
        "code_covariance", how far the moments of q(z) are from those of N(0, I).
    """
    if num_samples is not None:
        samples(num_samples)
    if subset is not None and subset < 2:
        raise ValueError(f"a gap has a standard error from 2 examples on, not {subset}")
    terms, estimator = _terms(model, data, seed)
    source = protocol(data)
    units = active_units(model, data)
    shares = terms.pop("kl_per_latent", None)
    shares = shares if shares is None else {"kl_per_latent": _sorted_means(shares)}
    results: dict[str, Result] = {
        "elbo": likelihood_result(model, data, ELBO, terms["elbo"]),
        "rate": mean_result(terms["kl"], "nats", source, estimator=estimator, detail=shares),
        "distortion": mean_result(-terms["log_likelihood"], "nats", source),
        "active_units": Result(
            float(units.sum()), None, f"of {len(units)} latents", len(terms["elbo"]), source
        ),
        **_moments(model, data, seed),
    }
    if num_samples is not None:
        whole = subset is None or subset >= len(terms["elbo"])
        if whole:
            values = _importance(model, pairs(data, model), num_samples, seed)
            results["importance"] = likelihood_result(model, data, IMPORTANCE, values, num_samples)
        else:
            results["importance"] = _by_gap(model, data, terms["elbo"], num_samples, subset, seed)
    return results


def _terms(model: VAE, data: tf.data.Dataset, seed: int) -> tuple[dict[str, np.ndarray], str]:
    """Metrics of the terms, per example, over one pass; and how the KL was found.

    "kl_per_latent" `[N, D]` is among them where the KL is a sum over latents.
    """
    estimators = set()

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def step(x, y, index):
        key = fold(seed, "evaluate", index)
        terms = model.terms(x, y, training=False, seed=key)
        # Known while tracing.
        estimators.add(terms.kl_estimator)
        values = terms.metrics()
        with contextlib.suppress(NotSupported):
            values["kl_per_latent"] = terms.kl_per_latent
        return values

    batches = [step(x, y, tf.constant(i)) for i, (x, y) in enumerate(pairs(data, model))]
    values = {k: np.concatenate([b[k] for b in batches]).astype(np.float64) for k in batches[0]}
    return values, estimators.pop()


def _moments(model: VAE, data: tf.data.Dataset, seed: int) -> dict[str, Result]:
    """Of one draw from q(z|x) for each x."""
    draw = tf.function(lambda x, y, key: model.encode(x, y).sample(seed=key), reduce_retracing=True)
    codes = np.concatenate(
        [
            draw(x, y, fold(seed, "moments", tf.constant(i))).numpy()
            for i, (x, y) in enumerate(pairs(data, model))
        ]
    )
    found, source = code_moments(codes), protocol(data)
    return {
        "code_mean": Result(found.mean_deviation, None, "rms of the mean", len(codes), source),
        "code_covariance": Result(
            found.covariance_deviation, None, "norm of Cov - I, over sqrt(D)", len(codes), source
        ),
    }


def _sorted_means(shares: np.ndarray) -> list[float]:
    """The mean of each latent, the largest first."""
    return [round(float(v), 4) for v in np.sort(shares.mean(axis=0))[::-1]]


def _importance(model: VAE, batches: Iterable[Pair], num_samples: int, seed: int) -> np.ndarray:
    # Not XLA: on two cores it took twice as long here, in a loop of products of many rows.
    @tf.function(reduce_retracing=True)
    def step(x, y, index):
        key = fold(seed, "log_prob", index)
        return model.importance_log_prob(x, tf.constant(num_samples), key, y)

    x, y = _joined(batches)
    starts = range(0, len(x), _BATCH)
    values = [
        step(x[s : s + _BATCH], y if y is None else y[s : s + _BATCH], tf.constant(i)).numpy()
        for i, s in enumerate(starts)
    ]
    return np.concatenate(values).astype(np.float64)


def _joined(batches: Iterable[Pair]) -> Pair:
    x, y = zip(*batches, strict=True)
    return np.concatenate(x), None if y[0] is None else np.concatenate(y)


def _by_gap(model, data, elbos, num_samples, subset, seed) -> LikelihoodResult:
    """The whole set's ELBO plus the mean gap to it on a seeded subset."""
    chosen = np.random.RandomState(seed).permutation(len(elbos))[:subset]
    x, y = _joined(pairs(data, model))
    subset_pairs = [(x[chosen], y if y is None else y[chosen])]
    gaps = _importance(model, subset_pairs, num_samples, seed) - elbos[chosen]
    gap, error = float(gaps.mean()), standard_error(gaps)
    whole = likelihood_result(model, data, IMPORTANCE, elbos, num_samples)
    return dataclasses.replace(
        whole,
        value=whole.value + gap,
        standard_error=math.hypot(whole.standard_error, error),
        gap={"subset": subset, "seed": seed, "value": gap, "standard_error": error},
        per_example=None,
    )


def likelihood_result(model, data, kind, values, num_samples=None) -> LikelihoodResult:
    """The mean of `values` `[N]`, nats, as what `kind` of log-likelihood of `data` they are."""
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
