"""Vector quantization: each vector is replaced by the nearest of a book of learned codes.

    k(x) = argmin_j |x - e_j|^2,   q(x) = e_k(x)

The book follows the vectors that it replaces: by the gradient of a loss, or by moving averages,

    N_j <- decay N_j + (1 - decay) n_j          n_j: how often code j was used in the batch
    m_j <- decay m_j + (1 - decay) s_j          s_j: sum of the vectors that it replaced
    e_j  = m_j / N_j

Reference: van den Oord, Vinyals and Kavukcuoglu 2017, arXiv 1711.00937, section 3 and appendix A.1.
"""

import keras
import tensorflow as tf

from zoo.noise import Seed, fold
from zoo.registration import register

UPDATES = ("ema", "gradient")
# Of the authors' code: keeps the division finite, and pulls the counts together ever so slightly.
_SMOOTHING = 1e-5


@register
class VectorQuantizer(keras.layers.Layer):
    """The nearest of `codes` vectors of a book.

    Shapes: `[..., D] -> (int32 [...], [..., D])`, the indices and the codes themselves. The
    gradient goes to the book (where that is trainable), never to the input: passing it straight
    through is the model's part.

    Args:
        codes: K, entries of the book.
        size: D, numbers of each.
        update: "ema": the book follows moving averages, by `update`, and no gradient moves it.
            "gradient": it is a trainable weight, which a loss moves.
        decay: of the moving averages (the paper's gamma).
        revive_below: a code whose average use is below this share of the mean is put where the
            book errs; 0: never, as in the paper. From 0 to below 1.
        **kwargs: `name` and `trainable`, as for any Keras layer.

    It computes in float32 under any mixed-precision policy: averages do not survive 16 bits.

    Departures from the paper: the averages start as if a batch before had used each code once, so
    that they need no correction and the first batches soon outweigh the initial book; Laplace
    smoothing of the counts, as in the authors' code; revival.
    """

    def __init__(
        self,
        codes: int,
        size: int,
        update: str = "ema",
        decay: float = 0.99,
        revive_below: float = 0.1,
        **kwargs,
    ):
        super().__init__(dtype="float32", **kwargs)
        for name, number in {"codes": codes, "size": size}.items():
            if isinstance(number, bool) or int(number) != number or number < 1:
                raise ValueError(f"{name} is a whole number from 1, not {number!r}")
        if update not in UPDATES:
            raise ValueError(f"unknown update {update!r}; choose one of: {', '.join(UPDATES)}")
        for name, share in {"decay": decay, "revive_below": revive_below}.items():
            if not 0 <= share < 1:
                raise ValueError(f"{name} is a number from 0 to below 1, not {share!r}")
        self.codes, self.size = int(codes), int(size)
        self.follows_averages = update == "ema"
        self.decay, self.revive_below = float(decay), float(revive_below)

    def build(self, input_shape=None):
        # An initializer has a seed of its own, and gives the same values twice.
        uniform = keras.initializers.VarianceScaling(mode="fan_out", distribution="uniform")
        shape, once = (self.codes, self.size), 1 - self.decay

        def weight(name, shape, initializer, trainable=False):
            # Assigned on each replica, to values that are the same on all of them.
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                trainable=trainable,
                aggregation="only_first_replica",
            )

        self.book = weight("book", shape, uniform, trainable=not self.follows_averages)
        self.counts = weight("counts", (self.codes,), keras.initializers.Constant(once))
        self.sums = None
        if self.follows_averages:
            self.sums = weight("sums", shape, lambda shape, dtype: once * uniform(shape, dtype))
        self.built = True

    def call(self, inputs):
        indices = self.nearest(inputs)
        return indices, self.lookup(indices)

    def nearest(self, inputs: tf.Tensor) -> tf.Tensor:
        """Index of the code with the least squared distance, `[..., D] -> int32 [...]`."""
        inputs = tf.cast(inputs, tf.float32)
        book = tf.convert_to_tensor(self.book)
        # |x - e|^2 = |x|^2 - 2 x e + |e|^2, and |x|^2 is the same for all codes.
        products = tf.matmul(tf.reshape(inputs, (-1, self.size)), book, transpose_b=True)
        distances = tf.reduce_sum(book**2, axis=1) - 2 * products
        indices = tf.argmin(distances, axis=1, output_type=tf.int32)
        return tf.reshape(indices, tf.shape(inputs)[:-1])

    def lookup(self, indices: tf.Tensor) -> tf.Tensor:
        """The codes of `indices`, `[...] -> [..., D]`."""
        return tf.gather(tf.convert_to_tensor(self.book), indices)

    def perplexity(self, indices: tf.Tensor) -> tf.Tensor:
        """exp of the entropy of the codes' use in the batch, over all replicas: 1 to K."""
        (counts,) = _sum_over_replicas([self._uses(tf.reshape(indices, (-1,)))])
        shares = counts / tf.reduce_sum(counts)
        return tf.exp(-tf.reduce_sum(tf.math.xlogy(shares, shares)))

    def update(self, inputs: tf.Tensor, indices: tf.Tensor, seed: Seed) -> None:
        """One step of the averages, and revival; to be called in training, on every replica.

        A code that is revived becomes an input of the batch, drawn in proportion to the squared
        distance from its code (as k-means++ does), so that codes go where they are missing.

        Args:
            inputs: `[..., D]`.
            indices: `int32 [...]`, as `nearest` found them.
            seed: of the draws; it may differ between replicas.
        """
        inputs = tf.stop_gradient(tf.reshape(tf.cast(inputs, tf.float32), (-1, self.size)))
        indices = tf.reshape(indices, (-1,))
        sums = tf.math.unsorted_segment_sum(inputs, indices, self.codes)
        drawn = self._draw(inputs, indices, fold(seed, "revive"))
        # All at once, because each sum over replicas makes them wait for each other.
        uses, sums, drawn = _sum_over_replicas([self._uses(indices), sums, drawn])
        counts = self._average(self.counts, uses)
        dead = counts < self.revive_below * tf.reduce_mean(counts)
        rows = dead[:, tf.newaxis]
        # As if a revived code had been used as often as others.
        revived = tf.where(dead, tf.reduce_mean(counts), counts)
        if self.follows_averages:
            sums = self._average(self.sums, sums)
            book = sums / _smoothed(counts)[:, tf.newaxis]
            self.sums.assign(tf.where(rows, revived[:, tf.newaxis] * drawn, sums))
            self.book.assign(tf.where(rows, drawn, book))
        elif self.revive_below:
            self.book.assign(tf.where(rows, drawn, self.book))
        self.counts.assign(revived)

    def _uses(self, indices: tf.Tensor) -> tf.Tensor:
        """How often each code is used on this replica, `[K]`."""
        ones = tf.ones_like(indices, tf.float32)
        return tf.math.unsorted_segment_sum(ones, indices, self.codes)

    def _average(self, average: tf.Variable, new: tf.Tensor) -> tf.Tensor:
        return self.decay * average + (1 - self.decay) * new

    def _draw(self, inputs: tf.Tensor, indices: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """An input for each code `[K, D]`; zero for codes that other replicas draw for."""
        distances = tf.reduce_sum((inputs - tf.stop_gradient(self.lookup(indices))) ** 2, axis=1)
        edges = tf.cumsum(distances)
        places = edges[-1] * tf.random.stateless_uniform((self.codes,), seed)
        rows = tf.searchsorted(edges, places, side="right")
        # A place may round to the very end.
        rows = tf.minimum(rows, tf.shape(inputs)[0] - 1)
        replicas, replica = _replicas()
        mine = tf.range(self.codes) % replicas == replica
        return tf.where(mine[:, tf.newaxis], tf.gather(inputs, rows), 0.0)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[:-1]), tuple(input_shape)

    def get_config(self):
        config = super().get_config()
        # Always float32, so no argument of ours.
        del config["dtype"]
        return {
            **config,
            "codes": self.codes,
            "size": self.size,
            "update": "ema" if self.follows_averages else "gradient",
            "decay": self.decay,
            "revive_below": self.revive_below,
        }


def _smoothed(counts: tf.Tensor) -> tf.Tensor:
    """Laplace smoothing: as if each code had been used a little more, with the same total."""
    total = tf.reduce_sum(counts)
    return (counts + _SMOOTHING) * total / (total + _SMOOTHING * counts.shape[0])


def _replicas() -> tuple[int, int | tf.Tensor]:
    """How many replicas there are, and which one this is; one, outside a replica's step."""
    context = tf.distribute.get_replica_context()
    if context is None:
        return 1, 0
    return context.num_replicas_in_sync, context.replica_id_in_sync_group


def _sum_over_replicas(values: list[tf.Tensor]) -> list[tf.Tensor]:
    if _replicas()[0] == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, values)
