"""Objectives that look at the aggregate posterior q(z) = mean_x q(z|x), through a minibatch.

    TC(z)   = KL(q(z) || prod_d q(z_d))
    MMD^2   = E k(z, z') - 2 E k(z, p) + E k(p, p'),   z ~ q(z), p ~ p(z)

On several replicas, each looks at its own share of the batch.
"""

import math
from typing import Literal

import tensorflow as tf
import tensorflow_probability as tfp

from zoo.errors import NotSupported
from zoo.noise import fold
from zoo.objectives.base import Objective
from zoo.objectives.schedules import Ramp, checked, not_negative, value_at
from zoo.objectives.variational import VariationalTerms, marginals
from zoo.registration import register

tfd = tfp.distributions
ESTIMATORS = ("weighted", "stratified")


def total_correlation(
    latents: tf.Tensor, posterior: tfd.Distribution, examples: int, estimator: str = "weighted"
) -> tf.Tensor:
    """log q(z) - sum_d log q(z_d) at each of the batch's latents, from the batch alone.

    Args:
        latents: `[B, D]`, one draw from each example's posterior.
        posterior: diagonal normals, batch `[B]`.
        examples: N, size of the training set.
        estimator: "weighted": q(z_i) ~ 1/(N B) sum_j q(z_i|x_j), minibatch-weighted sampling,
            biased; "stratified": 1/N q(z_i|x_i) + (N - 1)/(N (B - 1)) sum_{j != i} q(z_i|x_j).

    Returns:
        `[B]` nats.

    Reference: Chen et al. 2018, arXiv 1802.04942, Eq. S3 and S6. Departures: in the stratified
    estimator the batch's other examples weigh the same, the mean of Eq. S6 over their order.
    """
    batch = latents.shape[0] or tf.shape(latents)[0]
    # [i, j, d] = log q(z_i,d | x_j)
    log_densities = marginals(posterior).log_prob(latents[:, tf.newaxis])
    size = tf.cast(batch, tf.float32)
    if estimator == "weighted":
        log_weights = -tf.math.log(examples * size) * tf.ones([batch, batch])
    else:
        others = math.log((examples - 1) / examples) - tf.math.log(size - 1)
        own = tf.eye(batch, dtype=tf.bool)
        log_weights = tf.where(own, -math.log(examples), others)
    joint = tf.reduce_logsumexp(log_weights + tf.reduce_sum(log_densities, axis=-1), axis=1)
    single = tf.reduce_logsumexp(log_weights[..., tf.newaxis] + log_densities, axis=1)
    return joint - tf.reduce_sum(single, axis=-1)


def squared_mmd(x: tf.Tensor, y: tf.Tensor, bandwidth: float) -> tf.Tensor:
    """Unbiased estimate of MMD^2 from samples `[B, D]` each, k(a, b) = exp(-|a - b|^2 / bandwidth).

    A batch of one has no pairs; their mean counts as 0 there, so that nothing becomes NaN.

    Reference: Gretton et al. 2012, Journal of Machine Learning Research 13, Eq. 3.
    """

    def kernel(a, b):
        return tf.exp(-tf.reduce_sum((a[:, tf.newaxis] - b) ** 2, axis=-1) / bandwidth)

    def mean_of_pairs(a):
        size = tf.cast(tf.shape(a)[0], tf.float32)
        return tf.math.divide_no_nan(tf.reduce_sum(kernel(a, a)) - size, size * (size - 1))

    return mean_of_pairs(x) + mean_of_pairs(y) - 2 * tf.reduce_mean(kernel(x, y))


