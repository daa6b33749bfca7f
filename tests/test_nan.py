"""A run that stops being finite stops, and says at which step and in which term."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from models import batches, vae

from zoo.errors import TrainingError
from zoo.models import VAE
from zoo.training.callbacks import StopAtNaN
from zoo.training.state import Selection

BREAK = 3


class Breaks(VAE):
    """One term of one example is not finite from step BREAK on."""

    field, value = "kl", float("nan")

    def terms(self, x, y=None, training=False, seed=None):
        terms = super().terms(x, y, training, seed)
        if not training:
            return terms
        broken = getattr(terms, self.field)
        one = tf.one_hot(2, tf.shape(x)[0], on_value=self.value, off_value=0.0)
        bad = broken + tf.where(self.train_steps >= BREAK, one, tf.zeros_like(one))
        return dataclasses.replace(terms, **{self.field: bad})


class BreaksLikelihood(Breaks):
    field, value = "log_likelihood", -float("inf")


class BreaksGradient(VAE):
    """Finite terms whose gradient is not: that of sqrt at 0."""

    def terms(self, x, y=None, training=False, seed=None):
        terms = super().terms(x, y, training, seed)
        one = tf.cast(self.train_steps < BREAK, tf.float32)
        kl = terms.kl + tf.sqrt(one * tf.square(tf.reduce_sum(terms.latents)))
        return dataclasses.replace(terms, kl=kl)


MODES = {
    "plain": {},
    "ten steps a call": {"steps_per_execution": 10},
    "XLA": {"jit_compile": True},
    "XLA, ten steps a call": {"jit_compile": True, "steps_per_execution": 10},
}


@pytest.mark.parametrize(
    "cls, term, mode",
    [
        *((Breaks, "kl", mode) for mode in MODES),
        (BreaksLikelihood, "log_likelihood", "ten steps a call"),
        (BreaksGradient, "gradients", "ten steps a call"),
    ],
)
def test_the_first_bad_step_and_its_term_are_named(cls, term, mode):
    model = vae(cls)
    model.compile(optimizer=keras.optimizers.SGD(1e-2), **MODES[mode])
    with pytest.raises(TrainingError, match=rf"^{term} is not finite at step {BREAK} ") as error:
        model.fit(batches(96), epochs=3, callbacks=[StopAtNaN()], verbose=0)
    assert "\n" not in str(error.value)
    # It stopped in the epoch where it happened.
    assert int(model.optimizer.iterations.numpy()) <= 12


def test_a_learning_rate_that_is_too_large_is_noticed():
    model = vae()
    model.compile(optimizer=keras.optimizers.SGD(1e30), steps_per_execution=5)
    with pytest.raises(TrainingError, match=r"is not finite at step [1-5] .*learning rate"):
        model.fit(batches(), epochs=2, callbacks=[StopAtNaN()], verbose=0)


def test_a_second_fit_starts_with_a_clean_slate():
    model = vae(Breaks)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    with pytest.raises(TrainingError, match="kl"):
        model.fit(batches(32), verbose=0)
    assert model.guard.first() == (BREAK, "kl")
    model.train_steps.assign(0)
    model.fit(batches(16), callbacks=[StopAtNaN()], verbose=0)
    assert model.guard.first() is None


@pytest.mark.parametrize(
    ("monitor", "best"), [("val_elbo", 2), ("val_loss", 3), ("squared_error", 3), ("accuracy", 2)]
)
def test_of_a_cost_the_least_is_the_best(monitor, best):
    assert Selection(monitor, None, None, history=["-3", "-2", "-4"]).best_epoch == best


def test_nan_on_validation_data_is_named():
    selection = Selection("val_elbo", None, patience=3)
    selection.on_epoch_end(0, {"val_elbo": -2.0})
    with pytest.raises(TrainingError, match="val_elbo is NaN after epoch 2"):
        selection.on_epoch_end(1, {"val_elbo": np.nan})
    with pytest.raises(TrainingError, match=r"nothing called 'val_elbo'.*there are: elbo"):
        selection.on_epoch_end(1, {"elbo": 0.0})
