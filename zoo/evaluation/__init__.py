"""Measuring models: numbers with their kind, unit, standard error and protocol."""

from zoo.evaluation.classification import classes_found, share_as_asked
from zoo.evaluation.disentanglement import dci, mig, sap
from zoo.evaluation.latents import active_units, latent_means
from zoo.evaluation.probing import probe
from zoo.evaluation.representation import code_moments, knn_accuracy, pca_error, silhouette
from zoo.evaluation.restoration import psnr, restoration_baselines
from zoo.evaluation.results import LikelihoodResult, NotComparable, Result, evaluate
from zoo.evaluation.sample_quality import frechet_distance, kernel_distance, precision_recall
from zoo.evaluation.samples import Eyes, Reference, compare_samples

# Registers the measures of its families.
from zoo.evaluation import (  # noqa: F401  isort: skip
    autoregressive,
    generators,
    likelihood,
    quantization,
    reconstruction,
)

__all__ = [
    "Eyes",
    "LikelihoodResult",
    "NotComparable",
    "Reference",
    "Result",
    "active_units",
    "classes_found",
    "code_moments",
    "compare_samples",
    "dci",
    "evaluate",
    "frechet_distance",
    "kernel_distance",
    "knn_accuracy",
    "latent_means",
    "mig",
    "pca_error",
    "precision_recall",
    "probe",
    "psnr",
    "restoration_baselines",
    "sap",
    "share_as_asked",
    "silhouette",
]