@register
class TotalCorrelation(Objective):
    """loss = -ELBO + (beta - 1) TC(z): the beta-TC-VAE.

    Args:
        beta: weight of the total correlation in the KL's decomposition; a `Ramp` anneals it.
        examples: N, size of the training set.
        estimator: "weighted" or "stratified", see `total_correlation`.

    Reference: Chen et al. 2018, arXiv 1802.04942, Eq. 4, with alpha = gamma = 1. Departures: none.
    """

    couples_batch = True

    def __init__(
        self,
        beta: float | Ramp,
        examples: int,
        estimator: Literal["weighted", "stratified"] = "weighted",
    ):
        if estimator not in ESTIMATORS:
            raise ValueError(f"unknown estimator {estimator!r}; choose one of: {ESTIMATORS}")
        if int(examples) != examples or examples < 2:
            raise ValueError(f"examples is the training set's size, from 2, not {examples!r}")
        self.beta, self.examples = checked("beta", beta), int(examples)
        self.estimator = estimator

    def __call__(self, terms: VariationalTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss, a scalar."""
        correlation = total_correlation(
            terms.latents[0], terms.posterior, self.examples, self.estimator
        )
        extra = value_at(self.beta, step) - 1.0
        return tf.reduce_mean(extra * correlation - terms.elbo)


@register
class DIP(Objective):
    """loss = -ELBO + off_diagonal sum_{i != j} C_ij^2 + diagonal sum_i (C_ii - 1)^2, C = Cov_q(z).

    C = Cov_x(mean of q(z|x)) + mean_x(Cov of q(z|x)): DIP-VAE-II.

    Args:
        off_diagonal: lambda_od.
        diagonal: lambda_d.

    Reference: Kumar, Sattigeri and Balakrishnan 2018, arXiv 1711.00848, Eq. 7. Departures: none.
    """

    couples_batch = True

    def __init__(self, off_diagonal: float = 10.0, diagonal: float = 10.0):
        self.off_diagonal = not_negative("off_diagonal", off_diagonal)
        self.diagonal = not_negative("diagonal", diagonal)

    def __call__(self, terms: VariationalTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss, a scalar."""
        covariance = _aggregate_covariance(terms.posterior)
        variances = tf.linalg.diag_part(covariance)
        off = tf.reduce_sum(covariance**2) - tf.reduce_sum(variances**2)
        on = tf.reduce_sum((variances - 1.0) ** 2)
        return self.off_diagonal * off + self.diagonal * on - tf.reduce_mean(terms.elbo)


def _aggregate_covariance(posterior: tfd.Distribution) -> tf.Tensor:
    try:
        within = tf.reduce_mean(posterior.covariance(), axis=0)
    except NotImplementedError as error:
        raise NotSupported(
            f"a {type(posterior).__name__} does not know its covariance: use "
            "MultivariateNormalDiag or MultivariateNormalTriL"
        ) from error
    return tfp.stats.covariance(posterior.mean()) + within


@register
class MMD(Objective):
    """loss = kl_weight KL + weight MMD^2(q(z), p(z)) - E_q[log p(x|z)]: InfoVAE, with an MMD.

    Args:
        weight: alpha + lambda - 1.
        kl_weight: 1 - alpha; 0 is the MMD-VAE.
        bandwidth: of the kernel exp(-|a - b|^2 / bandwidth); None: the number of latents.

    Reference: Zhao, Song and Ermon 2019, arXiv 1706.02262, Eq. 6. Departures: none.
    """

    couples_batch = True

    def __init__(
        self, weight: float = 1000.0, kl_weight: float = 0.0, bandwidth: float | None = None
    ):
        self.weight = not_negative("weight", weight)
        self.kl_weight = not_negative("kl_weight", kl_weight)
        if bandwidth is not None and not_negative("bandwidth", bandwidth) <= 0:
            raise ValueError(f"a bandwidth is positive, not {bandwidth!r}")
        self.bandwidth = bandwidth

    def __call__(self, terms: VariationalTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss, a scalar."""
        codes = terms.latents[0]
        wanted = terms.prior.sample(tf.shape(codes)[0], seed=fold(terms.seed, "mmd"))
        distance = squared_mmd(codes, wanted, self.bandwidth or codes.shape[-1])
        weighted = self.kl_weight * terms.kl - tf.reduce_mean(terms.log_likelihood, axis=0)
        return self.weight * distance + tf.reduce_mean(weighted)
