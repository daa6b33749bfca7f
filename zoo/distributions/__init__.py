"""Keras layers that turn features into TFP distributions: likelihoods, posteriors, priors.

Here and nowhere else a likelihood or a prior is written.
"""

from zoo.distributions.base import DistributionLayer, Likelihood, Parameters, Support
from zoo.distributions.bernoulli import IndependentBernoulli
from zoo.distributions.categorical import IndependentCategorical, LevelsLikelihood
from zoo.distributions.deterministic import IndependentDeterministic, VectorDeterministic
from zoo.distributions.discretized_logistic import DiscretizedLogistic
from zoo.distributions.discretized_mixture import DiscretizedLogisticMixture
from zoo.distributions.discretized_normal import DiscretizedNormal
from zoo.distributions.flows import (
    InverseAutoregressiveFlow,
    MaskedAutoregressiveFlow,
    RealNVP,
)
from zoo.distributions.mixtures import MixtureOfNormals, VampPrior
from zoo.distributions.normal import IndependentNormal
from zoo.distributions.posteriors import MultivariateNormalDiag, MultivariateNormalTriL
from zoo.distributions.priors import NormalPrior, Prior, StandardNormal

__all__ = [
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "DiscretizedNormal",
    "DistributionLayer",
    "IndependentBernoulli",
    "IndependentCategorical",
    "IndependentDeterministic",
    "IndependentNormal",
    "InverseAutoregressiveFlow",
    "LevelsLikelihood",
    "Likelihood",
    "MaskedAutoregressiveFlow",
    "MixtureOfNormals",
    "MultivariateNormalDiag",
    "MultivariateNormalTriL",
    "NormalPrior",
    "Parameters",
    "Prior",
    "RealNVP",
    "StandardNormal",
    "Support",
    "VampPrior",
    "VectorDeterministic",
]
