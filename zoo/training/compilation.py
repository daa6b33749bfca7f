"""XLA or not, and how many steps per call: one owner for the choice.

Measured on two CPU cores: XLA is faster for dense models, and slower for convolutions, where
oneDNN is better. On a GPU it is Keras's default. Under a strategy Keras can do neither XLA nor
several steps per call.
"""

import tensorflow as tf

from zoo.errors import ConfigError
from zoo.models.base import GenerativeModel
from zoo.training.settings import TrainingSettings


def compile_arguments(
    model: GenerativeModel, settings: TrainingSettings, steps_per_epoch: int
) -> dict[str, bool | int]:
    """`jit_compile` and `steps_per_execution` for `model.compile`.

    Raises:
        ConfigError: XLA or several steps per call under a strategy.
    """
    jit, steps = settings.jit_compile, settings.steps_per_execution
    if tf.distribute.has_strategy():
        for name, value, possible in (
            ("jit_compile", jit, ("auto", False)),
            ("steps_per_execution", steps, ("auto", 1)),
        ):
            if value not in possible:
                raise ConfigError(
                    f"training.{name} is {value}, which Keras cannot do on several devices: "
                    "leave it out",
                    ("training", name),
                )
        return {"jit_compile": False, "steps_per_execution": 1}
    if jit == "auto":
        jit = bool(tf.config.list_physical_devices("GPU")) or model.prefers_xla()
    if steps == "auto":
        steps = 20 if jit else 10
    return {"jit_compile": bool(jit), "steps_per_execution": max(1, min(steps, steps_per_epoch))}
