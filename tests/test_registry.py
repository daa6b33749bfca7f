"""What every entry must do, written once and run over all configs at smoke size.

One short training serves all checks of an entry. Data are drawn from the model's own support, so
that nothing has to be at hand.
"""

import json

import keras
import numpy as np
import pytest

import zoo
from zoo import configuration, measuring, registration, storing
from zoo.models import GAN, Classifier, Restorer
from zoo.objectives import Hinge, Wasserstein
from zoo.training import TrainingSettings
from zoo.training.run import counts

NAMES = configuration.names()
BATCH = 16


def _models() -> list[str]:
    """The entries that take steps, without those whose model, at smoke size, is that of another.

    Models that count have tests of their own.
    """
    first: dict[str, str] = {}
    for name in NAMES:
        config = configuration.read(name, smoke=True).values
        section = config["model"]
        if counts(config):
            continue
        first.setdefault(json.dumps(section, sort_keys=True), name)
    return sorted(first.values())


def _structure(section):
    """A config's section without its numbers."""
    if isinstance(section, dict):
        return {key: _structure(value) for key, value in section.items()}
    if isinstance(section, list):
        return [_structure(value) for value in section]
    return section if isinstance(section, str | bool | None) else 0


def _architectures() -> set[str]:
    """The first model of each structure: XLA's compiler, which takes longest, sees each once."""
    first: dict[str, str] = {}
    for name in MODELS:
        section = configuration.read(name, smoke=True).values["model"]
        first.setdefault(json.dumps(_structure(section), sort_keys=True), name)
    return set(first.values())


storing.register_all()
MODELS = _models()
ARCHITECTURES = _architectures()


class Trained:
    """An entry's smoke model after three steps on one batch, and what it reported later on."""

    def __init__(self, name: str):
        self.model = zoo.create(name, smoke=True)
        self.x, self.y = _batch(self.model)
        self.before = [v.numpy() for v in self.model.trainable_variables]
        # A mean over pixels is so much smaller than nats that steps of 1e-4 would be rounded away.
        small = isinstance(self.model, Restorer)
        optimizer = keras.optimizers.SGD(0.1 if small else 1e-4)
        self.model.compile(optimizer=optimizer, jit_compile=name in ARCHITECTURES)
        self._fit(steps=3)
        self.after = [v.numpy() for v in self.model.trainable_variables]
        self.state = [v.numpy() for v in self.model.variables]
        self.reports = [self._evaluated() for _ in range(2)]
        self.state_then = [v.numpy() for v in self.model.variables]
        self.model.compile(optimizer=keras.optimizers.Adam(1e-2))
        self.start = self.end = self._evaluated()["loss"]
        # Most models need the first part only, and the large ones take long.
        for _ in range(3):
            self._fit(steps=50)
            self.end = self._evaluated()["loss"]
            if self.has_learned():
                break

    def has_learned(self) -> bool:
        return self.end < self.start - 0.05 * abs(self.start)

    def _fit(self, steps: int) -> None:
        # One epoch over copies of the batch: an epoch takes longer to begin than to do.
        copies = [None if a is None else np.concatenate([a] * steps) for a in (self.x, self.y)]
        self.model.fit(*copies, batch_size=BATCH, epochs=1, shuffle=False, verbose=0)

    def _evaluated(self) -> dict[str, float]:
        return self.model.evaluate(self.x, self.y, verbose=0, return_dict=True)


# By module, so that all tests of one model come together and only one is held at a time.
@pytest.fixture(scope="module", params=MODELS)
def entry(request):
    yield Trained(request.param)
    keras.backend.clear_session()


