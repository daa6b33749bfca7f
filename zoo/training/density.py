"""A density of the codes of a trained model, fitted afterwards: then it can be sampled.

Also of use for a variational autoencoder whose codes do not fill its prior. All the rest of the
model stays as it is.

Reference: Ghosh et al. 2020, arXiv 1903.12436, section 4 (a normal, a mixture); Papamakarios,
Pavlakou and Murray 2017, arXiv 1705.07057 (the masked autoregressive flow).
"""

import copy
import warnings
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from zoo import storing
from zoo.distributions import MaskedAutoregressiveFlow, MixtureOfNormals, NormalPrior
from zoo.errors import NotSupported
from zoo.evaluation.results import pairs
from zoo.models.density import Density
from zoo.models.latent import LatentModel
from zoo.noise import fold

# Codes, of those not held out, that a mixture is fitted on: more do not change it.
_MOST = 20_000
_COMPONENTS = (5, 10, 20, 50)


class FittedDensity(NamedTuple):
    """What `fit_density` returns.

    Attributes:
        model: a copy of the model, with the density as its prior.
        log_density: mean log-density of held-out codes, nats.
    """

    model: LatentModel
    log_density: float


def fit_density(
    model: LatentModel, data: tf.data.Dataset, density: str = "gmm", seed: int = 0
) -> FittedDensity:
    """Fits a density to the codes of training data, one draw from q(z|x) for each x.

    Args:
        model: trained; an autoencoder, or a variational one.
        data: batches of `x` or `(x, y)`; a tenth of the examples is held out.
        density: "gaussian", one with full covariance; "gmm", a mixture of them, as large as suits
            held-out codes; "maf", a masked autoregressive flow, trained until held-out codes
            become less likely.
        seed: of draws and of what is held out.

    Raises:
        NotSupported: a model without such codes, or an unknown density.
    """
    if not isinstance(model, LatentModel):
        raise NotSupported(f"{type(model).__name__} has no codes that a density could be fitted to")
    if density not in DENSITIES:
        raise NotSupported(f"unknown density {density!r}; choose one of: {', '.join(DENSITIES)}")
    model.ensure_built()
    codes = draws(model, data, seed)
    codes = codes[np.random.RandomState(seed).permutation(len(codes))]
    held_out = max(1, len(codes) // 10)
    train, valid = codes[held_out:], codes[:held_out]
    prior = DENSITIES[density](train, valid, seed)
    likely = prior.distribution(prior(None)).log_prob(valid)
    return FittedDensity(with_prior(model, prior), float(tf.reduce_mean(likely)))


def draws(model: LatentModel, data: tf.data.Dataset, seed: int = 0) -> np.ndarray:
    """One draw from q(z|x) for each x, `[N, D]`."""

    @tf.function(reduce_retracing=True)
    def step(x, y, index):
        return model.encode(x, y).sample(seed=fold(seed, "codes", index))

    found = (step(x, y, tf.constant(i)) for i, (x, y) in enumerate(pairs(data, model)))
    return np.concatenate([z.numpy() for z in found])


def with_prior(model: LatentModel, prior) -> LatentModel:
    """A copy of a model that has `prior` in place of its own."""
    values = copy.deepcopy(getattr(model, "config", None) or {"model": storing.spec(model)})
    values["model"]["prior"] = storing.spec(prior)
    changed = storing.built(values["model"])
    for name in ("encoder", "posterior", "decoder", "likelihood", "condition"):
        part = getattr(model, name)
        if part is not None:
            getattr(changed, name).set_weights(part.get_weights())
    changed.prior.set_weights(prior.get_weights())
    object.__setattr__(changed, "config", values)
    return changed


def _gaussian(train: np.ndarray, valid: np.ndarray, seed: int) -> NormalPrior:
    prior = NormalPrior(train.shape[1])
    prior.build()
    prior.start_at(train)
    return prior


def _mixture(train: np.ndarray, valid: np.ndarray, seed: int) -> MixtureOfNormals:
    with warnings.catch_warnings():
        # A candidate that did not converge is judged on held-out codes like the others.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [
            GaussianMixture(n, random_state=seed, reg_covar=1e-5).fit(train[:_MOST])
            for n in _COMPONENTS
            if n < len(train)
        ]
    best = max(fits, key=lambda fit: fit.score(valid))
    prior = MixtureOfNormals(train.shape[1], best.n_components, covariance="full")
    prior.build()
    prior.start_at(best.weights_, best.means_, np.linalg.cholesky(best.covariances_))
    return prior


def _flow(train: np.ndarray, valid: np.ndarray, seed: int) -> MaskedAutoregressiveFlow:
    keras.utils.set_random_seed(seed)
    model = Density(MaskedAutoregressiveFlow(train.shape[1], layers=5, units=[128]), seed=seed)
    model.ensure_built()
    model.density.start_at(train)
    model.compile(keras.optimizers.Adam(1e-3))
    stop = keras.callbacks.EarlyStopping(
        "val_log_likelihood", mode="max", patience=5, restore_best_weights=True
    )
    batch = min(200, len(train))
    whole = len(train) // batch * batch
    model.fit(
        train[:whole],
        validation_data=(valid,),
        batch_size=batch,
        epochs=100,
        callbacks=[stop],
        verbose=0,
    )
    return model.density


DENSITIES = {"gaussian": _gaussian, "gmm": _mixture, "maf": _flow}
