"""How a diffusion's fixed encoder turns an image into noise, step by step.

q(x_t | x_0) = N(sqrt(a_t) x_0, (1 - a_t) I),   t = 1 .. T,   a_t falling from a_0 = 1 to near 0

a_t is the share of the variance that is still signal (alpha-bar in the papers). A schedule says
a_t, and everything else follows: with r = a_t / a_s for s < t,

    q(x_t | x_s)      = N(sqrt(r) x_s, (1 - r) I)
    q(x_s | x_t, x_0) = N(m, v I),   v = (1 - r) (1 - a_s) / (1 - a_t),
                        m = sqrt(a_s) (1 - r) / (1 - a_t) x_0 + sqrt(r) (1 - a_s) / (1 - a_t) x_t

Reference: Sohl-Dickstein et al. 2015, arXiv 1503.03585; Ho et al. 2020, arXiv 2006.11239, Eq. 4, 6
and 7, which are the case s = t - 1.
"""

import numbers
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from zoo.objectives.schedules import not_negative
from zoo.registration import register

# A sample begins with pure noise: with more signal left, nothing that was learned is like it.
_REST = 0.5


class Gaussian(NamedTuple):
    """N(mean, variance I); the variance broadcasts against the mean."""

    mean: tf.Tensor
    variance: tf.Tensor

    def sample(self, noise: tf.Tensor) -> tf.Tensor:
        """A draw, from a draw of N(0, I)."""
        return self.mean + tf.sqrt(self.variance) * noise


class NoiseSchedule:
    """a_t for t = 0 .. T.

    Args:
        steps: T, from 2.

    A subclass says `_signal`. Where a method takes x, times t and s `[B]` (or `[]`) are integers
    from 0 to T, and results broadcast against x `[B, ...]`.

    Raises:
        ValueError: fewer than 2 steps, or a signal that does not fall.
    """

    def __init__(self, steps: int = 1_000):
        if not isinstance(steps, int) or steps < 2:
            raise ValueError(f"a diffusion takes 2 steps or more, not {steps!r}")
        self.steps = steps

    def _signal(self) -> np.ndarray:
        """a_0 .. a_T, in float64."""
        raise NotImplementedError

    @property
    def signals(self) -> np.ndarray:
        """a_0 = 1 .. a_T, `[T + 1]`, in float64."""
        signal = self._signal()
        if signal[0] != 1 or (np.diff(signal) >= 0).any() or not 0 < signal[-1] < _REST:
            raise ValueError(
                f"the signal of {type(self).__name__} does not fall from 1 towards 0: at the end "
                f"it is {signal[-1]:.3g}"
            )
        return signal

    def check(self) -> None:
        """Raises ValueError unless the signal falls."""
        _ = self.signals

    def signal(self, t: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """a_t, of the rank of `like`."""
        return self._at(self.signals, t, like)

    def noise(self, t: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """1 - a_t, without the rounding of a_t."""
        return self._at(1 - self.signals, t, like)

    def marginal(self, x: tf.Tensor, t: tf.Tensor) -> Gaussian:
        """q(x_t | x_0 = x)."""
        return Gaussian(tf.sqrt(self.signal(t, x)) * x, self.noise(t, x))

    def posterior(self, x: tf.Tensor, x_t: tf.Tensor, t: tf.Tensor, s: tf.Tensor) -> Gaussian:
        """q(x_s | x_t, x_0 = x) for s < t."""
        ratio = self.signal(t, x) / self.signal(s, x)
        fresh = self._fresh(t, s, x) / self.noise(t, x)
        of_x = tf.sqrt(self.signal(s, x)) * fresh
        of_x_t = tf.sqrt(ratio) * self.noise(s, x) / self.noise(t, x)
        return Gaussian(of_x * x + of_x_t * x_t, fresh * self.noise(s, x))

    def _fresh(self, t: tf.Tensor, s: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """1 - a_t / a_s = (n_t - n_s) / a_s, of noises n: without cancellation where both are 1."""
        return (self.noise(t, like) - self.noise(s, like)) / self.signal(s, like)

    def _at(self, values: np.ndarray, t: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        found = tf.gather(tf.constant(values, tf.float32), tf.cast(t, tf.int32))
        if found.shape.rank == 0:
            return found
        return tf.reshape(found, [-1, *[1] * (like.shape.rank - 1)])

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "NoiseSchedule":
        return cls(**config)


@register
class LinearSchedule(NoiseSchedule):
    """a_t = prod_(i <= t) (1 - b_i),   b_i in a straight line from `first` to `last`.

    Args:
        steps: T.
        first: b_1, of 1 000 steps; of T, 1 000 / T times that.
        last: b_T, likewise.

    Reference: Ho et al. 2020, section 4.
    """

    def __init__(self, steps: int = 1_000, first: float = 1e-4, last: float = 0.02):
        super().__init__(steps)
        self.first, self.last = not_negative("first", first), not_negative("last", last)
        added = self._added()
        if not 0 < added.min() <= added.max() < 1:
            raise ValueError(
                f"a linear schedule adds shares of noise between 0 and 1 in each of {steps} steps, "
                f"not {added.min():g} to {added.max():g}: change first and last (now "
                f"{self.first:g} and {self.last:g}), or take CosineSchedule({steps})"
            )

    def _added(self) -> np.ndarray:
        return np.linspace(self.first, self.last, self.steps) * (1_000 / self.steps)

    def _signal(self):
        return np.concatenate([[1.0], np.cumprod(1 - self._added())])


@register
class CosineSchedule(NoiseSchedule):
    """a_t = f(t) / f(0),   f(t) = cos^2(pi / 2 (t / T + offset) / (1 + offset)).

    Args:
        steps: T.
        offset: s in the paper, which keeps the first steps from being too small.

    Reference: Nichol and Dhariwal 2021, arXiv 2102.09672, Eq. 17; a step adds at most a share of
    0.999, as there.
    """

    def __init__(self, steps: int = 1_000, offset: float = 0.008):
        super().__init__(steps)
        if not isinstance(offset, numbers.Real) or not 0 < offset < 1:
            raise ValueError(f"the offset of a cosine schedule is between 0 and 1, not {offset!r}")
        self.offset = float(offset)

    def _signal(self):
        place = (np.arange(self.steps + 1) / self.steps + self.offset) / (1 + self.offset)
        curve = np.cos(np.pi / 2 * place) ** 2
        added = np.minimum(1 - curve[1:] / curve[:-1], 0.999)
        return np.concatenate([[1.0], np.cumprod(1 - added)])
