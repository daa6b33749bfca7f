"""The zoo's entries in plain PyTorch."""

import numpy as np
import torch

from benchmarks import torch_images, torch_sequences
from benchmarks.entries import Entry
from benchmarks.torch_loop import Loop, Tensors, binarize, prepare

NETWORKS = {
    "gated_pixelcnn": torch_images.GatedPixelCNN,
    "wavenet": torch_sequences.WaveNet,
    "gru": torch_sequences.GRU,
    "transformer": torch_sequences.Transformer,
    "vq_vae": torch_images.VQVAE,
    "residual_vae": torch_images.ResidualVAE,
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
        data = self._tensors(problem.data())
        super().__init__(data, problem.batch_size, self._loss, parameters, fused, compiled)

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """Of the first weights; a VAE decodes the posterior's mean."""
        self.network.eval()
        with torch.no_grad():
            loss = float(self.network(*self._formatted(self._tensors(probe))))
        self.network.train()
        return loss

    def _loss(self, *batch: torch.Tensor) -> torch.Tensor:
        if self.binary:
            batch = (binarize(*batch),)
        return self.network(*self._formatted(batch))

    def _formatted(self, batch: Tensors) -> Tensors:
        if batch[0].ndim != 4:
            return batch
        return tuple(x.contiguous(memory_format=self.format) for x in batch)

    def _tensors(self, arrays: tuple[np.ndarray, ...]) -> Tensors:
        """Images `[N, C, H, W]` in [0, 1], everything else as int64."""
        if arrays[0].ndim != 4:
            return tuple(torch.from_numpy(array.astype(np.int64)) for array in arrays)
        (x,) = arrays
        x = x[:, ::-1, ::-1] if self.network.turned else x
        images = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        return (images.float() / 255 if images.dtype == torch.uint8 else images,)
