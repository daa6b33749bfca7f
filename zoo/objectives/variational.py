"""The variational bound: written once, for every model with a latent variable.

    log p(x) = log E_q[w],   w = p(x|z) p(z) / q(z|x),   z ~ q(z|x)
    ELBO     = E_q[log w] = E_q[log p(x|z)] - KL(q(z|x) || p(z))        <= log p(x)
    IWAE_K   = E[log 1/K sum_k w_k]                                      in between, growing with K

All quantities are in nats and per example. What is optimised (an objective) stands apart from what
is reported (`VariationalTerms.metrics`), so that "elbo" means the same whatever is optimised.

References: Kingma and Welling 2014, arXiv 1312.6114, Eq. 2 and 3; Burda, Grosse and Salakhutdinov
2016, arXiv 1509.00519, Eq. 8.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

from zoo.errors import NotSupported
from zoo.noise import fold
from zoo.numerics import log_mean_exp
from zoo.objectives.base import Objective
from zoo.objectives.schedules import Ramp, checked, value_at
from zoo.registration import register

tfd = tfp.distributions


@dataclasses.dataclass(frozen=True)
class VariationalTerms:
    """Per-example terms of the bound from L posterior samples.

    Attributes:
        log_likelihood: `[L, B]`, log p(x|z_l).
        kl: `[B]`, KL(q(z|x) || p(z)), in closed form or as the mean over the samples.
        log_weights: `[L, B]`, log p(x|z_l) + log p(z_l) - log q(z_l|x).
        posterior: q(z|x), batch `[B]`.
        prior: p(z).
        latents: `[L, B, D]`, the samples.
        kl_estimator: "closed form" or "sampled".
        log_joint: `[L, B, D] -> [L, B]`, log p(x|z) + log p(z) of any latents.
        seed: `int32[2]`, for whatever else an objective draws.
    """

    log_likelihood: tf.Tensor
    kl: tf.Tensor
    log_weights: tf.Tensor
    posterior: tfd.Distribution
    prior: tfd.Distribution
    latents: tf.Tensor
    kl_estimator: str
    log_joint: Callable[[tf.Tensor], tf.Tensor]
    seed: tf.Tensor

    @property
    def elbo(self) -> tf.Tensor:
        """`[B]`: the bound with weight one on the KL."""
        return tf.reduce_mean(self.log_likelihood, axis=0) - self.kl

    def metrics(self) -> dict[str, tf.Tensor]:
        """What every model with latents reports, `[B]` each."""
        return {
            "log_likelihood": tf.reduce_mean(self.log_likelihood, axis=0),
            "kl": self.kl,
            "elbo": self.elbo,
        }

    @property
    def kl_per_latent(self) -> tf.Tensor:
        """`[B, D]`: the KL's share of each latent, where posterior and prior are independent."""
        return tfd.kl_divergence(marginals(self.posterior), marginals(self.prior))


def variational_terms(
    x: tf.Tensor,
    posterior: tfd.Distribution,
    prior: tfd.Distribution,
    decode: Callable[[tf.Tensor], tfd.Distribution],
    num_samples: int,
    seed: tf.Tensor,
) -> VariationalTerms:
    """Draws z_1..z_L from q(z|x) and gathers the terms of the bound.

    Args:
        x: `[B, ...]`.
        posterior: q(z|x), batch `[B]`, event `[D]`.
        prior: p(z), event `[D]`.
        decode: `[L, B, D]` to p(x|z) of batch `[L, B]`.
        num_samples: L.
        seed: `int32[2]`.
    """
    latents = posterior.sample(num_samples, seed=fold(seed, "posterior"))
    log_likelihood = decode(latents).log_prob(x)
    kl, kl_estimator = kl_divergence(posterior, prior, latents)
    log_weights = log_likelihood + prior.log_prob(latents) - posterior.log_prob(latents)
    return VariationalTerms(
        log_likelihood,
        kl,
        log_weights,
        posterior,
        prior,
        latents,
        kl_estimator,
        log_joint=lambda z: decode(z).log_prob(x) + prior.log_prob(z),
        seed=seed,
    )


