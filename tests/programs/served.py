"""Asks a SavedModel, with TensorFlow alone; prints what it found as JSON.

Arguments: the SavedModel, an .npz file with x and z.
"""

import json
import resource
import sys

# TensorFlow imports Keras where it can; without it, nothing here may notice.
sys.modules["keras"] = None

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


directory, data = sys.argv[1:]
served = tf.saved_model.load(directory)
with np.load(data) as file:
    x, z = file["x"], file["z"]


def seed(*numbers):
    return tf.constant(numbers, tf.int32)


def ask(name, **tensors):
    answer = getattr(served, name)(**{k: tf.constant(v) for k, v in tensors.items()})
    return {k: v.numpy().tolist() for k, v in answer.items()}


found = {
    str(len(part)): {
        "serve": ask("serve", x=part),
        "encode": ask("encode", x=part),
        "decode": ask("decode", z=z[: len(part)]),
        "reconstruct": ask("reconstruct", x=part),
        "log_prob": ask("log_prob", x=part, num_samples=2500, seed=seed(1, 2)),
    }
    for part in (x[:1], x[:3])
}
signatures = {
    name: sorted(function.structured_input_signature[1])
    for name, function in served.signatures.items()
}
before = megabytes()
many = ask("log_prob", x=x, num_samples=20_000, seed=seed(5, 6))["log_prob"]
after = megabytes()
print(
    json.dumps(
        {
            **found,
            "samples": [ask("sample", n=2, seed=seed(*s)) for s in ((1, 2), (1, 2), (3, 4))],
            "means": ask("sample_mean", n=2, seed=seed(1, 2)),
            "many": many,
            "megabytes": after - before,
            "signatures": signatures,
            "imported": sorted({name.partition(".")[0] for name in sys.modules}),
        }
    )
)
