"""Samples of an entry beside test examples: the `samples:` of its config's `evaluation:`.

samples:
  eyes: classifier.mnist         by the features of a shipped classifier; null: by themselves,
                                 levels on [0, 1]
  count: 10000
  mean: false                    true: means of p(x|z), compared with images that are not binarized
  sampler: {type: Ancestral}     of a diffusion; default: its own
  guidance: 1.0                  likewise
  ways: {means: {mean: true}}    measured besides, by name: changes to all of these but eyes
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import zoo.data
from zoo import catalogue, configuration, registration
from zoo.errors import ConfigError, NotSupported
from zoo.evaluation.results import Result, examples, protocol
from zoo.evaluation.samples import (
    COUNT,
    FEWEST,
    Eyes,
    Reference,
    compare_modes,
    compare_samples,
    drawn,
)
from zoo.models.diffusion import Diffusion

#: Data of the model's config, with changes to its `data:` section.
Load = Callable[..., zoo.data.Splits]

_PATH = ("evaluation", "samples")
# Arguments of `model.sample`.
_DRAWING = ("mean", "sampler", "guidance")
_CHANGES = ("count", *_DRAWING)


def ways(section: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is asked for, by the name of the way; that of the first one is ""."""
    asked = {key: value for key, value in section.items() if key != "ways"}
    # A base's way is taken back by null.
    others = {k: v for k, v in (section.get("ways") or {}).items() if v is not None}
    return {"": asked} | {way: {**asked, **changes} for way, changes in others.items()}


def drawing(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The options of `model.sample` that a way asks for."""
    options = {"mean": True} if asked.get("mean") else {}
    if "sampler" in asked:
        options["sampler"] = registration.build(asked["sampler"], (*_PATH, "sampler"))
    if "guidance" in asked:
        options["guidance"] = asked["guidance"]
    return options


def scores(
    model, config: Mapping[str, Any], section: Mapping[str, Any], load: Load
) -> dict[str, Result]:
    """Samples against test examples, in each way.

    Args:
        model: with `sample`.
        config: of its data.
        section: as the head of this file says.
        load: the data.

    Returns:
        As `compare_samples`, and for `points` as `compare_modes`; "WAY.NAME" but of the first way.
    """
    found: dict[str, Result] = {}
    references: dict[bool, Reference] = {}
    for way, asked in ways(section).items():
        # What is seen of the data serves every way that is compared with the same.
        mean = bool(asked.get("mean"))
        if mean not in references:
            references[mean] = _reference(model, config, asked.get("eyes"), mean, load)
        count = asked.get("count", COUNT)
        # Too few training examples are found out before hours of drawing.
        references[mean].floor(count)
        fake = drawn(model, count, **drawing(asked))
        here = compare_samples(fake, references[mean])
        if config["data"]["name"] == "points":
            here |= compare_modes(fake, references[mean].source)
        found |= {f"{way}.{key}" if way else key: result for key, result in here.items()}
    return found


def _reference(
    model, config: Mapping[str, Any], eyes: str | None, mean: bool, load: Load
) -> Reference:
    """What samples, or means, are compared with."""
    changes = {"binarize": "none"} if mean and "binarize" in config["data"] else {}
    parts = load(**changes)
    train, test = (np.concatenate(list(examples(part))) for part in (parts.train, parts.test))
    source = {
        **protocol(parts.test),
        "samples": "means" if mean else "draws",
        "eyes": eyes or "none",
    }
    likelihood = getattr(model, "likelihood", None)
    to_unit = np.asarray if likelihood is None else likelihood.to_network
    if eyes is None:
        seen = Eyes(config["data"]["name"], lambda x: np.reshape(to_unit(x), [len(x), -1]))
    else:
        judge = catalogue.load(eyes)
        seen = Eyes(
            eyes.partition(".")[2],
            lambda x: judge.features(to_unit(x)),
            lambda x: judge.classify(to_unit(x)),
        )
    return Reference(test, train, seen, source)


def check(model, section: Mapping[str, Any]) -> None:
    """Raises a ConfigError for what would be found wrong only after training."""
    _known(section, ("eyes", *_CHANGES, "ways"), _PATH)
    _check_eyes(model, section.get("eyes"))
    others = section.get("ways") or {}
    if not isinstance(others, Mapping):
        raise ConfigError(f"ways are changes by name, not {others!r}", (*_PATH, "ways"))
    for way, changes in others.items():
        if changes is not None:
            _known(changes, _CHANGES, (*_PATH, "ways", way))
    for asked in ways(section).values():
        _check_way(model, asked)


def check_judge(name: Any, path: tuple[str, ...]) -> None:
    """Raises a ConfigError unless `name` is a trained classifier, or None."""
    if name is not None and not _classifier(name):
        raise ConfigError(f"{name!r} is no trained classifier that could judge", path)


def _classifier(name: Any) -> Mapping[str, Any]:
    """The `model:` of a trained classifier; empty of anything else."""
    if not catalogue.is_pretrained(str(name)):
        return {}
    section = configuration.read(name).values["model"]
    return section if section[registration.TYPE] == "Classifier" else {}


def _check_eyes(model, name: Any) -> None:
    check_judge(name, (*_PATH, "eyes"))
    shape = list(model.event_shape)
    if name is not None and (seen := _classifier(name)["event_shape"]) != shape:
        raise ConfigError(
            f"{name} looks at examples of shape {seen}, not {shape}", (*_PATH, "eyes")
        )


def _known(section: Any, valid: tuple[str, ...], path: tuple[str, ...]) -> None:
    if not isinstance(section, Mapping):
        raise ConfigError(f"{'.'.join(path)} is a section, not {section!r}", path)
    for key in section:
        if key not in valid:
            raise ConfigError(
                f"{'.'.join(path)} has no key {key!r}; valid keys: {', '.join(valid)}",
                (*path, key),
            )


def _check_way(model, asked: Mapping[str, Any]) -> None:
    count = asked.get("count", COUNT)
    if type(count) is not int or count < FEWEST:
        raise ConfigError(
            f"count is a whole number from {FEWEST}, not {count!r}", (*_PATH, "count")
        )
    if type(asked.get("mean", False)) is not bool:
        raise ConfigError(f"mean is true or false, not {asked['mean']!r}", (*_PATH, "mean"))
    known = inspect.signature(model.sample).parameters
    options = drawing(asked)
    for key in options:
        if key not in known:
            raise ConfigError(f"samples of a {type(model).__name__} know no {key}", (*_PATH, key))
    if isinstance(model, Diffusion):
        try:
            model.walk_of(options.get("sampler"), options.get("guidance"))
        except NotSupported as error:
            raise ConfigError(str(error), _PATH) from error
