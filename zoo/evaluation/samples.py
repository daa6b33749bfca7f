"""What is measured of samples: how close they are to data, beside how close data are to data."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.data import points
from zoo.data.checks import whole_number
from zoo.errors import DataError
from zoo.evaluation.results import Result
from zoo.evaluation.sample_quality import (
    frechet_distance,
    kernel_distance,
    mode_shares,
    precision_recall,
    typical_distance,
)

#: Fewer samples have no third neighbour.
FEWEST = 4
#: Samples, and test examples that they are compared with.
COUNT = 10_000
# Drawn at once.
_AT_ONCE = 500
# A point within so many deviations of a mode belongs to it.
_DEVIATIONS = 3.0

# What the numbers of `precision_recall` are shares of.
_SHARES = {
    "precision": "of the samples",
    "recall": "of the data",
    "density": "balls about data that hold a sample, over k",
    "coverage": "of the data",
}

Features = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Eyes:
    """What looks at examples.

    Attributes:
        name: such as "mnist", for the name of the distance.
        features: `[N, *event] -> [N, F]`.
        classify: `[N, *event] -> [N, classes]`, probabilities; None: no classes are looked for.
    """

    name: str
    features: Features
    classify: Callable[[np.ndarray], np.ndarray] | None = None


class Reference:
    """What samples are compared with. What is seen of it once serves any number of comparisons.

    Args:
        test: what samples are compared with, `[M, *event]`.
        train: what the model has seen, at least as many examples as there are samples.
        eyes: what looks at them.
        source: protocol of the test examples.
    """

    def __init__(self, test: np.ndarray, train: np.ndarray, eyes: Eyes, source: Mapping[str, Any]):
        self.test, self.train, self.eyes, self.source = _array(test), _array(train), eyes, source
        self._floors: dict[int, tuple[float, int]] = {}

    @functools.cached_property
    def features(self) -> np.ndarray:
        """Of the test examples, `[M, F]`."""
        return self.eyes.features(self.test)

    @functools.cached_property
    def newness(self) -> float:
        """How far test examples typically are from the nearest training example."""
        return typical_distance(self.test, self.train)

    def floor(self, count: int) -> tuple[float, int]:
        """The Frechet distance of `count` training examples, and the draws that it is the mean of.

        Few examples make it noisy: it is a mean over as many draws as make up for it.

        Raises:
            DataError: fewer training examples.
        """
        if len(self.train) < count:
            raise DataError(
                f"a floor of {count} takes as many training examples, not {len(self.train)}"
            )
        if count not in self._floors:
            draws = max(1, min(COUNT, len(self.train)) // count)
            chosen = np.random.RandomState(0).permutation(len(self.train))[: draws * count]
            seen = (self.eyes.features(self.train[i]) for i in np.split(chosen, draws))
            found = [frechet_distance(self.features, features) for features in seen]
            self._floors[count] = float(np.mean(found)), draws
        return self._floors[count]


def _array(examples) -> np.ndarray:
    if isinstance(examples, tf.data.Dataset):
        raise DataError("examples are an array: np.concatenate(list(...)) of a data set's batches")
    return np.asarray(examples)


def drawn(model, count: int, seed: int = 0, **options: Any) -> np.ndarray:
    """`count` examples of a model `[count, *event]`; of a conditional one, of all classes alike.

    Args:
        model: with `sample`.
        count: how many.
        seed: repeats the draw.
        **options: of `model.sample`, such as `mean=True`: E[x|z] in place of a draw from p(x|z).

    Raises:
        DataError: no whole number, or a condition that is not a class.
    """
    whole_number("count", count, low=2)
    asked = None
    if getattr(model, "condition", None) is not None:
        classes = getattr(model.condition, "classes", None)
        if not isinstance(classes, int):
            raise DataError(f"{model.name} is given more than a class: draw its samples yourself")
        asked = (np.arange(count) % classes).astype(np.int32)
    parts = []
    for start in range(0, count, _AT_ONCE):
        n = min(_AT_ONCE, count - start)
        y = None if asked is None else asked[start : start + n]
        parts.append(np.asarray(model.sample(n, y, seed=seed + start, **options)))
    return np.concatenate(parts)


def compare_samples(fake: np.ndarray, reference: Reference) -> dict[str, Result]:
    """Scores of samples against test examples, and of as many training examples: the floor.

    Args:
        fake: samples `[N, *event]`, N from 4.
        reference: what they are compared with.

    Returns:
        "frechet", "frechet_floor" (of as many training examples in place of samples; of fewer than
        10 000, the mean over several draws), "frechet_ratio", "kernel", "precision", "recall",
        "density", "coverage"; "copying": the typical distance of samples to training examples over
        that of test examples, near 0 for copies, near 1 or above for what is as new as test data;
        with classes, "classes" and "smallest_class".

    Raises:
        DataError: fewer training examples than samples, another shape, or fewer than 4 samples.
    """
    fake = _array(fake)
    if fake.shape[1:] != reference.test.shape[1:]:
        raise DataError(
            f"samples of shape {list(fake.shape)} are compared with examples of shape "
            f"{list(reference.test.shape)}"
        )
    if len(fake) < FEWEST:
        raise DataError(f"samples are compared from {FEWEST} on, not {len(fake)}")
    eyes, source, count = reference.eyes, reference.source, len(fake)
    least, draws = reference.floor(count)
    real, ours = reference.features, eyes.features(fake)
    distance, unit = frechet_distance(real, ours), f"FD-{eyes.name}"
    several = f", mean of {draws} draws" if draws > 1 else ""
    kernel, error = kernel_distance(real, ours)

    def plain(value, unit: str) -> Result:
        return Result(float(value), None, unit, count, source)

    found = {
        "frechet": plain(distance, unit),
        "frechet_floor": plain(least, f"{unit} of training examples{several}"),
        "frechet_ratio": plain(distance / least, "times the floor"),
        "kernel": Result(kernel, error, f"KID-{eyes.name}", count, source),
        **{k: plain(v, _SHARES[k]) for k, v in precision_recall(real, ours).items()},
        "copying": plain(
            typical_distance(fake, reference.train) / reference.newness,
            "times the distance of test data to training data",
        ),
    }
    if eyes.classify is not None:
        shares = np.bincount(
            eyes.classify(fake).argmax(axis=1), minlength=eyes.classify(fake[:1]).shape[1]
        ) / len(fake)
        detail = {"shares": [round(float(s), 4) for s in shares]}
        found["classes"] = plain((shares > 0).sum(), f"of {len(shares)} classes")
        found["smallest_class"] = dataclasses.replace(
            plain(shares.min(), "share of the samples"), detail=detail
        )
    return found


def compare_modes(fake: np.ndarray, source: Mapping[str, Any]) -> dict[str, Result]:
    """Which modes of `points` samples hit.

    Args:
        fake: samples `[N, 2]`.
        source: protocol of the data.

    Returns:
        "modes": how many have a share within 20 % of a fair one; "mode_error": the largest
        deviation of a share, relative to a fair one; "astray": share of the samples beyond three
        standard deviations of every mode.
    """
    modes = points.modes()
    shares = mode_shares(fake, modes, _DEVIATIONS * points.SIGMA)
    off = np.abs(shares * len(modes) - 1)
    detail = {"shares": [round(float(s), 4) for s in shares]}
    count = len(fake)
    return {
        "modes": Result(float((off <= 0.2).sum()), None, f"of {len(modes)} modes", count, source),
        "mode_error": Result(
            float(off.max()), None, "of a fair share", count, source, detail=detail
        ),
        "astray": Result(float(1 - shares.sum()), None, "share of the samples", count, source),
    }
