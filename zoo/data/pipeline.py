"""From a source to batches: the one place where order, noise, scaling and batching happen.

Order and noise of a training set are functions of (seed, epoch):

    pass_k   = permutation keyed by (seed, "order", k)
    stream   = pass_0, pass_1, ...                       every example once a pass
    epoch e  = the examples e * n .. (e + 1) * n - 1 of the stream, n = examples per epoch
    noise    = keyed by (seed, purpose, e, batch index)

so a run that sets `dataset.epoch` continues exactly. Whole batches are gathered, scaled and
binarized at once.
"""

from concurrent.futures import ThreadPoolExecutor

import tensorflow as tf

from zoo import noise
from zoo.data.source import Source

# Nearest float32 below 1: (255 + u) / 256 rounds to 1 for the largest u.
_BELOW_ONE = 1.0 - 2.0**-24


def training_set(
    source: Source,
    *,
    values: str,
    dynamic: bool,
    labels: bool,
    batch_size: int,
    seed: int,
    examples_per_epoch: int | None = None,
) -> tf.data.Dataset:
    """Shuffled batches without the remainder.

    Args:
        source: the examples.
        values: "unit", "levels", "dequantized" (new noise each epoch) or "real".
        dynamic: binarize anew in each epoch.
        labels: yield `(x, y)`.
        batch_size: of the global batch.
        seed: with the epoch, decides on order and noise.
        examples_per_epoch: length of a virtual epoch; default: one pass.

    Returns:
        A data set whose attribute `epoch`, a `tf.Variable`, is read whenever an iterator starts,
        and then incremented: two plain iterations differ; setting it repeats an epoch.
    """
    length = examples_per_epoch or source.count
    batches = length // batch_size
    epoch_variable = _epoch_variable()

    def one_epoch(_: tf.Tensor) -> tf.data.Dataset:
        epoch = epoch_variable.assign_add(1) - 1
        indices = _stream(source.count, epoch * length, length, seed)[: batches * batch_size]
        rows = tf.reshape(indices, [batches, batch_size])
        epochs = tf.fill([batches], epoch)
        return tf.data.Dataset.from_tensor_slices((epochs, tf.range(batches), rows))

    def batch(epoch: tf.Tensor, index: tf.Tensor, indices: tf.Tensor):
        x = source.take(indices)
        if dynamic:
            x = _binarize(_scale(x, "unit", source), noise.fold(seed, "binarize", epoch, index))
        elif values == "dequantized":
            x = _dequantize(x, source.levels, noise.fold(seed, "dequantize", epoch, index))
        else:
            x = _scale(x, values, source)
        return _shaped(x, indices, source, labels)

    dataset = tf.data.Dataset.range(1).flat_map(one_epoch)
    dataset = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    # flat_map hides how many come, and Keras miscounts its steps where it does not know.
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    dataset = _finished(dataset)
    dataset.epoch = epoch_variable
    return dataset


def evaluation_set(
    source: Source, *, values: str, labels: bool, batch_size: int
) -> tf.data.Dataset:
    """Batches in the source's order, with the remainder and without noise; `values` as above."""
    batches = -(-source.count // batch_size)

    def batch(index: tf.Tensor):
        start = index * batch_size
        indices = tf.range(start, tf.minimum(start + batch_size, source.count))
        return _shaped(_scale(source.take(indices), values, source), indices, source, labels)

    dataset = tf.data.Dataset.range(batches)
    return _finished(dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True))


def _epoch_variable() -> tf.Variable:
    def make() -> tf.Variable:
        with tf.device("CPU:0"):
            return tf.Variable(0, dtype=tf.int64, trainable=False, name="epoch")

    # A strategy would mirror it over devices and workers. Its scope is one of this thread only.
    with ThreadPoolExecutor(max_workers=1) as elsewhere:
        return elsewhere.submit(make).result()


def _stream(count: int, start: tf.Tensor, length: int, seed: int) -> tf.Tensor:
    """`length` indices of the endless stream of permutations of `count`, from position `start`."""
    passes = length // count if length % count == 0 else length // count + 2
    first = start // count

    def one_pass(k: tf.Tensor) -> tf.Tensor:
        key = noise.fold(seed, "order", k)
        return tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), key)

    if passes == 1:
        return one_pass(first)
    orders = tf.map_fn(one_pass, first + tf.range(passes, dtype=tf.int64))
    return tf.reshape(orders, [-1])[start % count :][:length]


def _scale(x: tf.Tensor, values: str, source: Source) -> tf.Tensor:
    x = tf.cast(x, tf.float32)
    if values == "unit" and source.levels is not None:
        return x / (source.levels - 1.0)
    return x


def _binarize(probability: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    uniform = tf.random.stateless_uniform(tf.shape(probability), key)
    return tf.cast(uniform < probability, tf.float32)


def _dequantize(x: tf.Tensor, levels: int, key: tf.Tensor) -> tf.Tensor:
    x = tf.cast(x, tf.float32)
    noisy = (x + tf.random.stateless_uniform(tf.shape(x), key)) / levels
    return tf.minimum(noisy, _BELOW_ONE)


def _shaped(x: tf.Tensor, indices: tf.Tensor, source: Source, labels: bool):
    x = tf.ensure_shape(x, [indices.shape[0], *source.event_shape])
    return (x, source.take_labels(indices)) if labels else x


def _finished(dataset: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    # Batches are cheap to make, so there is nothing to tune; and the thread that tunes may sleep on
    # at the end of an epoch, for as long as the epoch took (seen in TensorFlow 2.21).
    options.autotune.enabled = False
    # Several workers read the same arrays: each keeps its share of every batch.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)
