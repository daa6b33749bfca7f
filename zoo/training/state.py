"""What a run keeps on disk so that it can be resumed: the last state and the best weights.

backup/state.json            says how many epochs; replaced last, in one step
backup/epochN.weights.h5     weights and optimizer after N epochs
backup/bestN.weights.h5      those of the best epoch, which log.csv tells

A run that dies while it writes leaves the older state whole, because no file that state.json names
is ever written to. With several workers the chief writes and all read, from one shared folder.
"""

import json
import math
import os
import time
from pathlib import Path

import keras
import tensorflow as tf

from zoo.errors import TrainingError
from zoo.files import STATE
from zoo.models import weights as weights_files

# Metrics of which less is better.
_COSTS = ("loss", "squared_error", "kl", "commitment", "discriminator_loss")


class Selection(keras.callbacks.Callback):
    """Keeps the weights of the best epoch, and stops when none was better for a while.

    What it knows is read from the log, so a resumed run selects as an uninterrupted one.

    Args:
        monitor: the metric: of a cost the least is the best, of all else the largest.
        directory: where the best weights go; None keeps none.
        patience: epochs without a better value before it stops; None for no limit.
        history: values of `monitor` of the epochs before a resumed run began.
        write: whether this process writes.
    """

    def __init__(
        self,
        monitor: str,
        directory: Path | None,
        patience: int | None,
        history=(),
        write: bool = True,
    ):
        super().__init__()
        self.monitor, self.directory, self.patience = monitor, directory, patience
        self.values, self.write = [float(v) for v in history], write
        self._sign = -1 if monitor.removeprefix("val_") in _COSTS else 1

    @property
    def best_epoch(self) -> int:
        """Counted from 1; 0 before the first."""
        worth = [self._sign * value for value in self.values]
        return 1 + max(range(len(worth)), key=worth.__getitem__, default=-1)

    @property
    def best_file(self) -> Path | None:
        """The weights of the best epoch."""
        return self.directory and self.directory / f"best{self.best_epoch}.weights.h5"

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        waited = len(self.values) - self.best_epoch
        return self.patience is not None and waited >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in (logs or {}):
            raise TrainingError(
                f"nothing called {self.monitor!r} to select by; there are: {', '.join(logs or {})}"
            )
        value = float(logs[self.monitor])
        if math.isnan(value):
            raise TrainingError(f"{self.monitor} is NaN after epoch {epoch + 1}")
        self.values.append(value)
        if self.best_epoch == len(self.values) and self.write and self.best_file:
            weights_files.save(self.model, self.best_file)
        if self.exhausted:
            self.model.stop_training = True


class Backup(keras.callbacks.Callback):
    """Saves weights, optimizer and epoch at ends of epochs, so that `restore` can continue exactly.

    Args:
        directory: the folder of the states.
        seconds: least time between two states.
        write: whether this process writes.
        selection: whose best weights belong to the state; it must run before this callback.
    """

    def __init__(
        self,
        directory: Path,
        seconds: float,
        write: bool = True,
        selection: Selection | None = None,
    ):
        super().__init__()
        self.directory, self.seconds, self.write = Path(directory), seconds, write
        self.selection = selection
        self._saved = None

    def restore(self, model: keras.Model) -> int:
        """Loads the last state into `model`; returns the epochs that it has had, 0 without one.

        Raises:
            TrainingError: the state cannot be read, or several workers read different ones.
        """
        epoch = 0
        if self._pointer.exists():
            try:
                state = json.loads(self._pointer.read_text())
                epoch = int(state["epoch"])
                model.load_weights(self.directory / state["weights"])
            except (OSError, ValueError, KeyError) as error:
                raise TrainingError(
                    f"the state in {self.directory} is damaged, or of another model: remove the "
                    "run and start it again"
                ) from error
        agree(model)
        self._saved = epoch
        return epoch

    def on_train_begin(self, logs=None):
        self._last = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self._epoch = epoch + 1
        if time.monotonic() - self._last >= self.seconds:
            self._save()

    def on_train_end(self, logs=None):
        # The last state too, so that a finished run can be resumed for more epochs.
        self._save()

    @property
    def _pointer(self) -> Path:
        return self.directory / STATE

    def _save(self) -> None:
        if not self.write or self._epoch == self._saved:
            return
        weights = self.directory / f"epoch{self._epoch}.weights.h5"
        weights_files.save(self.model, weights)
        temporary = self._pointer.with_suffix(".new")
        temporary.write_text(json.dumps({"epoch": self._epoch, "weights": weights.name}))
        os.replace(temporary, self._pointer)
        best = self.selection and self.selection.best_file
        for old in self.directory.glob("*.weights.h5"):
            if old not in (weights, best):
                old.unlink()
        self._saved, self._last = self._epoch, time.monotonic()


def agree(model: keras.Model) -> None:
    """Waits for all workers, and raises TrainingError if they stand at different steps."""
    strategy = model.distribute_strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return

    @tf.function
    def each():
        return strategy.run(lambda: tf.reshape(model.optimizer.iterations, (1,)))

    steps = strategy.gather(each(), axis=0).numpy().tolist()
    if len(set(steps)) > 1:
        raise TrainingError(
            f"the workers stand at different steps ({', '.join(map(str, steps))}): give all of "
            "them one shared output folder"
        )
