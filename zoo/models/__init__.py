"""Models: the contract and the families."""

from zoo.models.base import GenerativeModel
from zoo.models.classifier import Classifier
from zoo.models.vae import VAE

__all__ = ["VAE", "Classifier", "GenerativeModel"]
