"""Our side of the benchmarks keeps up with the library; the other side needs PyTorch."""

import numpy as np
import pytest

from benchmarks import drawings, entries, ours
from benchmarks.ours_entries import Sampler, Zoo

CASES = [
    *((Zoo, problem) for problem in entries.PROBLEMS.values()),
    (Sampler, drawings.PROBLEMS["few"]),
]


@pytest.mark.parametrize(("contender", "problem"), CASES, ids=lambda v: getattr(v, "name", None))
def test_first_weights_have_a_first_loss(contender, problem, monkeypatch):
    # Threads are set before TensorFlow begins, once in a process.
    monkeypatch.setattr(ours, "prepare", lambda threads: None)
    loss = contender(problem.resized(1), threads=1).first_loss(problem.probe())
    assert np.isfinite(loss) and loss > 0
