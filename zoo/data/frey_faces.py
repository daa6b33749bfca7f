"""`frey_faces`: 1 965 grey frames of Brendan Frey's face, 28 x 20 pixels, from one video.

Sam Roweis's file `frey_rawface.mat` may be fetched by anyone and handed on by nobody, so it goes
into TFDS's manual folder, and the builder below prepares it.

Frames of a video resemble their neighbours: a random split would test on what was trained on. So
the video is cut into 15 blocks of 131 frames, and whole blocks are held out: 2, 7 and 12 for
testing, 4 and 10 for validation (from 0), which leaves 1 310 frames for training. Published numbers
use other splits.
"""

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from zoo.data.source import Collection, from_memory
from zoo.data.tfds_sets import first_line, images, manual_dir, prepared
from zoo.errors import DataError

FILE = "frey_rawface.mat"
URL = "https://cs.nyu.edu/~roweis/data/frey_rawface.mat"
HEIGHT, WIDTH, FRAMES = 28, 20, 1965
BLOCK = 131
TEST_BLOCKS = (2, 7, 12)
VALID_BLOCKS = (4, 10)


class FreyFaces(tfds.core.GeneratorBasedBuilder):
    """Registers `frey_faces` with TFDS, with splits `train`, `validation` and `test`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "15 blocks of 131 frames."}  # noqa: RUF012 - TFDS reads a plain dict
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Place {FILE} from {URL} into the manual folder."

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(HEIGHT, WIDTH, 1), dtype=np.uint8)
        return tfds.core.DatasetInfo(
            builder=self,
            description="Frames of a video of one face, split by blocks.",
            features=tfds.features.FeaturesDict({"image": image, "frame": np.int32}),
            homepage=URL,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        frames = read_frames(Path(dl_manager.manual_dir) / FILE)
        return {s: self._generate_examples(frames, s) for s in ("train", "validation", "test")}

    def _generate_examples(self, frames: np.ndarray, split: str):
        for frame in split_frames(split):
            yield int(frame), {"image": frames[frame], "frame": frame}


def frey_faces(*, path: str | None = None) -> Collection:
    """1 310 training, 262 validation and 393 test images `[28, 20, 1]` of 256 levels; no labels.

    Args:
        path: the file, or its folder, for the first time; default: TFDS's manual folder.
    """
    file = Path(path).expanduser() if path else manual_dir() / FILE
    file = file / FILE if file.is_dir() else file
    if path and not (file.is_file() and file.name == FILE):
        raise DataError(f"frey_faces: {file} is not an existing file called {FILE}")
    builder = prepared(
        "frey_faces",
        "frey_faces",
        manual=file.parent if file.is_file() else None,
        how=f"get {URL} and place it in {manual_dir()}, or name it by path=",
    )
    x, valid, test = (images(builder, s)[0] for s in ("train", "validation", "test"))
    return Collection(
        name="frey_faces",
        version=str(builder.version),
        pool=from_memory(np.concatenate([x, valid]), levels=256),
        test=from_memory(test, levels=256),
        valid=len(valid),
    )


def split_frames(split: str) -> np.ndarray:
    """The numbers of the frames of "train", "validation" or "test", in the order of the video."""
    block = np.arange(FRAMES) // BLOCK
    held_out = {"test": TEST_BLOCKS, "validation": VALID_BLOCKS}
    if split in held_out:
        return np.flatnonzero(np.isin(block, held_out[split]))
    return np.flatnonzero(~np.isin(block, TEST_BLOCKS + VALID_BLOCKS))


def read_frames(file: Path) -> np.ndarray:
    """The original file, one frame a column, as `uint8 [1965, 28, 20, 1]`."""
    try:
        columns = loadmat(file)["ff"]
    except (MatReadError, OSError, ValueError, KeyError, NotImplementedError) as error:
        raise DataError(f"{file} is not the original {FILE}: {first_line(error)}") from error
    if columns.shape != (HEIGHT * WIDTH, FRAMES) or columns.dtype != np.uint8:
        raise DataError(
            f"{file} is not the original {FILE}: `ff` is {columns.dtype} {list(columns.shape)}, "
            f"not uint8 {[HEIGHT * WIDTH, FRAMES]}"
        )
    return np.ascontiguousarray(columns.T).reshape(FRAMES, HEIGHT, WIDTH, 1)
