"""A generator and a discriminator in plain PyTorch: a loop that wastes nothing."""

from functools import partial

import numpy as np
import torch
from torch import nn

from benchmarks.entries import Entry
from benchmarks.torch_generators import DCGAN
from benchmarks.torch_loop import descend, formatted, one_pass, prepare, tensors


class PyTorch:
    """Both players of an entry; each step takes the discriminator further, then the generator.

    Args:
        problem: what to train.
        threads: of the intra-op pool.
        fused: Adam in one kernel.
        channels_last: memory format of images and kernels.
        compiled: generator, losses and gradients through `torch.compile`.
        reused: both players see the same generated images, which are then made once in a step.
    """

    note = ""

    def __init__(
        self,
        problem: Entry,
        threads: int,
        fused: bool = False,
        channels_last: bool = False,
        compiled: bool = False,
        reused: bool = False,
    ):
        prepare(threads)
        self.batch_size, self.reused = problem.batch_size, reused
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = DCGAN(problem.model)
        if channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.data = tensors(problem.data(), turned=False)
        settings = problem.adam
        betas = (settings["beta_1"], 0.999)
        adam = partial(torch.optim.Adam, lr=settings["learning_rate"], betas=betas, fused=fused)
        self.of_generator = adam(self.network.generator.parameters())
        self.of_discriminator = adam(self.network.discriminator.parameters())
        calls = (
            self.network.generate,
            self.network.discriminator_loss,
            self.network.generator_loss,
        )
        self.generate, self.discriminator_loss, self.generator_loss = (
            map(torch.compile, calls) if compiled else calls
        )

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """The discriminator's, of the first weights."""
        with torch.no_grad():
            x, codes = formatted(tensors(probe, turned=False), self.format)
            return float(self.network.discriminator_loss(x, self.network.generator(codes)))

    def turn(self) -> dict[str, float]:
        """One pass over the data."""
        return one_pass(self.data, self.batch_size, self._step)

    def _step(self, x: torch.Tensor) -> torch.Tensor:
        (x,) = formatted((x,), self.format)
        with torch.set_grad_enabled(self.reused):
            fake = self.generate(len(x))
        descend(self.discriminator_loss, self.of_discriminator, x, fake.detach())
        if not self.reused:
            fake = self.generate(len(x))
        # The generator's gradient passes through the discriminator, whose own is not asked for.
        _trains(self.network.discriminator, False)
        loss = descend(self.generator_loss, self.of_generator, fake)
        _trains(self.network.discriminator, True)
        return loss


def _trains(network: nn.Module, trains: bool) -> None:
    for parameter in network.parameters():
        parameter.requires_grad_(trains)
