"""A classifier, by which samples of other models are judged."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.distributions.base import Support
from zoo.errors import DataError
from zoo.models.base import GenerativeModel
from zoo.models.parts import build_part
from zoo.noise import fold
from zoo.objectives.likelihood import LikelihoodTerms, MaximumLikelihood
from zoo.registration import register

tfd = tfp.distributions


@register
class Classifier(GenerativeModel):
    """p(y|x) = likelihood(network(x)), of images and of sequences.

    In training, examples are shifted, by whole pixels or steps, and made like the samples that it
    judges later: a share of them is binarized anew, each grey value being the probability of a 1;
    integers get noise.

    Args:
        network: `[B, *event] -> [B, F]`; its output is what `features` returns.
        likelihood: distribution layer over `[1]` label, such as `IndependentCategorical`.
        event_shape: shape of one example.
        shift: largest shift in each direction, pixels or steps.
        binarized_share: share of the training examples that is binarized.
        levels: x holds the integers 0 to levels - 1, and `levels` where there is nothing, such as
            behind the end of a recording; None: x is in [0, 1], and nothing is 0.
        noise: standard deviation, in levels, of the noise of the noisiest training examples; each
            has its own, uniform from 0. It is also where there is nothing, around the middle level.
        label: which one of several labels in y it learns and is measured by.
        seed: base of every random draw.

    Shapes: images `[B, H, W, C]` or sequences `[B, T]`; y, integers, `[B]` or `[B, K]`. It
    generates nothing.

    Raises:
        ValueError: integers that should be binarized, other values that should get noise, fewer
            than 2 levels, or a negative label.
    """

    metric_names = ("log_likelihood", "accuracy")
    parts = ("network", "likelihood")

    def __init__(
        self,
        network,
        likelihood,
        event_shape,
        shift: int = 0,
        binarized_share: float = 0.0,
        levels: int | None = None,
        noise: float = 0.0,
        label: int = 0,
        seed: int = 0,
        **kwargs,
    ):
        if levels is not None and (binarized_share or levels < 2):
            raise ValueError("a classifier of integers takes 2 levels or more, and binarizes none")
        if levels is None and noise:
            raise ValueError(
                "noise is in levels, so it takes a classifier of integers: give levels"
            )
        if label < 0:
            raise ValueError(f"the labels of y are counted from 0, so none is number {label}")
        super().__init__(event_shape=event_shape, seed=seed, **kwargs)
        self.network, self.likelihood = network, likelihood
        self.shift, self.binarized_share = int(shift), float(binarized_share)
        self.levels, self.noise, self.label = levels, float(noise), label
        self.objective = MaximumLikelihood()

    def build(self, input_shape=None):
        images = (None, *self.event_shape)
        build_part(self.network, images)
        build_part(self.likelihood, self.network.compute_output_shape(images))
        self.built = True

    def terms(self, x, y=None, training=False, seed=None) -> LikelihoodTerms:
        y = tf.cast(self.label_of(y), tf.float32)[:, tf.newaxis]
        if training:
            nothing = 0.0 if self.levels is None else float(self.levels)
            x = _shifted(x, self.shift, nothing, fold(seed, "shift"))
            x = _binarized(x, self.binarized_share, fold(seed, "binarize"))
            x = _noisy(x, self.levels, self.noise, fold(seed, "noise"))
        labels = self.distribution(x, training=training)
        correct = tf.cast(tf.equal(labels.mode(), y), tf.float32)
        return LikelihoodTerms(labels.log_prob(y), {"accuracy": tf.squeeze(correct, axis=1)})

    def label_of(self, y):
        """What it should find, `[B]`, of labels `[B]` or `[B, K]`: tensors or arrays.

        Raises:
            DataError: y is missing, or lacks the label.
        """
        if y is None:
            raise DataError("a classifier needs labels: zoo.data.load(NAME, labels=True)")
        labels = y if len(y.shape) == 2 else y[:, np.newaxis]
        if self.label >= labels.shape[1]:
            raise DataError(
                f"{self.name} learns label {self.label} of each example, counted from 0, but y has "
                f"{labels.shape[1]}"
            )
        return labels[:, self.label]

    def distribution(self, x, training: bool = False) -> tfd.Distribution:
        """p(y|x), batch `[B]`, event `[1]`."""
        return self.likelihood.distribution(self.likelihood(self.network(x, training=training)))

    def call(self, x, training=False):
        """Tensors: `probabilities` `[B, classes]` and `features` `[B, F]`."""
        features = self.network(x, training=training)
        logits = self.likelihood(features)["logits"]
        return {"probabilities": tf.nn.softmax(logits[:, 0]), "features": features}

    def classify(self, x) -> np.ndarray:
        """p(y|x) `[B, classes]` of any number of examples."""
        return self._in_batches(x, "probabilities")

    def features(self, x) -> np.ndarray:
        """The network's output `[B, F]`, for distances between sets of examples."""
        return self._in_batches(x, "features")

    def _in_batches(self, x, which: str) -> np.ndarray:
        self.check(x)
        return self.predict(np.asarray(x, np.float32), batch_size=500, verbose=0)[which]

    def check_values(self, x: np.ndarray) -> None:
        if self.levels is not None:
            remedy = 'load them with values="levels"'
            support = Support(self.name, 0, self.levels, integer=True, remedy=remedy)
            if fault := support.violation(x):
                raise DataError(fault)
        elif x.size == 0 or not np.isfinite(x).all() or x.min() < 0 or x.max() > 1:
            raise DataError(
                "the classifier takes finite values in [0, 1]: scale the images, or load them with "
                'values="unit"'
            )

    def get_config(self):
        own = ("shift", "binarized_share", "levels", "noise", "label")
        return {
            **super().get_config(),
            "event_shape": list(self.event_shape),
            **{name: getattr(self, name) for name in own},
        }


