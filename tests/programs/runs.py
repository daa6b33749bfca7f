"""Trains as `zoo.training.train` does, one run after the other, and dies where it is told to.

Argument: JSON list of `{"config", "directory", "resume", "strategy", "kill"}`; `kill` is `{"epoch",
"batch", "worker"}`, in mid-epoch, or `{"writing": NAME}`, with half of that file written. Prints
JSON for each finished run.
"""

import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

from zoo import storing
from zoo.errors import ZooError
from zoo.training import train
from zoo.training.rendezvous import Cluster


class Kill(keras.callbacks.Callback):
    """Kills its own process at a step."""

    def __init__(self, epoch: int, batch: int, worker: int = 0):
        super().__init__()
        self.at, self.mine = (epoch, batch), worker == Cluster.from_environment().index

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.mine and (self.epoch, batch) >= self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def die_while_writing(name: str) -> None:
    whole = keras.Model.save_weights

    def half(self, path, overwrite=True):
        whole(self, path, overwrite=overwrite)
        if Path(path).name.endswith(name):
            os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    keras.Model.save_weights = half


def one(config, directory, resume=False, strategy="one", kill=None, peer_seconds=60.0):
    callbacks = ()
    if kill and "writing" in kill:
        die_while_writing(kill["writing"])
    elif kill:
        callbacks = (Kill(**kill),)
    run = train(config, directory, strategy, resume, callbacks, peer_seconds)
    print(json.dumps({"selected": run.selected_epoch, "epochs": len(run.log)}), flush=True)
    return run


def main(specs) -> None:
    storing.register_all()
    for spec in specs:
        run = one(**spec)
    if spec.get("strategy") == "multiworker" and not spec.get("resume"):
        # The strategy of a process is made once, so what else needs it comes here.
        from models import five_steps

        weights = five_steps(run.model.distribute_strategy)
        index = Cluster.from_environment().index
        np.savez(Path(spec["directory"]).parent / f"five_steps{index}.npz", *weights)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except ZooError as error:
        print(f"zoo: {error}", flush=True)
        sys.exit(error.exit_code)
