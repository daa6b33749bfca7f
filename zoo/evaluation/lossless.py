"""What a lossless image format needs, beside the bits of a density over the same levels."""

import io

import numpy as np
from PIL import Image

from zoo.errors import DataError
from zoo.evaluation.results import Result, mean_result, protocol


def measure_webp(levels) -> Result:
    """Lossless WebP, each image a file of its own, headers included: mean bits/dim.

    Args:
        levels: a `tf.data` set of images `[B, H, W, C]` of the integers 0 .. 255, C 1 or 3.

    Raises:
        DataError: not such images, or Pillow without WebP.
    """
    sizes, dimensions = [], 1
    for batch in levels:
        x = (batch[0] if isinstance(batch, tuple) else batch).numpy()
        dimensions = int(np.prod(x.shape[1:]))
        if x.ndim != 4 or x.shape[-1] not in (1, 3) or x.min() < 0 or x.max() > 255:
            raise DataError('WebP takes grey or colour images of 256 levels: values="levels"')
        sizes += [_bytes(image.astype(np.uint8)) for image in x]
    bits = 8 * np.array(sizes, np.float64) / dimensions
    return mean_result(bits, "bits/dim", protocol(levels))


def _bytes(image: np.ndarray) -> int:
    file = io.BytesIO()
    # Grey images are written as colour: the format knows no others, and codes the copies as such.
    picture = Image.fromarray(image.squeeze(axis=2) if image.shape[2] == 1 else image)
    try:
        picture.convert("RGB").save(file, "WEBP", lossless=True, quality=100, method=6)
    except (KeyError, OSError) as error:
        raise DataError("this Pillow was built without WebP") from error
    return file.tell()
