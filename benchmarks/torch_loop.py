"""Plain PyTorch: a loop that wastes nothing, and the VAEs in it."""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks import torch_networks
from benchmarks.problem import BATCH, LEARNING_RATE, VAEProblem

Tensors = tuple[torch.Tensor, ...]
Loss = Callable[..., torch.Tensor]


class Loop:
    """One pass over tensors in each turn, under Adam.

    Args:
        data: examples, and what belongs to them.
        batch_size: of each step.
        loss: of a batch, a number.
        parameters: to train.
        fused: Adam in one kernel.
        compiled: loss and gradients through `torch.compile`.
    """

    note = ""

    def __init__(
        self,
        data: Tensors,
        batch_size: int,
        loss: Loss,
        parameters: Iterable[nn.Parameter],
        fused: bool,
        compiled: bool,
    ):
        self.data, self.batch_size = data, batch_size
        self.loss = torch.compile(loss) if compiled else loss
        self.optimizer = torch.optim.Adam(parameters, LEARNING_RATE, fused=fused)

    def turn(self) -> dict[str, float]:
        """One pass over the data."""
        return one_pass(self.data, self.batch_size, partial(descend, self.loss, self.optimizer))


class PyTorch(Loop):
    """A VAE of grey images.

    Args:
        problem: what to train.
        threads: of the intra-op pool.
        fused: Adam in one kernel.
        channels_last: memory format of images and kernels.
        compiled: binarization, loss and gradients through `torch.compile`.
    """

    def __init__(
        self,
        problem: VAEProblem,
        threads: int,
        fused: bool = False,
        channels_last: bool = False,
        compiled: bool = False,
    ):
        prepare(threads)
        self.problem = problem
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.encoder, self.decoder = torch_networks.networks(problem)
        parts = nn.ModuleList([self.encoder, self.decoder])
        if channels_last:
            parts.to(memory_format=torch.channels_last)
        grey = torch_networks.grey_images(problem)
        super().__init__((grey,), BATCH, self._loss, parts.parameters(), fused, compiled)

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """The negative ELBO of the first weights, in nats, decoding the posterior's mean."""
        with torch.no_grad():
            images = torch_networks.images(self.problem, *probe)
            mean, log_variance = self.encoder(images).chunk(2, dim=-1)
            return float(_negative_elbo(images, mean, log_variance, self.decoder(mean)))

    def _loss(self, grey: torch.Tensor) -> torch.Tensor:
        x = binarize(grey)
        if x.ndim == 4:
            x = x.contiguous(memory_format=self.format)
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
        return _negative_elbo(x, mean, log_variance, self.decoder(z))


def prepare(threads: int) -> None:
    """Threads and seed of this process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)


def one_pass(data: Tensors, batch_size: int, step: Loss) -> dict[str, float]:
    """Trains on every example once, in a new order; `step` takes a batch and returns its loss."""
    start = time.perf_counter()
    losses = [step(*batch) for batch in _batches(data, batch_size)]
    mean = float(torch.stack(losses).mean())
    return {"seconds": time.perf_counter() - start, "loss": mean}


def descend(loss_of: Loss, optimizer: torch.optim.Optimizer, *batch: torch.Tensor) -> torch.Tensor:
    """One step of the optimizer; the loss before it."""
    optimizer.zero_grad()
    loss = loss_of(*batch)
    loss.backward()
    optimizer.step()
    return loss.detach()


def tensors(arrays: Iterable[np.ndarray], turned: bool) -> Tensors:
    """Images `[N, C, H, W]`, of 8 bits in [0, 1]; other integers as int64; floats as they are.

    Args:
        arrays: images `[N, H, W, C]`, or others.
        turned: turns images by 180 degrees; see `Layers`.
    """
    return tuple(
        _image_tensor(array, turned)
        if array.ndim == 4
        else torch.from_numpy(array if array.dtype.kind == "f" else array.astype(np.int64))
        for array in arrays
    )


def formatted(batch: Tensors, memory: torch.memory_format) -> Tensors:
    """Images in that format; everything else as it is."""
    return tuple(x.contiguous(memory_format=memory) if x.ndim == 4 else x for x in batch)


def binarize(grey: torch.Tensor) -> torch.Tensor:
    """A draw whose probabilities are the grey values."""
    return (torch.rand_like(grey) < grey).float()


def _image_tensor(x: np.ndarray, turned: bool) -> torch.Tensor:
    x = x[:, ::-1, ::-1] if turned else x
    images = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    return images.float() / 255 if images.dtype == torch.uint8 else images


def _batches(data: Tensors, batch_size: int) -> Iterator[Tensors]:
    for rows in torch.randperm(len(data[0])).split(batch_size):
        yield tuple(tensor.index_select(0, rows) for tensor in data)


def _negative_elbo(
    x: torch.Tensor, mean: torch.Tensor, log_variance: torch.Tensor, logits: torch.Tensor
) -> torch.Tensor:
    """Mean over the batch, in nats."""
    misfit = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.square() - log_variance.exp())
    return (misfit + kl) / len(x)
