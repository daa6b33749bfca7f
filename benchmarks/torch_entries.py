"""The zoo's entries in plain PyTorch."""

import numpy as np
import torch

from benchmarks import torch_generators, torch_images, torch_sequences
from benchmarks.entries import Entry
from benchmarks.torch_loop import Loop, binarize, formatted, prepare, tensors

NETWORKS = {
    "gated_pixelcnn": torch_images.GatedPixelCNN,
    "wavenet": torch_sequences.WaveNet,
    "gru": torch_sequences.GRU,
    "transformer": torch_sequences.Transformer,
    "vq_vae": torch_images.VQVAE,
    "residual_vae": torch_images.ResidualVAE,
    **dict.fromkeys(("unet", "unet_wider"), torch_generators.Diffusion),
}


class PyTorch(Loop):
    """The network of an entry.

    Args:
        problem: what to train.
        threads: of the intra-op pool.
        fused: Adam in one kernel.
        channels_last: memory format of images and kernels.
        compiled: binarization, loss and gradients through `torch.compile`.
    """

    def __init__(
        self,
        problem: Entry,
        threads: int,
        fused: bool = False,
        channels_last: bool = False,
        compiled: bool = False,
    ):
        prepare(threads)
        self.binary = problem.binary
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = NETWORKS[problem.name](problem.model)
        if channels_last:
            self.network.to(memory_format=torch.channels_last)
        parameters = self.network.parameters()
        self.turned = getattr(self.network, "turned", False)
        data = tensors(problem.data(), self.turned)
        super().__init__(data, problem.batch_size, self._loss, parameters, fused, compiled)

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """Of the first weights; a VAE decodes the posterior's mean."""
        self.network.eval()
        with torch.no_grad():
            batch = tensors(probe, self.turned)
            loss = float(self.network(*formatted(batch, self.format)))
        self.network.train()
        return loss

    def _loss(self, *batch: torch.Tensor) -> torch.Tensor:
        if self.binary:
            batch = (binarize(*batch),)
        return self.network(*formatted(batch, self.format))
