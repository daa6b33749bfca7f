"""Keys for random draws: each is a function of what it is for, never of what was drawn before.

A key is folded from a base seed and whatever tells two draws apart (purpose, step, replica, batch).
So runs resume exactly, replicas draw different noise, and evaluation repeats itself.
"""

import zlib

import tensorflow as tf

Seed = int | tf.Tensor


def fold(seed: Seed, *data: int | str | tf.Tensor) -> tf.Tensor:
    """Folds `data` into `seed`, from left to right.

    Args:
        seed: an int, or an `int32[2]` key.
        data: ints, integer scalars, or words (a purpose, hashed by CRC-32).

    Returns:
        `int32[2]`, a key for `tf.random.stateless_*` and for TFP's `seed=`.
    """
    key = tf.stack([0, _int32(seed)]) if isinstance(seed, int) else tf.cast(seed, tf.int32)
    if key.shape.rank == 0:
        key = tf.stack([0, key])
    for item in data:
        # TFP refuses an int64 seed, which is what an int64 item would make.
        key = tf.random.experimental.stateless_fold_in(key, _int32(item))
    return key


def _int32(item: int | str | tf.Tensor) -> tf.Tensor:
    if isinstance(item, str):
        item = zlib.crc32(item.encode())
    if isinstance(item, int):
        # Python ints of any size wrap into 32 bits.
        item = (item + 2**31) % 2**32 - 2**31
    return tf.cast(item, tf.int32)
