import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.stats import norm

import zoo.data
from zoo import pictures
from zoo.data.descriptions import description
from zoo.distributions import (
    IndependentBernoulli,
    IndependentCategorical,
    IndependentNormal,
    MultivariateNormalDiag,
    MultivariateNormalTriL,
)
from zoo.errors import DataError, NotSupported, ZooError
from zoo.models import VAE
from zoo.models.base import GenerativeModel
from zoo.networks import MLP
from zoo.pictures import codes, grids, images, latents, style
from zoo.training.grids import PictureGrids

tfd = tfp.distributions


def tiny(size=2, likelihood=None, posterior=MultivariateNormalDiag):
    model = VAE(
        encoder=MLP([8], activation="tanh"),
        posterior=posterior(size),
        decoder=MLP([8], activation="tanh"),
        likelihood=likelihood or IndependentBernoulli([8, 8, 1]),
    )
    model.ensure_built()
    # Far from the all-equal decoder of fresh weights, so that pictures differ.
    draw = np.random.RandomState(0)
    model.set_weights([w + draw.standard_normal(w.shape) for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.fixture(scope="module")
def x():
    return np.random.RandomState(1).randint(0, 2, (12, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def data(x):
    return zoo.data.from_array(x, np.arange(12) % 3, batch_size=5, name="noise")


def shown(figure):
    """The pixels of a grid, and all text of a figure."""
    (image,) = figure.axes[0].get_images()
    return np.asarray(image.get_array())


def text(figure):
    return " ".join(t.get_text() for t in figure.texts).replace("\n", " ")


def labels(axis):
    return [t.get_text() for t in axis.get_ticklabels()]


# Values and tiles.


@pytest.mark.parametrize(
    "likelihood, values",
    [
        (IndependentBernoulli([8, 8, 1]), [0, 1]),
        (IndependentNormal([8, 8, 1]), [0, 1]),
        (IndependentCategorical([8, 8, 1], 17), [0, 16]),
    ],
)
def test_black_and_white_are_the_ends_of_the_support(likelihood, values):
    model = tiny(likelihood=likelihood)
    np.testing.assert_allclose(grids.to_display(np.array(values), model), [0, 1])
    np.testing.assert_allclose(grids.from_display(np.array([0.0, 1.0]), model), values)
    middle = grids.from_display(np.array([0.26]), model)
    assert middle == {1: 0.26 if not likelihood.is_discrete else 0, 16: 4}[values[1]]
    outside = grids.to_display(np.array([values[0] - 5, values[1] + 5]), model)
    np.testing.assert_array_equal(outside, [0, 1])


def test_tiles_lie_where_their_corners_say():
    tiles = np.linspace(0, 1, 6).reshape(3, 2, 1, 1, 1) * np.ones((3, 2, 4, 5, 1))
    canvas, tops, lefts = grids.tile(tiles, gap=1, group=2)
    assert list(tops) == [0, 5, 12] and list(lefts) == [0, 6]
    assert canvas.shape == (16, 11, 3)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            tile = canvas[top : top + 4, left : left + 5]
            assert np.all(tile == round(255 * tiles[row, column, 0, 0, 0]))
            canvas[top : top + 4, left : left + 5] = 255
    assert np.all(canvas == 255)


def test_colour_stays_colour_and_what_is_missing_stays_white():
    red = np.zeros((3, 2, 2, 3), np.float32)
    red[..., 0] = 1
    canvas = shown(pictures.image_grid(grids.rows_of(red, 2), "t", "c", gap=0))
    assert canvas.shape == (4, 4, 3)
    assert np.all(canvas[2:, 2:] == 255) and np.all(canvas[:2] == (255, 0, 0))


def test_what_is_no_image_is_refused():
    triples = tiny(likelihood=IndependentNormal([3]))
    with pytest.raises(NotSupported, match=r"\[3\]"):
        pictures.samples(triples, 4)


def test_too_many_images_are_refused_before_any_is_made(model, monkeypatch):
    monkeypatch.setattr(VAE, "sample", lambda *a, **k: pytest.fail("sampled"))
    with pytest.raises(ZooError, match="npz"):
        pictures.samples(model, 10**9)


def test_labels_that_would_overlap_are_left_out():
    many = pictures.image_grid(
        np.zeros((1, 60, 28, 28, 1)), "t", "c", column_labels=["original"] * 60
    )
    found = labels(many.axes[0].xaxis)
    assert (
        len(found) == 60 and found[0] == "original" and found[1] == "" and "original" in found[1:]
    )


# Pictures of images.


def test_samples_say_what_they_are_and_means_are_no_draws(model):
    draw, mean = (pictures.samples(model, 9, mean=m, seed=3, name="tiny.one") for m in (0, 1))
    assert shown(draw).shape == shown(mean).shape == (26, 26, 3)
    assert set(np.unique(shown(draw))) == {0, 255} and len(np.unique(shown(mean))) > 20
    assert "tiny.one" in text(draw) and "a draw from p(x|z)" in text(draw)
    assert "mean of p(x|z)" in text(mean) and "seed 3" in text(mean)
    other = pictures.samples(model, 9, mean=True, seed=4)
    assert np.any(shown(other) != shown(mean))


def test_samples_in_chunks_start_with_those_of_the_model(model):
    parts = list(images.draw_samples(model, 250, mean=True, seed=5))
    assert [len(p) for p in parts] == [100, 100, 50]
    np.testing.assert_array_equal(parts[0], model.sample(100, seed=5, mean=True))
    assert not np.array_equal(parts[0], parts[1])


def test_reconstructions_stand_below_their_originals(model, x):
    figure = pictures.reconstructions(model, x, columns=5, name="m", data="noise, test split")
    canvas, gap = shown(figure), 1
    assert labels(figure.axes[0].yaxis) == ["original", "reconstruction"] * 3
    _, tops, lefts = grids.tile(np.zeros((6, 5, 8, 8, 1)), gap, group=2)
    means = model.reconstruct(x).numpy()
    for i in range(12):
        row, left = 2 * (i // 5), lefts[i % 5]
        for r, image in ((row, x), (row + 1, means)):
            tile = canvas[tops[r] : tops[r] + 8, left : left + 8, 0] / 255
            np.testing.assert_allclose(tile, image[i, ..., 0], atol=0.003)
    assert "noise, test split" in text(figure) and "mean of p(x|z)" in text(figure)
    assert "seed" not in text(figure)
    assert "seed 7" in text(pictures.reconstructions(model, x, mean=False, seed=7))


def test_several_reconstructions_are_different_draws_from_the_posterior(model, x):
    draws = images.reconstruct(model, x, num_samples=60, seed=1)
    assert draws.shape == (60, 12, 8, 8, 1)
    figure = pictures.several_reconstructions(model, x[:2], 4, seed=1)
    assert shown(figure).shape == (2 * 8 + 1, 5 * 8 + 4, 3)
    assert labels(figure.axes[0].xaxis) == ["original", "1", "2", "3", "4"]
    tiles = [shown(figure)[:8, 9 * i : 9 * i + 8] for i in range(5)]
    assert np.any(tiles[1] != tiles[2])
    np.testing.assert_array_equal(tiles[0][..., 0], 255 * x[0, ..., 0])


def test_an_interpolation_leads_from_code_to_code(model, x):
    ways = images.interpolate(model, x[:3], x[3:6], 5)
    assert ways.shape == (3, 5, 8, 8, 1)
    start, end = (model.encode(part).mean() for part in (x[:3], x[3:6]))
    np.testing.assert_allclose(ways[:, 0], model.decode(start).mean(), atol=1e-6)
    np.testing.assert_allclose(ways[:, -1], model.decode(end).mean(), atol=1e-6)
    middle = model.decode((start + end) / 2).mean()
    np.testing.assert_allclose(ways[:, 2], middle, atol=1e-5)
    figure = pictures.interpolation(model, x[:3], x[3:6], 5)
    assert shown(figure).shape == (26, 7 * 9 - 1, 3)
    with pytest.raises(ZooError, match="3 to start from, 2 to end at"):
        images.interpolate(model, x[:3], x[:2], 5)


# Pictures of latents.


def test_the_manifold_lies_over_quantiles_of_the_prior(model):
    grid = codes.manifold_codes(model.prior_distribution(), 5)
    z = norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(grid[2, :, 0], z, atol=1e-6)
    np.testing.assert_allclose(grid[:, 3, 1], z[::-1], atol=1e-6)
    shifted = tfd.MultivariateNormalDiag([1.0, 0.0], [2.0, 1.0])
    np.testing.assert_allclose(
        codes.manifold_codes(shifted, 5)[0, :, 0], norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9], 1, 2)
    )
    figure = pictures.manifold(model, 5, name="tiny.two")
    assert shown(figure).shape == (40, 40, 3)
    ticks = ["-1.3", "-0.5", "0", "+0.5", "+1.3"]
    assert labels(figure.axes[0].xaxis) == ticks and labels(figure.axes[0].yaxis) == ticks[::-1]
    assert "tiny.two" in text(figure) and "10.0% to 90.0%" in text(figure)


def test_a_manifold_of_other_than_one_or_two_latents():
    assert shown(pictures.manifold(tiny(1), 7)).shape == (8, 56, 3)
    with pytest.raises(NotSupported, match="this model has 3"):
        pictures.manifold(tiny(3))


def test_the_kl_of_the_latents_sums_to_the_kl_of_the_bound(x):
    model = tiny(3)
    mean, stddev, _ = codes.encode_set(model, tf.data.Dataset.from_tensor_slices(x).batch(5))
    kl = codes.latent_kl(mean, stddev, model.prior_distribution())
    whole = tfd.kl_divergence(model.encode(x), model.prior_distribution())
    np.testing.assert_allclose(kl.sum(), np.mean(whole), rtol=1e-5)
    assert kl.shape == (3,) and np.all(kl > 0)
    correlated = tiny(3, posterior=MultivariateNormalTriL)
    covariance = correlated.encode(x).covariance().numpy()
    _, stddev, _ = codes.encode_set(correlated, [x])
    np.testing.assert_allclose(stddev**2, [np.diag(c) for c in covariance], rtol=1e-4)


def test_a_traversal_changes_one_latent_alone():
    base, values = np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.0, 1.0])
    found = codes.traversal_codes(base, [2, 0], values)
    assert found.shape == (2, 3, 3)
    np.testing.assert_array_equal(found[0], [[1, 2, -1], [1, 2, 0], [1, 2, 1]])
    np.testing.assert_array_equal(found[1], [[-1, 2, 3], [0, 2, 3], [1, 2, 3]])


def test_a_traversal_shows_the_strongest_latents_first(x, data):
    model = tiny(4)
    order, kl, count = latents.active_latents(model, data, 3)
    assert count == 12 and list(kl) == sorted(kl, reverse=True)
    figure = pictures.traversal(model, data, x[0], rows=3, columns=7, base_name="image 0")
    wanted = [f"z{d + 1}  {nats:.2f} nats" for d, nats in zip(order, kl, strict=True)]
    assert labels(figure.axes[0].yaxis) == wanted
    assert shown(figure).shape == (3 * 9 - 1, 7 * 9 - 1, 3)
    assert "the code of image 0" in text(figure) and "12 images of noise" in text(figure)
    made, values = latents.traverse(model, order, x[0], columns=7)
    np.testing.assert_allclose(values, [-3, -2, -1, 0, 1, 2, 3])
    code = model.encode(x[:1]).mean().numpy()[0]
    code[order[1]] = 2.0
    np.testing.assert_allclose(made[1, 5], model.decode(code).mean(), atol=1e-6)


def test_a_scatter_shows_the_means_in_the_colours_of_their_labels(model, x, data):
    figure = pictures.scatter(model, data, name="tiny.two")
    cloud = figure.axes[0].collections[0]
    means = model.encode(x).mean().numpy()
    points = np.asarray(cloud.get_offsets())
    order = [int(np.argmin(np.linalg.norm(means - p, axis=1))) for p in points]
    assert sorted(order) == list(range(12))
    from matplotlib.colors import to_rgb

    colours = [to_rgb(style.COLOURS[i % 3]) for i in order]
    np.testing.assert_allclose(cloud.get_facecolors()[:, :3], colours, atol=1e-6)
    legend = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert legend == ["0", "1", "2"]
    assert "12 images of noise;" in text(figure)
    first = pictures.scatter(model, data, limit=7)
    assert "the first 7 images of noise" in text(first)


def test_a_scatter_without_labels_or_with_many(model, x):
    plain = pictures.scatter(model, zoo.data.from_array(x))
    assert "no labels" in text(plain) and plain.axes[0].get_legend() is None
    many = pictures.scatter(model, zoo.data.from_array(x, np.arange(12)))
    assert len(many.axes) == 2  # the colour bar
    factors = zoo.data.from_array(x, np.stack([np.arange(12), np.arange(12) % 2], axis=1))
    chosen = pictures.scatter(model, factors, factor=1).axes[0].get_legend()
    assert [t.get_text() for t in chosen.get_texts()] == ["0", "1"]
    with pytest.raises(DataError, match="2 labels"):
        pictures.scatter(model, factors, factor=2)
    with pytest.raises(NotSupported, match="two latents"):
        pictures.scatter(tiny(1), zoo.data.from_array(x))


# Curves.


def log(epochs=4):
    return [
        {"epoch": str(e + 1), "seconds": "1", "loss": "3", "elbo": str(-9 + e), "kl": "2.5"}
        | {"val_elbo": str(-8 + e), "val_kl": "2", "learning_rate": "0.1"}
        for e in range(epochs)
    ]


def test_curves_show_training_against_validation():
    figure = pictures.training_curves(log(), name="runs/1")
    assert [a.get_ylabel() for a in figure.axes] == ["elbo (nats)", "kl (nats)"]
    train, valid = figure.axes[0].get_lines()
    np.testing.assert_array_equal(train.get_xydata(), [[1, -9], [2, -8], [3, -7], [4, -6]])
    np.testing.assert_array_equal(valid.get_ydata(), [-8, -7, -6, -5])
    legend = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert legend == ["training", "validation"]
    assert "runs/1" in text(figure) and "4 epochs" in text(figure)


# The look.


@pytest.mark.parametrize("kind", ["manifold", "samples", "traversal", "scatter", "curves"])
def test_nothing_is_clipped_and_texts_do_not_overlap(kind, model, data):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = {
        "manifold": lambda: pictures.manifold(model, 12, name="a_long_name.of_a_data_set"),
        "samples": lambda: pictures.samples(model, 1, name="a_long_name.of_a_data_set"),
        "traversal": lambda: pictures.traversal(model, data),
        "scatter": lambda: pictures.scatter(model, data),
        "curves": lambda: pictures.training_curves(log()),
    }[kind]()
    renderer = FigureCanvasAgg(figure).get_renderer()
    whole = figure.get_tightbbox(renderer)
    width, height = figure.get_size_inches()
    assert whole.x0 >= 0 and whole.y0 >= 0 and whole.x1 <= width and whole.y1 <= height
    title, caption = (t.get_window_extent(renderer) for t in figure.texts)
    top = max(a.get_tightbbox(renderer).y1 for a in figure.axes)
    assert caption.y1 <= title.y0 and top <= caption.y0


# During training.


def test_grids_during_training_show_the_same_examples(tmp_path):
    model = tiny()
    data = zoo.data.from_array(
        np.random.RandomState(0).randint(0, 2, (32, 8, 8, 1)).astype(np.float32),
        batch_size=8,
        shuffle=True,
        name="noise",
    )
    grid = PictureGrids(tmp_path / "pictures", data, every=2, columns=5)
    grid.set_model(model)
    grid.on_train_begin()
    for epoch in range(4):
        grid.on_epoch_end(epoch)
    assert sorted(p.name for p in (tmp_path / "pictures").iterdir()) == [
        "epoch-0002.png",
        "epoch-0004.png",
    ]
    figure = grid.figure(4)
    assert labels(figure.axes[0].yaxis) == ["original", "reconstruction", "sample", "sample"]
    assert "originals: noise;" in text(figure) and "seed 0" in text(figure)
    first = shown(figure)[:8]
    data.epoch.assign(17)
    grid.on_train_begin()
    assert data.epoch.numpy() == 17  # the order of training is left alone
    np.testing.assert_array_equal(shown(grid.figure(4))[:8], first)
    assert description(data).name == "noise"


class OnlySamples(GenerativeModel):
    def __init__(self):
        super().__init__(event_shape=[8, 8, 1])

    def sample(self, n, y=None, seed=None):
        return tf.random.stateless_uniform([n, 8, 8, 1], [0, seed])


def test_a_model_without_encoder_shows_what_it_has(tmp_path, x, data):
    grid = PictureGrids(tmp_path, data, every=1, columns=3)
    grid.set_model(OnlySamples())
    grid.on_train_begin()
    assert labels(grid.figure(1).axes[0].yaxis) == ["sample", "sample"]
    assert "p(x|z)" not in text(pictures.samples(OnlySamples(), 4))
    with pytest.raises(NotSupported, match="sample has no mean"):
        pictures.samples(OnlySamples(), 4, mean=True)
    with pytest.raises(NotSupported, match="does not reconstruct"):
        pictures.reconstructions(OnlySamples(), x)
    with pytest.raises(NotSupported, match="no latents"):
        pictures.manifold(OnlySamples())
