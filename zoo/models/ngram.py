"""n-grams: the next symbol given the n - 1 before it, by counting. The baseline of all sequences.

    p_k(w|h) = (max(c_k(hw) - D_k, 0) + D_k t_k(h) p_{k-1}(w|h')) / c_k(h),   p_0(w) = 1 / levels

for a context h of k - 1 symbols, h' = h without its first one, c_k(h) = sum_w c_k(hw), and t_k(h)
the number of different w with c_k(hw) > 0. Where c_k(h) = 0, p_k = p_{k-1}. The counts c_k are of

    absolute:    the k-gram in the data, for every k
    kneser_ney:  the same for the highest k; below it, of the different symbols that the k-gram
                 follows: "Francisco" may be frequent, but comes after "San" only

and D_k = n_1 / (n_1 + 2 n_2), where n_j of the k-grams have c_k = j.

References: Ney, Essen, Kneser 1994, "On structuring probabilistic dependences in stochastic
language modelling" (absolute discounting, D); Kneser and Ney 1995, "Improved backing-off for m-gram
language modeling"; Chen and Goodman 1998, "An empirical study of smoothing techniques for language
modeling", section 2.7 (the interpolated form).
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf

from zoo.data import checks
from zoo.errors import DataError, WeightsError
from zoo.files import check_room
from zoo.models.counted import CountedModel
from zoo.models.gram_table import Table, distinct, find
from zoo.models.requests import check_temperature, check_top_k, random_seed
from zoo.registration import nearest, register

SMOOTHINGS = ("kneser_ney", "absolute")
# A file that claims more is not ours.
_MOST_NUMBERS = 1 << 28


@register
class NGram(CountedModel):
    """p(x) = prod_i p_n(x_i | x_{i-n+1} .. x_{i-1}), by interpolated Kneser-Ney smoothing.

    The first symbols of a sequence have fewer before them, k - 1 < n - 1, and p_k. What begins a
    sequence follows a start, which counts as a symbol that it follows.

    Args:
        order: n, how many symbols a gram has; 1: the context is ignored.
        levels: symbols are the integers 0 .. levels - 1.
        smoothing: "kneser_ney" or "absolute".
        length: T of what `sample` draws where nobody says.

    Shapes: x `[B, T]`, any T; numbers `[N]`.

    Departures: D_k = 0.5 where the data have no k-gram that was counted once.
    """

    name = "n_gram"

    def __init__(self, order: int, levels: int, smoothing: str = "kneser_ney", length: int = 128):
        for what, value, low in (("order", order, 1), ("levels", levels, 2), ("length", length, 1)):
            checks.whole_number(what, value, low=low)
        if smoothing not in SMOOTHINGS:
            near = nearest(smoothing, list(SMOOTHINGS))
            raise ValueError(f"smoothing={smoothing!r} is unknown; did you mean: {near}?")
        self.order, self.levels, self.length = int(order), int(levels), int(length)
        self.smoothing, self.event_shape = smoothing, (int(length),)
        self._grams = self._counts = None
        self._tables: list[Table] = []

    # Counting.

    def fit(self, data) -> "NGram":
        """Counts the n-grams of sequences, each by itself: no context crosses from one to the next.

        So a shuffled set is as good as another.

        Args:
            data: one pass of a `tf.data.Dataset` of `x` or `(x, y)`, an iterator over arrays
                `[B, T]`, or one such array; batches may differ in length.

        Raises:
            DataError: no sequences, another shape, or numbers that are no levels.
        """
        found = [distinct(self._windows(self._checked(x))) for x in _batches(data)]
        if not found:
            raise DataError("the data set is empty")
        grams, counts = zip(*found, strict=True)
        return self._count(*distinct(np.concatenate(grams, axis=1), np.concatenate(counts)))

    def fit_stream(self, numbers) -> "NGram":
        """As `fit`, of one sequence `[N]`, such as `zoo.data.stream("shakespeare")`: of a text in
        pieces, `fit` would lose the contexts that the cuts go through."""
        return self.fit(_stream(numbers))

    def _windows(self, x: np.ndarray) -> np.ndarray:
        """The n-gram that ends at each symbol, `[n, B * T]`; `levels` stands before the first."""
        padded = np.pad(x, ((0, 0), (self.order - 1, 0)), constant_values=self.levels)
        return np.stack([padded[:, k : k + x.shape[1]].ravel() for k in range(self.order)])

    def _count(self, grams: np.ndarray, counts: np.ndarray) -> "NGram":
        """Takes n-grams `[n, M]` with their counts `[M]`, from which all lower orders follow."""
        n, levels = self.order, self.levels
        self._grams, self._counts, self._tables = grams, counts, []
        # The number of the (k-1)-gram that each n-gram ends in; the empty one is number 0.
        ending, shorter = np.zeros(len(counts), np.int64), None
        for k in range(1, n + 1):
            first = grams[n - k]
            whole = np.flatnonzero(first != levels)
            keys, at, place = np.unique(
                ending[whole] * levels + first[whole], return_index=True, return_inverse=True
            )
            if k == n or self.smoothing == "absolute":
                c = np.bincount(place, counts[whole], len(keys)).astype(np.int64)
            else:
                different = np.unique(place * (levels + 1) + grams[n - k - 1][whole])
                c = np.bincount(different // (levels + 1), minlength=len(keys))
            context = np.zeros(len(keys), np.int64)
            if shorter is not None:
                # A gram begins with its first symbol in front of what its ending begins with.
                begins = shorter.context[keys // levels] * levels + keys % levels
                context = find(shorter.keys, begins)
            contexts = len(shorter.keys) if shorter else 1
            shorter = Table.of(keys, grams[-1][whole][at], context, c, max(1, contexts))
            self._tables.append(shorter)
            ending = np.full(len(counts), -1)
            ending[whole] = place
        return self

    @property
    def discounts(self) -> list[float]:
        """D_1 .. D_n."""
        return [table.discount for table in self._fitted()]

    # The density.

    def log_prob(self, x, y=None, num_samples=None, seed=0) -> np.ndarray:
        """log p(x) `[B]` in nats, exact, of sequences `[B, T]`, each by itself.

        Raises:
            DataError: another shape, numbers that are no levels, or nothing was counted yet.
        """
        return self._log_probs(self._checked(x)).sum(axis=1)

    def log_probs_stream(self, numbers) -> np.ndarray:
        """log p(x_i | the n - 1 symbols before it) `[N]` in nats, of one sequence `[N]`."""
        return self._log_probs(self._checked(_stream(numbers)))[0]

    def next_probabilities(self, context) -> np.ndarray:
        """p(. | context) `[B, levels]`, of contexts `[B, C]`; C may be 0, or above n - 1."""
        context = self._checked(context, empty=True)
        p = np.full([len(context), self.levels], 1.0 / self.levels)
        for table, numbers in zip(self._fitted(), self._numbers(context), strict=False):
            h = numbers[:, -1]
            rows = np.flatnonzero((h >= 0) & (table.totals[h] > 0))
            h, total = h[rows], table.totals[h[rows]]
            p[rows] *= (table.discount * table.types[h] / total)[:, None]
            # All k-grams that begin with h, those of one row behind those of the other.
            sizes = np.diff(table.starts)[h]
            moved = np.repeat(table.starts[h] - np.cumsum(sizes) + sizes, sizes)
            grams = table.by_context[moved + np.arange(len(moved))]
            left = np.maximum(table.counts[grams] - table.discount, 0) / np.repeat(total, sizes)
            p[np.repeat(rows, sizes), table.last[grams]] += left
        return p

    def _log_probs(self, x: np.ndarray) -> np.ndarray:
        """log p(x_i | x_<i) `[B, T]`."""
        p = np.full(x.shape, 1.0 / self.levels)
        numbers = self._numbers(x)
        for table, context, gram in zip(self._fitted(), numbers, numbers[1:], strict=False):
            context, gram = context[:, :-1], gram[:, 1:]
            c = np.where(gram < 0, 0, np.append(table.counts, 0)[gram])
            total, discount = table.totals[context], table.discount
            share = np.maximum(c - discount, 0) + discount * table.types[context] * p
            p = np.where((context < 0) | (total == 0), p, share / np.maximum(total, 1))
        return np.log(p)

    def _numbers(self, x: np.ndarray) -> list[np.ndarray]:
        """For k = 0 .. n the numbers of the k-grams that x `[B, T]` is made of, `[B, T + 1]`.

        At i stands that of the k-gram that ends before symbol i; -1: it was not counted.
        """
        x = np.pad(x, ((0, 0), (1, 0)))
        found = [np.zeros_like(x)]
        for k, table in enumerate(self._fitted(), start=1):
            keys = found[-1] * self.levels + np.roll(x, k - 1, axis=1)
            # Too few symbols; or their end, without the first, was not counted.
            keys[:, :k] = -1
            found.append(find(table.keys, np.where(found[-1] < 0, -1, keys)))
        return found

    # Drawing.

    def sample(
        self,
        n: int,
        length: int | None = None,
        seed: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        prompt=None,
    ) -> np.ndarray:
        """n sequences `[n, length]` int32.

        Args:
            n: how many.
            length: symbols in each, those of the prompt among them; default: the model's.
            seed: repeats the draw; None draws anew each time.
            temperature: p(x)^(1 / temperature), normalized: below 1 prefers what is likely.
            top_k: how many symbols keep their probability at each step; None: all.
            prompt: integers `[P]` or `[n, P]` that the sequences begin with.

        Raises:
            DataError: an argument out of range, or a prompt that does not fit.
        """
        length = self.length if length is None else length
        for what, value in {"n": n, "length": length}.items():
            checks.whole_number(what, value, low=1)
        checks.whole_number("seed", 0 if seed is None else seed)
        temperature, top_k = check_temperature(temperature), check_top_k(top_k, self.levels)
        x, given = np.zeros([n, length], np.int64), 0
        if prompt is not None:
            begin = np.asarray(prompt)
            begin = self._checked(begin[None] if begin.ndim == 1 else begin, empty=True)
            given = begin.shape[1]
            if len(begin) not in (1, n) or given > length:
                shape = list(np.shape(prompt))
                raise DataError(f"a prompt is [P] or [{n}, P] with P up to {length}, not {shape}")
            x[:, :given] = begin
        random = np.random.RandomState((random_seed() if seed is None else seed) % 2**32)
        for i in range(given, length):
            p = self.next_probabilities(x[:, max(0, i - self.order + 1) : i])
            p = np.cumsum(_sharpened(p, temperature, top_k), axis=1)
            reached = (p <= random.random_sample([n, 1]) * p[:, -1:]).sum(axis=1)
            x[:, i] = np.minimum(reached, self.levels - 1)
        return x.astype(np.int32)

    # Data and files.

    def check(self, x) -> None:
        """Raises DataError unless x are sequences `[B, T]` of levels, any T."""
        self._checked(x)

    def _checked(self, x, empty: bool = False) -> np.ndarray:
        """x as int64 `[B, T]`; `empty`: T may be 0."""
        x = np.asarray(x)
        if x.ndim != 2 or not (len(x) if empty else x.size):
            raise DataError(f"an n-gram model takes sequences [B, T], not {list(x.shape)}")
        fits = x.dtype.kind in "buif" and np.all((x >= 0) & (x < self.levels))
        if x.size and not (fits and np.all(x % 1 == 0)):
            here = f"the model takes the integers 0..{self.levels - 1}, and was given others"
            raise DataError(f'{here}: is it another vocabulary, or values="unit"?')
        return x.astype(np.int64)

    def _fitted(self) -> list[Table]:
        if not self._tables:
            raise DataError("the model has counted nothing yet: call fit or fit_stream first")
        return self._tables

    @property
    def numbers(self) -> int:
        return 0 if self._grams is None else self._grams.size + self._counts.size

    def save_weights(self, path: str | os.PathLike) -> None:
        """Writes the n-grams and their counts as HDF5: whole, or not at all.

        Raises:
            DataError: nothing was counted yet.
            OSError: the disk is full, or the place cannot be written.
        """
        self._fitted()
        path, arrays = Path(path), {"grams": self._grams, "counts": self._counts}
        arrays = {k: v.astype(np.min_scalar_type(v.max())) for k, v in arrays.items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        check_room(path.parent, sum(v.nbytes for v in arrays.values()) + 65536)
        temporary = path.with_name(f"new.{path.name}")
        try:
            with h5py.File(temporary, "w") as file:
                for name, array in arrays.items():
                    file.create_dataset(name, data=array, compression="gzip", shuffle=True)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def load_weights(self, path: str | os.PathLike) -> None:
        """Reads what `save_weights` of a model of the same order and levels wrote.

        Raises:
            WeightsError: no such file, a damaged one, or one of another model.
        """
        try:
            with h5py.File(path, "r") as file:
                grams, counts = _array(file, "grams", 2), _array(file, "counts", 1)
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            cause = (str(error) or type(error).__name__).splitlines()[0]
            raise WeightsError(f"{path} holds no n-grams: {cause}") from error
        if grams.shape != (self.order, len(counts)) or grams.max() > self.levels:
            asked = f"order {self.order} over {self.levels} levels"
            raise WeightsError(f"{path} holds the n-grams of another model, not of {asked}")
        grams, counts = grams.astype(np.int64), counts.astype(np.int64)
        start = grams == self.levels
        read = type(self).from_config(self.get_config())
        # What is before a start is a start, and no gram ends in one.
        sound = not (start[1:] & ~start[:-1]).any() and not start[-1].any() and counts.min() > 0
        if not sound or any((t.context < 0).any() for t in read._count(grams, counts)._tables):
            raise WeightsError(f"{path} is damaged: what it holds was not counted in any data")
        self._grams, self._counts, self._tables = grams, counts, read._tables

    def get_config(self) -> dict[str, Any]:
        return {k: getattr(self, k) for k in ("order", "levels", "smoothing", "length")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "NGram":
        return cls(**config)


def _sharpened(p: np.ndarray, temperature: float, top_k: int | None) -> np.ndarray:
    """p^(1 / temperature) over the `top_k` likeliest, not normalized; equals keep each other."""
    if top_k is not None:
        least = -np.partition(-p, top_k - 1, axis=1)[:, top_k - 1 : top_k]
        p = np.where(p < least, 0.0, p)
    return p if temperature == 1 else (p / p.max(axis=1, keepdims=True)) ** (1 / temperature)


def _batches(data: Any) -> Iterator[Any]:
    """x of each batch of a data set or an iterator; an array is one batch."""
    if isinstance(data, Iterator):
        yield from data
    elif not isinstance(data, tf.data.Dataset):
        yield data
    elif data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise DataError("the data set never ends: take(n) as many batches as shall be counted")
    else:
        yield from ((x[0] if isinstance(x, tuple) else x).numpy() for x in data)


def _stream(numbers) -> np.ndarray:
    """Numbers `[N]` as one sequence `[1, N]`."""
    numbers = np.asarray(numbers)
    if numbers.ndim != 1 or not numbers.size:
        raise DataError(f"a stream is one sequence of integers [N], not {list(numbers.shape)}")
    return numbers[None]


def _array(file: h5py.File, name: str, rank: int) -> np.ndarray:
    """An array of whole numbers that lies in this very file."""
    here = isinstance(file.get(name, getlink=True), h5py.HardLink)
    item = file[name] if here else None
    if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
        raise ValueError(f"{name} is not an array of the file's own")
    if item.dtype.kind != "u" or item.ndim != rank or not 0 < item.size < _MOST_NUMBERS:
        raise ValueError(f"{name} is {item.dtype} {list(item.shape)}")
    return item[()]
