"""Pictures of models, as matplotlib figures: `save(samples(model), "samples.png")`."""

from zoo.pictures.completions import completions
from zoo.pictures.curves import training_curves
from zoo.pictures.grids import image_grid
from zoo.pictures.images import (
    interpolation,
    reconstructions,
    samples,
    several_reconstructions,
)
from zoo.pictures.latents import manifold, scatter, traversal
from zoo.pictures.restorations import restorations
from zoo.pictures.saving import save

__all__ = [
    "completions",
    "image_grid",
    "interpolation",
    "manifold",
    "reconstructions",
    "restorations",
    "samples",
    "save",
    "scatter",
    "several_reconstructions",
    "training_curves",
    "traversal",
]
