"""Points of the latent space that pictures are decoded from, and what the latents carry."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.stats import norm

from zoo.errors import NotSupported
from zoo.models.base import GenerativeModel
from zoo.noise import Seed, fold

tfd = tfp.distributions

# Images decoded at once: a likelihood over 256 levels keeps as many numbers for each pixel.
_CHUNK = 100


def prior_quantiles(prior: tfd.Distribution, count: int) -> np.ndarray:
    """Quantiles (i + 1/2) / count of each latent under a normal prior, `[count, D]`.

    Raises:
        NotSupported: the prior's latents are not independent normals.
    """
    if not isinstance(prior, tfd.MultivariateNormalDiag):
        raise NotSupported(f"quantiles need a diagonal normal prior, this one is a {prior.name}")
    probabilities = (np.arange(count) + 0.5) / count
    standard = norm.ppf(probabilities)[:, np.newaxis]
    return (prior.mean().numpy() + prior.stddev().numpy() * standard).astype(np.float32)


def manifold_codes(prior: tfd.Distribution, count: int) -> np.ndarray:
    """A grid over the quantiles of a prior with one or two latents, `[rows, count, D]`.

    The first latent grows from left to right; the second, if there is one, from bottom to top.
    """
    quantiles = prior_quantiles(prior, count)
    if quantiles.shape[1] == 1:
        return quantiles[np.newaxis]
    if quantiles.shape[1] != 2:
        raise NotSupported(
            f"a manifold is drawn of 1 or 2 latents, and this model has {quantiles.shape[1]}: "
            "draw a traversal instead"
        )
    first, second = np.meshgrid(quantiles[:, 0], quantiles[::-1, 1])
    return np.stack([first, second], axis=-1)


def between(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Points at equal distances on straight lines, both ends among them.

    Args:
        start, end: `[R, D]`.
        steps: at least 2.

    Returns:
        `[R, steps, D]`.
    """
    weights = np.linspace(0.0, 1.0, steps, dtype=np.float32)[:, np.newaxis]
    return (1 - weights) * start[:, np.newaxis] + weights * end[:, np.newaxis]


def traversal_codes(base: np.ndarray, latents: Sequence[int], values: np.ndarray) -> np.ndarray:
    """One row for each of `latents`: `base` `[D]`, with that latent set to each of `values` `[V]`.

    Returns:
        `[R, V, D]`.
    """
    codes = np.tile(base, (len(latents), len(values), 1)).astype(np.float32)
    for row, latent in enumerate(latents):
        codes[row, :, latent] = values
    return codes


def latent_kl(mean: np.ndarray, stddev: np.ndarray, prior: tfd.Distribution) -> np.ndarray:
    """KL(q(z_d|x) || p(z_d)) in nats of each latent, from normal marginals, averaged over x.

    Args:
        mean, stddev: of q(z|x), `[N, D]`.
        prior: p(z), of which mean and standard deviation are used.

    Returns:
        `[D]`. It sums to the KL of the bound where posterior and prior are diagonal.
    """
    mean, stddev = mean.astype(np.float64), stddev.astype(np.float64)
    marginals = (tf.cast(prior.mean(), tf.float64), tf.cast(prior.stddev(), tf.float64))
    # A code without noise (stddev 0) has no finite KL.
    kl = tfd.kl_divergence(tfd.Normal(mean, stddev), tfd.Normal(*marginals))
    return kl.numpy().mean(axis=0)


def encode_set(
    model, data: tf.data.Dataset, limit: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Mean and standard deviation of q(z|x) `[N, D]`, and the labels `[N]`, or None without.

    Args:
        model: with `encode`.
        data: batches of `x` or `(x, y)`.
        limit: only so many examples, the first ones.

    Raises:
        NotSupported: the model has no encoder.
    """
    # Inside a traced function TensorFlow would make another error of it.
    if type(model).encode is GenerativeModel.encode:
        raise NotSupported(f"{type(model).__name__} has no encoder")
    conditional = getattr(model, "condition", None) is not None
    step = tf.function(lambda x, y: _moments(model.encode(x, y)), reduce_retracing=True)
    means, stddevs, labels, count = [], [], [], 0
    for batch in data:
        x, y = batch if isinstance(batch, tuple) else (batch, None)
        mean, stddev = step(x, y if conditional else None)
        means.append(mean.numpy())
        stddevs.append(stddev.numpy())
        labels += [] if y is None else [y.numpy()]
        count += len(x)
        if limit is not None and count >= limit:
            break
    mean, stddev = np.concatenate(means)[:limit], np.concatenate(stddevs)[:limit]
    return mean, stddev, np.concatenate(labels)[:limit] if labels else None


def decode_images(model, codes: np.ndarray, mean: bool = True, seed: Seed = 0) -> np.ndarray:
    """Images of `codes` `[..., D]`: E[x|z], or a draw from p(x|z); `[..., *event]`."""
    flat = tf.constant(codes.reshape(-1, codes.shape[-1]), tf.float32)

    def decode(start: int, count: int, key: Seed) -> tf.Tensor:
        likelihood = model.decode(flat[start : start + count])
        return likelihood.mean() if mean else likelihood.sample(seed=fold(key, "draw"))

    images = np.concatenate(list(in_chunks(decode, len(flat), seed)))
    return images.reshape(*codes.shape[:-1], *images.shape[1:])


def in_chunks(
    make: Callable[[int, int, Seed], tf.Tensor], total: int, seed: Seed, chunk: int = _CHUNK
):
    """Yields arrays `make(start, count, seed)` of at most `chunk` examples until there are `total`.

    The first chunk has the seed itself, so that few examples are those of the model's own method.
    """
    for index in itertools.count():
        start = index * chunk
        if start >= total:
            return
        key = seed if index == 0 else fold(seed, "chunk", index)
        yield np.asarray(make(start, min(chunk, total - start), key), np.float32)


def _moments(posterior: tfd.Distribution) -> tuple[tf.Tensor, tf.Tensor]:
    return posterior.mean(), posterior.stddev()
