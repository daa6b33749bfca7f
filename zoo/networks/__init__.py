"""Networks: tensor to tensor. They know nothing of losses or data."""

from zoo.networks.convolutional import ConvDecoder, ConvEncoder
from zoo.networks.mlp import MLP

__all__ = ["MLP", "ConvDecoder", "ConvEncoder"]
