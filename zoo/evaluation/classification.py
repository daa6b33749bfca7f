"""Accuracy of a classifier, and what a judge finds in samples of other models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.data.checks import whole_number
from zoo.errors import DataError, NotSupported
from zoo.evaluation.results import UNNAMED, Result, evaluate, mean_result, protocol
from zoo.models.classifier import Classifier

#: What a judge looks at by default.
SAMPLES = 10_000
# Samples that are drawn at once.
_AT_ONCE = 500


@evaluate.register
def evaluate_classifier(model: Classifier, data: tf.data.Dataset) -> dict[str, Result]:
    """Measures a classifier on labelled data: "accuracy" and "log_likelihood" (nats)."""
    correct, log_likelihood = [], []
    for batch in data:
        if not isinstance(batch, tuple):
            raise DataError("a classifier is measured on labels: zoo.data.load(NAME, labels=True)")
        probabilities, labels = model.classify(batch[0]), model.label_of(batch[1].numpy())
        correct.append(probabilities.argmax(axis=1) == labels)
        log_likelihood.append(np.log(probabilities[np.arange(len(labels)), labels]))
    source = protocol(data)
    return {
        "accuracy": mean_result(np.concatenate(correct).astype(np.float64), "share", source),
        "log_likelihood": mean_result(
            np.concatenate(log_likelihood).astype(np.float64), "nats", source
        ),
    }


def share_as_asked(
    model, judge: Classifier, samples: int = SAMPLES, source: Mapping[str, Any] = UNNAMED
) -> Result:
    """The share of a conditional model's samples that the judge takes for what was asked.

    Every class is asked equally often; of a model with several labels, every combination. What else
    the condition has, such as the time at which a recording begins, is 0.

    Args:
        model: with a condition on classes, such as `OneHot` or `RecordingLabels`. One of sequences
            draws them as long as the judge hears them.
        judge: of the same data; it looks for its own label of y.
        samples: at most so many, but one of each combination at least.
        source: protocol of the samples.

    Raises:
        DataError: no whole number of samples.
        NotSupported: the condition is not on classes, or the judge looks at other examples than the
            model's.
    """
    whole_number("samples", samples, low=1)
    model = _as_judged(model, judge)
    asked = _conditions(model, samples)
    found = []
    for start in range(0, len(asked), _AT_ONCE):
        some = asked[start : start + _AT_ONCE]
        x = model.sample(len(some), some, seed=start)
        if judge.levels is None:
            # It looks at [0, 1], whatever levels the model draws.
            x = model.likelihood.to_network(x)
        found.append(judge.classify(x.numpy()).argmax(axis=1) == judge.label_of(some))
    return mean_result(np.concatenate(found).astype(np.float64), "share", source)


def _as_judged(model, judge: Classifier):
    """The model, at the length of the sequences that the judge knows."""
    if model.event_shape == judge.event_shape:
        return model
    if len(model.event_shape) == len(judge.event_shape) == 1:
        return model.at_length(judge.event_shape[0])
    raise NotSupported(
        f"the judge {judge.name} looks at examples of shape {list(judge.event_shape)}, but the "
        f"model makes {list(model.event_shape)}"
    )


def _conditions(model, samples: int) -> np.ndarray:
    """y `[N, *condition_shape]`, N at most `samples`, each combination of classes equally often."""
    classes = getattr(model.condition, "classes", None)
    if classes is None:
        raise NotSupported("a judge finds classes, but the model's condition is on other things")
    combinations = np.indices(np.atleast_1d(classes)).reshape(np.size(classes), -1).T
    y = np.zeros((len(combinations), *model.condition_shape), np.int32)
    y.reshape(len(y), -1)[:, : np.size(classes)] = combinations
    return np.repeat(y, max(1, samples // len(y)), axis=0)


def classes_found(probabilities: np.ndarray, threshold: float = 0.8) -> dict[int, int]:
    """How many images are of each class with more than `threshold`.

    Args:
        probabilities: `[N, classes]`, of a classifier.
        threshold: confidence that counts.
    """
    best = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) > threshold
    return {c: int((sure & (best == c)).sum()) for c in range(probabilities.shape[1])}
