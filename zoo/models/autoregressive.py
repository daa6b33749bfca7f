"""Models whose density is a product of conditionals: exact, and drawn one step after the other."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from zoo.data.checks import whole_number
from zoo.errors import DataError, NotSupported
from zoo.models.conditional import ConditionalModel
from zoo.models.generation import Drawn, generate
from zoo.models.parts import build_part
from zoo.models.requests import as_key, as_mask, check_count, check_temperature, check_top_k
from zoo.networks.causal import CausalNetwork
from zoo.noise import Seed, fold
from zoo.objectives.base import check_fits
from zoo.objectives.likelihood import LikelihoodTerms, MaximumLikelihood
from zoo.objectives.schedules import Ramp, checked, value_at
from zoo.registration import register

tfd = tfp.distributions
# Below it the likeliest value is drawn as surely, and float32 does not divide by much less.
_COLDEST = 1e-30


@register
class Autoregressive(ConditionalModel):
    """p(x|y) = prod_i p(x_i | x_<i, y), each factor = likelihood(network(x, c(y))) at step i.

    Args:
        network: a causal network over x, such as `GatedPixelCNN`, `MADE` or `Transformer`.
        likelihood: distribution layer over x, of elements that are independent given the features.
        objective: over exact log-likelihoods; None: `MaximumLikelihood`.
        condition: network from y to `[B, C]`, such as `OneHot`; None: the model takes no y.
        condition_shape: of one y; `()` for a label.
        own_draws: share of the elements that the network is shown, in training, as the model would
            draw them in their place (scheduled sampling), a number or a `Ramp` over steps.
        seed: base of every random draw in training and validation.

    Shapes: x `[B, *event]`, as the likelihood says.

    Raises:
        ValueError: parts that are none, or do not fit together; a share that is none.

    Reference of scheduled sampling: Bengio et al. 2015, arXiv 1506.03099. Departure: draws come
    from a pass that saw the true elements, so that all steps run at once (Mihaylova and Martins
    2019, arXiv 1906.07651).
    """

    likelihood_kind = "exact"
    metric_names = ("log_likelihood",)
    parts = ("network", "likelihood", "objective", "condition")

    def __init__(
        self,
        network,
        likelihood,
        objective=None,
        condition=None,
        condition_shape: Sequence[int] = (),
        own_draws: float | Ramp = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ):
        if not isinstance(network, CausalNetwork):
            raise ValueError(f"the network is {network!r}, not a causal one, such as GatedPixelCNN")
        if not isinstance(likelihood, keras.Layer):
            raise ValueError(f"the likelihood is {likelihood!r}, not a layer")
        levels = getattr(likelihood, "levels", None)
        # What stands for padding may be a level more.
        if network.takes_levels and levels and network.levels - levels not in (0, 1):
            raise ValueError(f"the network takes {network.levels} levels, the likelihood {levels}")
        objective = MaximumLikelihood() if objective is None else objective
        check_fits(objective, type(self))
        super().__init__(likelihood.event_shape, condition, condition_shape, seed, **kwargs)
        self.network, self.likelihood, self.objective = network, likelihood, objective
        self.own_draws = checked("own_draws", own_draws)
        ramp = isinstance(self.own_draws, Ramp)
        if max([self.own_draws.start, self.own_draws.end] if ramp else [self.own_draws]) > 1:
            raise ValueError(f"own_draws is a share from 0 to 1, not {own_draws!r}")
        # Not autograph: it would wrap the errors of a wrong request.
        self._generate = tf.function(self._draw, jit_compile=True, autograph=False)

    def build(self, input_shape=None):
        images = (None, *self.event_shape)
        context = None if self.condition is None else self.build_condition()
        if not self.network.built:
            self.network.build(images, context)
        build_part(self.likelihood, self.network.compute_output_shape(images))
        self.built = True

    # The density.

    def features(self, x, y=None, training: bool = False, seed: Seed | None = None) -> tf.Tensor:
        """The network's output at every step, `[B, ..., F]`.

        Args:
            x, y: examples, and their conditions where the model has one.
            training: how the condition's network is asked.
            seed: of the network's dropout; None: it drops nothing.
        """
        self.ensure_variables()
        seen = (
            tf.cast(x, tf.float32) if self.network.takes_levels else self.likelihood.to_network(x)
        )
        return self.network(seen, self._context(x, y, training), seed=seed)

    def _context(self, x, y, training: bool = False) -> tf.Tensor | None:
        """What the network is told `[B, C]`; one y may be that of all examples."""
        if self.condition is None:
            return None
        context = self.given(y, training)
        return tf.broadcast_to(context, [tf.shape(x)[0], context.shape[-1]])

    def distribution(
        self, x, y=None, training: bool = False, seed: Seed | None = None
    ) -> tfd.Distribution:
        """prod_i p(. | x_<i, y): each element's distribution given the ones before it in x."""
        parameters = self.likelihood(self.features(x, y, training, seed))
        return self.likelihood.distribution(parameters)

    def terms(self, x, y=None, training=False, seed=None) -> LikelihoodTerms:
        shown = x if not training or self.own_draws == 0 else self._mixed(x, y, seed)
        key = fold(seed, "dropout") if training and seed is not None else None
        return LikelihoodTerms(self.distribution(shown, y, training, key).log_prob(x))

    def _mixed(self, x, y, seed) -> tf.Tensor:
        """x with a share of its elements drawn by the model, each given the true ones before it."""
        drawn = self.distribution(x, y).sample(seed=fold(seed, "own draws"))
        share = value_at(self.own_draws, self.train_steps)
        chosen = tf.random.stateless_uniform(tf.shape(x), fold(seed, "which")) < share
        return tf.stop_gradient(tf.where(chosen, tf.cast(drawn, x.dtype), x))

    def call(self, x, training=False):
        """`log_prob` `[B]`; a conditional model takes `(x, y)`."""
        x, y = x if isinstance(x, tuple | list) else (x, None)
        x = tf.cast(x, tf.float32)
        return {"log_prob": self.distribution(x, y, training).log_prob(x)}

    def log_prob(self, x, y=None, num_samples=None, seed=0) -> tf.Tensor:
        """log p(x|y) `[B]` in nats, exact.

        Raises:
            DataError: another shape, values outside the support, or a missing y.
        """
        if tf.executing_eagerly():
            self.check(x)
            self.check_given(y, np.shape(x)[:1])
        return self.distribution(tf.cast(x, tf.float32), y).log_prob(tf.cast(x, tf.float32))

    # Drawing.

    def sample(
        self,
        n: int,
        y=None,
        seed: Seed | None = None,
        mean: bool = False,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> tf.Tensor:
        """n examples `[n, *event]`.

        Args:
            n: how many.
            y: the condition of each, `[n, ...]`, where the model has one.
            seed: repeats the draw; None draws anew each time.
            mean: return E[x_i | x_<i] along the draw instead of the draw.
            temperature: see `Likelihood.sharpened`.
            top_k: likewise.

        Raises:
            DataError: no whole number, a missing y, or one that does not fit.
            NotSupported: the likelihood cannot be sharpened.
        """
        drawn = self.draw(n, y, seed, temperature, top_k)
        return self.distribution(drawn.x, y).mean() if mean else drawn.x

    def draw(
        self,
        n: int,
        y=None,
        seed: Seed | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> Drawn:
        """As `sample`: the examples `x`, and `log_prob` `[n]`, the nats of their own draw."""
        check_count(n)
        nothing = np.zeros(self.event_shape, bool)
        return self._filled(tf.zeros([n, *self.event_shape]), nothing, y, seed, temperature, top_k)

    def complete(
        self,
        x,
        known,
        y=None,
        seed: Seed | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> tf.Tensor:
        """Draws what is not known of x; the rest stays as it is.

        What is drawn sees all that comes before it in the network's order, and nothing behind it:
        a draw from p(unknown | known) where the known part comes first.

        Args:
            x: `[B, *event]`; unknown elements may have any value of the support.
            known: bool, `[*event]` or what broadcasts to it; all channels of a pixel alike.
            y, seed, temperature, top_k: as for `sample`.

        Returns:
            `[B, *event]`.

        Raises:
            DataError: another shape, values outside the support, or a mask that does not fit.
        """
        if tf.executing_eagerly():
            self.check(x)
            known = self._mask(known)
        x = tf.cast(x, tf.float32)
        return self._filled(x, known, y, seed, temperature, top_k).x

    def _mask(self, known) -> np.ndarray:
        known = as_mask(known, self.event_shape)
        if not self.network.per_element and (known.all(-1) != known.any(-1)).any():
            raise DataError("a pixel is drawn whole: all its channels are known, or none")
        return known

    def _filled(self, x, known, y, seed, temperature, top_k) -> Drawn:
        temperature, top_k = check_temperature(temperature), check_top_k(top_k)
        self.ensure_variables()
        if tf.executing_eagerly():
            self.check_given(y, np.shape(x)[:1])
        return self._generate(
            x,
            tf.convert_to_tensor(known),
            self._context(x, y),
            as_key(seed, "sample"),
            # A tensor: another temperature is no other program.
            None if temperature == 1 else tf.constant(max(temperature, _COLDEST)),
            top_k,
        )

    def _draw(self, x, known, context, key, temperature, top_k) -> Drawn:
        return generate(self.network, self.likelihood, x, known, context, key, temperature, top_k)

    def at_length(self, length: int) -> "Autoregressive":
        """The same model, its weights copied, over sequences of another length.

        Raises:
            NotSupported: not a model of sequences `[T]`, or one whose weights know T.
            DataError: no whole number from 1.
        """
        if len(self.event_shape) != 1:
            raise NotSupported(f"{self.name} is a model of images, which have no length")
        whole_number("length", length, low=1)

        def fresh(part, **changes):
            # Not as Keras restores a part: that builds it for the old length.
            config = part and {**part.get_config(), **changes}
            return part and type(part).from_config(config)

        other = type(self)(
            fresh(self.network),
            fresh(self.likelihood, event_shape=[int(length)]),
            fresh(self.objective),
            fresh(self.condition),
            self.condition_shape,
            self.own_draws,
            self.seed,
        )
        other.ensure_built()
        self.ensure_variables()
        kept = self.kept_weights()
        if [w.shape for w in other.get_weights()] != [w.shape for w in kept]:
            raise NotSupported(f"{self.name} has weights for the length {self.event_shape[0]} only")
        other.set_weights(kept)
        return other

    # Data and Keras.

    def start_at(self, mean: np.ndarray) -> None:
        self.likelihood.start_at(mean)
        biases = self.network.element_biases
        if biases is not None and self.network.feature_size == 1:
            # The projection's bias is one for all elements, and these are not.
            rest = self.likelihood.raw_at(mean) - self.likelihood.projection.bias.numpy()
            biases.assign(np.reshape(rest, -1))

    def get_config(self):
        own_draws = self.own_draws
        if isinstance(own_draws, Ramp):
            own_draws = keras.saving.serialize_keras_object(own_draws)
        return {**super().get_config(), "own_draws": own_draws}
