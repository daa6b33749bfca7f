"""Data sets by name, and users' own arrays, as `tf.data` sets that say what they are.

train, valid, test = zoo.data.load("mnist", binarize="dynamic")
"""

from zoo.data.catalogue import image_shape, names, stream, vocabulary
from zoo.data.descriptions import Description, description
from zoo.data.loading import Splits, from_array, load
from zoo.data.text import Vocabulary

__all__ = [
    "Description",
    "Splits",
    "Vocabulary",
    "description",
    "from_array",
    "image_shape",
    "load",
    "names",
    "stream",
    "vocabulary",
]
