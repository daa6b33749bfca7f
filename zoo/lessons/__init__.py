"""Lessons: what lectures show of these models, measured and drawn anew, one page each."""

from zoo.lessons import (
    gaps,
    language,
    latent_spaces,
    likelihoods,
    orders,
    pixels,
    points,
    rate_distortion,
    samples,
    traversals,
    variants,
)
from zoo.lessons.page import Lesson, Page, write

LESSONS: dict[str, Lesson] = {
    "latent-spaces": latent_spaces.LESSON,
    "gaps": gaps.LESSON,
    "rate-distortion": rate_distortion.LESSON,
    "variants": variants.LESSON,
    "traversals": traversals.LESSON,
    "pixels": pixels.LESSON,
    "orders": orders.LESSON,
    "language": language.LESSON,
    "likelihoods": likelihoods.LESSON,
    "points": points.LESSON,
    "samples": samples.LESSON,
}

__all__ = ["LESSONS", "Lesson", "Page", "write"]
