"""What every VAE trains: networks, first weights, data, and their count of operations.

Layouts are Keras's (`[in, out]`, `[height, width, in, out]`, channels last).
"""

import dataclasses
import math

import numpy as np

SIZE = 28
LATENT = 16
BATCH = 128
LEARNING_RATE = 1e-3


@dataclasses.dataclass(frozen=True)
class Dense:
    """One matrix product; on `positions` > 1 the same one at each (a 1x1 convolution)."""

    inputs: int
    outputs: int
    positions: int = 1

    @property
    def kernel(self) -> tuple[int, ...]:
        return (self.inputs, self.outputs)

    @property
    def multiplications(self) -> int:
        return self.positions * self.inputs * self.outputs


@dataclasses.dataclass(frozen=True)
class Convolution:
    """Stride 2 between a large image of `large` x `large` and one of half the size.

    `transposed`: from the small image to the large one.
    """

    inputs: int
    outputs: int
    large: int
    taps: int = 3
    transposed: bool = False

    @property
    def kernel(self) -> tuple[int, ...]:
        channels = (self.inputs, self.outputs)
        return (self.taps, self.taps, *(channels[::-1] if self.transposed else channels))

    @property
    def multiplications(self) -> int:
        return self.small**2 * math.prod(self.kernel)

    @property
    def small(self) -> int:
        return self.large // 2


Layer = Dense | Convolution
#: Kernel and bias of each layer.
Weights = list[tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class VAEProblem:
    """A variational autoencoder of 28x28 binary images with 16 normal latents.

    A ReLU follows each layer but the encoder's last, which makes the posterior's mean and raw
    scale, and the decoder's last, which makes the logits.

    Args:
        name: on the command line.
        title: in the table.
        encoder: layers, the last with 2 * 16 outputs.
        decoder: layers, the last with one logit per pixel.
        batches: in the data set, all of which are trained on in each turn.
    """

    name: str
    title: str
    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]
    batches: int
    unit = "images"

    @property
    def units(self) -> int:
        """Images in the data set."""
        return self.batches * BATCH

    @property
    def convolutional(self) -> bool:
        return any(isinstance(layer, Convolution) for layer in self.encoder)

    @property
    def operations(self) -> int:
        """Floating-point operations that one image costs in one step, in the products alone.

        Two per multiplication, in three products of each layer (outputs, and the gradients of
        inputs and of weights), but for the first layer, whose inputs need no gradient.
        """
        layers = (*self.encoder, *self.decoder)
        forward = sum(layer.multiplications for layer in layers)
        return 2 * (3 * forward - layers[0].multiplications)

    def weights(self) -> tuple[Weights, Weights]:
        """First weights of encoder and decoder.

        Libraries make the posterior's scale from raw numbers in different ways. So it depends on
        no input yet, and each contender sets the bias `[D:]` that makes it `SCALES`.
        """
        random = np.random.default_rng(0)
        encoder = [_glorot(layer, random) for layer in self.encoder]
        decoder = [_glorot(layer, random) for layer in self.decoder]
        encoder[-1][0][:, LATENT:] = 0
        return encoder, decoder

    def probe(self) -> tuple[np.ndarray, ...]:
        """Binary images that the contenders are compared on."""
        return (binary_images(64),)

    def resized(self, batches: int) -> "VAEProblem":
        """The same, with so many batches of data."""
        return dataclasses.replace(self, batches=batches)


#: Scales of the posterior that every contender starts from.
SCALES = np.linspace(0.3, 1.7, LATENT).astype(np.float32)

PIXELS = SIZE * SIZE
PROBLEMS = {
    problem.name: problem
    for problem in (
        VAEProblem(
            "mlp",
            "MLP VAE 784-512-512-16",
            encoder=(Dense(PIXELS, 512), Dense(512, 512), Dense(512, 2 * LATENT)),
            decoder=(Dense(LATENT, 512), Dense(512, 512), Dense(512, PIXELS)),
            batches=240,
        ),
        VAEProblem(
            "conv",
            "convolutional VAE, 32 and 64 filters",
            encoder=(
                Convolution(1, 32, large=28),
                Convolution(32, 64, large=14),
                Dense(7 * 7 * 64, 2 * LATENT),
            ),
            decoder=(
                Dense(LATENT, 7 * 7 * 64),
                Convolution(64, 64, large=14, transposed=True),
                Convolution(64, 32, large=28, transposed=True),
                Dense(32, 1, positions=PIXELS),
            ),
            batches=40,
        ),
    )
}


def grey_images(count: int) -> np.ndarray:
    """`[count, 28, 28, 1] uint8`: one stroke each, so that there is something to learn."""
    random = np.random.default_rng(1)
    ends = random.uniform(5, SIZE - 5, (2, 2, count, 1)).astype(np.float32)
    along = np.linspace(0, 1, 8, dtype=np.float32)
    rows, columns = ends[0] * (1 - along) + ends[1] * along
    pixels = np.arange(SIZE, dtype=np.float32)
    bumps = [
        np.exp(-((pixels[None, None] - centre[..., None]) ** 2) / 4) for centre in (rows, columns)
    ]
    ink = np.einsum("npr,npc->nrc", *bumps)
    return (255 * np.minimum(ink, 1)).astype(np.uint8)[..., None]


def binary_images(count: int) -> np.ndarray:
    """`[count, 28, 28, 1] float32`, one fixed draw."""
    grey = grey_images(count)
    return (np.random.default_rng(2).uniform(size=grey.shape) * 255 < grey).astype(np.float32)


def _glorot(layer: Layer, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    taps = math.prod(layer.kernel) // (layer.inputs * layer.outputs)
    limit = math.sqrt(6 / (taps * (layer.inputs + layer.outputs)))
    kernel = random.uniform(-limit, limit, layer.kernel)
    bias = random.uniform(-0.1, 0.1, layer.outputs)
    return kernel.astype(np.float32), bias.astype(np.float32)
