"""What is measured of an entry: its config's `evaluation:` section, carried out.

evaluation:
  num_samples: 5000                 options of `zoo.evaluate`, by family
  baselines: [gaussian_mixture]     classical methods on the same data
  judge: classifier.mnist           a shipped classifier that looks at the 2-D manifold, or at
                                    samples of each class of a conditional model
  judged: 10000                     at so many samples
  factors: 10000                    points at which codes and true factors of `shapes` are compared
  probe: 10000                      training examples from which a linear probe learns the labels,
                                    by hidden activations and by pixels; a conditional model, such
                                    as one that builds on this entry, has been told, and has none
  samples: {eyes: classifier.mnist} samples, compared with test examples: see `zoo.judging`
  reference: vae_20d.mnist          a shipped entry, measured on the same data and compared
  sets:                             other test sets, by name: changes to the `data:` section
    binarized: {binarize: static}
"""

import dataclasses
import functools
import inspect
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

import zoo.data
from zoo import catalogue, judging
from zoo.data.descriptions import describe
from zoo.errors import ConfigError
from zoo.evaluation import Result, classes_found, evaluate
from zoo.evaluation.classification import SAMPLES, share_as_asked
from zoo.evaluation.comparisons import COMPARISONS, compare
from zoo.evaluation.disentanglement import disentanglement
from zoo.evaluation.probing import probe
from zoo.evaluation.results import examples, mean_result, protocol
from zoo.evaluation.toy import evaluate_toy
from zoo.pictures.codes import decode_images, manifold_codes

_OWN_KEYS = (
    "baselines",
    "factors",
    "judge",
    "judged",
    "probe",
    "published",
    "quadrature",
    "reference",
    "samples",
    "sets",
)
_MANIFOLD_SIDE = 20
_PART = 256
# Same seed, same machine: equal. Another machine rounds, and XLA draws, differently.
_RELATIVE = 1e-3


def measure(
    model, config: Mapping[str, Any], only: Collection[str] | None = None
) -> dict[str, Result]:
    """Measures a model on its test data.

    Args:
        model: trained as `config` says.
        config: resolved, with `data` and perhaps `evaluation`.
        only: these sections of `evaluation`, such as "samples", and nothing else; None: all.

    Returns:
        Results by name; those of a set in `sets:` are called "SET.NAME".

    Raises:
        ConfigError: an unknown key in `evaluation:`, or nothing there of what `only` names.
        DataError: the data are not at hand.
    """
    options = dict(config.get("evaluation") or {})
    check(model, options)
    # What a base asks for is taken back by null.
    own = {k: v for k in _OWN_KEYS if (v := options.pop(k, None)) is not None}
    for name in only or ():
        if name not in own or name not in _SECTIONS:
            raise ConfigError(
                f"there is nothing to measure in evaluation.{name}", ("evaluation", name)
            )
    results = _by_family(model, config, own, options) if only is None else {}
    for name, section in _SECTIONS.items():
        if name in own and (only is None or name in only):
            results |= section(model, config, own, options)
    if "reference" in own and only is None:
        results |= _gain(results, own["reference"], test_data(config), options)
    return results


def measure_part(model, config: Mapping[str, Any]) -> dict[str, Result]:
    """A part of `measure` that takes seconds: the first 256 test examples, the family's defaults.

    Its own record stands on the card, so that the tests can measure every entry again.
    """
    whole = test_data(config)
    description = zoo.data.description(whole)
    images = min(_PART, description.count)
    data = whole.unbatch().take(images).batch(images)
    part = dataclasses.replace(description, split=f"{description.split}[:{images}]", count=images)
    return evaluate(model, describe(data, part))


def splits(config: Mapping[str, Any], **changes: Any) -> zoo.data.Splits:
    """The data of a config, with changes to its `data:` section."""
    # The batches of training: a small set does not fill larger ones.
    size = {k: v for k, v in config.get("training", {}).items() if k == "batch_size"}
    arguments = {**size, **config["data"], **changes}
    return zoo.data.load(arguments.pop("name"), **arguments)


def test_data(config: Mapping[str, Any], **changes: Any):
    """The test set of a config."""
    return splits(config, **changes).test


def check(model, section: Mapping[str, Any]) -> None:
    """Raises a ConfigError if the `evaluation:` section has a key that means nothing."""
    family = evaluate.dispatch(type(model))
    options = [p for p in inspect.signature(family).parameters if p not in ("model", "data")]
    valid = [*options, *_OWN_KEYS]
    for key in section:
        if key not in valid:
            raise ConfigError(
                f"evaluation has no key {key!r}; valid keys: {', '.join(valid)}",
                ("evaluation", key),
            )
    _check_values(model, section)
    if section.get("samples") is not None:
        judging.check(model, section["samples"])
    for name in section.get("baselines") or []:
        if name not in COMPARISONS:
            raise ConfigError(
                f"no baseline {name!r}; valid: {', '.join(COMPARISONS)}",
                ("evaluation", "baselines"),
            )


