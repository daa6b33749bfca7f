"""What is said of a y that is missing, of a wrong shape, or that nobody asked for."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from conditional import CLASSES, COUNT, SIZE, X, Y, Z, conditional, fixed
from models import EVENT

import zoo.data
from zoo import distributions as zd
from zoo import networks as zn
from zoo.errors import DataError
from zoo.evaluation import evaluate
from zoo.models import VAE


def uses(model) -> dict:
    """Everything that takes y, given y."""
    return {
        "encode": lambda y: model.encode(X, y),
        "decode": lambda y: model.decode(Z, y),
        "reconstruct": lambda y: model.reconstruct(X, y),
        "sample": lambda y: model.sample(COUNT, y),
        "log_prob": lambda y: model.log_prob(X, y, num_samples=2),
        "fit": lambda y: model.fit(X, y, batch_size=4, verbose=0),
        "evaluate": lambda y: model.evaluate(X, y, verbose=0),
        "validation": lambda y: model.fit(X, Y["label"], validation_data=(X, y), verbose=0),
    }


def datasets(y) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(X if y is None else (X, y)).batch(4)


def uses_of_datasets(model) -> dict:
    return {
        "fit": lambda y: model.fit(datasets(y), verbose=0),
        "evaluate": lambda y: model.evaluate(datasets(y), verbose=0),
        "validation": lambda y: model.fit(
            datasets(Y["label"]), validation_data=datasets(y), verbose=0
        ),
        "check": lambda y: model.check(datasets(y)),
    }


WRONG = {
    "missing": (None, r"cvae is conditional: give it y, of shape \[B\], or data of \(x, y\)"),
    "too large": (np.array([4] + [0] * 11), "label 4 is none of the 4 classes.*integers 0 to 3"),
    "negative": (np.array([-1] + [0] * 11), "label -1 is none of the 4 classes"),
    "fractional": (np.full(COUNT, 0.5), "label 0.5 is none of the 4 classes"),
    "one-hot": (np.eye(4)[Y["label"]], r"takes y of shape \[12\], but was given \[12, 4\]"),
    "column": (Y["label"][:, None], r"takes y of shape \[12\], but was given \[12, 1\]"),
    "too few": (Y["label"][:7], r"takes y of shape .*12\], but was given \[7\]"),
    "NaN": (np.full(COUNT, np.nan), "finite numbers"),
    "words": (np.array(["a"] * COUNT), "finite numbers"),
}


@functools.cache
def compiled() -> VAE:
    model = conditional("label")
    model.compile()
    return model


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("use", uses(None))
def test_a_wrong_condition_is_one_clear_line(fault, use):
    y, message = WRONG[fault]
    if use == "decode" and fault in ("one-hot", "column", "too few"):
        message = r"takes y of shape \[5, 12\], but was given|takes y of shape \[12\], but was"
    with pytest.raises(DataError, match=message) as error:
        uses(compiled())[use](y)
    assert "\n" not in str(error.value)
    assert int(compiled().optimizer.iterations.numpy()) == 0


@pytest.mark.parametrize("fault", ["missing", "too large", "negative", "fractional"])
@pytest.mark.parametrize("use", uses_of_datasets(None))
def test_a_data_set_with_a_wrong_condition_is_one_clear_line(fault, use):
    y, message = WRONG[fault]
    with pytest.raises(DataError, match=message) as error:
        uses_of_datasets(compiled())[use](y)
    assert "\n" not in str(error.value)
    assert int(compiled().optimizer.iterations.numpy()) == 0


@pytest.mark.parametrize("use", ["fit", "evaluate", "encode", "log_prob", "sample"])
def test_a_condition_that_nobody_asked_for_is_one_clear_line(use):
    model = VAE(
        zn.MLP([8]), zd.MultivariateNormalDiag(2), zn.MLP([8]), zd.IndependentBernoulli(EVENT)
    )
    model.compile()
    first = COUNT if use == "sample" else X
    with pytest.raises(DataError, match="takes no y"):
        getattr(model, use)(first, y=Y["label"])


def test_looking_at_the_labels_does_not_count_as_an_epoch():
    data = zoo.data.from_array(X, Y["label"], values="unit", batch_size=4, shuffle=True)
    compiled().check(data)
    assert int(data.epoch.numpy()) == 0


def test_a_measure_without_labels_is_said():
    data = zoo.data.from_array(X, values="unit", batch_size=4)
    with pytest.raises(DataError, match="cvae is conditional: its data are"):
        evaluate(compiled(), data)


@pytest.mark.parametrize("kind, wanted", [("vector", "B, 5"), ("image", "B, 8, 8, 1")])
def test_the_shape_of_y_is_said(kind, wanted):
    model = fixed(kind)
    with pytest.raises(DataError, match=rf"give it y, of shape \[{wanted}\]"):
        model.sample(2)
    with pytest.raises(DataError, match=r"takes y of shape \[12, .*but was given \[12, 3\]"):
        model.encode(X, np.zeros((COUNT, 3)))


def test_networks_whose_features_do_not_fit_beside_each_other_are_said():
    for parts in (
        {"encoder": zn.DownEncoder(filters=[2])},
        {"condition": zn.DownEncoder(filters=[2]), "condition_shape": (8, 8, 1)},
    ):
        arguments = {
            "encoder": zn.MLP([4]),
            "posterior": zd.MultivariateNormalDiag(SIZE),
            "decoder": zn.MLP([4]),
            "likelihood": zd.IndependentBernoulli(EVENT),
            "condition": zn.OneHot(CLASSES),
        }
        with pytest.raises(ValueError, match=r"features are \[B, F\]: give it units"):
            VAE(**{**arguments, **parts}).ensure_built()


@pytest.mark.parametrize("classes", [0, 2.0, "ten"])
def test_a_number_of_classes_is_checked(classes):
    with pytest.raises(ValueError, match="whole number from 1"):
        zn.OneHot(classes)
