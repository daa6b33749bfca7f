"""Several models in one picture: what is shown is what came in."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

import zoo
from zoo import pictures
from zoo.errors import DataError, NotSupported
from zoo.noise import fold
from zoo.pictures import comparisons, grids, style
from zoo.pictures.comparisons import (
    CodePanel,
    DecodedPanel,
    RatePoint,
    decoded_grids,
    latent_scatters,
    rate_distortion,
    restorations,
)

CURVE = [(4, 8.0, 110.0), (0.5, 30.0, 75.0), (1, 20.0, 80.0), (16, 0.0, 206.0)]


def code_panels(count, classes=3):
    random = np.random.RandomState(0)
    return [
        CodePanel(
            f"model_{i}.digits",
            random.standard_normal((30, 2)) * 10.0**i,
            np.arange(30) % classes,
            0.5 + 0.1 * i,
            0.2 - 0.3 * i,
        )
        for i in range(count)
    ]


def decoded_panels(count, channels=1):
    random = np.random.RandomState(1)
    return [
        DecodedPanel(
            f"model_{i}.digits",
            random.uniform(size=(3, 4, 20, 10, channels)),
            random.uniform(size=(3, 4)),
        )
        for i in range(count)
    ]


def noisy_and_restored():
    random = np.random.RandomState(2)
    images = random.uniform(-0.5, 1.5, size=(9, 5, 8, 8, 1))
    noisy = {0.25: images[1], 0.5: images[2]}
    restored = {
        "median": {0.25: images[3], 0.5: images[4]},
        "dae": {0.25: images[5], 0.5: 0 * noisy[0.5]},
    }
    return np.clip(images[0], 0, 1), noisy, restored


def text(figure):
    whole = [t.get_text() for t in figure.texts]
    whole += [t.get_text() for axes in figure.axes for t in axes.texts]
    return " ".join(whole).replace("\n", " ").replace("\u00a0", " ")


def shown(axes):
    (image,) = axes.get_images()
    return np.asarray(image.get_array())


def test_each_scatter_shows_its_own_codes_in_the_colours_of_their_labels():
    panels = code_panels(2)
    figure = latent_scatters(panels, k=7, data="digits, test split", what="means of q(z|x)")
    for axes, panel in zip(figure.axes, panels, strict=True):
        cloud = axes.collections[0]
        order = [
            int(np.argmin(np.linalg.norm(panel.codes - p, axis=1))) for p in cloud.get_offsets()
        ]
        assert sorted(order) == list(range(30))
        colours = [to_rgb(style.COLOURS[panel.labels[i]]) for i in order]
        np.testing.assert_allclose(cloud.get_facecolors()[:, :3], colours, atol=1e-6)
    names = [[t.get_text() for t in axes.texts] for axes in figure.axes]
    assert names == [
        ["model_0.digits", "k-NN 50.0%   silhouette +0.20"],
        ["model_1.digits", "k-NN 60.0%   silhouette -0.10"],
    ]
    assert "digits, test split; means of q(z|x)" in text(figure)
    assert "7 nearest" in text(figure)
    assert figure.axes[0].get_legend() is None
    legend = [t.get_text() for t in figure.axes[1].get_legend().get_texts()]
    assert legend == ["0", "1", "2"]


def test_labels_keep_their_colour_where_a_model_lacks_some():
    first, second = code_panels(2)
    second = second._replace(labels=np.full(30, 2))
    cloud = latent_scatters([first, second]).axes[1].collections[0]
    np.testing.assert_allclose(
        cloud.get_facecolors()[:, :3], [to_rgb(style.COLOURS[2])] * 30, atol=1e-6
    )


def test_more_classes_than_colours_get_one_scale():
    panels = code_panels(2, classes=15)
    panels[1] = panels[1]._replace(labels=panels[1].labels + 10)
    figure = latent_scatters(panels)
    assert len(figure.axes) == 3 and figure.axes[2].get_ylabel() == "label"
    assert all(axes.collections[0].get_clim() == (0, 24) for axes in figure.axes[:2])


@pytest.mark.parametrize("count, rows", [(1, [1]), (3, [3]), (4, [2, 2]), (5, [3, 2])])
def test_panels_are_read_like_text(count, rows):
    boxes = [axes.get_position() for axes in latent_scatters(code_panels(count)).axes]
    tops = sorted({round(box.y1, 6) for box in boxes}, reverse=True)
    assert [sum(round(box.y1, 6) == top for box in boxes) for top in tops] == rows
    places = [(tops.index(round(box.y1, 6)), box.x0) for box in boxes]
    assert places == sorted(places)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_has_a_frame_of_its_confidence(channels):
    panels = decoded_panels(2, channels)
    figure = decoded_grids(panels, judge="classifier.digits", how="quantiles of the prior")
    colours = matplotlib.colormaps[comparisons._CONFIDENCE]
    _, tops, lefts = grids.tile(np.zeros((3, 4, 22, 12, 1)), gap=1)
    for axes, panel in zip(figure.axes, panels, strict=False):
        canvas = shown(axes) / 255
        for row, top in enumerate(tops):
            for column, left in enumerate(lefts):
                cell = canvas[top : top + 22, left : left + 12]
                inside = np.broadcast_to(panel.images[row, column], (20, 10, 3))
                np.testing.assert_allclose(cell[1:-1, 1:-1], inside, atol=0.003)
                frame = colours(panel.confidence[row, column])[:3]
                for edge in (cell[0], cell[-1], cell[:, 0], cell[:, -1]):
                    np.testing.assert_allclose(edge, np.tile(frame, (len(edge), 1)), atol=0.003)
        assert f"mean confidence {panel.confidence.mean():.3f}" in text(figure)
        assert panel.name in text(figure)
    assert "quantiles of the prior; frames: how sure classifier.digits is" in text(figure)
    assert figure.axes[2].get_ylabel() == "confidence" and figure.axes[2].get_ylim() == (0, 1)


def test_pixels_of_a_grid_are_whole_pixels_of_the_screen():
    figure = decoded_grids(decoded_panels(3))
    size = figure.get_size_inches() * figure.dpi
    for axes in figure.axes[:3]:
        height, width = shown(axes).shape[:2]
        box = axes.get_position()
        scales = np.array([box.width * size[0] / width, box.height * size[1] / height])
        np.testing.assert_allclose(scales, np.rint(scales), atol=1e-6)
        assert scales[0] == pytest.approx(scales[1])


def test_the_curve_goes_through_the_points_in_order_of_beta():
    figure = rate_distortion([RatePoint(*p) for p in CURVE], name="beta_vae.digits")
    curve, line = figure.axes[0].get_lines()
    expected = [[30, 75], [20, 80], [8, 110], [0, 206]]
    np.testing.assert_array_equal(curve.get_xydata(), expected)
    labels = {t.get_text(): t.xy for t in figure.axes[0].texts}
    assert labels == {
        "beta = 0.5": (30, 75),
        "beta = 1": (20, 80),
        "beta = 4": (8, 110),
        "beta = 16": (0, 206),
    }
    # The best bound touches the curve at beta = 1, and no point lies below it.
    np.testing.assert_allclose(line.get_xydata().sum(axis=1), 100)
    assert "beta_vae.digits" in text(figure)
    assert "rate + distortion = 100.0 nats, the best bound, of beta = 1" in text(figure)


def test_rows_are_clean_noisy_and_restored_for_each_level():
    clean, noisy, restored = noisy_and_restored()
    scores = {"noisy": {0.25: 12.04, 0.5: 6.0}, "dae": {0.25: 21.35}}
    figure = restorations(
        clean, noisy, restored, scores=scores, scored="1000 images", data="digits", noise="sigma"
    )
    rows = [t.get_text() for t in figure.axes[0].yaxis.get_ticklabels()]
    assert rows == [
        *("clean", "sigma 0.25  12.0 dB", "median", "dae  21.4 dB"),
        *("clean", "sigma 0.5  6.0 dB", "median", "dae"),
    ]
    canvas = shown(figure.axes[0]) / 255
    _, tops, lefts = grids.tile(np.zeros((8, 5, 8, 8, 1)), gap=1, group=4)
    expected = [
        *(clean, noisy[0.25], restored["median"][0.25], restored["dae"][0.25]),
        *(clean, noisy[0.5], restored["median"][0.5], restored["dae"][0.5]),
    ]
    for top, images in zip(tops, expected, strict=True):
        for left, image in zip(lefts, np.clip(images, 0, 1), strict=True):
            tile = canvas[top : top + 8, left : left + 8]
            np.testing.assert_allclose(tile, np.broadcast_to(image, (8, 8, 3)), atol=0.003)
    assert "digits; each column is one image" in text(figure)
    assert "mean over 1000 images" in text(figure)
    assert "PSNR" not in text(restorations(clean, noisy, restored))


def test_a_model_restores_what_its_own_corruption_made():
    model = zoo.create("salt_pepper_dae.digits", smoke=True)
    x = np.concatenate(list(zoo.data.load("digits").test))[:3]
    figure = pictures.restorations(model, x, levels=[0.0, 0.5], data="digits")
    rows = [t.get_text() for t in figure.axes[0].yaxis.get_ticklabels()]
    # Nothing is corrupted at level 0.
    assert rows == ["clean", "level 0", "restored", "clean", "level 0.5", "restored"]
    restored = np.clip(model.restore(x), 0, 1)
    canvas = shown(figure.axes[0]) / 255
    _, tops, lefts = grids.tile(np.zeros((6, 3, 8, 8, 1)), gap=1, group=3)
    noisy = model.corruption.at(x, 0.5, fold(0, "corrupt", 1))
    again = np.clip(model.restore(noisy), 0, 1)
    for row, images in ((0, x), (1, x), (2, restored), (3, x), (4, noisy), (5, again)):
        for left, image in zip(lefts, images, strict=True):
            tile = canvas[tops[row] : tops[row] + 8, left : left + 8]
            np.testing.assert_allclose(tile, np.broadcast_to(image, (8, 8, 3)), atol=0.003)
    assert "SaltAndPepperCorruption" in text(figure)
    by_default = pictures.restorations(model, x).axes[0].yaxis.get_ticklabels()
    levels = ("0.125", "0.25", "0.375", "0.5")
    assert [t.get_text() for t in by_default][1::3] == [f"level {n}" for n in levels]
    with pytest.raises(DataError, match=r"levels from 0 to 1, not 1\.5"):
        pictures.restorations(model, x, levels=[1.5])
    with pytest.raises(NotSupported, match="not trained to restore"):
        pictures.restorations(zoo.create("vae.digits", smoke=True), x)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match=r"model_0\.digits has \[30, 3\]"):
        latent_scatters([code_panels(1)[0]._replace(codes=np.zeros((30, 3)))])
    one, other = decoded_panels(2)
    with pytest.raises(DataError, match="one shape"):
        decoded_grids([one, other._replace(images=other.images[:2])])
    clean, noisy, restored = noisy_and_restored()
    with pytest.raises(DataError, match=r"dae has no images for level 0\.5"):
        restorations(clean, noisy, restored | {"dae": {0.25: clean}})
    with pytest.raises(DataError, match="no level"):
        restorations(clean, {}, restored)
    with pytest.raises(DataError, match="no point"):
        rate_distortion([])
    with pytest.raises(DataError, match="no panel"):
        latent_scatters([])
    with pytest.raises(DataError, match="no panel"):
        decoded_grids([])


FIGURES = {
    **{f"scatters {n}": lambda n=n: latent_scatters(code_panels(n), data="digits") for n in (1, 4)},
    "scatters, many classes": lambda: latent_scatters(code_panels(2, classes=25)),
    **{f"grids {n}": lambda n=n: decoded_grids(decoded_panels(n)) for n in (1, 5)},
    "curve": lambda: rate_distortion([RatePoint(*p) for p in CURVE]),
    "one point": lambda: rate_distortion([RatePoint(1, 20.0, 80.0)]),
    "restorations": lambda: restorations(*noisy_and_restored()),
}


@pytest.mark.parametrize("kind", FIGURES)
def test_nothing_is_clipped_and_texts_do_not_overlap(kind):
    figure = FIGURES[kind]()
    renderer = FigureCanvasAgg(figure).get_renderer()
    whole = figure.get_tightbbox(renderer)
    width, height = figure.get_size_inches()
    assert whole.x0 >= 0 and whole.y0 >= 0 and whole.x1 <= width and whole.y1 <= height
    title, caption = (t.get_window_extent(renderer) for t in figure.texts)
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    assert caption.y1 <= title.y0 and max(box.y1 for box in boxes) <= caption.y0
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
    if kind == "curve":
        labels = [t.get_window_extent(renderer) for t in figure.axes[0].texts]
        assert not any(a.overlaps(b) for i, a in enumerate(labels) for b in labels[i + 1 :])
