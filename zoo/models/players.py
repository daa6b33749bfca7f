"""Models of two networks that want different things, each with an optimizer of its own."""

import json
from typing import Any

import keras

from zoo.models.base import GenerativeModel


class TwoPlayers(GenerativeModel):
    """A model with an opponent: a second network, loss and optimizer.

    To be inherited first, before the family. A subclass names the constructor's argument that holds
    the opponent's optimizer, hands it to `keep_optimizer`, and says `opponent_variables`.
    """

    #: the argument, and the attribute, of the opponent's optimizer.
    second: str

    def keep_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Keeps it as the pattern of those that `compile` makes.

        Raises:
            ValueError: none of Keras's optimizers.
        """
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            who = self.second.removesuffix("_optimizer")
            raise ValueError(f"the {who}'s optimizer is {optimizer!r}, not one of Keras's")
        # An optimizer is saved with the model that holds it, so only a compiled one does, as with
        # the first optimizer.
        setattr(self, self.second, None)
        # As text: Keras would track a dictionary, and a copy of it would copy the model.
        self._pattern = json.dumps(keras.optimizers.serialize(optimizer))

    def opponent_variables(self) -> list[keras.Variable]:
        """What the opponent's optimizer moves; the rest is the other's."""
        raise NotImplementedError

    def compile(self, optimizer="adam", average: float | None = None, **kwargs):
        super().compile(optimizer=optimizer, average=average, **kwargs)
        own = keras.optimizers.deserialize(json.loads(self._pattern))
        scaled = isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)
        setattr(self, self.second, keras.optimizers.LossScaleOptimizer(own) if scaled else own)

    def optimized(self):
        opponent = self.opponent_variables()
        others = {id(v) for v in opponent}
        own = [v for v in self.trainable_variables if id(v) not in others]
        return [(self.optimizer, own), (getattr(self, self.second), opponent)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), self.second: json.loads(self._pattern)}
