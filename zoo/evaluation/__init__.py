"""Measuring models: numbers with their kind, unit, standard error and protocol."""

from zoo.evaluation.classification import classes_found
from zoo.evaluation.disentanglement import dci, mig, sap
from zoo.evaluation.latents import active_units, latent_means
from zoo.evaluation.representation import code_moments, knn_accuracy, pca_error, silhouette
from zoo.evaluation.restoration import psnr, restoration_baselines
from zoo.evaluation.results import LikelihoodResult, NotComparable, Result, evaluate

# Registers the measures of its families.
from zoo.evaluation import (  # noqa: F401  isort: skip
    autoregressive,
    generators,
    likelihood,
    quantization,
    reconstruction,
)

__all__ = [
    "LikelihoodResult",
    "NotComparable",
    "Result",
    "active_units",
    "classes_found",
    "code_moments",
    "dci",
    "evaluate",
    "knn_accuracy",
    "latent_means",
    "mig",
    "pca_error",
    "psnr",
    "restoration_baselines",
    "sap",
    "silhouette",
]
