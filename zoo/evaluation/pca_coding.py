"""PCA as a code of so many bits per image: what a learned code of as many bits should beat.

    image ~ mean + sum_k level_k(score_k) component_k,   sum_k log2(number of levels of k) <= bits

Everything is fitted on training images. The levels of a component are those of its Lloyd-Max
quantizer. Their number grows one at a time where a bit saves most squared error, which is reverse
water-filling (Cover and Thomas 2006, section 10.3.3) with whole levels: a component that is not
worth its bits keeps one level, its mean, and is left out. All codes are of one length, as those of
a book are. Reconstructions are clipped to the range of the training images.

References: Lloyd 1982, "Least squares quantization in PCM"; Max 1960, "Quantizing for minimum
distortion"; Gersho and Gray 1992, "Vector quantization and signal compression", section 8.4.
"""

import dataclasses
import heapq
import math

import numpy as np
from scipy.linalg import eigh

_CHUNK = 4096
# Rounds of Lloyd's iteration after each new level, and the relative gain at which it stops.
_ROUNDS, _GAIN = 200, 1e-6


@dataclasses.dataclass(frozen=True)
class PCACode:
    """A fitted code.

    Attributes:
        mean: `[D]`, of the training images.
        components: `[C, D]`, orthonormal, largest variance first.
        levels: for each component its levels, ascending.
        low, high: range of the training images.
    """

    mean: np.ndarray
    components: np.ndarray
    levels: tuple[np.ndarray, ...]
    low: float
    high: float

    @property
    def bits(self) -> float:
        """Of one image's code."""
        return float(sum(math.log2(len(levels)) for levels in self.levels))

    def reconstruct(self, x: np.ndarray) -> np.ndarray:
        """`x` `[N, D]` seen through the code."""
        scores = (x - self.mean) @ self.components.T
        for k, levels in enumerate(self.levels):
            scores[:, k] = levels[np.searchsorted(_middles(levels), scores[:, k])]
        return np.clip(self.mean + scores @ self.components, self.low, self.high)


def fit_pca_code(train: np.ndarray, bits: float) -> PCACode:
    """The code of at most `bits` bits per image with the least squared error on `train` `[N, D]`.

    Levels are added greedily, which is best where a component's error is convex in its bits, as
    that of a smooth density is.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    # A component that is used takes one bit at least.
    count = min(train.shape[1], int(bits))
    components = _components(train, mean, count)
    scores = np.concatenate(
        [((x - mean) @ components.T).astype(np.float32) for x in _chunks(train)]
    )
    quantizers = _allocate([_Quantizer.of(column) for column in scores.T], bits)
    used = [k for k, quantizer in enumerate(quantizers) if len(quantizer.levels) > 1]
    return PCACode(
        mean=mean,
        components=components[used],
        levels=tuple(quantizers[k].levels for k in used),
        low=float(train.min()),
        high=float(train.max()),
    )


def pca_coded_errors(train: np.ndarray, test: np.ndarray, bits: float) -> np.ndarray:
    """Squared error `[N]`, the mean over an image's elements, of images coded at `bits` bits each.

    Args:
        train: `[M, D]` images that the code is fitted on.
        test: `[N, D]` images.
        bits: per image.
    """
    code = fit_pca_code(train, bits)
    return np.concatenate([np.mean((x - code.reconstruct(x)) ** 2, axis=1) for x in _chunks(test)])


@dataclasses.dataclass(frozen=True)
class _Quantizer:
    """A Lloyd-Max quantizer of given numbers, on their running sums: a round costs no pass.

    Attributes:
        values: ascending.
        sums: of the values before each, `[N + 1]`.
        squares: likewise of their squares.
        bounds: index of the first value of each cell, and N.
    """

    values: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    bounds: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "_Quantizer":
        """One level: the mean."""
        values = np.sort(values)
        wide = values.astype(np.float64)
        sums, squares = (np.concatenate([[0.0], np.cumsum(v)]) for v in (wide, wide**2))
        return cls(values, sums, squares, np.array([0, len(values)]))

    @property
    def levels(self) -> np.ndarray:
        """The mean of each cell, ascending."""
        return np.diff(self.sums[self.bounds]) / np.diff(self.bounds)

    @property
    def errors(self) -> np.ndarray:
        """Sum of squared errors of each cell."""
        return np.diff(self.squares[self.bounds]) - np.diff(self.bounds) * self.levels**2

    def grown(self) -> "_Quantizer | None":
        """One level more: the cell with the largest error is split, then Lloyd's iteration.

        None where all values of that cell are equal.
        """
        worst = int(self.errors.argmax())
        split = self._place(self.levels[worst])
        if not self.bounds[worst] < split < self.bounds[worst + 1]:
            return None
        found = dataclasses.replace(self, bounds=np.insert(self.bounds, worst + 1, split))
        error = found.errors.sum()
        for _ in range(_ROUNDS):
            inner = self._place(_middles(found.levels))
            bounds = np.concatenate([[0], inner, [len(self.values)]])
            if not np.diff(bounds).all():
                break
            found, before = dataclasses.replace(found, bounds=bounds), error
            error = found.errors.sum()
            if before - error <= _GAIN * error:
                break
        return found

    def _place(self, edges: np.ndarray) -> np.ndarray:
        """Index of the first value above each edge."""
        # Of the values' own type: numpy would convert all values instead.
        return np.searchsorted(self.values, edges.astype(self.values.dtype), side="right")


def _allocate(quantizers: list[_Quantizer], bits: float) -> list[_Quantizer]:
    """Spends the bits: the next level always goes where a bit saves most error."""
    found = list(quantizers)
    queue: list[tuple[float, int, float, _Quantizer]] = []

    def offer(k: int) -> None:
        grown = found[k].grown()
        if grown is not None:
            cost = math.log2(len(grown.levels) / len(found[k].levels))
            saved = found[k].errors.sum() - grown.errors.sum()
            heapq.heappush(queue, (-saved / cost, k, cost, grown))

    for k in range(len(found)):
        offer(k)
    while queue:
        _, k, cost, grown = heapq.heappop(queue)
        # What does not fit now never will.
        if cost <= bits:
            bits, found[k] = bits - cost, grown
            offer(k)
    return found


def _components(train: np.ndarray, mean: np.ndarray, count: int) -> np.ndarray:
    """The first `count` principal components `[count, D]`."""
    covariance = sum((x - mean).T @ (x - mean) for x in _chunks(train)) / len(train)
    dimensions = len(mean)
    _, vectors = eigh(covariance, subset_by_index=(dimensions - count, dimensions - 1))
    return np.ascontiguousarray(vectors[:, ::-1].T)


def _chunks(x: np.ndarray) -> list[np.ndarray]:
    return [x[i : i + _CHUNK] for i in range(0, len(x), _CHUNK)]


def _middles(levels: np.ndarray) -> np.ndarray:
    """Where the nearest level changes."""
    return (levels[1:] + levels[:-1]) / 2