def _check_values(model, section: Mapping[str, Any]) -> None:
    """Raises a ConfigError for a value that would be found wrong only after training."""
    _check_judge(model, section.get("judge"))
    count = section.get("num_samples")
    if count is not None and (type(count) is not int or count < 1):
        raise ConfigError(
            f"num_samples is a whole number from 1, not {count!r}", ("evaluation", "num_samples")
        )
    levels = section.get("levels", [])
    if not isinstance(levels, list) or not all(
        isinstance(v, int | float) and 0 <= v < math.inf for v in levels
    ):
        raise ConfigError(
            f"levels are a list of numbers from 0, not {levels!r}", ("evaluation", "levels")
        )


def _check_judge(model, judge: Any) -> None:
    path = ("evaluation", "judge")
    judging.check_judge(judge, path)
    told = getattr(model, "condition", None) is not None
    # Without a class that was asked for, it looks at a manifold, which is a line or a plane.
    if judge is not None and not told and getattr(model, "latent_shape", None) not in ((1,), (2,)):
        raise ConfigError(
            "a judge looks at samples of a conditional model, or at the manifold of 1 or 2 "
            "latents: for other samples say `samples: {eyes: ...}`",
            path,
        )


def _by_family(model, config, own, options) -> dict[str, Result]:
    results = {}
    for name, changes in own.get("sets", {"": {}}).items():
        data = test_data(config, **changes)
        for key, result in evaluate(model, data, **options).items():
            results[f"{name}.{key}" if name else key] = result
    return results


def _baselines(model, config, own, options) -> dict[str, Result]:
    results = {}
    for name in own["baselines"]:
        found = compare(name, model, functools.partial(splits, config), options)
        results |= {f"baseline.{key}": result for key, result in found.items()}
    return results


def _quadrature(model, config, own, options) -> dict[str, Result]:
    if not own["quadrature"]:
        return {}
    images = np.concatenate(list(examples(test_data(config))))
    found = evaluate_toy(model, images, options["num_samples"], options.get("seed", 0))
    return found.results(protocol(test_data(config)))


def _factors(model, config, own, options) -> dict[str, Result]:
    del config, options
    return disentanglement(model, points=own["factors"])


def _judge(model, config, own, options) -> dict[str, Result]:
    del config, options
    return _judged(model, own["judge"], own.get("judged", SAMPLES))


def _probe(model, config, own, options) -> dict[str, Result]:
    del options
    if getattr(model, "condition", None) is not None:
        return {}
    labelled = splits(config, labels=True)
    found = probe(model, labelled.train, labelled.test, own["probe"])
    return {f"probe.{key}": result for key, result in found.items()}


def _samples(model, config, own, options) -> dict[str, Result]:
    del options
    found = judging.scores(model, config, own["samples"], functools.partial(splits, config))
    return {f"samples.{key}": result for key, result in found.items()}


_SECTIONS = {
    "baselines": _baselines,
    "quadrature": _quadrature,
    "factors": _factors,
    "judge": _judge,
    "probe": _probe,
    "samples": _samples,
}


def _judged(model, judge: str, samples: int = SAMPLES) -> dict[str, Result]:
    classifier = catalogue.load(judge)
    if getattr(model, "condition", None) is not None:
        source = {"name": "samples, drawn from the likelihood", "judge": judge}
        return {"asked_class": share_as_asked(model, classifier, samples, source)}
    # The very images of `zoo picture manifold`.
    grid = manifold_codes(model.prior_distribution(), _MANIFOLD_SIDE)
    images = decode_images(model, grid).reshape(-1, *model.event_shape)
    found = classes_found(classifier.classify(images))
    count = sum(n > 0 for n in found.values())
    source = {"name": f"{_MANIFOLD_SIDE} x {_MANIFOLD_SIDE} manifold", "judge": judge}
    return {
        "manifold_classes": Result(float(count), None, "classes with p > 0.8", len(images), source)
    }


def _gain(
    results: Mapping[str, Result], reference: str, data, options: Mapping[str, Any]
) -> dict[str, Result]:
    """How much larger the model's likelihood is than a shipped entry's, image by image."""
    others = evaluate(catalogue.load(reference), data, **options)
    gains = {}
    for name in ("elbo", "importance"):
        if name in results and name in others:
            paired = results[name].per_example - others[name].per_example
            gains[f"gain.{name}"] = mean_result(
                paired, f"nats over {reference}", protocol(data), difference=True
            )
    return gains


def drifts(
    card: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What differs between two sets of records, one line each; none if they agree.

    They agree if they were measured on the same data and by the same protocol, and the values
    differ by at most 1e-3 of the value and at most four standard errors. A paired difference is
    near zero by nature: for it, the standard errors alone count.
    """
    faults = [f"{name} is on one side only" for name in sorted(card.keys() ^ found.keys())]
    for name in card.keys() & found.keys():
        old, new = card[name], found[name]
        for key in ("kind", "unit", "count", "data", "num_samples"):
            if old.get(key) != new.get(key):
                faults.append(f"{name}: {key} was {old.get(key)!r}, is {new.get(key)!r}")
        difference = abs(new["value"] - old["value"])
        relative = math.inf if old.get("difference") else _RELATIVE * abs(old["value"])
        allowed = min(relative, 4 * old.get("standard_error", math.inf))
        if not difference <= allowed:
            faults.append(f"{name} was {old['value']:.6g}, is {new['value']:.6g}")
    return faults
