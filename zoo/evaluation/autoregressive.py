"""Exact likelihoods of products of conditionals: of images, of sequences, and of long texts."""

import dataclasses

import numpy as np
import tensorflow as tf

import zoo.data
from zoo.errors import DataError
from zoo.evaluation.likelihood import likelihood_result
from zoo.evaluation.results import (
    EXACT,
    LikelihoodResult,
    Result,
    evaluate,
    pairs,
    protocol,
    standard_error,
)
from zoo.models.autoregressive import Autoregressive
from zoo.models.ngram import NGram

ELEMENTS = ("dim", "char", "word", "sample")


@evaluate.register
def evaluate_autoregressive(
    model: Autoregressive,
    data: tf.data.Dataset,
    context: int | None = None,
    element: str = "dim",
) -> dict[str, Result]:
    """Measures an autoregressive model.

    Args:
        model: the model.
        data: batches of `x` or `(x, y)`, the same at each pass.
        context: of a text that was cut into sequences: each element is predicted from at least so
            many before it, of the sequences before too, except at the text's beginning. None: each
            sequence by itself.
        element: what a number is, for units: "dim", "char", "word" or "sample".

    Returns:
        "exact", the mean of log p(x) in nats; of words also "perplexity".
    """
    model = _at_length_of(data, model)
    if context is not None:
        return _of_text(_windowed(model, data, context), data, element)

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def step(x, y):
        return model.terms(x, y).log_likelihood, model.likelihood.counted(x)

    found = [step(x, y) for x, y in pairs(data, model)]
    values, counts = (np.concatenate(part).astype(np.float64) for part in zip(*found, strict=True))
    result = likelihood_result(model, data, EXACT, values)
    return _named(dataclasses.replace(result, dimensions=float(counts.mean())), element)


@evaluate.register
def evaluate_ngram(
    model: NGram, data: tf.data.Dataset, stream: bool = False, element: str = "dim"
) -> dict[str, Result]:
    """Measures an n-gram model.

    Args:
        model: the model.
        data: batches of sequences `[B, T]`.
        stream: whether the sequences are pieces of one text, whose contexts cross their borders.
        element: as for `evaluate_autoregressive`; and so is what is returned.
    """
    x = np.concatenate([x for x, _ in pairs(data, model)])
    if stream:
        values = model.log_probs_stream(x.ravel()).reshape(x.shape)
    else:
        values = model.log_prob(x)[:, np.newaxis] / x.shape[1] * np.ones(x.shape)
    return _of_text(values, data, element)


def _at_length_of(data: tf.data.Dataset, model: Autoregressive) -> Autoregressive:
    """The model for sequences as long as those of the data, which may be longer than trained on."""
    known = zoo.data.description(data)
    both = known is not None and len(model.event_shape) == len(known.event_shape) == 1
    if not both or known.event_shape == model.event_shape:
        return model
    return model.at_length(known.event_shape[0])


def _windowed(model: Autoregressive, data: tf.data.Dataset, context: int) -> np.ndarray:
    """log p of each element `[N, T]`, by windows of T that overlap by `context`."""
    if len(model.event_shape) != 1:
        raise DataError("a context is for texts: the model is of images, each by itself")
    (length,) = model.event_shape
    if not 0 <= context < length:
        raise DataError(f"a context is a whole number from 0 below {length}, not {context}")
    batches = [x for x, _ in pairs(data, model)]
    text = np.concatenate(batches)
    stream, size = text.ravel(), len(batches[0])

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def step(x):
        return model.distribution(x).distribution.log_prob(x)

    # The last window ends with the text.
    starts = np.unique(
        np.minimum(np.arange(0, len(stream), length - context), len(stream) - length)
    )
    values = np.full(len(stream), np.nan)
    for some in np.split(starts, np.arange(size, len(starts), size)):
        found = step(np.stack([stream[s : s + length] for s in some]).astype(np.float32)).numpy()
        for start, row in zip(some, found, strict=True):
            new = np.isnan(values[start : start + length])
            values[start : start + length][new] = row[new]
    return values.reshape(text.shape)


def _of_text(values: np.ndarray, data, element: str) -> dict[str, Result]:
    """From log p of each element of each sequence, `[N, T]`."""
    sums = values.sum(axis=1)
    result = LikelihoodResult(
        value=float(sums.mean()),
        standard_error=standard_error(sums),
        unit="nats",
        count=len(sums),
        data=protocol(data),
        kind=EXACT,
        dimensions=values.shape[1],
        per_example=sums,
    )
    return _named(result, element)


def _named(result: LikelihoodResult, element: str) -> dict[str, Result]:
    if element not in ELEMENTS:
        raise DataError(f"an element is one of: {', '.join(ELEMENTS)}; not {element!r}")
    found: dict[str, Result] = {"exact": dataclasses.replace(result, element=element)}
    if element == "word":
        value = 2**result.bits_per_dim
        relative = result.standard_error / result.dimensions
        found["perplexity"] = Result(value, value * relative, "per word", result.count, result.data)
    return found
