"""`points`: a mixture of equal Gaussians on a ring in the plane, whose modes and density are known.

p(x) = 1/8 sum_k N(x; modes_k, SIGMA^2 I),   modes_k = RADIUS (cos 2 pi k / 8, sin 2 pi k / 8)
"""

import numpy as np
from scipy.special import logsumexp

from zoo.data.source import Collection, Source, from_memory, recipe_checksum

MODES = 8
RADIUS = 2.0
SIGMA = 0.1

POOL = 11_000
VALID = 1_000
TEST = 1_000
_POOL_SEED = 1
_TEST_SEED = 2


def points() -> Collection:
    """10 000 training, 1 000 validation and 1 000 test points `[2]`; labels are modes, 0 .. 7."""
    return Collection(
        name="points",
        version="1.0.0",
        pool=_drawn(POOL, _POOL_SEED),
        test=_drawn(TEST, _TEST_SEED),
        valid=VALID,
    )


def modes() -> np.ndarray:
    """The means of the mixture, `[8, 2]`."""
    angle = 2 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """n points `float32 [n, 2]` and their modes `[n]`, from NumPy's frozen stream."""
    stream = np.random.RandomState(seed)
    mode = stream.randint(MODES, size=n)
    noise = stream.standard_normal((n, 2))
    return (modes()[mode] + SIGMA * noise).astype(np.float32), mode


def log_density(x: np.ndarray) -> np.ndarray:
    """log p(x) in nats: points `[N, 2]` -> `[N]`."""
    squares = np.sum((np.asarray(x, np.float64)[:, None, :] - modes()) ** 2, axis=-1)
    log_normal = -squares / (2 * SIGMA**2) - np.log(2 * np.pi * SIGMA**2)
    return logsumexp(log_normal, axis=1) - np.log(MODES)


def _drawn(n: int, seed: int) -> Source:
    x, mode = sample(n, seed)
    recipe = recipe_checksum("points", n, seed, MODES, RADIUS, SIGMA)
    return from_memory(x, mode, levels=None, checksum=recipe)
