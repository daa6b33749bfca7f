"""Models without gradients: fitted by one look at the data, with the contract of the others."""

import os
from typing import Any


class CountedModel:
    """A model that keeps the contract of `GenerativeModel` without being a Keras model.

    A subclass defines `fit_stream`, `log_prob`, `log_probs_stream`, `sample`, `save_weights`,
    `load_weights`, `get_config`, `from_config`, `check` and `numbers`.
    """

    name = "counted"
    event_shape: tuple[int, ...]
    likelihood_kind = "exact"

    @property
    def numbers(self) -> int:
        """How many numbers the fitted model keeps."""
        raise NotImplementedError

    def save_weights(self, path: str | os.PathLike) -> None:
        raise NotImplementedError

    def load_weights(self, path: str | os.PathLike) -> None:
        raise NotImplementedError

    def ensure_built(self) -> None:
        """Nothing: what it keeps comes from the data."""

    def count_params(self) -> int:
        """As Keras's models have it."""
        return self.numbers

    def can(self, name: str) -> bool:
        """Whether the model has `name` of the contract, such as "sample"."""
        return callable(getattr(self, name, None))

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError
