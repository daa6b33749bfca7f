"""How a diffusion is run backwards: from noise, over a few of its times, to an example.

A sampler is asked for x_s of x_t and of the network's guess of x_0, for one pair of times after the
other.
"""

import functools
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from zoo.noise import fold
from zoo.objectives.noising import NoiseSchedule
from zoo.registration import register

#: (x_t, t) -> the guess of x_0.
Denoise = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
#: (x_s, s, key) -> x_s with what is known of it.
Replace = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


class Sampler:
    """A walk over times T = t_n > .. > t_0 = 0.

    Args:
        steps: n, evenly spread over 0 .. T; None: all T.

    A subclass says `step`.

    Raises:
        ValueError: no whole number of steps from 1.
    """

    def __init__(self, steps: int | None = None):
        if steps is not None and (type(steps) is not int or steps < 1):
            raise ValueError(f"a sampler takes a whole number of steps from 1, not {steps!r}")
        self.steps = steps

    def step(
        self,
        x_t: tf.Tensor,
        guess: tf.Tensor,
        t: tf.Tensor,
        s: tf.Tensor,
        schedule: NoiseSchedule,
        noise: tf.Tensor,
    ) -> tf.Tensor:
        """x_s, for s < t; `noise` is a draw of N(0, I)."""
        raise NotImplementedError

    def times(self, schedule: NoiseSchedule) -> np.ndarray:
        """T .. 0, `[n + 1]`.

        Raises:
            ValueError: more steps than the diffusion has.
        """
        count = schedule.steps if self.steps is None else self.steps
        if count > schedule.steps:
            raise ValueError(f"a diffusion of {schedule.steps} steps has no {count} times")
        return np.round(np.linspace(schedule.steps, 0, count + 1)).astype(np.int32)

    def run(
        self,
        denoise: Denoise,
        schedule: NoiseSchedule,
        x: tf.Tensor,
        seed: tf.Tensor,
        replace: Replace | None = None,
    ) -> tf.Tensor:
        """x_0 of x_T.

        Args:
            denoise: the network's guess.
            schedule: of the diffusion.
            x: x_T, `[B, *event]`.
            seed: key of all draws.
            replace: puts what is known into each x_s.
        """
        times = tf.constant(self.times(schedule))

        def body(i, x):
            t, s = times[i], times[i + 1]
            noise = tf.random.stateless_normal(tf.shape(x), fold(seed, "step", i))
            x_s = self.step(x, denoise(x, t), t, s, schedule, noise)
            if replace is not None:
                x_s = replace(x_s, s, fold(seed, "known", i))
            return i + 1, tf.ensure_shape(x_s, x.shape)

        last = len(self.times(schedule)) - 1
        return tf.while_loop(lambda i, _: i < last, body, (tf.constant(0), x))[1]

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Sampler":
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(type(self))


@functools.cache
def first_of_its_kind(sampler: Sampler) -> Sampler:
    """The first sampler that was equal to this one: a compiled walk serves the same one only."""
    return sampler


@register
class Ancestral(Sampler):
    """x_s ~ q(x_s | x_t, x_0 = guess): the decoder whose bound is measured, if n = T.

    Args:
        steps: n; None: all T.

    Reference: Ho et al. 2020, arXiv 2006.11239, algorithm 2, with the smaller variance; for fewer
    steps, Nichol and Dhariwal 2021, arXiv 2102.09672, section 4.
    """

    def step(self, x_t, guess, t, s, schedule, noise):
        return schedule.posterior(guess, x_t, t, s).sample(noise)


@register
class DDIM(Sampler):
    """x_s = sqrt(a_s) guess + sqrt(1 - a_s - v) e + sqrt(v) noise, e the rest of x_t.

    v is eta^2 times the variance of q(x_s | x_t, x_0). With eta = 0 the sample is a function of
    x_T, and few steps do; with eta = 1 this is `Ancestral`.

    Args:
        steps: n; None: all T.
        eta: from 0 to 1.

    Raises:
        ValueError: steps or an eta out of range.

    Reference: Song, Meng and Ermon 2021, arXiv 2010.02502, Eq. 12 and 16.
    """

    def __init__(self, steps: int | None = 50, eta: float = 0.0):
        super().__init__(steps)
        if not isinstance(eta, numbers.Real) or not 0 <= eta <= 1:
            raise ValueError(f"eta is from 0 to 1, not {eta!r}")
        self.eta = float(eta)

    def step(self, x_t, guess, t, s, schedule, noise):
        a_t, a_s = schedule.signal(t, x_t), schedule.signal(s, x_t)
        n_t, n_s = schedule.noise(t, x_t), schedule.noise(s, x_t)
        e = (x_t - tf.sqrt(a_t) * guess) / tf.sqrt(n_t)
        v = self.eta**2 * n_s / n_t * (1 - a_t / a_s)
        return tf.sqrt(a_s) * guess + tf.sqrt(tf.nn.relu(n_s - v)) * e + tf.sqrt(v) * noise
