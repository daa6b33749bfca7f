"""Models: the contract and the families."""

from zoo.models.autoencoder import Autoencoder
from zoo.models.autoregressive import Autoregressive
from zoo.models.base import GenerativeModel
from zoo.models.classifier import Classifier
from zoo.models.density import Density
from zoo.models.diffusion import Diffusion
from zoo.models.factor_vae import FactorVAE
from zoo.models.gan import GAN
from zoo.models.latent import LatentModel
from zoo.models.ngram import NGram
from zoo.models.optimizers import OPTIMIZERS
from zoo.models.restorer import Restorer
from zoo.models.samplers import DDIM, Ancestral
from zoo.models.vae import VAE
from zoo.models.vq_vae import VQVAE

__all__ = [
    "DDIM",
    "GAN",
    "OPTIMIZERS",
    "VAE",
    "VQVAE",
    "Ancestral",
    "Autoencoder",
    "Autoregressive",
    "Classifier",
    "Density",
    "Diffusion",
    "FactorVAE",
    "GenerativeModel",
    "LatentModel",
    "NGram",
    "Restorer",
]
