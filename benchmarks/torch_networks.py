"""The networks of a VAE in PyTorch, with the same first weights.

Of the padding that a kernel of odd size needs at stride 2, TensorFlow puts the odd row at the end
and PyTorch at the start. So images, kernels and small images are turned by 180 degrees here: then
both compute the same numbers.
"""

import numpy as np
import torch
from torch import nn

from benchmarks import problem as problems
from benchmarks.problem import LATENT, Convolution, Dense, Layer, VAEProblem, Weights


def images(problem: VAEProblem, x: np.ndarray) -> torch.Tensor:
    """`[N, H, W, 1]` as the encoder takes it: `[N, 1, H, W]`, turned, or flat `[N, H W]`."""
    if not problem.convolutional:
        return torch.from_numpy(x.reshape(len(x), -1))
    return torch.from_numpy(np.ascontiguousarray(x[:, ::-1, ::-1].transpose(0, 3, 1, 2)))


def grey_images(problem: VAEProblem) -> torch.Tensor:
    """The data set, in [0, 1]."""
    return images(problem, problems.grey_images(problem.units)).float() / 255


def networks(problem: VAEProblem) -> tuple[nn.Module, nn.Module]:
    """Encoder to `[N, 2 D]`, means and log-variances; decoder from `[N, D]` to logits."""
    first, second = problem.weights()
    first[-1][1][LATENT:] = 2 * np.log(problems.SCALES)
    return _network(problem.encoder, first), _network(problem.decoder, second)


def _network(layers: tuple[Layer, ...], weights: Weights) -> nn.Sequential:
    modules: list[nn.Module] = []
    for i, (layer, (kernel, bias)) in enumerate(zip(layers, weights, strict=True)):
        before = layers[i - 1] if i else None
        after = layers[i + 1] if i + 1 < len(layers) else None
        module = _module(layer)
        if isinstance(layer, Dense) and isinstance(before, Convolution) and layer.positions == 1:
            modules.append(nn.Flatten())
            kernel = _turned(kernel.reshape(before.small, before.small, -1, layer.outputs))
        elif isinstance(layer, Dense) and isinstance(after, Convolution):
            small = (after.small, after.small, after.inputs)
            kernel = _turned(kernel.T.reshape(*small, layer.inputs)).transpose(1, 2, 3, 0)
            bias = bias.reshape(small)[::-1, ::-1].transpose(2, 0, 1)
        elif isinstance(layer, Convolution):
            kernel = _turned(kernel)
        else:
            kernel = kernel.T
        with torch.no_grad():
            for tensor, array in ((module.weight, kernel), (module.bias, bias)):
                tensor.copy_(torch.from_numpy(array.copy()).reshape(tensor.shape))
        modules.append(module)
        if after is not None:
            modules.append(nn.ReLU())
        if isinstance(layer, Dense) and isinstance(after, Convolution):
            modules.append(nn.Unflatten(1, (after.inputs, after.small, after.small)))
    return nn.Sequential(*modules)


def _module(layer: Layer) -> nn.Module:
    channels = (layer.inputs, layer.outputs)
    if isinstance(layer, Dense):
        return nn.Linear(*channels) if layer.positions == 1 else nn.Conv2d(*channels, 1)
    if layer.transposed:
        return nn.ConvTranspose2d(
            *channels, layer.taps, stride=2, padding=1, output_padding=layer.taps % 2
        )
    return nn.Conv2d(*channels, layer.taps, stride=2, padding=1)


def _turned(kernel: np.ndarray) -> np.ndarray:
    """`[height, width, a, b]` to `[b, a, height, width]`, turned by 180 degrees."""
    return kernel[::-1, ::-1].transpose(3, 2, 0, 1)
