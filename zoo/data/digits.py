"""`digits`: the handwritten digits that ship with scikit-learn, 8 x 8 pixels of 17 grey levels.

They are the test part of the UCI set "Optical recognition of handwritten digits" (Alpaydin and
Kaynak, 1998), 1 797 images; nobody splits them, so we do: a recorded permutation, 300 for testing,
200 of the rest held out.
"""

import numpy as np

from zoo.data.source import Collection, from_memory

LEVELS = 17
TEST = 300
VALID = 200
SPLIT_SEED = 0


def digits() -> Collection:
    """1 297 training, 200 validation and 300 test images `[8, 8, 1]`; labels 0 .. 9."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.RandomState(SPLIT_SEED).permutation(len(data.images))
    x = data.images.astype(np.uint8)[order, :, :, None]
    y = data.target[order]
    return Collection(
        name="digits",
        version="1.0.0",
        pool=from_memory(x[TEST:], y[TEST:], levels=LEVELS),
        test=from_memory(x[:TEST], y[:TEST], levels=LEVELS),
        valid=VALID,
    )
