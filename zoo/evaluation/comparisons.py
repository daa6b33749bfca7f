"""What stands beside a model's numbers: classical methods, fitted on the same data.

Each comparison is called with the model, a function `load(**changes)` that gives the three splits
of its config with changes to the `data:` section, and the options of its `evaluation:` section.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import zoo.data
from zoo.data.spoken_digits import LEVELS, recordings
from zoo.evaluation.audio_baselines import LinearPredictor
from zoo.evaluation.baselines import DENSITIES, measure_baseline
from zoo.evaluation.lossless import measure_webp
from zoo.evaluation.quantization import measure_pca_coded
from zoo.evaluation.reconstruction import codes_and_images, corrupted, corruption_of
from zoo.evaluation.representation import pca_error
from zoo.evaluation.restoration import restoration_baselines
from zoo.evaluation.results import (
    EXACT,
    LikelihoodResult,
    Result,
    examples,
    protocol,
    standard_error,
)
from zoo.models.ngram import NGram

Load = Callable[..., zoo.data.Splits]
Comparison = Callable[[Any, Load, Mapping[str, Any]], dict[str, Result]]


def _density(name: str) -> Comparison:
    def compare(model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
        levels = load(values="levels").test if model.likelihood.is_discrete else None
        return {"": measure_baseline(name, load(values="dequantized"), levels)}

    return compare


def _pca(model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
    """PCA with as many components as the code has numbers."""
    return {"": _pca_error(load(), model.latent_size)}


def _pca_active(model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
    """PCA with as many components as a code has numbers that are not 0, on average, rounded up."""
    splits = load()
    codes, _ = codes_and_images(model, _images(splits.test))
    return {"": _pca_error(splits, int(np.ceil(np.count_nonzero(codes, axis=1).mean())))}


def _pca_coded(model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
    """PCA with quantized components, at as many bits an image."""
    return {"": measure_pca_coded(load(), model.bits)}


def _restoration(model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
    """Median filter, Wiener filter and PCA projection of the same corrupted test images."""
    splits, seed = load(), options.get("seed", 0)
    clean = _images(splits.test)
    found = restoration_baselines(
        _images(splits.train),
        clean,
        corrupted(model, clean, options["levels"], seed),
        corrupt=corruption_of(model),
        seed=seed + 1,
        data=protocol(splits.test),
    )
    return {f"{k}.{level:g}": r for k, v in found.items() for level, r in v.items()}


def _mu_law_grams(order: int) -> Comparison:
    """An absolutely discounted n-gram over mu-law codes, each training recording a sequence."""

    def compare(model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
        grams = NGram(order, LEVELS, "absolute")
        grams.fit(r.levels[np.newaxis] for r in recordings("train"))
        found = [grams.log_prob(r.levels[np.newaxis]) for r in recordings("test")]
        return {"": _of_recordings(found, load)}

    return compare


def _linear_predictor(model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
    """Linear prediction of the wave from 16 samples, with a logistic error of adaptive scale."""
    predictor = LinearPredictor.fit([r.levels for r in recordings("train")])
    found = [predictor.log_probs(r.levels).sum(keepdims=True) for r in recordings("test")]
    return {"": _of_recordings(found, load)}


def _of_recordings(log_probs: list[np.ndarray], load: Load) -> Result:
    """The exact log-likelihood of each test recording, nats, as a result."""
    values = np.concatenate(log_probs).astype(np.float64)
    return LikelihoodResult(
        value=float(values.mean()),
        standard_error=standard_error(values),
        unit="nats",
        count=len(values),
        data=protocol(load(whole=True).test),
        kind=EXACT,
        dimensions=float(np.mean([len(r.levels) for r in recordings("test")])),
        element="sample",
        per_example=values,
    )


def _webp(model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
    """Lossless WebP of the same images."""
    return {"": measure_webp(load(values="levels").test)}


COMPARISONS: dict[str, Comparison] = {
    **{name: _density(name) for name in DENSITIES},
    "linear_predictor": _linear_predictor,
    "mu_law_bigram": _mu_law_grams(2),
    "mu_law_trigram": _mu_law_grams(3),
    "pca": _pca,
    "pca_active": _pca_active,
    "pca_coded": _pca_coded,
    "restoration": _restoration,
    "webp": _webp,
}


def compare(name: str, model, load: Load, options: Mapping[str, Any]) -> dict[str, Result]:
    """Results of one comparison, called "NAME" or "NAME.PART"."""
    found = COMPARISONS[name](model, load, options)
    return {f"{name}.{part}" if part else name: result for part, result in found.items()}


def _pca_error(splits: zoo.data.Splits, components: int) -> Result:
    train, test = _images(splits.train), _images(splits.test)
    return pca_error(train, test, components, data=protocol(splits.test))


def _images(data) -> np.ndarray:
    return np.concatenate(list(examples(data)))
