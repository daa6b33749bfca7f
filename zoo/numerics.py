"""Small numerical pieces that every storey shares."""

import math

import tensorflow as tf

LOG_2 = math.log(2.0)


def log_mean_exp(x: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """log of the mean of exp(x) along `axis`, without overflow."""
    return tf.reduce_logsumexp(x, axis=axis) - tf.math.log(tf.cast(tf.shape(x)[axis], x.dtype))


def positive(x: tf.Tensor, floor: float = 0.0) -> tf.Tensor:
    """softplus(x) + floor: a scale above `floor` for any real x."""
    return tf.math.softplus(x) + floor


def inverse_positive(scale: float, floor: float = 0.0) -> float:
    """The x with positive(x, floor) = scale."""
    if scale <= floor:
        raise ValueError(f"a scale of {scale} is not above its floor {floor}")
    return math.log(math.expm1(scale - floor))


def sum_event(x: tf.Tensor, batch_rank: int = 1) -> tf.Tensor:
    """Sums over all but the first `batch_rank` dimensions."""
    return tf.reduce_sum(x, axis=list(range(batch_rank, x.shape.rank)))


def mean_event(x: tf.Tensor, batch_rank: int = 1) -> tf.Tensor:
    """The mean over all but the first `batch_rank` dimensions."""
    return tf.reduce_mean(x, axis=list(range(batch_rank, x.shape.rank)))


def bits_per_dim(nats: float, dimensions: int, log_levels: float = 0.0) -> float:
    """A negative log-likelihood in nats as bits per dimension.

    Args:
        nats: -log p(x), of one example.
        dimensions: how many numbers one example has.
        log_levels: natural log of the levels per dimension, where p is a density of data that were
            scaled from [0, levels] to [0, 1]: on the original scale it is smaller by that factor.
    """
    return (nats / dimensions + log_levels) / LOG_2