def marginals(distribution: tfd.Distribution) -> tfd.Normal:
    """The independent normals that a diagonal normal consists of, batch `[..., D]`.

    Raises:
        NotSupported: anything else.
    """
    if not isinstance(distribution, tfd.MultivariateNormalDiag):
        raise NotSupported(
            f"a {type(distribution).__name__} is not a product of independent normals over the "
            "latents: use MultivariateNormalDiag, and the standard normal prior"
        )
    return tfd.Normal(distribution.mean(), distribution.stddev())


def kl_divergence(
    posterior: tfd.Distribution, prior: tfd.Distribution, latents: tf.Tensor
) -> tuple[tf.Tensor, str]:
    """KL(posterior || prior) in nats.

    Returns:
        `[B]`, and how it was found: "closed form" where TFP knows one for the pair, else "sampled",
        the mean of log q - log p over `latents` `[L, B, D]`.
    """
    try:
        return tfd.kl_divergence(posterior, prior), "closed form"
    except NotImplementedError:
        # TFP's way of saying that no closed form is registered for this pair of types.
        log_ratio = posterior.log_prob(latents) - prior.log_prob(latents)
        return tf.reduce_mean(log_ratio, axis=0), "sampled"


def samples(number: int) -> int:
    """A number of samples; raises ValueError unless it is a whole number from 1."""
    if isinstance(number, bool) or int(number) != number or number < 1:
        raise ValueError(f"a number of samples is a whole number from 1, not {number!r}")
    return int(number)


@register
class ELBO(Objective):
    """loss = beta KL(q(z|x) || p(z)) - E_q[log p(x|z)].

    Args:
        beta: weight of the KL; 1 is the bound itself, other values are the beta-VAE's
            (Higgins et al. 2017, Eq. 4); a `Ramp` anneals it. It never enters a metric.
        num_samples: L, posterior samples per example.
    """

    def __init__(self, beta: float | Ramp = 1.0, num_samples: int = 1):
        self.beta, self.num_samples = checked("beta", beta), samples(num_samples)

    def __call__(self, terms: VariationalTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        log_likelihood = tf.reduce_mean(terms.log_likelihood, axis=0)
        return value_at(self.beta, step) * terms.kl - log_likelihood


@register
class IWAE(Objective):
    """loss = -log 1/K sum_k w_k, the importance-weighted bound (Burda et al. 2016, Eq. 8).

    Args:
        num_samples: K.
    """

    def __init__(self, num_samples: int = 5):
        self.num_samples = samples(num_samples)

    def __call__(self, terms: VariationalTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        return -log_mean_exp(terms.log_weights, axis=0)


def importance_log_prob(
    log_weights: Callable[[int, tf.Tensor], tf.Tensor],
    batch_size: tf.Tensor,
    num_samples: tf.Tensor,
    chunk: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """log 1/K sum_k w_k over any number K of samples, in the memory of `chunk` samples.

    Args:
        log_weights: `(S, seed) -> [S, B]`, log p(x, z) - log q(z|x) of S fresh samples.
        batch_size: B.
        num_samples: K, an integer tensor.
        chunk: S, samples held at once.
        seed: `int32[2]`.

    Returns:
        `[B]` nats.
    """
    num_samples = tf.cast(num_samples, tf.int32)

    def body(done, total):
        new = log_weights(chunk, fold(seed, "importance", done))
        wanted = tf.range(chunk) < num_samples - done
        new = tf.where(wanted[:, tf.newaxis], new, -float("inf"))
        return done + chunk, tf.math.reduce_logsumexp(
            tf.concat([total[tf.newaxis], new], axis=0), axis=0
        )

    start = (tf.constant(0), tf.fill([batch_size], -float("inf")))
    _, total = tf.while_loop(lambda done, _: done < num_samples, body, start)
    return total - tf.math.log(tf.cast(num_samples, tf.float32))
