"""Entries of the zoo as problems: data of their shape, made by formulas, and first weights.

Sizes, batch size and data come from the entry's config. What differs from it stands in `overrides`.
Layouts are Keras's (`[in, out]`, `[height, width, in, out]`, channels last).
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import problem as problems
from zoo import configuration

#: Integer arrays: images `[N, H, W, 1]`, or sequences `[N, T]` and perhaps their labels `[N, 3]`.
Data = tuple[np.ndarray, ...]
#: Examples that the contenders are compared on.
PROBED = 8


@dataclasses.dataclass(frozen=True)
class Entry:
    """The network, likelihood and batch size of a config, under Adam.

    Args:
        name: on the command line.
        title: in the table.
        config: the entry's name.
        make: so many examples, given the config's likelihood.
        batches: trained on in each turn.
        unit: what is counted: images, or elements of sequences.
        bar: how many times as fast as PyTorch Latent Zoo is to be.
        convolutional: whether PyTorch's channels-last format can pay.
        overrides: of the config, as on the command line.
        draws: of the config's model, what stands in for the random numbers of a first loss.
    """

    name: str
    title: str
    config: str
    make: Callable[[int, Mapping[str, Any]], Data]
    batches: int
    unit: str = "images"
    bar: float | None = None
    convolutional: bool = False
    overrides: tuple[str, ...] = ()
    draws: Callable[[Mapping[str, Any]], Data] | None = None

    @functools.cached_property
    def resolved(self) -> configuration.Config:
        """The config with its overrides."""
        return configuration.read(self.config, self.overrides)

    @property
    def model(self) -> Mapping[str, Any]:
        """The config's section."""
        return self.resolved.values["model"]

    @property
    def batch_size(self) -> int:
        """Examples in a batch."""
        return self.resolved.values["training"]["batch_size"]

    @property
    def units(self) -> int:
        """Images, or elements of sequences, that a turn trains on."""
        shape = self.model["likelihood"]["event_shape"]
        return self.batches * self.batch_size * (shape[0] if len(shape) == 1 else 1)

    @property
    def binary(self) -> bool:
        """Whether grey images are binarized anew in every step."""
        return self.resolved.values["data"].get("binarize") == "dynamic"

    @property
    def values(self) -> str | None:
        """What the network gets of images: "levels" or, by default, numbers in [0, 1]."""
        return self.resolved.values["data"].get("values")

    @property
    def game(self) -> bool:
        """Whether a generator and a discriminator train against each other."""
        return "discriminator" in self.model

    @property
    def adam(self) -> dict[str, float]:
        """Settings of Adam: of both players as their config says, of all others 1e-3."""
        own = self.model["discriminator_optimizer"] if self.game else {}
        return {
            "learning_rate": own.get("learning_rate", problems.LEARNING_RATE),
            "beta_1": own.get("beta_1", 0.9),
        }

    def data(self) -> Data:
        """The training set, of as many examples as a turn takes."""
        return self.make(self.batches * self.batch_size, self.model["likelihood"])

    def probe(self) -> Data:
        """A fixed batch, as the model sees it."""
        if self.binary:
            return (problems.binary_images(PROBED),)
        x, *labels = self.make(PROBED, self.model["likelihood"])
        if x.ndim == 4 and self.values != "levels":
            x = x / np.float32(255)
        return (x, *labels, *(self.draws(self.model) if self.draws else ()))

    def resized(self, batches: int) -> "Entry":
        """The same, with so many batches of data."""
        return dataclasses.replace(self, batches=batches)


class FirstWeights:
    """First weights, one after the other, in the order of the trainable variables of each part.

    Biases begin at small numbers too, so that none can be forgotten unnoticed.
    """

    def __init__(self):
        self._random = np.random.default_rng(0)

    def next(self, shape: Sequence[int], centre: float = 0.0) -> np.ndarray:
        """The next ones; `centre`: 1 for factors, 0 for all else."""
        limit = 0.3 if len(shape) == 1 else math.sqrt(6 / math.prod(shape[:-1]))
        return (centre + self._random.uniform(-limit, limit, shape)).astype(np.float32)


def _images(count: int, likelihood: Mapping[str, Any]) -> Data:
    del likelihood
    return (problems.grey_images(count),)


