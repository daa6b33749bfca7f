"""What is optimised: objectives turn a model's per-example terms into a loss."""

from zoo.objectives.adversarial import (
    AdversarialTerms,
    Hinge,
    Minimax,
    NonSaturating,
    Wasserstein,
)
from zoo.objectives.aggregate import DIP, MMD, TotalCorrelation
from zoo.objectives.base import Objective
from zoo.objectives.capacity import Capacity, FreeBits
from zoo.objectives.denoising import Denoising, DenoisingTerms
from zoo.objectives.doubly_reparameterized import DReG
from zoo.objectives.likelihood import LikelihoodTerms, MaximumLikelihood
from zoo.objectives.noising import CosineSchedule, LinearSchedule, NoiseSchedule
from zoo.objectives.quantization import QuantizationTerms, VectorQuantization
from zoo.objectives.reconstruction import (
    Contractive,
    ReconstructionTerms,
    SparseCode,
    SparseTarget,
    SquaredError,
)
from zoo.objectives.schedules import Ramp
from zoo.objectives.variational import ELBO, IWAE, VariationalTerms

__all__ = [
    "DIP",
    "ELBO",
    "IWAE",
    "MMD",
    "AdversarialTerms",
    "Capacity",
    "Contractive",
    "CosineSchedule",
    "DReG",
    "Denoising",
    "DenoisingTerms",
    "FreeBits",
    "Hinge",
    "LikelihoodTerms",
    "LinearSchedule",
    "MaximumLikelihood",
    "Minimax",
    "NoiseSchedule",
    "NonSaturating",
    "Objective",
    "QuantizationTerms",
    "Ramp",
    "ReconstructionTerms",
    "SparseCode",
    "SparseTarget",
    "SquaredError",
    "TotalCorrelation",
    "VariationalTerms",
    "VectorQuantization",
    "Wasserstein",
]
