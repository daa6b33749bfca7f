"""Hidden activations as a representation: what a linear probe finds in them.

The representation of an example is the mean of its activations over all steps: of images, over all
pixels, each of which has seen the ones before it. So it has as many numbers as one step has
features. The same probe of the raw numbers stands beside it.
"""

import numpy as np
import tensorflow as tf

from zoo.data.checks import whole_number
from zoo.errors import DataError, NotSupported
from zoo.evaluation.representation import flattened, probe_accuracy
from zoo.evaluation.results import Result, protocol
from zoo.models.autoregressive import Autoregressive

PROBE = "logistic regression on standardized numbers, its strength chosen by a fifth of examples"


def probe(
    model: Autoregressive, train: tf.data.Dataset, test: tf.data.Dataset, examples: int = 10_000
) -> dict[str, Result]:
    """Measures what a linear probe finds of the labels.

    Args:
        model: without a condition: features that were told the label would give it away.
        train: batches of (x, y), y `[B]`; the probe learns from the first of them, as they come.
        test: batches of (x, y), whole.
        examples: training examples.

    Returns:
        "features", of the mean activations, and "input", of x itself: shares of right labels, whose
        difference is `features.minus(input)`.

    Raises:
        NotSupported: a model without hidden activations, or with a condition.
        DataError: fewer training examples, no labels, or several for each example.
    """
    if not isinstance(model, Autoregressive):
        raise NotSupported(f"a {type(model).__name__} has no activations of each step to probe")
    if model.condition is not None:
        raise NotSupported(f"{model.name} is told y: a probe for y finds what it was told")
    whole_number("examples", examples, low=2)
    learned, measured = mean_features(model, train, examples), mean_features(model, test)
    if len(learned[0]) < examples:
        raise DataError(f"the probe of {examples} examples was given {len(learned[0])}")
    source = {**protocol(test), "probe": PROBE, "probe_examples": examples}
    (features, x, y), (test_features, test_x, test_y) = learned, measured
    return {
        "features": probe_accuracy(features, y, test_features, test_y, data=source),
        "input": probe_accuracy(x, y, test_x, test_y, data=source),
    }


def mean_features(
    model: Autoregressive, data: tf.data.Dataset, most: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The mean over all steps of `model.features(x)` `[N, F]`, x `[N, D]` itself, and y `[N]`.

    Only the means of a batch are kept, never the activations.

    Args:
        model: without a condition.
        data: batches of (x, y).
        most: stop after so many examples; None: all.

    Raises:
        DataError: no labels, several for each example, or values that the model cannot take.
    """

    @tf.function(reduce_retracing=True, jit_compile=model.prefers_xla())
    def step(x):
        features = model.features(x)
        return tf.reduce_mean(features, axis=list(range(1, len(features.shape) - 1)))

    found, count = [], 0
    for batch in data:
        if not isinstance(batch, tuple) or len(batch[1].shape) != 1:
            raise DataError("a probe looks for one label of each example: data of (x, y), y [B]")
        x, y = (part.numpy() for part in batch)
        model.check(x)
        found.append((step(x).numpy(), flattened(x), y))
        count += len(x)
        if most is not None and count >= most:
            break
    if not found:
        raise DataError("the data set is empty")
    features, x, y = (np.concatenate(parts)[:most] for parts in zip(*found, strict=True))
    return features, x, y
