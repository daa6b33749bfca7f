"""Denoising diffusion models."""

import inspect
import numbers
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from zoo.data.checks import whole_number
from zoo.distributions.discretized_logistic import nearest_level, to_line
from zoo.distributions.discretized_normal import DiscretizedNormal
from zoo.distributions.normal import IndependentNormal
from zoo.errors import NotSupported
from zoo.models.conditional import ConditionalModel
from zoo.models.requests import as_key, as_mask, check_count
from zoo.models.samplers import DDIM, Sampler, first_of_its_kind
from zoo.networks.embedding import time_features
from zoo.noise import Seed, fold
from zoo.numerics import mean_event
from zoo.objectives.base import check_fits
from zoo.objectives.denoising import Denoising, DenoisingTerms, prior_kl, step_kl
from zoo.objectives.noising import LinearSchedule, NoiseSchedule
from zoo.objectives.schedules import not_negative
from zoo.registration import register

# Times per example of `log_prob`, unless asked for more.
_TIMES = 20


@register
class Diffusion(ConditionalModel):
    """x_T ~ N(0, I), x_(t-1) ~ q(x_(t-1) | x_t, x_0 = guess(x_t, t, y)), x_0 ~ p(x_0 | x_1).

    The guess is what the objective makes of the network's prediction; where the data are levels, it
    is kept within them. p(x_0 | x_1) is normal about the guess, with the variance 1 - a_1 of
    q(x_1 | x_0), over the bins of levels where data are levels. See `zoo.objectives.denoising` for
    the bound.

    Args:
        network: `(x_t [B, *event], context [B, C]) -> [B, *event]`, such as `UNet` or `ContextMLP`;
            the context holds t, and c(y) where the model has a condition.
        likelihood: `DiscretizedNormal` for levels, which are put on [-1, 1]; `IndependentNormal`
            for real numbers, which should have a deviation near 1.
        schedule: None: `LinearSchedule`.
        objective: None: `Denoising`.
        sampler: None: `DDIM` of 50 steps.
        time_size: length of the vector of t.
        condition: network from y to `[B, C]`, such as `OneHot`; None: the model takes no y.
        condition_shape: of one y; `()` for a label.
        drop_condition: share of the training examples whose condition is withheld, for guidance.
        guidance: w of the guided prediction (1 + w) f(x_t, t, y) - w f(x_t, t) in `sample`.
        seed: base of every random draw in training and validation.

    Shapes: x `[B, *event]`, as the likelihood says.

    Raises:
        ValueError: parts that are none, or do not fit together; guidance of a model that is never
            trained without its condition.

    Reference: Ho, Jain and Abbeel 2020, arXiv 2006.11239; guidance: Ho and Salimans 2022, arXiv
    2207.12598, Eq. 6. Departures: the guess is kept within the data's range in the bound too; the
    last step has the variance 1 - a_1.
    """

    likelihood_kind = "elbo"
    metric_names = ("elbo", "squared_error")
    parts = ("network", "likelihood", "schedule", "objective", "sampler", "condition")

    def __init__(
        self,
        network,
        likelihood,
        schedule: NoiseSchedule | None = None,
        objective: Denoising | None = None,
        sampler: Sampler | None = None,
        time_size: int = 32,
        condition=None,
        condition_shape: Sequence[int] = (),
        drop_condition: float = 0.0,
        guidance: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        for name, part in {"network": network, "likelihood": likelihood}.items():
            if not isinstance(part, keras.Layer):
                raise ValueError(f"the {name} is {part!r}, not a layer")
        if "context" not in inspect.signature(network.call).parameters:
            raise ValueError(
                f"the network takes an image and a context, as UNet and ContextMLP do, and "
                f"{type(network).__name__} takes no context"
            )
        if not isinstance(likelihood, DiscretizedNormal | IndependentNormal):
            raise ValueError(
                "a diffusion's likelihood is DiscretizedNormal or IndependentNormal, not "
                f"{type(likelihood).__name__}"
            )
        if not isinstance(time_size, int) or time_size < 2 or time_size % 2:
            raise ValueError(f"time_size is an even number from 2, not {time_size!r}")
        if not_negative("drop_condition", drop_condition) >= 1:
            raise ValueError(f"drop_condition is a share below 1, not {drop_condition!r}")
        if drop_condition and condition is None:
            raise ValueError("drop_condition takes a model with a condition")
        self._check_guidance(guidance, drop_condition)
        objective = Denoising() if objective is None else objective
        check_fits(objective, type(self))
        schedule = LinearSchedule() if schedule is None else schedule
        if not isinstance(schedule, NoiseSchedule):
            raise ValueError(f"a schedule is one such as CosineSchedule(1000), not {schedule!r}")
        super().__init__(likelihood.event_shape, condition, condition_shape, seed, **kwargs)
        self.network, self.likelihood = network, likelihood
        self.schedule, self.objective = schedule, objective
        self.schedule.check()
        self.sampler = self._checked(DDIM() if sampler is None else sampler)
        self.time_size, self.drop_condition = time_size, float(drop_condition)
        self.guidance = float(guidance)
        # Not autograph: it would wrap the errors of a wrong request.
        self._walk = tf.function(self._walked, autograph=False)
        self._look = tf.function(self.bound, autograph=False, reduce_retracing=True)

    def _checked(self, sampler: Sampler) -> Sampler:
        """The first such sampler; raises ValueError unless the schedule has times for it."""
        if not isinstance(sampler, Sampler):
            raise ValueError(f"a sampler is one such as DDIM(50) or Ancestral(), not {sampler!r}")
        sampler.times(self.schedule)
        return first_of_its_kind(sampler)

    @staticmethod
    def _check_guidance(guidance: float, drop_condition: float) -> None:
        real = isinstance(guidance, numbers.Real) and not isinstance(guidance, bool)
        if not real or not np.isfinite(guidance):
            raise ValueError(f"guidance is a finite number, not {guidance!r}")
        if guidance and not drop_condition:
            raise ValueError(
                f"guidance {guidance:g} takes a model that was trained with some conditions "
                "withheld: drop_condition above 0"
            )

    def build(self, input_shape=None):
        size = self.time_size
        if self.condition is not None:
            size += self.build_condition()[-1] + 1
        if not self.network.built:
            self.network.build((None, *self.event_shape), (None, size))
        self.built = True

    # Between the data and the line on which they are noised.

    def _on_line(self, x) -> tf.Tensor:
        levels = self.likelihood.levels
        return tf.cast(x, tf.float32) if levels is None else to_line(x, levels)

    def _off_line(self, x: tf.Tensor, mean: bool) -> tf.Tensor:
        levels = self.likelihood.levels
        if levels is None:
            return x
        return (x + 1) * ((levels - 1) / 2) if mean else nearest_level(x, levels)

    # The network.

    def _context(self, t: tf.Tensor, y, keep: tf.Tensor | None, training: bool) -> tf.Tensor:
        times = time_features(t, self.time_size)
        if self.condition is None:
            return times
        kept = tf.ones([tf.shape(t)[0], 1]) if keep is None else keep[:, tf.newaxis]
        return tf.concat([times, kept * self.given(y, training), kept], axis=-1)

    def predict_from(self, x_t, t, y=None, keep=None, training: bool = False) -> tf.Tensor:
        """What the network predicts at x_t `[B, *event]` on the line, times t `[B]`.

        Args:
            x_t: noised data.
            t: integers from 1 to T.
            y: conditions, where the model has one.
            keep: `[B]`, 0 where the condition is withheld; None keeps all.
            training: as in Keras.
        """
        context = self._context(t, y, keep, training)
        return tf.cast(self.network(x_t, context, training=training), tf.float32)

    def guess(self, x_t, t, y=None, guidance: float | tf.Tensor | None = None) -> tf.Tensor:
        """The network's guess of x_0 on the line, from `x_t` `[B, *event]` at times `t` `[B]`."""
        predicted = self.predict_from(x_t, t, y)
        if guidance is not None:
            without = self.predict_from(x_t, t, y, tf.zeros(tf.shape(x_t)[0]))
            predicted += guidance * (predicted - without)
        return self._clipped(self.objective.image(predicted, x_t, t, self.schedule))

    def _clipped(self, guess: tf.Tensor) -> tf.Tensor:
        return guess if self.likelihood.levels is None else tf.clip_by_value(guess, -1.0, 1.0)

    # The bound.

    def terms(self, x, y=None, training=False, seed=None) -> DenoisingTerms:
        last = self.schedule.steps + 1
        t = tf.random.stateless_uniform(tf.shape(x)[:1], fold(seed, "time"), 1, last, tf.int32)
        keep = None
        if training and self.drop_condition:
            drawn = tf.random.stateless_uniform(tf.shape(x)[:1], fold(seed, "drop"))
            keep = tf.cast(drawn >= self.drop_condition, tf.float32)
        return self.terms_at(x, t, fold(seed, "noise"), y, keep, training)

    def terms_at(self, x, t, seed, y=None, keep=None, training: bool = False) -> DenoisingTerms:
        """The terms of data `x` at times `t` `[B]`; other arguments as for `predict_from`."""
        image = self._on_line(x)
        noise = tf.random.stateless_normal(tf.shape(image), seed)
        x_t = self.schedule.marginal(image, t).sample(noise)
        predicted = self.predict_from(x_t, t, y, keep, training)
        error = predicted - self.objective.target(image, noise, t, self.schedule)
        guess = self._clipped(self.objective.image(predicted, x_t, t, self.schedule))
        step = step_kl(image, guess, x_t, tf.maximum(t, 2), self.schedule)
        term = tf.where(t == 1, -self._decoded(guess).log_prob(tf.cast(x, tf.float32)), step)
        prior = prior_kl(image, self.schedule)
        elbo = -prior - self.schedule.steps * term
        squares = mean_event(tf.square(error))
        return DenoisingTerms(elbo, prior, squares, t, int(np.prod(self.event_shape)))

    def _decoded(self, guess: tf.Tensor):
        """p(x_0 | x_1) over data."""
        scale = float(np.sqrt(1 - self.schedule.signals[1]))
        if self.likelihood.levels is None:
            return self.likelihood.distribution({"loc": guess, "scale": tf.constant(scale)})
        # The likelihood's unit is [0, 1].
        return self.likelihood.distribution(
            {"loc": (guess + 1) / 2, "scale": tf.fill(tf.shape(guess), scale / 2)}
        )

    def call(self, x, training=False):
        """`guess` `[B, *event]`, seen from half of the way; a conditional model takes `(x, y)`."""
        x, y = x if isinstance(x, tuple | list) else (x, None)
        t = tf.fill([tf.shape(x)[0]], max(1, self.schedule.steps // 2))
        x_t = tf.sqrt(self.schedule.signal(t, tf.convert_to_tensor(x))) * self._on_line(x)
        return {"guess": self._off_line(self.guess(x_t, t, y), mean=True)}

    def log_prob(self, x, y=None, num_samples: int | None = None, seed: Seed = 0) -> tf.Tensor:
        """An unbiased estimate `[B]` of the bound on log p(x|y), in nats.

        Args:
            x: `[B, *event]`.
            y: conditions, where the model has one.
            num_samples: times for each example, spread evenly; None: 20.
            seed: of times and noise.

        Raises:
            DataError: another shape, values outside the support, or a missing y.
        """
        if tf.executing_eagerly():
            self.check(x)
            self.check_given(y, np.shape(x)[:1])
        count, key = _TIMES if num_samples is None else num_samples, fold(seed, "log_prob")
        whole_number("num_samples", count, low=1)
        x = tf.convert_to_tensor(x)
        y = None if y is None else tf.convert_to_tensor(y)
        return self._look(x, tf.constant(int(count)), key, y)

    def bound(self, x, num_samples: tf.Tensor, key: tf.Tensor, y=None) -> tf.Tensor:
        """As `log_prob`, with tensors for the number of times `[]` and the key of the draws."""

        def body(k, total):
            t = self.spread_times(x, k, num_samples, key)
            total_now = total + self.terms_at(x, t, fold(key, k), y).elbo
            return k + 1, tf.ensure_shape(total_now, total.shape)

        start = (tf.constant(0), tf.zeros(tf.shape(x)[:1]))
        # One look at a time: memory does not grow with their number.
        total = tf.while_loop(lambda k, _: k < num_samples, body, start, parallel_iterations=1)[1]
        return total / tf.cast(num_samples, tf.float32)

    def spread_times(
        self,
        x,
        k: int | tf.Tensor,
        count: int | tf.Tensor,
        key: tf.Tensor,
        shares: np.ndarray | None = None,
    ) -> tf.Tensor:
        """Times `[B]` of the k-th of `count` equal parts of a distribution over 1 .. T.

        Args:
            x: `[B, *event]`.
            k: from 0.
            count: parts.
            key: of the draw.
            shares: p(t) `[T]`; None: all times alike.
        """
        steps = self.schedule.steps
        ends = np.arange(1, steps + 1) / steps if shares is None else np.cumsum(shares)
        place = tf.random.stateless_uniform(tf.shape(x)[:1], fold(key, "time", k))
        place = (tf.cast(k, tf.float32) + place) / tf.cast(count, tf.float32)
        before = tf.searchsorted(tf.constant(ends[:-1], tf.float32), place, side="right")
        return 1 + before

    # Drawing.

    def sample(
        self,
        n: int,
        y=None,
        seed: Seed | None = None,
        mean: bool = False,
        sampler: Sampler | None = None,
        guidance: float | None = None,
    ) -> tf.Tensor:
        """n examples `[n, *event]`.

        Args:
            n: how many.
            y: the condition of each, `[n, ...]`, where the model has one.
            seed: repeats the draw; None draws anew each time.
            mean: return the last guess as it is, without rounding it to a level.
            sampler: None: the model's own.
            guidance: None: the model's own.

        Raises:
            DataError: no whole number, a missing y, or one that does not fit.
            NotSupported: guidance of a model that was never trained without its condition.
        """
        check_count(n)
        nothing = np.zeros(self.event_shape, bool)
        x = tf.zeros([n, *self.event_shape])
        return self._drawn(x, nothing, y, seed, mean, sampler, guidance)

    def complete(
        self,
        x,
        known,
        y=None,
        seed: Seed | None = None,
        sampler: Sampler | None = None,
        guidance: float | None = None,
    ) -> tf.Tensor:
        """Draws what is not known of x; the rest stays as it is.

        At each time the known part is what the encoder makes of it, so the rest is drawn towards
        what fits: an approximation of p(unknown | known), better with more steps.

        Args:
            x: `[B, *event]`; unknown elements may have any value of the support.
            known: bool, `[*event]` or what broadcasts to it.
            y, seed, sampler, guidance: as for `sample`.

        Raises:
            DataError: another shape, values outside the support, or a mask that does not fit.

        Reference: Song et al. 2021, arXiv 2011.13456, appendix I.2.
        """
        if tf.executing_eagerly():
            self.check(x)
            known = as_mask(known, self.event_shape)
        # The last step puts what is known in its place without noise.
        return self._drawn(tf.cast(x, tf.float32), known, y, seed, False, sampler, guidance)

    def _drawn(self, x, known, y, seed, mean, sampler, guidance) -> tf.Tensor:
        if tf.executing_eagerly():
            self.check_given(y, np.shape(x)[:1])
        sampler, guidance = self.walk_of(sampler, guidance)
        y = None if y is None else tf.convert_to_tensor(y)
        known, key = tf.convert_to_tensor(known), as_key(seed, "sample")
        # A tensor: other guidance is no other program.
        guidance = tf.constant(guidance, tf.float32) if guidance else None
        x = self._walk(self._on_line(x), known, y, key, sampler, guidance)
        return self._off_line(x, mean)

    def walk_of(self, sampler: Sampler | None, guidance: float | None) -> tuple[Sampler, float]:
        """The sampler and the guidance of a request, the model's own in place of None.

        Raises:
            NotSupported: what this model has no times or no weights for.
        """
        guidance = self.guidance if guidance is None else guidance
        try:
            self._check_guidance(guidance, self.drop_condition)
            return self._checked(self.sampler if sampler is None else sampler), guidance
        except ValueError as error:
            raise NotSupported(str(error)) from None

    def _walked(self, image, known, y, key, sampler, guidance) -> tf.Tensor:
        def denoise(x_t, t):
            return self.guess(x_t, tf.fill(tf.shape(x_t)[:1], t), y, guidance)

        def replace(x_s, s, key):
            noise = tf.random.stateless_normal(tf.shape(image), key)
            return tf.where(known, self.schedule.marginal(image, s).sample(noise), x_s)

        start = tf.random.stateless_normal(tf.shape(image), fold(key, "start"))
        start = replace(
            tf.ensure_shape(start, image.shape), self.schedule.steps, fold(key, "known")
        )
        return sampler.run(denoise, self.schedule, start, key, replace)

    # Data and Keras.

    def get_config(self):
        own = ("time_size", "guidance", "drop_condition")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
