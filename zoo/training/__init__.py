"""Training runs: settings, strategies, callbacks and the run itself."""

from zoo.training.run import Run, train
from zoo.training.settings import Cosine, Stages, TrainingSettings
from zoo.training.strategies import make_strategy

__all__ = ["Cosine", "Run", "Stages", "TrainingSettings", "make_strategy", "train"]
