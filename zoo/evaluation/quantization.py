"""Codes of images: how true they are, how many bits they take, and what PCA does with as many."""

import math

import numpy as np
import tensorflow as tf

import zoo.data
from zoo.evaluation.pca_coding import pca_coded_errors
from zoo.evaluation.results import Result, evaluate, examples, mean_result, protocol
from zoo.models.vq_vae import VQVAE


@evaluate.register
def evaluate_vq_vae(model: VQVAE, data: tf.data.Dataset) -> dict[str, Result]:
    """Measures a VQ-VAE.

    Args:
        model: the VQ-VAE.
        data: batches of `x` or `(x, y)`.

    Returns:
        "squared_error", the mean over images of the mean over elements, of images in [0, 1];
        "psnr", -10 log10 of it; "perplexity" and "codes_used" of the codes of the whole set;
        "bits" of one image's code, all codes being of one length.
    """
    errors, uses = _errors_and_uses(model, data)
    source = protocol(data)
    count, codes = len(errors), model.quantizer.codes
    shares = uses[uses > 0] / uses.sum()
    perplexity = math.exp(-np.sum(shares * np.log(shares)))
    error = mean_result(errors, "squared error per pixel", source)
    return {
        "squared_error": error,
        "psnr": _psnr(error),
        "perplexity": Result(perplexity, None, f"of {codes} codes", count, source),
        "codes_used": Result(float((uses > 0).sum()), None, f"of {codes} codes", count, source),
        "bits": Result(model.bits, None, "bits per image", count, source),
    }


def measure_pca_coded(splits: zoo.data.Splits, bits: float) -> Result:
    """The squared error of PCA with as many bits per image: see `pca_coding`.

    Args:
        splits: train and test with values "unit"; the code is fitted on one pass over train.
        bits: per image, such as `VQVAE.bits`.
    """
    train, test = (
        np.concatenate([x.reshape(len(x), -1) for x in examples(part)])
        for part in (splits.train, splits.test)
    )
    return mean_result(
        pca_coded_errors(train, test, bits), "squared error per pixel", protocol(splits.test)
    )


def _errors_and_uses(model: VQVAE, data: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Squared error of each image `[N]`, and how often each code was used."""

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def step(x):
        codes = model.codes(x)
        image = model.likelihood.to_network(model.decode_codes(codes).mean())
        squares = (model.likelihood.to_network(x) - image) ** 2
        return codes, tf.reduce_mean(squares, axis=list(range(1, squares.shape.rank)))

    errors, uses = [], np.zeros(model.quantizer.codes)
    for x in examples(data, model):
        codes, error = step(x)
        errors.append(error.numpy())
        uses += np.bincount(codes.numpy().ravel(), minlength=len(uses))
    return np.concatenate(errors).astype(np.float64), uses


def _psnr(error: Result) -> Result:
    """Of images in [0, 1], in decibels, with the error's standard error to first order."""
    slope = 10 / math.log(10) / error.value
    spread = None if error.standard_error is None else slope * error.standard_error
    value = -10 * math.log10(error.value)
    return Result(value, spread, "dB", error.count, error.data)
