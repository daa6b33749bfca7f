import io

import numpy as np
import pytest
from PIL import Image

import zoo.data
from zoo.errors import DataError
from zoo.evaluation.lossless import measure_webp


def test_the_bits_are_those_of_files_that_decode_to_the_same_images():
    random = np.random.RandomState(0)
    x = random.randint(0, 256, (3, 8, 10, 3)).astype(np.uint8)
    x[1] = 7  # costs next to nothing
    found = measure_webp(zoo.data.from_array(x, values="levels", batch_size=2))
    bits = []
    for image in x:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "WEBP", lossless=True, quality=100, method=6)
        np.testing.assert_array_equal(np.asarray(Image.open(file)), image)
        bits.append(8 * file.tell() / image.size)
    assert found.value == pytest.approx(np.mean(bits)) and found.unit == "bits/dim"
    # Noise cannot be coded in less than it holds.
    assert bits[0] > 8 > bits[1]


def test_other_images_are_refused():
    with pytest.raises(DataError, match="256 levels"):
        measure_webp(zoo.data.from_array(np.zeros((2, 4, 4, 2), np.uint8), values="levels"))
