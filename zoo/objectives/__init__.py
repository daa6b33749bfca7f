"""What is optimised: objectives turn a model's per-example terms into a loss."""

from zoo.objectives.base import Objective
from zoo.objectives.likelihood import LikelihoodTerms, MaximumLikelihood
from zoo.objectives.variational import ELBO, IWAE, VariationalTerms

__all__ = [
    "ELBO",
    "IWAE",
    "LikelihoodTerms",
    "MaximumLikelihood",
    "Objective",
    "VariationalTerms",
]
