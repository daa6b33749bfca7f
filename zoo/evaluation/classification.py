"""Accuracy of a classifier, and classes that a judge finds among images."""

import numpy as np
import tensorflow as tf

from zoo.errors import DataError
from zoo.evaluation.results import Result, evaluate, mean_result, protocol
from zoo.models.classifier import Classifier


@evaluate.register
def evaluate_classifier(model: Classifier, data: tf.data.Dataset) -> dict[str, Result]:
    """Measures a classifier on labelled data: "accuracy" and "log_likelihood" (nats)."""
    correct, log_likelihood = [], []
    for batch in data:
        if not isinstance(batch, tuple):
            raise DataError("a classifier is measured on labels: zoo.data.load(NAME, labels=True)")
        probabilities, labels = model.classify(batch[0]), batch[1].numpy()
        correct.append(probabilities.argmax(axis=1) == labels)
        log_likelihood.append(np.log(probabilities[np.arange(len(labels)), labels]))
    source = protocol(data)
    return {
        "accuracy": mean_result(np.concatenate(correct).astype(np.float64), "share", source),
        "log_likelihood": mean_result(
            np.concatenate(log_likelihood).astype(np.float64), "nats", source
        ),
    }


def classes_found(probabilities: np.ndarray, threshold: float = 0.8) -> dict[int, int]:
    """How many images are of each class with more than `threshold`.

    Args:
        probabilities: `[N, classes]`, of a classifier.
        threshold: confidence that counts.
    """
    best = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) > threshold
    return {c: int((sure & (best == c)).sum()) for c in range(probabilities.shape[1])}
