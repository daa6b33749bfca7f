"""The sets that the project makes: `digits`, `toy`, `points`, `shapes`."""

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.datasets import load_digits

from zoo import data
from zoo.data import catalogue, points, shapes, toy

MADE = ("digits", "toy", "points", "shapes")


@pytest.mark.parametrize("name", MADE)
def test_splits_are_as_declared(name):
    arguments = {"examples_per_epoch": 1280} if name == "shapes" else {}
    splits = data.load(name, **arguments)
    for split in splits:
        found = data.description(split)
        x = next(iter(split)).numpy()
        assert x.shape == (128, *found.event_shape) and x.dtype == np.float32
        assert found.event_shape == data.image_shape(name)
        assert found.value_range[0] <= x.min() and x.max() <= found.value_range[1]


def test_digits_are_the_ones_of_scikit_learn_split_without_overlap():
    splits = data.load("digits", values="levels", labels=True, batch_size=1)
    pairs = [(x.numpy()[0, :, :, 0].tobytes(), int(y[0])) for s in splits for x, y in s]
    original = load_digits()
    expected = [
        (x.astype(np.float32).tobytes(), int(y))
        for x, y in zip(original.images, original.target, strict=True)
    ]
    assert sorted(pairs) == sorted(expected)


def test_toy_density_agrees_with_adaptive_quadrature():
    x, t = toy.sample(5, seed=4)

    def density(place, i):
        residual = x[i].astype(np.float64) - toy.mean(place)
        return np.prod(stats.norm.pdf(residual, scale=toy.SIGMA)) * stats.norm.pdf(place)

    for i in range(5):
        value, _ = integrate.quad(
            density, -8, 8, args=(i,), points=[t[i] - 0.2, t[i], t[i] + 0.2], limit=400, epsabs=0
        )
        assert toy.log_density(x[i : i + 1])[0] == pytest.approx(np.log(value), abs=1e-7)


def test_toy_quadrature_has_converged_to_1e_8():
    x, _ = toy.sample(300, seed=5)
    np.testing.assert_allclose(toy.log_density(x), toy.log_density(x, 8001), atol=1e-8, rtol=0)


def test_toy_joint_is_likelihood_times_prior_and_chunks_do_not_matter(monkeypatch):
    x, t = toy.sample(7, seed=6)
    joint = toy.log_joint(x, t)
    expected = stats.norm.logpdf(x[2], toy.mean(t[3]), toy.SIGMA).sum() + stats.norm.logpdf(t[3])
    assert joint[2, 3] == pytest.approx(expected, abs=1e-9)
    monkeypatch.setattr(toy, "_CHUNK", 2)
    np.testing.assert_allclose(toy.log_joint(x, t), joint, rtol=1e-14)


def test_toy_samples_follow_the_density():
    x, t = toy.sample(4000, seed=7)
    residual = x - toy.mean(t)
    assert residual.std() == pytest.approx(toy.SIGMA, rel=0.01)
    assert stats.kstest(t, "norm").pvalue > 1e-3
    # E[p(other) / p] = 1 where p is a normalised density of the samples.
    shifted = toy.log_density(x + 0.02) - toy.log_density(x)
    weights = np.exp(shifted)
    assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(len(weights))


def test_toy_manifold_is_smooth_one_dimensional_and_injective():
    images = toy.mean(stats.norm.ppf(np.linspace(0.005, 0.995, 60))).reshape(60, -1)
    distance = np.linalg.norm(images[:, None] - images, axis=-1)
    far = np.abs(np.subtract.outer(np.arange(60), np.arange(60))) > 5
    assert distance[far].min() > 3 * np.median(np.diag(distance, 1))
    assert images.min() >= 0 and images.max() <= 1


def test_points_density_and_modes():
    x, mode = points.sample(20_000, seed=1)
    nearest = np.argmin(np.linalg.norm(x[:, None] - points.modes(), axis=-1), axis=1)
    assert np.mean(nearest == mode) > 0.999
    assert np.bincount(mode).min() > 2_300
    grid = np.linspace(-3, 3, 601)
    cells = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    assert np.exp(points.log_density(cells)).sum() * 0.01**2 == pytest.approx(1, abs=1e-6)
    entropy = np.log(8) + np.log(2 * np.pi * np.e * points.SIGMA**2)
    assert -points.log_density(x).mean() == pytest.approx(entropy, abs=0.03)


def test_shapes_enumerate_every_combination_once():
    index = np.arange(shapes.COUNT)
    values = shapes.factors(index).numpy()
    expected = np.stack(np.unravel_index(index, list(shapes.FACTORS.values())), axis=1)
    np.testing.assert_array_equal(values, expected)


def test_shapes_place_whole_sprites_where_the_factors_say():
    sprites = shapes.sprites()
    rng = np.random.RandomState(0)
    values = np.stack([rng.randint(n, size=40) for n in shapes.FACTORS.values()], axis=1)
    values[0, 3:], values[1, 3:] = 0, 31
    for image, (shape, scale, orientation, row, column) in zip(
        shapes.render(values).numpy(), values, strict=True
    ):
        expected = np.zeros((64, 64), np.uint8)
        expected[row : row + 33, column : column + 33] = sprites[shape, scale, orientation]
        np.testing.assert_array_equal(image[..., 0], expected)


def test_sprites_are_recorded_grow_with_scale_and_turn():
    sprites = shapes.sprites()
    assert data.description(data.load("shapes", examples_per_epoch=128).test).checksum == (
        "22d34385f78c159ebbb9b45e5b462e247554452ddb1102378decdfea3791e9f7"
    )
    area = sprites.sum(axis=(-1, -2)).mean(axis=-1)
    assert np.all(np.diff(area, axis=1) > 0)
    np.testing.assert_allclose(area[:, 5] / area[:, 0], 4, rtol=0.1)
    border = np.ones((33, 33), bool)
    border[1:-1, 1:-1] = False
    assert not sprites[..., border].any()
    # A quarter turn clockwise is ten steps of forty.
    np.testing.assert_array_equal(np.rot90(sprites[2, 5, 0], -1), sprites[2, 5, 10])
    assert len(np.unique(sprites[2, 5].reshape(40, -1), axis=0)) == 40


def test_shapes_hold_out_images_that_are_never_trained_on():
    found = catalogue.collection("shapes", {})
    radix = np.cumprod([1, *list(shapes.FACTORS.values())[:0:-1]])[::-1]

    def numbers(source):
        return set((source.take_labels(np.arange(source.count)).numpy() @ radix).tolist())

    pool, test = numbers(found.pool), numbers(found.test)
    assert len(test) == 10_000 and not pool & test and len(pool | test) == shapes.COUNT


def test_shapes_yield_the_factors_of_their_images():
    train = data.load("shapes", examples_per_epoch=256, labels=True).train
    for x, y in train:
        np.testing.assert_array_equal(x, shapes.render(y))