def _shifted(x: tf.Tensor, largest: int, nothing: float, seed: tf.Tensor) -> tf.Tensor:
    """Moves each example by its own whole number of pixels or steps; nothing comes in."""
    if not largest:
        return x
    # Height and width, or the time.
    sizes = x.shape[1:3]
    offsets = tf.random.stateless_uniform(
        (tf.shape(x)[0], len(sizes)), seed, minval=0, maxval=2 * largest + 1, dtype=tf.int32
    )
    around = [[largest, largest] if 0 < axis < 3 else [0, 0] for axis in range(len(x.shape))]
    x = tf.pad(x, around, constant_values=nothing)
    for place, size in enumerate(sizes):
        kept = offsets[:, place : place + 1] + tf.range(size)
        x = tf.gather(x, kept, axis=place + 1, batch_dims=1)
    return x


def _binarized(x: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws a share of the examples as binary ones with the grey values as probabilities."""
    if not share:
        return x
    chosen = _one_each(x, fold(seed, "choose")) < share
    drawn = tf.random.stateless_uniform(tf.shape(x), fold(seed, "draw")) < x
    return tf.where(chosen, tf.cast(drawn, x.dtype), x)


def _noisy(x: tf.Tensor, levels: int | None, largest: float, seed: tf.Tensor) -> tf.Tensor:
    """Adds to each example noise of its own strength; nothing becomes noise in the middle."""
    if not largest:
        return x
    strength = largest * _one_each(x, fold(seed, "strength"))
    noise = strength * tf.random.stateless_normal(tf.shape(x), fold(seed, "draw"))
    heard = tf.where(x < levels, x, float(levels // 2))
    return tf.clip_by_value(tf.round(heard + noise), 0.0, levels - 1.0)


def _one_each(x: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A number in [0, 1) for each example, `[B, 1, ...]`."""
    return tf.random.stateless_uniform((tf.shape(x)[0], *[1] * (len(x.shape) - 1)), seed)
