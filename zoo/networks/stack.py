"""What sequential networks share."""

import keras


class Stack(keras.layers.Layer):
    """Runs `self.stack`, one layer after the other."""

    stack: list[keras.layers.Layer]

    def build(self, input_shape):
        shape = tuple(input_shape)
        for layer in self.stack:
            if not layer.built:
                layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, inputs):
        hidden = inputs
        for layer in self.stack:
            hidden = layer(hidden)
        return hidden

    def compute_output_shape(self, input_shape):
        shape = tuple(input_shape)
        for layer in self.stack:
            shape = layer.compute_output_shape(shape)
        return shape