def _batch(model):
    if isinstance(model, Classifier):
        random = np.random.RandomState(0)
        x = random.random_sample((BATCH, *model.event_shape)).astype(np.float32)
        if model.levels is not None:
            x = np.floor(x * (model.levels + 1))
        return x, random.randint(0, model.likelihood.levels, BATCH).astype(np.int32)
    # Two images, so that a few units can learn them by heart.
    y = _conditions(model)
    if model.can("sample"):
        x = model.sample(2, y, seed=1).numpy()
    else:
        x = np.random.RandomState(0).random_sample((2, *model.event_shape)).astype(np.float32)
    return np.repeat(x, BATCH // 2, axis=0), y if y is None else np.repeat(y, BATCH // 2, axis=0)


def _conditions(model):
    """Two different conditions, for a model that takes any."""
    spec = getattr(model, "condition_spec", None)
    if spec is None:
        return None
    return np.stack([np.full(spec.shape[1:], i) for i in (0, 1)]).astype(spec.dtype.name)


def outputs(entry, model) -> dict[str, np.ndarray]:
    x = entry.x if entry.y is None or isinstance(model, Classifier) else (entry.x, entry.y)
    return {k: np.asarray(v) for k, v in model(x).items()}


def test_every_variable_has_moved(entry):
    for variable, before, after in zip(
        entry.model.trainable_variables, entry.before, entry.after, strict=True
    ):
        assert np.isfinite(after).all(), variable.path
        if _cancels(entry.model, variable):
            continue
        assert not np.array_equal(before, after), f"{variable.path} got no gradient"


def test_evaluation_repeats_itself_and_changes_nothing(entry):
    first, second = entry.reports
    assert first == second
    for old, new in zip(entry.state, entry.state_then, strict=True):
        np.testing.assert_array_equal(old, new)


def _cancels(model, variable) -> bool:
    """A bias of a critic whose loss is T(fake) - T(data), or a hinge that no logit has passed:
    what is added to both has no effect."""
    if not isinstance(getattr(model, "objective", None), Wasserstein | Hinge):
        return False
    opponent = {id(v) for v in model.opponent_variables()}
    return variable.path.endswith("bias") and id(variable) in opponent


def test_one_batch_can_be_learned_by_heart(entry):
    if isinstance(entry.model, GAN):
        pytest.skip("neither loss of a game falls; what a GAN learns is in test_gan.py")
    assert entry.has_learned(), f"{entry.start} -> {entry.end}"


def test_a_model_and_its_config_are_the_same_thing(entry):
    model = entry.model
    spec = storing.spec(model)
    again = registration.build(spec)
    again.ensure_built()
    assert storing.spec(again) == spec
    assert [v.shape for v in again.variables] == [v.shape for v in model.variables]


def test_saved_and_loaded_models_agree(entry, tmp_path):
    zoo.save(entry.model, tmp_path / "saved")
    entry.model.save(tmp_path / "model.keras")
    wanted = outputs(entry, entry.model)
    for model in (
        zoo.load(tmp_path / "saved"),
        keras.models.load_model(tmp_path / "model.keras"),
    ):
        for key, value in outputs(entry, model).items():
            np.testing.assert_array_equal(value, wanted[key], err_msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_every_section_of_a_config_is_understood(name):
    config = configuration.read(name)
    settings = TrainingSettings.from_config(config.values["training"])
    assert settings.build_optimizer(steps_per_epoch=10).learning_rate is not None
    assert config.values["title"] and config.values["licence"] == "Apache-2.0"
    # An unknown key in `evaluation:` raises before anything is measured.
    measuring.check(zoo.create(name, smoke=True), config.values.get("evaluation") or {})


def test_every_public_class_stands_in_a_config_or_says_why_not():
    # Parts that no entry uses yet; each has tests of its own.
    without_entry = {
        "Density",  # what `fit_density` trains
        "Minimax",
        "MaskedAutoregressiveFlow",  # what `fit_density` fits
        "MaskedMLP",  # a part of flows
        "MaximumLikelihood",  # the classifier's, which makes it itself
        "NormalPrior",  # what `fit_density` fits
        "SGD",
        "Stages",
    }
    storing.register_all()
    used = set()

    def collect(value):
        if isinstance(value, dict):
            used.add(value.get("type"))
            for item in value.values():
                collect(item)

    for name in NAMES:
        collect(configuration.read(name).values)
    ours = {
        n for n, b in registration.registered().items() if b.__module__.startswith(("zoo", "keras"))
    }
    assert ours - used == without_entry
