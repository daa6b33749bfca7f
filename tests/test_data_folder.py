"""`folder:PATH` and `cars`: a user's own images."""

import numpy as np
import pytest
from PIL import Image

from zoo import data
from zoo.errors import DataError


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def grey(number, size=(8, 8)):
    return np.random.RandomState(number).randint(0, 256, size).astype(np.uint8)


@pytest.fixture
def flat(tmp_path):
    for i in range(20):
        write(tmp_path / f"{i:02}.png", grey(i))
    return tmp_path


def images(dataset):
    return np.concatenate([x.numpy() for x in dataset])


def test_twenty_files_come_back_split_and_unchanged(flat):
    splits = data.load(f"folder:{flat}", values="levels", batch_size=1)
    assert [data.description(s).count for s in splits] == [17, 1, 2]
    assert data.description(splits.train).event_shape == (8, 8, 1)
    found = sorted(x[..., 0].astype(np.uint8).tobytes() for s in splits for x in images(s))
    assert found == sorted(grey(i).tobytes() for i in range(20))


def test_the_checksum_follows_names_and_contents(flat):
    def checksum():
        return data.description(data.load(f"folder:{flat}", batch_size=4).train).checksum

    before = checksum()
    assert checksum() == before
    write(flat / "00.png", grey(99))
    changed = checksum()
    (flat / "00.png").rename(flat / "0x.png")
    assert len({before, changed, checksum()}) == 3


def test_labels_and_splits_come_from_the_folders(tmp_path):
    for i in range(12):
        split = ("train", "train", "valid", "test")[i % 4]
        write(
            tmp_path / split / ("cat", "dog")[i % 2] / f"{i}.png", np.full((4, 4, 3), i, np.uint8)
        )
    splits = data.load(f"folder:{tmp_path}", values="levels", labels=True, batch_size=2)
    for wanted, split in zip(({0, 1}, {2}, {3}), splits, strict=True):
        for x, y in split:
            numbers = x.numpy()[:, 0, 0, 0].astype(int)
            assert set(numbers % 4) <= wanted
            np.testing.assert_array_equal(y, numbers % 2)
    assert data.description(splits.train).event_shape == (4, 4, 3)
    dogs = data.load(f"folder:{tmp_path}", values="levels", batch_size=1, label="dog")
    assert all(int(x[0, 0, 0, 0]) % 2 == 1 for s in dogs for x in s)
    with pytest.raises(DataError, match="no label 'cow'; it has cat, dog"):
        data.load(f"folder:{tmp_path}", label="cow")


def test_cars_are_the_automobiles_of_a_folder(tmp_path, monkeypatch):
    for i in range(24):
        label = ("automobile", "deer")[i % 2]
        write(tmp_path / "cars" / ("train", "test")[i % 4 // 2] / label / f"{i}.png", grey(i))
    splits = data.load("cars", path=str(tmp_path / "cars"), batch_size=2)
    assert [data.description(s).count for s in splits] == [5, 1, 6]
    assert data.description(splits.test).event_shape == (8, 8, 3)
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    (tmp_path / "cars").rename(manual / "cars")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert data.image_shape("cars") == (8, 8, 3)
    with pytest.raises(DataError, match="there is no folder"):
        data.load("cars", path=str(tmp_path / "cars"))


def test_sizes_and_channels(tmp_path):
    write(tmp_path / "a.png", np.full((10, 20), 200, np.uint8))
    write(tmp_path / "b.png", np.full((16, 8, 3), (255, 0, 0), np.uint8))
    write(tmp_path / "c.png", np.full((8, 8, 4), (0, 255, 0, 0), np.uint8))
    name = f"folder:{tmp_path}"
    with pytest.raises(DataError, match=r"b.png is 8x16: give image_size="):
        data.load(name)
    colour = data.load(name, image_size=8, batch_size=1)
    pixels = {tuple(x[0, 0]) for s in colour for x in images(s)}
    # A transparent pixel is black.
    assert pixels == {(200 / np.float32(255),) * 3, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)}
    assert data.image_shape(name, image_size=4, channels=1) == (4, 4, 1)
    with pytest.raises(DataError, match="channels must be 1 or 3"):
        data.load(name, channels=2)
    with pytest.raises(DataError, match="image_size must be a whole number"):
        data.load(name, image_size=-8)


def test_what_is_wrong_with_a_folder(flat, tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        data.load(f"folder:{tmp_path / 'nowhere'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        data.load(f"folder:{tmp_path / 'empty'}")
    (flat / "broken.png").write_bytes((flat / "00.png").read_bytes()[:40])
    with pytest.raises(DataError, match=r"broken.png cannot be read"):
        data.load(f"folder:{flat}")
    (flat / "broken.png").unlink()
    write(flat / "test" / "x.png", grey(1))
    with pytest.raises(DataError, match="split folders"):
        data.load(f"folder:{flat}")
    for i in range(2):
        write(tmp_path / "two" / f"{i}.png", grey(i))
    with pytest.raises(DataError, match="2 images, too few"):
        data.load(f"folder:{tmp_path / 'two'}")
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(tmp_path / "two" / "deep.png")
    with pytest.raises(DataError, match="more than 8 bits"):
        data.load(f"folder:{tmp_path / 'two'}")
