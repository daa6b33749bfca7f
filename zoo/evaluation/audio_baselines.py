"""Linear prediction of sound, as a probability of its levels: what a network must beat.

    m_t = sum_i a_i s_{t-i},   i = 1 .. order
    P(level k at t) = F((e_{k+1} - m_t) / scale_t) - F((e_k - m_t) / scale_t)

s are the samples on the linear scale, those before the recording 0; a minimizes the squared error
of the training recordings; F is the logistic function; e_k are the borders between the mu-law
levels, e_0 = -inf and e_256 = inf, so that the probabilities sum to 1. The scale is fixed, or
follows the errors before t:

    scale_t = gain * r_t + floor,   r_t = memory * r_{t-1} + (1 - memory) |s_{t-1} - m_{t-1}|

with r = 0 at the beginning. Its numbers maximize the likelihood of training recordings.

References: Makhoul 1975, "Linear prediction: a tutorial review" (a); the scale's recursion is that
of the conditional variances of Bollerslev 1986, with absolute errors.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.signal import lfilter
from scipy.special import log_expit

from zoo.data.spoken_digits import LEVELS, from_mu_law
from zoo.errors import DataError

# e_0 .. e_256, and the samples that the levels stand for.
BORDERS = np.concatenate([[-np.inf], from_mu_law(np.arange(LEVELS - 1) + 0.5), [np.inf]])
SAMPLES = from_mu_law(np.arange(LEVELS))
# Three numbers need no more samples than this.
_SAMPLES_FOR_SCALE = 50_000


@dataclasses.dataclass(frozen=True)
class LinearPredictor:
    """p(x) = prod_t P(x_t | x_<t) of sequences of mu-law levels, as the head of this file says.

    Args:
        coefficients: a, `[order]`, a_1 first.
        floor: of the scale, above 0; a fixed scale is this.
        gain, memory: of a scale that follows the errors; a fixed one has the gain 0.
    """

    coefficients: np.ndarray
    floor: float
    gain: float = 0.0
    memory: float = 0.0

    @classmethod
    def fit(
        cls, sequences: Sequence[np.ndarray], order: int = 16, adaptive: bool = True
    ) -> "LinearPredictor":
        """Fits coefficients by least squares, then the scale by maximum likelihood.

        Args:
            sequences: integers `[T]`, any T, each a recording of its own.
            order: how many samples predict the next.
            adaptive: whether the scale follows the errors.

        Raises:
            DataError: an order below 1, no sequences, or numbers that are no levels.
        """
        if order < 1 or not len(sequences):
            raise DataError("linear prediction takes an order from 1, and sequences to fit")
        past, both = np.zeros([order, order]), np.zeros(order)
        for levels in sequences:
            s = SAMPLES[_checked(levels)]
            before = _before(s, order)
            past, both = past + before.T @ before, both + before.T @ s
        # Silence alone leaves directions in which nothing was seen.
        fitted = cls(np.linalg.lstsq(past, both, rcond=None)[0], floor=1.0)
        found = [fitted._predicted(levels) for levels in sequences]
        x, m = (np.concatenate(part) for part in zip(*found, strict=True))
        some = np.linspace(0, len(x) - 1, min(len(x), _SAMPLES_FOR_SCALE)).astype(int)

        def loss(numbers: np.ndarray) -> float:
            candidate = dataclasses.replace(fitted, **_scale_numbers(numbers))
            scale = np.concatenate([candidate._scale(*both) for both in found])
            return -float(_log_bins(x[some], m[some], scale[some]).mean())

        error = float(np.abs(SAMPLES[x] - m).mean()) + 1e-6
        first = [math.log(0.1 * error), 0.0, 2.0] if adaptive else [math.log(error)]
        return dataclasses.replace(fitted, **_scale_numbers(_least(loss, first)))

    def log_probs(self, levels: np.ndarray) -> np.ndarray:
        """log P(x_t | x_<t) `[T]` in nats, of one sequence of integers `[T]`."""
        x, m = self._predicted(levels)
        return _log_bins(x, m, self._scale(x, m))

    def next_log_probs(self, levels: np.ndarray) -> np.ndarray:
        """log P(. | x_<t) `[T, 256]` in nats, at every t of one sequence `[T]`."""
        x, m = self._predicted(levels)
        every = np.arange(LEVELS)
        return _log_bins(every, m[:, np.newaxis], self._scale(x, m)[:, np.newaxis])

    def _predicted(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The levels, checked, and m `[T]`."""
        x = _checked(levels)
        return x, _before(SAMPLES[x], len(self.coefficients)) @ self.coefficients

    def _scale(self, x: np.ndarray, m: np.ndarray) -> np.ndarray:
        if not self.gain:
            return np.full(len(x), self.floor)
        errors = np.abs(SAMPLES[x] - m)
        return self.gain * lfilter([0, 1 - self.memory], [1, -self.memory], errors) + self.floor


def bits_per_sample(log_probs: Iterable[np.ndarray]) -> float:
    """The mean over all samples of all recordings, of their log-probabilities `[T]` in nats."""
    every = np.concatenate(list(log_probs))
    return -float(every.mean()) / math.log(2)


def _checked(levels: np.ndarray) -> np.ndarray:
    x = np.asarray(levels)
    whole = x.ndim == 1 and x.size and x.dtype.kind in "buif" and np.all(x % 1 == 0)
    if not whole or x.min() < 0 or x.max() >= LEVELS:
        raise DataError(f"a recording is a sequence [T] of the integers 0..{LEVELS - 1}")
    return x.astype(np.int64)


def _before(s: np.ndarray, order: int) -> np.ndarray:
    """s_{t-1} .. s_{t-order} of each t, `[T, order]`."""
    padded = np.concatenate([np.zeros(order), s[:-1]])
    return np.lib.stride_tricks.sliding_window_view(padded, order)[:, ::-1]


def _log_bins(x: np.ndarray, m: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """log(F(b) - F(a)) as a product, which does not cancel: F(b) F(-a) (1 - exp(a - b))."""
    low, high = BORDERS[x], BORDERS[x + 1]
    width = np.log(-np.expm1(-(high - low) / scale))
    return log_expit((high - m) / scale) + log_expit((m - low) / scale) + width


def _scale_numbers(numbers: np.ndarray) -> dict[str, float]:
    """Any real numbers as those of the scale: its floor, its gain and its memory."""
    found = {"floor": math.exp(numbers[0])}
    if len(numbers) > 1:
        found |= {"gain": math.exp(numbers[1]), "memory": 1 / (1 + math.exp(-numbers[2]))}
    return found


def _least(loss: Callable[[np.ndarray], float], first: list[float]) -> np.ndarray:
    simplex = np.array([first, *(np.array(first) + np.eye(len(first)))])
    options = {"initial_simplex": simplex, "xatol": 1e-2, "fatol": 1e-5}
    return minimize(loss, first, method="Nelder-Mead", options=options).x
