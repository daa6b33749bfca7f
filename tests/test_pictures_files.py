"""What pictures are made of and where they go: colours, logs, files."""

import numpy as np
import pytest
from models import vae
from PIL import Image

from zoo import pictures
from zoo.errors import DataError, ZooError
from zoo.pictures import style


@pytest.fixture(scope="module")
def model():
    return vae()


# Machado, Oliveira and Fernandes 2009, table 1, severity 1: what dichromats see of linear RGB.
DICHROMACY = {
    "none": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("vision", DICHROMACY)
def test_ten_colours_are_told_apart_by_everybody(vision):
    from matplotlib.colors import to_rgb

    rgb = np.array([to_rgb(c) for c in style.COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(DICHROMACY[vision]), 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = seen @ np.transpose(to_xyz) / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack([116 * f[:, 1], 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + 1000 * np.eye(10)
    assert distances.min() > 15  # in CIE Lab, where 2.3 is just noticeable


@pytest.mark.parametrize(
    "rows, message",
    [
        ([], "no rows"),
        ([{"epoch": "1", "elbo": None}], "damaged"),
        ([{"epoch": "1", "elbo": "x"}], "damaged"),
        ([{"elbo": "1"}], "no column epoch"),
        ([{"epoch": "1", "loss": "1"}], "no term"),
    ],
)
def test_a_damaged_log_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        pictures.training_curves(rows)


def test_a_picture_is_a_png_that_is_never_overwritten_unasked(tmp_path, model):
    figure = pictures.samples(model, 4)
    path = pictures.save(figure, tmp_path / "new" / "samples.png")
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.size == tuple(np.rint(figure.get_size_inches() * style.DPI))
    before = path.read_bytes()
    with pytest.raises(ZooError, match="exists"):
        pictures.save(pictures.samples(model, 9), path)
    assert path.read_bytes() == before
    pictures.save(pictures.samples(model, 9), path, overwrite=True)
    assert path.read_bytes() != before
    with pytest.raises(ZooError, match=r"\.png"):
        pictures.save(figure, tmp_path / "samples.jpg")
    assert [p.name for p in tmp_path.rglob("*")] == ["new", "samples.png"]


def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path, model, monkeypatch):
    from matplotlib.figure import Figure

    def half(self, file, **options):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(ZooError, match="disk full"):
        pictures.save(pictures.samples(model, 1), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
