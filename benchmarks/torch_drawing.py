"""A diffusion's sampler in plain PyTorch."""

import time
from itertools import pairwise

import numpy as np
import torch

from benchmarks.drawings import Drawing
from benchmarks.torch_generators import Diffusion
from benchmarks.torch_loop import formatted, prepare, tensors


class PyTorch:
    """DDIM in a loop that takes no number out of PyTorch.

    Args:
        problem: what to draw.
        threads: of the intra-op pool.
        channels_last: memory format of images and kernels.
        compiled: each step, the network and what follows, through `torch.compile`.
    """

    note = ""

    def __init__(
        self, problem: Drawing, threads: int, channels_last: bool = False, compiled: bool = False
    ):
        prepare(threads)
        self.problem, model = problem, problem.entry.model
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = Diffusion(model).eval()
        if channels_last:
            self.network.to(memory_format=torch.channels_last)
        self.levels = model["likelihood"]["levels"]
        times = np.linspace(self.network.steps, 0, problem.steps + 1).round()
        # Each `[1]`: an index without a dimension is a number that breaks a compiled graph.
        self.times = torch.from_numpy(times.astype(np.int64)).split(1)
        self.step = torch.compile(self.network.step) if compiled else self.network.step

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """Mean square of what the first weights make of the probe's noise, on [-1, 1]."""
        (start,) = tensors(probe, turned=True)
        return float(self._draw(start).square().mean())

    def turn(self) -> dict[str, float]:
        """As many images as the problem says."""
        begin = time.perf_counter()
        shape = (self.problem.images, 1, *self.problem.entry.model["likelihood"]["event_shape"][:2])
        for _ in range(self.problem.batches):
            x = self._draw(torch.randn(shape))
            ((x + 1) * ((self.levels - 1) / 2)).round().clamp(0, self.levels - 1).numpy()
        return {"seconds": time.perf_counter() - begin}

    @torch.inference_mode()
    def _draw(self, x: torch.Tensor) -> torch.Tensor:
        (x,) = formatted((x,), self.format)
        for t, s in pairwise(self.times):
            x = self.step(x, t, s)
        return x
