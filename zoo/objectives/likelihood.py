"""Maximum likelihood, for models whose log-probability is exact."""

import dataclasses

import tensorflow as tf

from zoo.objectives.base import Objective
from zoo.registration import register


@dataclasses.dataclass(frozen=True)
class LikelihoodTerms:
    """Per-example terms of a model with an exact log-probability.

    Attributes:
        log_likelihood: `[B]`, log p(x), or log p(y|x) of a classifier, in nats.
        others: further per-example quantities to report, `[B]` each, by name.
    """

    log_likelihood: tf.Tensor
    others: dict[str, tf.Tensor] = dataclasses.field(default_factory=dict)

    def metrics(self) -> dict[str, tf.Tensor]:
        return {"log_likelihood": self.log_likelihood, **self.others}


@register
class MaximumLikelihood(Objective):
    """loss = -log p, in nats."""

    def __call__(self, terms: LikelihoodTerms, step: int | tf.Tensor = 0) -> tf.Tensor:
        """Loss `[B]`."""
        return -terms.log_likelihood
