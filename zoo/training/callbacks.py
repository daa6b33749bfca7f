"""What happens around the steps of a run. Each callback can be given to a plain `fit` too."""

import csv
import math
import os
import sys
import time
from pathlib import Path

import keras
import tensorflow as tf

from zoo.errors import TrainingError


class Exact(keras.callbacks.Callback):
    """Sets noise and data order from what is saved, so that a resumed run draws as it would have.

    Args:
        data: the training set of `zoo.data.load`, whose order is a function of its `epoch`.
    """

    def __init__(self, data: tf.data.Dataset):
        super().__init__()
        self.data = data

    def on_epoch_begin(self, epoch, logs=None):
        self.model.train_steps.assign(tf.cast(self.model.optimizer.iterations, tf.int64))
        self.data.epoch.assign(epoch)


class StopAtNaN(keras.callbacks.Callback):
    """Ends the run at the first value that is not finite, naming the step and the term."""

    def on_train_batch_end(self, batch, logs=None):
        # The running mean keeps a NaN, so looking once per call of a compiled loop is enough.
        if not math.isfinite(float((logs or {}).get("loss", 0.0))):
            self._stop()

    def on_epoch_end(self, epoch, logs=None):
        if self.model.guard.first():
            self._stop()

    def _stop(self):
        step, name = self.model.guard.first() or (int(self.model.train_steps.numpy()), "loss")
        raise TrainingError(
            f"{name} is not finite at step {step} (counted from 0): a smaller learning rate, "
            "gradient clipping (clipnorm of the optimizer) or a larger scale floor may help"
        )


class Log(keras.callbacks.Callback):
    """Writes one row an epoch to a CSV file; a resumed run drops rows that it will write again.

    Args:
        path: the file.
        examples: examples per epoch, for the throughput.
    """

    def __init__(self, path: Path, examples: int):
        super().__init__()
        self.path, self.examples = Path(path), examples

    def on_train_begin(self, logs=None):
        self._rewrite = True

    def on_epoch_begin(self, epoch, logs=None):
        if self._rewrite:
            self._rows = read_log(self.path)[:epoch]
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        now = time.perf_counter()
        rate = self.model.optimizer.learning_rate
        self._rows.append(
            {
                "epoch": epoch + 1,
                "seconds": round(now - self._start, 3),
                "examples_per_second": round(self.examples / (self._trained - self._start), 1),
                "learning_rate": float(tf.convert_to_tensor(rate)),
                **{k: float(v) for k, v in (logs or {}).items()},
            }
        )
        if self._rewrite:
            # The first epoch of a run starts the file anew, without the rows that it repeats.
            _write_rows(self.path, self._rows)
            self._rewrite = False
        else:
            with self.path.open("a", newline="") as file:
                csv.DictWriter(file, self._rows[-1].keys()).writerow(self._rows[-1])


class Progress(keras.callbacks.Callback):
    """A line on standard error: epoch, metrics, throughput and time left.

    Args:
        examples: examples per epoch.
        epochs: of the whole run.
    """

    def __init__(self, examples: int, epochs: int):
        super().__init__()
        self.examples, self.epochs = examples, epochs
        self._shown = 0.0

    def on_train_begin(self, logs=None):
        self._start, self._done = time.perf_counter(), 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch_start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        self._trained = now
        if sys.stderr.isatty() and now - self._shown > 0.5:
            steps = self.params.get("steps") or 1
            share = (batch + 1) / steps
            bar = "#" * round(20 * share)
            rate = share * self.examples / (now - self._epoch_start)
            self._print(f"\r[{bar:<20}] {rate:8,.0f} examples/s  {_numbers(logs)}", end="")
            self._shown = now

    def on_epoch_end(self, epoch, logs=None):
        self._done += 1
        now = time.perf_counter()
        left = (now - self._start) / self._done * (self.epochs - epoch - 1)
        rate = self.examples / (self._trained - self._epoch_start)
        clear = "\r\033[K" if sys.stderr.isatty() else ""
        self._print(
            f"{clear}epoch {epoch + 1}/{self.epochs}  {_numbers(logs)}  "
            f"{rate:,.0f} examples/s  {_clock(left)} left"
        )

    @staticmethod
    def _print(text: str, end: str = "\n") -> None:
        print(text, end=end, file=sys.stderr, flush=True)


def read_log(path: Path) -> list[dict[str, str]]:
    """Rows of a run's `log.csv`; none where there is no file."""
    if not Path(path).exists():
        return []
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def _write_rows(path: Path, rows: list[dict]) -> None:
    # Under another name first: a run that dies here must not lose the rows it had.
    temporary = path.with_name(f"new.{path.name}")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[-1].keys())
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, path)


def _numbers(logs) -> str:
    return "  ".join(f"{k} {float(v):.4g}" for k, v in (logs or {}).items() if k != "loss")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
