"""What an objective is: a function of a model's terms, with arguments that a config can name."""

from typing import Any, get_type_hints

import tensorflow as tf


class Objective:
    """Turns terms into a loss.

    Attributes:
        couples_batch: False: the loss is `[B]`, one number per example. True: it is a scalar that
            looks at the whole batch, so that a replica sees only its share.
        num_samples: posterior samples per example that it wants in the terms.

    A subclass keeps each argument under its own name, so that its config is its attributes.
    """

    couples_batch = False
    num_samples = 1

    def __call__(self, terms: Any, step: int | tf.Tensor = 0) -> tf.Tensor:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Objective":
        return cls(**config)


def check_fits(objective: Objective, model: type) -> None:
    """Raises ValueError unless it is an objective over the terms that models of this class make.

    Both say so in their annotations: the objective's `terms`, and what `model.terms` returns.
    """
    if not isinstance(objective, Objective):
        raise ValueError(
            f"the objective of a {model.__name__} is {objective!r}, and none of zoo.objectives"
        )
    takes = get_type_hints(type(objective).__call__).get("terms", Any)
    makes = get_type_hints(model.terms).get("return", Any)
    if Any not in (takes, makes) and not issubclass(makes, takes):
        raise ValueError(
            f"{type(objective).__name__} is an objective over {takes.__name__}, and "
            f"{model.__name__} makes {makes.__name__}: choose another objective"
        )
