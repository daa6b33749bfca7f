"""A classifier, by which samples of other models are judged."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.errors import DataError
from zoo.models.base import GenerativeModel
from zoo.models.parts import build_part, deserialize_parts, serialize_parts
from zoo.noise import fold
from zoo.objectives.likelihood import LikelihoodTerms, MaximumLikelihood
from zoo.registration import register

tfd = tfp.distributions


@register
class Classifier(GenerativeModel):
    """p(y|x) = likelihood(network(x)), for grey values and for binarized ones alike.

    In training, images are shifted by whole pixels, and a share of them is binarized anew, each
    grey value being the probability of a 1: what it judges later are samples of either kind.

    Args:
        network: `[B, *event] -> [B, F]`; its output is what `features` returns.
        likelihood: distribution layer over `[1]` label, such as `IndependentCategorical`.
        event_shape: shape of one image.
        shift: largest shift in each direction, pixels.
        binarized_share: share of the training images that is binarized.
        seed: base of every random draw.

    Images are `[B, H, W, C]` in [0, 1], labels `[B]` integers. It generates nothing.
    """

    metric_names = ("log_likelihood", "accuracy")

    def __init__(
        self,
        network,
        likelihood,
        event_shape,
        shift: int = 0,
        binarized_share: float = 0.0,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(event_shape=event_shape, seed=seed, **kwargs)
        self.network, self.likelihood = network, likelihood
        self.shift, self.binarized_share = int(shift), float(binarized_share)
        self.objective = MaximumLikelihood()

    def build(self, input_shape=None):
        images = (None, *self.event_shape)
        build_part(self.network, images)
        build_part(self.likelihood, self.network.compute_output_shape(images))
        self.built = True

    def terms(self, x, y=None, training=False, seed=None) -> LikelihoodTerms:
        if y is None:
            raise DataError("a classifier needs labels: zoo.data.load(NAME, labels=True)")
        if training:
            x = _shifted(x, self.shift, fold(seed, "shift"))
            x = _binarized(x, self.binarized_share, fold(seed, "binarize"))
        labels = self.distribution(x, training=training)
        y = tf.cast(tf.reshape(y, (-1, 1)), tf.float32)
        correct = tf.cast(tf.equal(labels.mode(), y), tf.float32)
        return LikelihoodTerms(labels.log_prob(y), {"accuracy": tf.squeeze(correct, axis=1)})

    def distribution(self, x, training: bool = False) -> tfd.Distribution:
        """p(y|x), batch `[B]`, event `[1]`."""
        return self.likelihood.distribution(self.likelihood(self.network(x, training=training)))

    def call(self, x, training=False):
        """Tensors: `probabilities` `[B, classes]` and `features` `[B, F]`."""
        features = self.network(x, training=training)
        logits = self.likelihood(features)["logits"]
        return {"probabilities": tf.nn.softmax(logits[:, 0]), "features": features}

    def classify(self, x) -> np.ndarray:
        """p(y|x) `[B, classes]` of any number of images."""
        return self._in_batches(x, "probabilities")

    def features(self, x) -> np.ndarray:
        """The network's output `[B, F]`, for distances between sets of images."""
        return self._in_batches(x, "features")

    def _in_batches(self, x, which: str) -> np.ndarray:
        self.check(x)
        return self.predict(np.asarray(x, np.float32), batch_size=500, verbose=0)[which]

    def check_values(self, x: np.ndarray) -> None:
        if x.size == 0 or not np.isfinite(x).all() or x.min() < 0 or x.max() > 1:
            raise DataError(
                "the classifier takes finite values in [0, 1]: scale the images, or load them with "
                'values="unit"'
            )

    def get_config(self):
        return {
            "name": self.name,
            "event_shape": list(self.event_shape),
            "shift": self.shift,
            "binarized_share": self.binarized_share,
            "seed": self.seed,
            **serialize_parts(self, ("network", "likelihood")),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**deserialize_parts(config, custom_objects))


def _shifted(x: tf.Tensor, largest: int, seed: tf.Tensor) -> tf.Tensor:
    """Moves each image by its own whole number of pixels; zeros come in."""
    if not largest:
        return x
    batch, height, width = tf.shape(x)[0], x.shape[1], x.shape[2]
    offsets = tf.random.stateless_uniform(
        (batch, 2), seed, minval=0, maxval=2 * largest + 1, dtype=tf.int32
    )
    padded = tf.pad(x, [[0, 0], [largest, largest], [largest, largest], [0, 0]])
    rows = offsets[:, :1] + tf.range(height)
    columns = offsets[:, 1:] + tf.range(width)
    return tf.gather(tf.gather(padded, rows, batch_dims=1), columns, axis=2, batch_dims=1)


def _binarized(x: tf.Tensor, share: float, seed: tf.Tensor) -> tf.Tensor:
    """Draws a share of the images as binary ones with the grey values as probabilities."""
    if not share:
        return x
    chosen = tf.random.stateless_uniform((tf.shape(x)[0], 1, 1, 1), fold(seed, "choose")) < share
    drawn = tf.random.stateless_uniform(tf.shape(x), fold(seed, "draw")) < x
    return tf.where(chosen, tf.cast(drawn, x.dtype), x)
