"""Sound as a picture, how loud it is at each time and pitch, and a network that looks at it."""

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.registration import register


@register
class LogMelEncoder(keras.layers.Layer):
    """encoder(S), where S is the logarithmic mel spectrogram of a sound of mu-law levels.

    s(t) = sign(l) ((1 + mu)^|l| - 1) / mu, l = 2 level / mu - 1, mu = levels - 1
    a_kf = 2 |sum_t w(t) s(k hop + t) exp(-2 pi i f t / window)| / sum_t w(t), w of Hann
    S_kb = log(1 + sum_f M_fb a_kf^2 / q) / log(1 + 1 / q), q = 10^(quietest / 10)

    M are triangles of height 1, evenly spaced in mel = 1127 log(1 + Hz / 700) from 0 to half the
    rate. So S is about 0 in silence, and about 1 where a sine of amplitude 1 is in a band's middle.

    Args:
        encoder: network from S, as an image of one channel, to features.
        bands: b = 0 .. bands - 1, from low to high.
        window: samples that one spectrum is of.
        hop: samples from the beginning of a window to that of the next, at most `window`.
        quietest: in decibels of a sine of amplitude 1; what is much softer counts as silence.
        levels: of the sound, which may also hold `levels`, where there is none: silence too, which
            is the level `levels` / 2. What lies behind the end is silence as well.
        rate: samples in a second.
        **kwargs: `name`, `trainable` and `dtype`, as for any Keras layer.

    Shapes: x `[B, T]`, float32 integers 0 to levels -> what the encoder makes of `[B, T / hop,
    bands, 1]`, T / hop rounded up.

    Raises:
        ValueError: an encoder that is no layer, a number out of range, a band that is too narrow
            for the window's resolution, or another rank of x.

    Reference: Davis and Mermelstein 1980, "Comparison of parametric representations for
    monosyllabic word recognition in continuously spoken sentences". Departures: no cosine
    transform, because the encoder combines the bands by itself; a logarithm that ends in silence;
    triangles evenly spaced in mel from the lowest on, by the formula of O'Shaughnessy 1987, "Speech
    Communication".
    """

    def __init__(
        self,
        encoder: keras.layers.Layer,
        bands: int = 32,
        window: int = 256,
        hop: int = 128,
        quietest: float = -60.0,
        levels: int = 256,
        rate: float = 8000,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(encoder, keras.Layer):
            raise ValueError(f"the encoder is {encoder!r}, not a layer, such as ConvEncoder")
        if bands < 1 or levels < 2 or not 1 <= hop <= window or not quietest < 0 or not rate > 0:
            raise ValueError(
                "LogMelEncoder takes bands from 1, levels from 2, a hop from 1 to the window, a "
                "rate above 0 and a quietest below 0"
            )
        self.encoder, self.bands, self.window, self.hop = encoder, bands, window, hop
        self.quietest, self.levels, self.rate = quietest, levels, rate
        self.triangles = _triangles(bands, window, rate)

    def build(self, input_shape):
        if len(input_shape) != 2:
            raise ValueError(f"LogMelEncoder takes sounds [B, T], not {list(input_shape)}")
        # A layer that comes out of a saved file is built already.
        if not self.encoder.built:
            self.encoder.build(self._picture(input_shape))

    def call(self, x):
        return self.encoder(self.spectrogram(x))

    def spectrogram(self, x: tf.Tensor) -> tf.Tensor:
        """S of sounds `[B, T]`: `[B, T / hop, bands, 1]`."""
        frames = tf.signal.frame(self._wave(x), self.window, self.hop, pad_end=True)
        # Not TensorFlow's window, which for an odd length is another one.
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.window) / self.window)
        spectra = tf.signal.rfft(frames * (2 * hann / hann.sum()).astype(np.float32))
        powers = tf.tensordot(tf.square(tf.abs(spectra)), self.triangles, 1)
        floor = 10 ** (self.quietest / 10)
        loudness = tf.math.log1p(powers / floor) / math.log1p(1 / floor)
        return tf.cast(loudness[..., tf.newaxis], self.compute_dtype)

    def _wave(self, x: tf.Tensor) -> tf.Tensor:
        """s, in float32 under any policy: 16 bits hold the levels, but not the wave."""
        mu = self.levels - 1.0
        x = tf.cast(x, tf.float32)
        levels = tf.where(x < self.levels, x, self.levels // 2)
        bent = 2 * levels / mu - 1
        return tf.sign(bent) * tf.math.expm1(tf.abs(bent) * math.log1p(mu)) / mu

    def _picture(self, input_shape) -> tuple[int | None, ...]:
        return (input_shape[0], -(-input_shape[1] // self.hop), self.bands, 1)

    def compute_output_shape(self, input_shape):
        return self.encoder.compute_output_shape(self._picture(input_shape))

    def get_config(self) -> dict[str, Any]:
        names = ("bands", "window", "hop", "quietest", "levels", "rate")
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            **{name: getattr(self, name) for name in names},
        }

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config["encoder"])
        return cls(**{**config, "encoder": encoder})


def _triangles(bands: int, window: int, rate: float) -> np.ndarray:
    """M `[window / 2 + 1, bands]`, of the frequencies of a window's spectrum."""
    mel = 1127 * np.log1p(np.arange(window // 2 + 1) * rate / window / 700)
    # The corners of band b are those numbered b, b + 1 and b + 2.
    place = mel[:, np.newaxis] / (1127 * math.log1p(rate / 2 / 700)) * (bands + 1)
    heights = np.maximum(0, 1 - np.abs(place - np.arange(1, bands + 1)))
    if not heights.any(axis=0).all():
        raise ValueError(
            f"{bands} bands are too many for windows of {window} samples: some hold no frequency"
        )
    return heights.astype(np.float32)
