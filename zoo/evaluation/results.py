"""Typed results: a number never travels without its kind, unit, standard error and protocol."""

import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

import zoo.data
from zoo.errors import DataError, NotSupported, ZooError
from zoo.numerics import bits_per_dim

EXACT, ELBO, IMPORTANCE = "exact", "elbo", "importance"


# The protocol of data that nobody has described: never comparable.
UNNAMED = {"name": "unnamed"}


class NotComparable(ZooError, ValueError):
    """Two results of different kinds or protocols."""


@dataclasses.dataclass(frozen=True)
class Result:
    """A number measured on a data set.

    Attributes:
        value: the number.
        standard_error: of the value, over the examples; None where there is none.
        unit: such as "nats".
        count: examples that it was measured on.
        data: protocol: name, version, split, binarization, values.
        estimator: of a KL: "closed form" or "sampled"; None where there is nothing to say.
        difference: a paired difference, which is near zero by nature.
        detail: numbers behind the value, by name, such as the share of each latent.
        per_example: each example's share, for paired differences; not part of the record.
    """

    value: float
    standard_error: float | None
    unit: str
    count: int
    data: Mapping[str, Any]
    estimator: str | None = dataclasses.field(default=None, kw_only=True)
    difference: bool = dataclasses.field(default=False, kw_only=True)
    detail: Mapping[str, Any] | None = dataclasses.field(default=None, kw_only=True)
    per_example: np.ndarray | None = dataclasses.field(
        default=None, repr=False, compare=False, kw_only=True
    )

    #: fields that must agree before two results are compared.
    PROTOCOL = ("unit", "count", "data")

    def minus(self, other: "Result") -> tuple[float, float]:
        """Difference of the values and its standard error, paired where the examples are at hand.

        Raises:
            NotComparable: another kind, unit or protocol, or data without a description.
        """
        if self.data == UNNAMED:
            raise NotComparable(
                "cannot compare: the data have no description; make them with zoo.data"
            )
        for name in dict.fromkeys((*self.PROTOCOL, *other.PROTOCOL)):
            mine, others = getattr(self, name, None), getattr(other, name, None)
            if mine != others:
                raise NotComparable(f"cannot compare: {name} is {mine!r} here and {others!r} there")
        if self.per_example is not None and other.per_example is not None:
            paired = self.per_example - other.per_example
            return float(paired.mean()), standard_error(paired)
        if self.standard_error is None or other.standard_error is None:
            raise NotComparable("cannot compare: a result has no standard error")
        error = math.hypot(self.standard_error, other.standard_error)
        return self.value - other.value, error

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        names = [f.name for f in dataclasses.fields(self) if f.name != "per_example"]
        fields = {name: getattr(self, name) for name in names}
        # Said where it is so.
        fields["difference"] = fields["difference"] or None
        return {
            k: dict(v) if isinstance(v, Mapping) else v for k, v in fields.items() if v is not None
        }

    def __str__(self) -> str:
        error = "" if self.standard_error is None else f" +- {self.standard_error:.3g}"
        return f"{self.value:.5g}{error} {self.unit} ({self.count} examples)"


@dataclasses.dataclass(frozen=True)
class LikelihoodResult(Result):
    """The mean log-likelihood of a data set; larger is better.

    Attributes:
        kind: "exact", "elbo" (a lower bound), or "importance" (a lower bound by K samples).
        dimensions: numbers per example; of examples of different lengths, the mean.
        num_samples: K of an importance estimate.
        log_levels: for densities of data scaled from levels to [0, 1], the log of the levels.
        element: what a dimension is: "dim", "char", "word" or "sample".
        gap: where only the ELBO covers the whole set: how the estimate's gap to it was measured.
    """

    kind: str = EXACT
    dimensions: float = 1
    num_samples: int | None = None
    log_levels: float = 0.0
    gap: Mapping[str, Any] | None = None
    element: str = "dim"

    PROTOCOL = (*Result.PROTOCOL, "kind", "num_samples", "gap_subset")

    @property
    def gap_subset(self) -> int | None:
        """Examples of the subset, where the value is a bound plus a gap."""
        return self.gap and self.gap["subset"]

    @property
    def bits_per_dim(self) -> float:
        """The negative log-likelihood in bits per dimension, of the original levels."""
        return bits_per_dim(-self.value, self.dimensions, self.log_levels)

    def record(self) -> dict[str, Any]:
        return {**super().record(), "bits_per_dim": self.bits_per_dim}

    def __str__(self) -> str:
        samples = f", K={self.num_samples}" if self.num_samples else ""
        return (
            f"{self.value:.3f} +- {self.standard_error:.3f} nats "
            f"({self.bits_per_dim:.4f} bits/{self.element}; {self.kind}{samples}; "
            f"{self.count} examples)"
        )


@functools.singledispatch
def evaluate(model, data: tf.data.Dataset, **options: Any) -> dict[str, Result]:
    """Measures a model on a data set, as its family does it: see `evaluate.registry`.

    Args:
        model: of any family that registered its measures.
        data: batches of `x` or `(x, y)`, the same at each pass, such as the test set of
            `zoo.data.load`.
        **options: the family's own.

    Returns:
        Results by name.

    Raises:
        NotSupported: no measures for this family.
    """
    raise NotSupported(f"nothing is measured of a {type(model).__name__}")


def protocol(data: tf.data.Dataset) -> dict[str, Any]:
    """What must agree before two numbers may be compared."""
    description = zoo.data.description(data)
    if description is None:
        return UNNAMED
    names = ("name", "version", "split", "binarization", "values")
    return {name: getattr(description, name) for name in names}


def mean_result(values: np.ndarray, unit: str, data: Mapping[str, Any], **others: Any) -> Result:
    """The mean over examples, with its standard error; `others` are fields of `Result`."""
    return Result(
        float(values.mean()),
        standard_error(values),
        unit,
        len(values),
        data,
        per_example=values,
        **others,
    )


def standard_error(values: np.ndarray) -> float:
    """Of the mean of independent values."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.inf


def examples(data: tf.data.Dataset, model=None) -> Iterator[np.ndarray]:
    """The batches of x, without labels; arguments and errors as for `pairs`."""
    return (x for x, _ in pairs(data, model))


def pairs(data: tf.data.Dataset, model=None) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The batches of x, and of what a conditional model is given beside it; None for any other.

    Args:
        data: batches of `x` or `(x, y)`.
        model: if given, every batch is checked for what it takes.

    Raises:
        DataError: not a `tf.data.Dataset`, an empty one, or values that the model cannot take.
    """
    if not isinstance(data, tf.data.Dataset):
        raise DataError(
            f"a {type(data).__name__} is not a tf.data set: make one with zoo.data.from_array(x)"
        )
    empty = True
    for batch in data:
        x, y = (*batch, None)[:2] if isinstance(batch, tuple) else (batch, None)
        conditional = getattr(model, "condition", None) is not None
        if conditional and y is None:
            raise DataError(f"{model.name} is conditional: its data are (x, y), labels=True")
        x = x.numpy()
        if model is not None:
            model.check(x)
        if conditional:
            model.check_given(y, (len(x),))
        empty = False
        yield x, y.numpy() if conditional else None
    if empty:
        raise DataError("the data set is empty")
