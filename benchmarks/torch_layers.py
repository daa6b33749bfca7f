"""PyTorch's layers with the first weights, made in the order of the zoo's variables."""

import numpy as np
import torch
from torch import nn

from benchmarks.entries import FirstWeights


class Layers:
    """Makes them.

    Of the padding that a kernel of odd size needs at stride 2, TensorFlow puts the odd row at the
    end and PyTorch at the start. Where a network has such kernels, all are turned by 180 degrees,
    and so are its images: then both compute the same numbers.

    Args:
        turned: whether kernels are turned.
    """

    def __init__(self, turned: bool = False):
        self._weights, self._turned = FirstWeights(), turned

    def next(self, *shape: int) -> np.ndarray:
        """The next variable as the zoo has it."""
        return self._weights.next(shape)

    def dense(self, inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
        """A product with the last axis."""
        module = nn.Linear(inputs, outputs, bias)
        return self._loaded(module, self.next(inputs, outputs).T)

    def conv(
        self,
        inputs: int,
        outputs: int,
        size: tuple[int, int] = (1, 1),
        bias: bool = True,
        **options: int,
    ) -> nn.Conv2d:
        """A convolution; `options` as PyTorch's."""
        module = nn.Conv2d(inputs, outputs, size, bias=bias, **options)
        return self._loaded(module, self._kernel(self.next(*size, inputs, outputs)))

    def up(self, inputs: int, outputs: int, bias: bool = True) -> nn.ConvTranspose2d:
        """To twice the size, with a kernel of 4x4."""
        module = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
        return self._loaded(module, self._kernel(self.next(4, 4, outputs, inputs)))

    def norm(self, size: int) -> nn.LayerNorm:
        """Over the last axis."""
        return self._scaled(nn.LayerNorm(size, eps=1e-5), size)

    def group_norm(self, groups: int, size: int) -> nn.GroupNorm:
        """Over the places and a group of channels, with Keras's epsilon."""
        return self._scaled(nn.GroupNorm(groups, size, eps=1e-3), size)

    def batch_norm(self, size: int) -> nn.BatchNorm2d:
        """Over batch and places, with Keras's epsilon and decay, the rest of which is momentum."""
        return self._scaled(nn.BatchNorm2d(size, eps=1e-3, momentum=0.01), size)

    def flattened(self, side: int, channels: int, outputs: int) -> nn.Linear:
        """A product with all numbers of an image that was flattened."""
        kernel = self._image(self.next(side * side * channels, outputs).T, side)
        return self._loaded(nn.Linear(side * side * channels, outputs), kernel)

    def unflattened(self, inputs: int, side: int, channels: int, bias: bool = True) -> nn.Linear:
        """A product that makes all numbers of an image."""
        outputs = side * side * channels
        kernel = self._image(self.next(inputs, outputs), side).T
        module = nn.Linear(inputs, outputs, bias)
        if not bias:
            return _copied(module, weight=kernel)
        shift = self._image(self.next(outputs)[np.newaxis], side)[0]
        return _copied(module, weight=kernel, bias=shift)

    def _scaled(self, module: nn.Module, size: int):
        return self._loaded(module, self._weights.next([size], centre=1.0))

    def _loaded(self, module: nn.Module, weight: np.ndarray):
        bias = {} if module.bias is None else {"bias": self.next(*module.bias.shape)}
        return _copied(module, weight=weight, **bias)

    def _kernel(self, kernel: np.ndarray) -> np.ndarray:
        """`[height, width, a, b]` to `[b, a, height, width]`."""
        return (kernel[::-1, ::-1] if self._turned else kernel).transpose(3, 2, 0, 1)

    def _image(self, numbers: np.ndarray, side: int) -> np.ndarray:
        """`[N, height width channels]` to `[N, channels height width]`."""
        images = numbers.reshape(len(numbers), side, side, -1)
        images = images[:, ::-1, ::-1] if self._turned else images
        return images.transpose(0, 3, 1, 2).reshape(numbers.shape)


def parameter(array: np.ndarray) -> nn.Parameter:
    """An array to train."""
    return nn.Parameter(torch.from_numpy(array.copy()))


def _copied(module: nn.Module, **arrays: np.ndarray):
    with torch.no_grad():
        for name, array in arrays.items():
            getattr(module, name).copy_(torch.from_numpy(array.copy()))
    return module
