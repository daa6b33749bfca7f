"""Conditional models of labels, vectors and images, and data for them."""

import functools

import keras
import numpy as np
from models import EVENT, images

from zoo import distributions as zd
from zoo import networks as zn
from zoo.models import VAE

SIZE, CLASSES, COUNT = 3, 4, 12
X = images(COUNT)
Z = np.random.RandomState(0).normal(size=(5, COUNT, SIZE)).astype("float32")
RANDOM = np.random.RandomState(1)
Y = {
    "label": RANDOM.randint(CLASSES, size=COUNT).astype("int32"),
    "vector": RANDOM.normal(size=(COUNT, 5)).astype("float32"),
    "image": RANDOM.uniform(size=(COUNT, 8, 8, 1)).astype("float32"),
}
KINDS = tuple(Y)


def condition(kind: str):
    """The network from y, and the shape of one y."""
    return {
        "label": lambda: (zn.OneHot(CLASSES), ()),
        "vector": lambda: (zn.MLP([4]), (5,)),
        "image": lambda: (zn.ConvEncoder(filters=[2], units=[4]), (8, 8, 1)),
    }[kind]()


def conditional(kind: str, cls=VAE, **parts):
    keras.utils.set_random_seed(2)
    network, shape = condition(kind)
    parts = {
        "posterior": zd.MultivariateNormalDiag(SIZE),
        "likelihood": zd.IndependentBernoulli(EVENT),
        **parts,
    }
    model = cls(
        encoder=zn.MLP([8], activation="tanh"),
        decoder=zn.MLP([8], activation="tanh"),
        condition=network,
        condition_shape=shape,
        name="cvae",
        **parts,
    )
    model.ensure_built()
    return model


@functools.cache
def fixed(kind: str):
    """One untrained model for all tests that do not change it."""
    return conditional(kind)
