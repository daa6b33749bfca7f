"""Networks: tensor to tensor. They know nothing of losses or data."""

from zoo.networks.convolutional import ConvDecoder, ConvEncoder
from zoo.networks.embedding import ContextMLP
from zoo.networks.fully_convolutional import DownEncoder, UpDecoder
from zoo.networks.gated_pixelcnn import GatedPixelCNN
from zoo.networks.made import MADE
from zoo.networks.masked import MaskedMLP
from zoo.networks.mlp import MLP
from zoo.networks.one_hot import OneHot
from zoo.networks.pixelcnn import PixelCNN
from zoo.networks.pixelcnn_pp import PixelCNNPP
from zoo.networks.quantizer import VectorQuantizer
from zoo.networks.recording import RecordingLabels
from zoo.networks.recurrent import GRU
from zoo.networks.residual import ResidualBlock, ResidualDecoder, ResidualEncoder
from zoo.networks.spectrogram import LogMelEncoder
from zoo.networks.transformer import Transformer
from zoo.networks.unet import UNet
from zoo.networks.wavenet import WaveNet

__all__ = [
    "GRU",
    "MADE",
    "MLP",
    "ContextMLP",
    "ConvDecoder",
    "ConvEncoder",
    "DownEncoder",
    "GatedPixelCNN",
    "LogMelEncoder",
    "MaskedMLP",
    "OneHot",
    "PixelCNN",
    "PixelCNNPP",
    "RecordingLabels",
    "ResidualBlock",
    "ResidualDecoder",
    "ResidualEncoder",
    "Transformer",
    "UNet",
    "UpDecoder",
    "VectorQuantizer",
    "WaveNet",
]
