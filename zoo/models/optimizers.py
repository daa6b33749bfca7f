"""The optimizers that a config can name: Keras's own."""

import keras

from zoo.registration import register_builder

OPTIMIZERS = ("Adam", "AdamW", "SGD")
for _name in OPTIMIZERS:
    register_builder(_name, getattr(keras.optimizers, _name))
