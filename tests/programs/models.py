"""What the programs in this folder train: small, and the same in every process."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from zoo import distributions as zd
from zoo import networks as zn
from zoo.models import VAE
from zoo.noise import fold
from zoo.objectives import ELBO, VariationalTerms

EVENT = (4, 4, 1)
SIZE = 3
BATCH = 8
STEPS = 5


class FixedNoise(VAE):
    """Draws the noise of the global batch, and takes the rows of its own replica."""

    def terms(self, x, y=None, training=False, seed=None):
        context = tf.distribute.get_replica_context()
        replicas, replica = context.num_replicas_in_sync, context.replica_id_in_sync_group
        key = fold(self.seed, "noise of the test", self.train_steps)
        rows = tf.random.stateless_normal((replicas, BATCH // replicas, SIZE), key)[replica]
        posterior, prior = self.encode(x), self.prior_distribution()
        z = (posterior.mean() + posterior.stddev() * rows)[tf.newaxis]
        log_likelihood = self.decode(z).log_prob(x)
        kl = posterior.kl_divergence(prior)
        log_weights = log_likelihood + prior.log_prob(z) - posterior.log_prob(z)
        return VariationalTerms(
            log_likelihood, kl, log_weights, posterior, prior, z, "closed form", None, seed
        )


class NoNoise(VAE):
    """Decodes the posterior's mean, so that one and several replicas can be compared."""

    def terms(self, x, y=None, training=False, seed=None):
        terms = super().terms(x, y, training, seed)
        log_likelihood = self.decode(terms.posterior.mean()[tf.newaxis]).log_prob(x)
        return dataclasses.replace(terms, log_likelihood=log_likelihood)


def vae(cls=VAE, seed: int = 3, objective=None) -> VAE:
    """A dense VAE over binary 4x4 images."""
    keras.utils.set_random_seed(1)
    model = cls(
        encoder=zn.MLP([8], activation="tanh"),
        posterior=zd.MultivariateNormalDiag(SIZE),
        decoder=zn.MLP([8], activation="tanh"),
        likelihood=zd.IndependentBernoulli(EVENT),
        objective=objective or ELBO(),
        seed=seed,
    )
    model.ensure_built()
    return model


def images(count: int = BATCH * STEPS, seed: int = 0) -> np.ndarray:
    """Binary images with a few common patterns."""
    random = np.random.RandomState(seed)
    patterns = random.uniform(size=(3, *EVENT)) < 0.5
    flips = random.uniform(size=(count, *EVENT)) < 0.1
    return (patterns[random.randint(3, size=count)] ^ flips).astype("float32")


def batches(count: int = BATCH * STEPS) -> tf.data.Dataset:
    """Images in order, cut by the global batch."""
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return tf.data.Dataset.from_tensor_slices(images(count)).batch(BATCH).with_options(options)


def five_steps(strategy: tf.distribute.Strategy) -> list[np.ndarray]:
    """The weights after five steps of gradient descent with noise fixed per example."""
    with strategy.scope():
        model = vae(FixedNoise)
        model.compile(optimizer=keras.optimizers.SGD(0.05))
    model.fit(batches(), verbose=0)
    assert int(model.optimizer.iterations.numpy()) == STEPS
    return model.get_weights()


def difference(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    """Relative distance of two sets of weights."""
    a, b = (np.concatenate([w.ravel() for w in weights]) for weights in (a, b))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