def _text(count: int, likelihood: Mapping[str, Any]) -> Data:
    """Counting, in steps that differ between the sequences."""
    (length,), levels = likelihood["event_shape"], likelihood["levels"]
    first, step = np.random.default_rng(1).integers(1, levels, (2, count, 1))
    return (((first + step * np.arange(length)) % levels).astype(np.uint8),)


def _sound(count: int, likelihood: Mapping[str, Any]) -> Data:
    """Waves with some noise, of which every third ends early; digit, speaker and first sample."""
    (length,), levels = likelihood["event_shape"], likelihood["levels"]
    random = np.random.default_rng(1)
    time = np.arange(length)
    turns = random.uniform(0.005, 0.1, (count, 1)) * time + random.uniform(size=(count, 1))
    wave = 0.8 * np.sin(2 * np.pi * turns) + 0.05 * random.normal(size=(count, length))
    x = np.clip(np.rint((1 + wave) * levels / 2), 0, levels - 1).astype(np.int32)
    ends = np.where(np.arange(count) % 3 == 2, random.integers(1, length, count), length)
    # The level behind the last one says that there is no sample.
    x[time >= ends[:, np.newaxis]] = levels
    digits, speakers = random.integers(10, size=count), random.integers(5, size=count)
    return x, np.stack([digits, speakers, length * random.integers(4, size=count)], axis=1)


def _times_and_noise(model: Mapping[str, Any]) -> Data:
    """Of a diffusion, for each example."""
    random = np.random.default_rng(3)
    times = random.integers(1, model["schedule"]["steps"] + 1, PROBED)
    noise = random.normal(size=(PROBED, *model["likelihood"]["event_shape"]))
    return times, noise.astype(np.float32)


def _codes(model: Mapping[str, Any]) -> Data:
    """Of a generator, one for each example."""
    random = np.random.default_rng(3)
    return (random.normal(size=(PROBED, model["prior"]["size"])).astype(np.float32),)


PROBLEMS = {
    entry.name: entry
    for entry in (
        Entry(
            "gated_pixelcnn",
            "gated PixelCNN of 28x28 binary images, 8 layers of 32 filters",
            "gated_pixelcnn.mnist",
            _images,
            batches=6,
            bar=1.0,
            convolutional=True,
            overrides=("model.network.dilations=[1]",),
        ),
        Entry(
            "wavenet",
            "WaveNet of 2048 samples, 18 layers of 32 filters, given digit, speaker and time",
            "wavenet.spoken_digits",
            _sound,
            batches=6,
            unit="samples",
            bar=1.0,
            convolutional=True,
        ),
        Entry(
            "gru",
            "GRU of 512 units over 128 characters",
            "gru.shakespeare",
            _text,
            batches=20,
            unit="characters",
            bar=0.7,
            overrides=("model.network.layers=1", "model.network.dropout=0.0"),
        ),
        Entry(
            "transformer",
            "Transformer over 256 characters, 4 layers of 192",
            "transformer.shakespeare",
            _text,
            batches=8,
            unit="characters",
            bar=1.0,
            overrides=("model.network.dropout=0.0",),
        ),
        Entry(
            "vq_vae",
            "VQ-VAE of 28x28 images, 256 codes",
            "vq_vae.mnist",
            _images,
            batches=40,
            bar=1.2,
            convolutional=True,
        ),
        Entry(
            "residual_vae",
            "VAE of 28x28 binary images, residual convolutions",
            "conv_vae.mnist",
            _images,
            batches=20,
            convolutional=True,
        ),
        Entry(
            "unet",
            "diffusion of 28x28 images, U-Net of 16, 32 and 64 filters",
            "ddpm.mnist",
            _images,
            batches=30,
            bar=0.9,
            convolutional=True,
            draws=_times_and_noise,
        ),
        Entry(
            "unet_wider",
            "diffusion of 28x28 images, U-Net of 32, 64 and 64 filters",
            "ddpm.mnist",
            _images,
            batches=15,
            bar=0.9,
            convolutional=True,
            overrides=("model.network.filters=[32,64,64]",),
            draws=_times_and_noise,
        ),
        Entry(
            "dcgan",
            "DCGAN of 28x28 images, both players",
            "dcgan.mnist",
            _images,
            batches=30,
            bar=1.1,
            convolutional=True,
            draws=_codes,
        ),
    )
}
