"""Images that a diffusion draws, as problems: with first weights, because only the time counts."""

import dataclasses

import numpy as np

from benchmarks import entries


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Images drawn at once by the sampler of a diffusion's config.

    Args:
        name: on the command line.
        images: so many at once.
        batches: drawn in each turn, one after the other.
        bar: how many times as fast as PyTorch Latent Zoo is to be.
    """

    name: str
    images: int
    batches: int = 1
    bar: float = 0.9
    unit = "images"

    @property
    def entry(self) -> entries.Entry:
        """The diffusion."""
        return entries.PROBLEMS["unet"]

    @property
    def steps(self) -> int:
        """Of the sampler."""
        return self.entry.model["sampler"]["steps"]

    @property
    def title(self) -> str:
        """In the table."""
        return f"{self.images} images at once, {self.steps} steps of DDIM"

    @property
    def units(self) -> int:
        """Images of a turn."""
        return self.batches * self.images

    def probe(self) -> tuple[np.ndarray, ...]:
        """The noise at the start, of as many images as are timed: they compile for one number."""
        shape = (self.images, *self.entry.model["likelihood"]["event_shape"])
        return (np.random.default_rng(3).normal(size=shape).astype(np.float32),)

    def resized(self, batches: int) -> "Drawing":
        """The same, with so many batches."""
        return dataclasses.replace(self, batches=batches)


PROBLEMS = {
    problem.name: problem
    for problem in (Drawing("few", images=16, batches=3), Drawing("many", images=64))
}
