"""The vector-quantized autoencoder: an image as a small map of codes from a learned book.

    z = projection(encoder(x)),   k = nearest code of z at each position,   x' = decoder(e_k)

The nearest code has no gradient, so the decoder's is passed straight through to z.

Reference: van den Oord, Vinyals and Kavukcuoglu 2017, arXiv 1711.00937.
"""

import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.errors import DataError, NotSupported
from zoo.models.base import GenerativeModel
from zoo.models.parts import build_part
from zoo.noise import Seed
from zoo.objectives.base import check_fits
from zoo.objectives.quantization import QuantizationTerms, VectorQuantization
from zoo.registration import register

tfd = tfp.distributions


@register
class VQVAE(GenerativeModel):
    """An autoencoder through `h w` codes; the first of the two stages of a VQ-VAE.

    It has no density of its codes, so it does not sample: the second stage is a density over
    `codes(x)`, whose samples `decode_codes` takes.

    Args:
        encoder: network `[B, *event] -> [B, h, w, F]`; a 1x1 convolution to the codes' size D is
            added.
        quantizer: the book, a `VectorQuantizer`.
        decoder: network `[B, h, w, D] -> [B, ...]`.
        likelihood: distribution layer, features to images: its mean is the reconstruction, and its
            support says which data the model takes. A sigmoid may saturate before the codes tell
            anything, so prefer a linear output.
        objective: what is minimised; `VectorQuantization` where none is given.
        seed: base of every random draw in training: of codes that are revived.

    Images are compared as networks take them, about in [0, 1]. Departures from the paper: those of
    `VectorQuantizer` and `VectorQuantization`.
    """

    metric_names = ("squared_error", "commitment", "perplexity")
    parts = ("encoder", "quantizer", "decoder", "likelihood", "objective")

    def __init__(
        self, encoder, quantizer, decoder, likelihood, objective=None, seed: int = 0, **kwargs
    ):
        parts = {"encoder": encoder, "quantizer": quantizer, "decoder": decoder}
        for name, part in (parts | {"likelihood": likelihood}).items():
            if not isinstance(part, keras.Layer):
                raise ValueError(f"the {name} is {part!r}, not a layer")
        check_fits(objective or VectorQuantization(), type(self))
        super().__init__(event_shape=likelihood.event_shape, seed=seed, **kwargs)
        self.encoder, self.quantizer = encoder, quantizer
        self.decoder, self.likelihood = decoder, likelihood
        self.objective = objective or VectorQuantization()
        self.projection = keras.layers.Conv2D(quantizer.size, 1, name="projection")
        features = encoder.compute_output_shape((None, *self.event_shape))
        if len(features) != 4:
            raise ValueError(
                f"the encoder gives features of shape {list(features[1:])}, not [h, w, F]: a "
                "VQ-VAE needs a fully convolutional one, such as DownEncoder"
            )
        self.latent_shape = (*features[1:-1], quantizer.size)

    def build(self, input_shape=None):
        images, latents = (None, *self.event_shape), (None, *self.latent_shape)
        build_part(self.encoder, images)
        build_part(self.projection, self.encoder.compute_output_shape(images))
        build_part(self.quantizer, latents)
        build_part(self.decoder, latents)
        build_part(self.likelihood, self.decoder.compute_output_shape(latents))
        self.built = True

    @property
    def bits(self) -> float:
        """Of one image's codes, each of them as long as any other."""
        return math.prod(self.latent_shape[:-1]) * math.log2(self.quantizer.codes)

    # From images to codes, and back.

    def encode(self, x, y=None, training: bool = False) -> tfd.Distribution:
        """The codes themselves, a distribution of no spread, batch `[B]`, event `[h, w, D]`.

        Raises:
            DataError: another shape, or values outside the likelihood's support.
        """
        del y
        return _deterministic(self.quantizer.lookup(self.codes(x, training=training)))

    def codes(self, x, training: bool = False) -> tf.Tensor:
        """Indices of the codes, `int32 [B, h, w]`, of `x` `[B, *event]`; raises as `encode`."""
        if tf.executing_eagerly():
            # In a graph there are no values to look at; `fit` and `evaluate` have looked before.
            self.check(x)
        return self.quantizer.nearest(self._features(self.likelihood.to_network(x), training))

    def decode(self, z, y=None, training: bool = False) -> tfd.Distribution:
        """A distribution over images, batch `[...]`, of `z` `[..., h, w, D]`."""
        del y
        z = tf.convert_to_tensor(z)
        batch = tf.shape(z)[:-3]
        flat = tf.reshape(z, (-1, *self.latent_shape))
        parameters = self.likelihood(self.decoder(flat, training=training))
        return self.likelihood.distribution(
            {
                k: tf.reshape(v, tf.concat([batch, tf.shape(v)[1:]], axis=0)) if v.shape.rank else v
                for k, v in parameters.items()
            }
        )

    def decode_codes(self, indices) -> tfd.Distribution:
        """A distribution over images, batch `[...]`, of `indices` `int32 [..., h, w]`.

        Raises:
            DataError: another shape, or numbers that are no codes.
        """
        if tf.executing_eagerly():
            self._check_codes(np.asarray(indices))
        return self.decode(self.quantizer.lookup(indices))

    def _check_codes(self, indices: np.ndarray) -> None:
        size, book = self.latent_shape[:-1], self.quantizer.codes
        if indices.shape[-len(size) :] != tuple(size) or indices.dtype.kind not in "iu":
            raise DataError(
                f"{self.name} takes codes as integers of shape [..., {', '.join(map(str, size))}], "
                f"not {indices.dtype} of shape {list(indices.shape)}"
            )
        if indices.size and (indices.min() < 0 or indices.max() >= book):
            raise DataError(
                f"{self.name} has the codes 0 to {book - 1}, not {indices.min()} to {indices.max()}"
            )

    def _features(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        """z, `[B, h, w, D]`, of `x` as networks take it."""
        features = self.encoder(x, training=training)
        return tf.cast(self.projection(features), tf.float32)

    # What is optimised and reported.

    def terms(self, x, y=None, training=False, seed=None) -> QuantizationTerms:
        x = self.likelihood.to_network(x)
        features = self._features(x, training)
        indices, codes = self.quantizer(features)
        if training:
            self.quantizer.update(features, indices, seed)
        # Straight through: the value of the code, the gradient of the feature.
        through = features + tf.stop_gradient(codes - features)
        image = self.likelihood.to_network(self.decode(through, training=training).mean())
        codebook = _mean_square(tf.stop_gradient(features) - codes)
        return QuantizationTerms(
            squared_error=_mean_square(x - image),
            commitment=_mean_square(features - tf.stop_gradient(codes)),
            codebook=tf.zeros_like(codebook) if self.quantizer.follows_averages else codebook,
            perplexity=self.quantizer.perplexity(indices),
        )

    def call(self, x, training=False):
        """Tensors only: `codes` `int32 [B, h, w]`, and the `reconstruction`."""
        codes = self.codes(x, training=training)
        image = self.decode(self.quantizer.lookup(codes), training=training).mean()
        return {"codes": codes, "reconstruction": image}

    # What people do with it.

    def can(self, name: str) -> bool:
        return super().can(name) and name != "sample"

    def sample(self, n: int, y=None, seed: Seed | None = None):
        """Raises NotSupported, with what to do."""
        raise NotSupported(
            f"{type(self).__name__} has no density of its codes, so it cannot be sampled: fit an "
            "autoregressive one over model.codes(x), and decode its samples with model.decode_codes"
        )

    def reconstruct(self, x, y=None, seed: Seed | None = None) -> tf.Tensor:
        """Images `[B, *event]` seen through their codes; nothing is drawn."""
        del y, seed
        return tf.cast(self.decode(self.encode(x).mean()).mean(), tf.float32)

    def start_at(self, mean: np.ndarray) -> None:
        self.likelihood.start_at(mean)


def _deterministic(x: tf.Tensor) -> tfd.Distribution:
    return tfd.Independent(tfd.Deterministic(x), 3)


def _mean_square(x: tf.Tensor) -> tf.Tensor:
    """Over all but the batch, `[B]`."""
    return tf.reduce_mean(x**2, axis=list(range(1, x.shape.rank)))
