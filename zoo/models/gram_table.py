"""The n-grams of one order: sorted, numbered, and found again."""

from typing import NamedTuple

import numpy as np

# Where no k-gram was counted once, the estimate of D would leave nothing for what was never seen.
DISCOUNT = 0.5


class Table(NamedTuple):
    """The different k-grams of one order k, numbered by their place in `keys`; K of them.

    A k-gram is its first symbol in front of a (k-1)-gram: `key = number of that * levels + symbol`.
    """

    keys: np.ndarray  # [K], sorted
    last: np.ndarray  # [K], each one's last symbol
    context: np.ndarray  # [K], the (k-1)-gram that it begins with
    counts: np.ndarray  # [K], c_k
    totals: np.ndarray  # [contexts], c_k(h)
    types: np.ndarray  # [contexts], t_k(h)
    discount: float  # D_k
    # The k-grams that begin with h are by_context[starts[h] : starts[h + 1]].
    by_context: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, keys, last, context, counts, contexts: int) -> "Table":
        """Out of its first four columns, and how many (k-1)-grams there are."""
        once, twice = (counts == 1).sum(), (counts == 2).sum()
        order, known = np.argsort(context, kind="stable"), np.maximum(context, 0)
        totals = np.bincount(known, counts, contexts).astype(np.int64)
        types = np.bincount(known, minlength=contexts)
        discount = float(once / (once + 2 * twice)) if once else DISCOUNT
        starts = np.searchsorted(context[order], np.arange(contexts + 1))
        return cls(keys, last, context, counts, totals, types, discount, order, starts)


def distinct(grams: np.ndarray, counts: np.ndarray | None = None) -> tuple:
    """The different columns of `[n, M]`, sorted, and how often each is there, or its counts."""
    base, rank = int(grams.max()) + 1, np.zeros(grams.shape[1], np.int64)
    for symbols in grams:
        _, at, rank = np.unique(rank * base + symbols, return_index=True, return_inverse=True)
    return grams[:, at], np.bincount(rank, counts).astype(np.int64)


def find(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Places of `wanted` in the sorted `keys`; -1 where it is not among them."""
    if not len(keys):
        return np.full(wanted.shape, -1)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1)
