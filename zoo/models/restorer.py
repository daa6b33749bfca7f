"""Networks that map a corrupted image to the clean one."""

import keras
import numpy as np
import tensorflow as tf

from zoo.data.corruptions import check_corruption
from zoo.errors import DataError
from zoo.models.base import GenerativeModel
from zoo.models.parts import build_part
from zoo.noise import fold
from zoo.numerics import mean_event
from zoo.objectives.base import check_fits
from zoo.objectives.reconstruction import RestorationTerms, SquaredError
from zoo.registration import register


@register
class Restorer(GenerativeModel):
    """restored = likelihood(network(c(x))): no code, no density, the baseline of restoration.

    c corrupts the images in training and validation; the clean image is the target.

    Args:
        network: image to features of each pixel, `[B, H, W, C] -> [B, H, W, F]`, such as `UNet`.
        likelihood: `IndependentDeterministic`, features to the image.
        corruption: what happens to the images on their way in, such as `GaussianCorruption`.
        objective: what is minimised; None: `SquaredError`.
        seed: base of every random draw in training and validation.

    Raises:
        ValueError: parts that are none, or do not fit together.

    Reference: Ronneberger et al. 2015, arXiv 1505.04597, the network; the task as in Vincent et
    al. 2008, Extracting and Composing Robust Features with Denoising Autoencoders.
    """

    metric_names = ("squared_error",)
    parts = ("network", "likelihood", "corruption", "objective")

    def __init__(self, network, likelihood, corruption, objective=None, seed: int = 0, **kwargs):
        for name, part in {"network": network, "likelihood": likelihood}.items():
            if not isinstance(part, keras.Layer):
                raise ValueError(f"the {name} is {part!r}, not a layer")
        check_corruption(corruption)
        objective = SquaredError() if objective is None else objective
        check_fits(objective, type(self))
        super().__init__(likelihood.event_shape, seed, **kwargs)
        self.network, self.likelihood = network, likelihood
        self.corruption, self.objective = corruption, objective

    def build(self, input_shape=None):
        images = (None, *self.event_shape)
        build_part(self.network, images)
        build_part(self.likelihood, self.network.compute_output_shape(images))
        self.built = True

    def terms(self, x, y=None, training=False, seed=None) -> RestorationTerms:
        clean = self.likelihood.to_network(x)
        error = clean - self._restored(self.corruption(clean, fold(seed, "corrupt")), training)
        return RestorationTerms(mean_event(tf.square(error)))

    def _restored(self, x, training: bool = False) -> tf.Tensor:
        parameters = self.likelihood(self.network(x, training=training))
        return tf.cast(self.likelihood.distribution(parameters).mean(), tf.float32)

    def restore(self, x, y=None) -> tf.Tensor:
        """The clean images `[B, *event]` that it sees in `x`, whose values may leave [0, 1].

        Raises:
            DataError: another shape, or values that are not finite.
        """
        if tf.executing_eagerly():
            self.check_shape(x)
            if not np.isfinite(x).all():
                raise DataError("images to restore have values that are NaN or infinite")
        return self._restored(tf.convert_to_tensor(x, tf.float32))

    def call(self, x, training=False):
        """Tensors only: the image `restored` from x as it is."""
        return {"restored": self._restored(x, training)}

    def reconstruct(self, x, y=None, seed=None) -> tf.Tensor:
        """`restore`, of images that the data may hold.

        Raises:
            DataError: another shape, or values outside [0, 1].
        """
        if tf.executing_eagerly():
            self.check(x)
        return self.restore(x)
