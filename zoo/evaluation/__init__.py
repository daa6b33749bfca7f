"""Measuring models: numbers with their kind, unit, standard error and protocol."""

from zoo.evaluation.classification import classes_found
from zoo.evaluation.latents import active_units, latent_means
from zoo.evaluation.results import LikelihoodResult, NotComparable, Result, evaluate

# Registers the measures of its families.
from zoo.evaluation import likelihood  # noqa: F401  isort: skip

__all__ = [
    "LikelihoodResult",
    "NotComparable",
    "Result",
    "active_units",
    "classes_found",
    "evaluate",
    "latent_means",
]
