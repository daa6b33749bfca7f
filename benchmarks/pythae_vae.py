"""pythae: its VAE with the same networks, under its own trainer or in the plain PyTorch loop."""

import tempfile
import time
from functools import partial

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import nn

from benchmarks import torch_networks
from benchmarks.problem import BATCH, LATENT, LEARNING_RATE, VAEProblem
from benchmarks.torch_loop import binarize, descend, one_pass, prepare


class _Pythae:
    """The model, with first weights as everybody's."""

    note = ""

    def __init__(self, problem: VAEProblem, threads: int):
        prepare(threads)
        self.problem = problem
        encoder, decoder = torch_networks.networks(problem)
        self.grey = torch_networks.grey_images(problem)
        config = VAEConfig(
            input_dim=tuple(self.grey.shape[1:]), latent_dim=LATENT, reconstruction_loss="bce"
        )
        self.model = VAE(config, _Encoder(encoder), _Decoder(decoder))

    def first_loss(self, probe: tuple[np.ndarray, ...]) -> float:
        """The negative ELBO of the first weights, in nats, decoding the posterior's mean."""
        with torch.no_grad():
            images = torch_networks.images(self.problem, *probe)
            code = self.model.encoder(images)
            mean = code.embedding
            image = self.model.decoder(mean).reconstruction
            loss, _, _ = self.model.loss_function(image, images, mean, code.log_covariance, mean)
            return float(loss)


class PythaeLoop(_Pythae):
    """In the plain loop.

    Args:
        problem: what to train.
        threads: of the intra-op pool.
        fused: Adam in one kernel; otherwise as pythae's trainer makes it.
    """

    def __init__(self, problem: VAEProblem, threads: int, fused: bool = False):
        super().__init__(problem, threads)
        parameters = self.model.parameters()
        self.optimizer = torch.optim.Adam(parameters, LEARNING_RATE, fused=fused or None)

    def turn(self) -> dict[str, float]:
        """One pass over the data."""
        return one_pass((self.grey,), BATCH, partial(descend, self._loss, self.optimizer))

    def _loss(self, grey: torch.Tensor) -> torch.Tensor:
        return self.model({"data": binarize(grey)}).loss


class PythaeTrainer(_Pythae):
    """Under its own trainer, whose data set is binarized anew, as a whole, before each epoch.

    Args:
        problem: what to train.
        threads: of the intra-op pool.
    """

    def __init__(self, problem: VAEProblem, threads: int):
        super().__init__(problem, threads)
        self.data = BaseDataset(binarize(self.grey), torch.zeros(len(self.grey)))
        self.folder = tempfile.TemporaryDirectory()
        config = BaseTrainerConfig(
            output_dir=self.folder.name,
            per_device_train_batch_size=BATCH,
            learning_rate=LEARNING_RATE,
            optimizer_cls="Adam",
            no_cuda=True,
        )
        self.trainer = BaseTrainer(self.model, self.data, training_config=config)
        self.trainer.prepare_training()
        self.epoch = 0

    def turn(self) -> dict[str, float]:
        """One epoch of the trainer's, without the copy of the model that `train` keeps."""
        start = time.perf_counter()
        self.epoch += 1
        self.data.data = binarize(self.grey)
        loss = self.trainer.train_step(self.epoch)
        return {"seconds": time.perf_counter() - start, "loss": loss}


class _Encoder(BaseEncoder):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> ModelOutput:
        mean, log_variance = self.network(x).chunk(2, dim=-1)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class _Decoder(BaseDecoder):
    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.network(z)))
