"""Products of conditionals over images: sums over the support, Jacobians, cached drawing."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.distributions import IndependentBernoulli, IndependentCategorical
from zoo.errors import DataError, NotSupported
from zoo.models import Autoregressive
from zoo.networks import GRU, MADE, MLP, GatedPixelCNN, OneHot, PixelCNN, PixelCNNPP
from zoo.objectives import Ramp

GREY, COLOUR = (3, 3, 1), (2, 2, 3)
# Names of the cases, each a network and the shape of its images.
CASES = {
    "gated, one layer": (lambda: GatedPixelCNN(4, 1, first_kernel=3, units=4), GREY),
    "gated": (lambda: GatedPixelCNN(4, 3, units=4), GREY),
    "gated, dilated": (lambda: GatedPixelCNN(4, 3, units=4, dilations=[1, 2]), (4, 4, 1)),
    "gated, reversed": (lambda: GatedPixelCNN(4, 2, units=4, order="reversed"), GREY),
    "gated, colour": (lambda: GatedPixelCNN(4, 2, units=4), COLOUR),
    "masked": (lambda: PixelCNN(4, 2, units=4), GREY),
    "masked, colour": (lambda: PixelCNN(6, 2, first_kernel=3, units=6), COLOUR),
    "masked, dilated": (lambda: PixelCNN(4, 2, units=4, dilations=[2, 1]), (4, 4, 1)),
    "masked, reversed": (lambda: PixelCNN(6, 1, units=6, order="reversed"), COLOUR),
    "++": (lambda: PixelCNNPP(4, 1, levels=2), (4, 4, 1)),
    "++, one level": (lambda: PixelCNNPP(4, 2, levels=1, order="reversed"), GREY),
    "++, colour": (lambda: PixelCNNPP(4, 2, levels=2), COLOUR),
    "made": (lambda: MADE([30, 40], 2), GREY),
    "made, narrow": (lambda: MADE([5, 4], 1), GREY),
    "made, one layer": (lambda: MADE([30], 1, order="reversed"), COLOUR),
    "made, random": (lambda: MADE([9, 30], 2, order="random", seed=3), COLOUR),
}


def made_of(network, shape, condition=None, levels=2, scale=0.5) -> Autoregressive:
    """A model with weights that are far from their beginning."""
    if levels == 2:
        likelihood = IndependentBernoulli(shape)
    else:
        likelihood = IndependentCategorical(shape, levels)
    model = Autoregressive(network, likelihood, condition=condition)
    model.ensure_built()
    random = np.random.RandomState(0)
    for variable in model.trainable_variables:
        variable.assign(scale * random.normal(size=variable.shape))
    return model


def all_images(shape, levels=2) -> np.ndarray:
    values = list(itertools.product(range(levels), repeat=int(np.prod(shape))))
    return np.array(values, np.float32).reshape(-1, *shape)


@pytest.fixture(params=CASES)
def case(request):
    make, shape = CASES[request.param]
    return make, shape


@pytest.mark.parametrize("condition", [None, OneHot(3)], ids=["", "given a class"])
def test_probabilities_of_all_images_sum_to_one(case, condition):
    make, shape = case
    model = made_of(make(), shape, condition)
    x = all_images(shape)
    y = None if condition is None else np.full(len(x), 2)
    total = np.exp(model.log_prob(x, y).numpy().astype(np.float64)).sum()
    assert total == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("make", [lambda: GatedPixelCNN(4, 2, units=4), lambda: MADE([30], 4)])
def test_probabilities_of_all_images_of_17_levels_sum_to_one(make):
    model = made_of(make(), (2, 2, 1), levels=17)
    total = 0.0
    for x in np.array_split(all_images((2, 2, 1), 17), 10):
        total += np.exp(model.log_prob(x).numpy().astype(np.float64)).sum()
    assert total == pytest.approx(1, abs=1e-5)


def jacobian(model) -> np.ndarray:
    """|d features / d x| of some images, `[steps, steps]`, both in the order of drawing."""
    network = model.network
    random = np.random.RandomState(1)
    # Several, because a unit may be off at any one.
    x = tf.constant(random.random_sample((8, *model.event_shape)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(x)
        features = network(x)
    found = tf.abs(tape.batch_jacobian(features, x)).numpy()
    found = found.reshape(8, network.steps, -1, network.steps, network.step_size).sum(
        axis=(0, 2, 4)
    )
    return found[network.order][:, network.order]


def test_no_step_sees_the_present_or_the_future(case):
    make, shape = case
    found = jacobian(made_of(make(), shape))
    assert (np.triu(found) == 0).all()
    assert found.sum() > 0


def test_the_gated_network_sees_all_of_the_past_and_the_masked_one_has_a_blind_spot():
    shape = (6, 6, 1)
    past = np.tril(np.ones((36, 36)), -1) > 0
    gated = jacobian(made_of(GatedPixelCNN(4, 6, units=9), shape, scale=0.3)) > 0
    np.testing.assert_array_equal(gated, past)
    masked = jacobian(made_of(PixelCNN(8, 6, first_kernel=3, units=9), shape)) > 0
    blind = past & ~masked
    # Right of a place, in the rows above: (1, 3) is not seen from (2, 0), (1, 1) is.
    assert blind[2 * 6, 6 + 3]
    assert masked[2 * 6, 6 + 1]


@pytest.mark.parametrize("condition", [None, OneHot(3)], ids=["", "given a class"])
def test_drawing_knows_the_probability_of_its_own_draw(case, condition):
    make, shape = case
    model = made_of(make(), shape, condition)
    y = None if condition is None else np.arange(50) % 3
    drawn = model.draw(50, y, seed=1)
    expected = model.log_prob(drawn.x, y).numpy()
    np.testing.assert_allclose(drawn.log_prob, expected, atol=1e-5 * np.prod(shape))
    assert len(np.unique(drawn.x.numpy().reshape(50, -1), axis=0)) > 1


def test_cached_logits_are_those_of_the_whole_pass(case):
    make, shape = case
    model = made_of(make(), shape, OneHot(3), scale=0.4)
    network = model.network
    x = np.random.RandomState(2).randint(0, 2, (4, *shape)).astype(np.float32)
    y = np.array([0, 1, 2, 0])
    whole = model.distribution(x, y).distribution.logits.numpy().reshape(4, network.steps, -1)
    assert np.ptp(whole) > 0.05
    flat, context = x.reshape(4, network.steps, -1), model.given(y)
    state, previous = network.start(4, context), np.zeros_like(flat[:, 0])
    ones = [1] * (len(shape) - (not network.per_element))
    for index, place in enumerate(network.order):
        if index % network.row_length == 0:
            state = network.start_row(state, previous, tf.constant(index), context)
        features, state = network.step(state, previous, tf.constant(index), context)
        parameters = model.likelihood(tf.reshape(features, [4, *ones, features.shape[-1]]))
        logits = model.likelihood.distribution(parameters).distribution.logits
        np.testing.assert_allclose(tf.reshape(logits, [4, -1]), whole[:, place], rtol=0, atol=1e-4)
        previous = flat[:, place]


def test_draws_have_the_frequencies_of_the_model():
    shape = (2, 2, 1)
    model = made_of(GatedPixelCNN(4, 2, units=4), shape)
    x = all_images(shape)
    expected = np.exp(model.log_prob(x).numpy())
    number = 40_000
    drawn = model.sample(number, seed=5).numpy().reshape(number, 4)
    found = np.bincount((drawn @ [8, 4, 2, 1]).astype(int), minlength=16) / number
    error = np.sqrt(expected * (1 - expected) / number)
    assert (np.abs(found - expected) < 5 * error).all()


def test_the_condition_decides_and_its_order_does_not():
    model = made_of(GatedPixelCNN(4, 2, units=4), GREY, OneHot(3), scale=1.0)
    x = all_images(GREY)[:3]
    given = [model.log_prob(x, np.full(3, label)).numpy() for label in range(3)]
    assert np.abs(given[0] - given[1]).max() > 0.01
    mixed = model.log_prob(x, np.array([2, 0, 1])).numpy()
    np.testing.assert_allclose(mixed, [given[2][0], given[0][1], given[1][2]], rtol=1e-5)


def test_what_is_known_stays_and_the_rest_is_drawn_from_the_conditional():
    model = made_of(MADE([30]), GREY, scale=1.0)
    known = np.zeros(GREY, bool)
    known[:2] = True
    x = np.random.RandomState(0).randint(0, 2, (1, *GREY)).astype(np.float32)
    number = 20_000
    drawn = model.complete(np.repeat(x, number, axis=0), known, seed=3).numpy()
    np.testing.assert_array_equal(drawn[:, :2], np.repeat(x[:, :2], number, axis=0))
    # p(last row | the others), from the joint probabilities.
    rows = all_images((1, 3, 1))
    joint = np.exp(model.log_prob(np.concatenate([np.repeat(x[:, :2], 8, 0), rows], 1)).numpy())
    found = np.bincount((drawn[:, 2, :, 0] @ [4, 2, 1]).astype(int), minlength=8) / number
    np.testing.assert_allclose(found, joint / joint.sum(), atol=0.02)


def test_unknown_values_of_what_is_completed_do_not_matter():
    model = made_of(GatedPixelCNN(4, 2, units=4), GREY)
    known = np.zeros(GREY, bool)
    known[0] = True
    x = np.zeros((2, *GREY), np.float32)
    other = x.copy()
    other[:, 1:] = 1
    np.testing.assert_array_equal(
        model.complete(x, known, seed=1), model.complete(other, known, seed=1)
    )


def test_the_same_seed_draws_the_same():
    model = made_of(GatedPixelCNN(4, 1, units=4), GREY)
    first, again, other = (model.sample(20, seed=s).numpy() for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_low_temperature_and_a_small_top_k_draw_the_likeliest():
    model = made_of(GatedPixelCNN(4, 2, units=4), GREY, levels=5, scale=1.0)
    cold = model.sample(30, seed=1, temperature=1e-4).numpy()
    best = model.sample(30, seed=2, top_k=1).numpy()
    assert (cold == cold[:1]).all()
    np.testing.assert_array_equal(cold, best)
    programs = model._generate.experimental_get_tracing_count()
    warm = model.sample(30, seed=1, temperature=0.5).numpy()
    assert (warm != cold).any()
    assert model._generate.experimental_get_tracing_count() == programs
    two = model.draw(200, seed=3, top_k=2)
    logits = model.likelihood(model.features(two.x))["logits"].numpy()
    rank = (logits > np.take_along_axis(logits, two.x.numpy()[..., None].astype(int), -1)).sum(-1)
    assert set(np.unique(rank)) == {0, 1}


def test_sharpening_raises_probabilities_to_a_power():
    likelihood = IndependentCategorical((1, 1, 1), 3)
    logits = np.log(np.array([0.5, 0.3, 0.2], np.float32)).reshape(1, 1, 1, 1, 3)
    sharp = tf.nn.softmax(likelihood.sharpened({"logits": logits}, 0.5, None)["logits"]).numpy()
    expected = np.array([0.25, 0.09, 0.04]) / 0.38
    np.testing.assert_allclose(sharp.ravel(), expected, rtol=1e-5)
    kept = tf.nn.softmax(likelihood.sharpened({"logits": logits}, 1.0, 2)["logits"]).numpy()
    np.testing.assert_allclose(kept.ravel(), [0.625, 0.375, 0], rtol=1e-5)


def test_means_are_the_probabilities_along_the_draw():
    model = made_of(GatedPixelCNN(4, 2, units=4), GREY)
    mean, drawn = model.sample(5, seed=1, mean=True).numpy(), model.sample(5, seed=1)
    expected = model.distribution(drawn).mean().numpy()
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    assert ((mean > 0) & (mean < 1)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(0), "whole number from 1"),
        (lambda m: m.sample(2, temperature=0.0), "temperature is above 0"),
        (lambda m: m.complete(np.zeros((2, *GREY)), np.zeros((2, 2))), "mask of shape"),
        (lambda m: m.complete(np.full((2, *GREY), 0.5), True), "binarize"),
        (lambda m: m.log_prob(np.zeros((2, 9))), "reshape to"),
        (lambda m: m.log_prob(np.zeros(GREY)), r"x\[np.newaxis\]"),
        *[(lambda m, x=x: m.log_prob(x), "an array of examples") for x in ("abc", 3, None, {})],
    ],
)
def test_bad_requests_are_refused_in_one_line(call, message):
    model = made_of(GatedPixelCNN(4, 1, units=4), GREY)
    with pytest.raises(DataError, match=message) as caught:
        call(model)
    assert "\n" not in str(caught.value)


def _fresh(network, likelihood, **options):
    model = Autoregressive(network, likelihood, **options)
    assert not model.built
    return model


@pytest.mark.parametrize("case", ["made, narrow", "masked", "gated", "++, one level"])
def test_a_model_of_parts_needs_no_first_call(case):
    network, shape = CASES[case]
    assert _fresh(network(), IndependentBernoulli(shape)).sample(2, seed=0).shape == (2, *shape)
    assert _fresh(network(), IndependentBernoulli(shape)).log_prob(np.zeros((2, *shape))).shape == (
        2,
    )


def test_a_sequence_needs_none_either():
    def fresh():
        return _fresh(GRU(levels=3, units=3), IndependentCategorical([8], levels=3))

    assert fresh().draw(2, seed=0).x.shape == (2, 8)
    assert fresh().at_length(5).event_shape == (5,)
    for length in (0, -3, 2.5, True, None):
        with pytest.raises(DataError, match="length must be a whole number"):
            fresh().at_length(length)


def test_the_coldest_draw_is_the_likeliest_one():
    model = _fresh(GRU(levels=3, units=3), IndependentCategorical([8], levels=3))
    cold = [model.sample(2, seed=0, temperature=t).numpy() for t in (1e-300, 1e-39, 1e-30)]
    likeliest = model.sample(2, seed=1, top_k=1).numpy()
    for drawn in cold:
        np.testing.assert_array_equal(drawn, likeliest)


def test_bytes_are_predicted():
    model = _fresh(GRU(levels=3, units=3), IndependentCategorical([8], levels=3))
    x = np.random.RandomState(0).randint(0, 3, (4, 8))
    found = model.predict(x.astype(np.uint8), verbose=0)["log_prob"]
    np.testing.assert_allclose(found, model.log_prob(x), rtol=1e-5)


def test_one_label_is_that_of_all_examples():
    model = _fresh(GatedPixelCNN(4, 1), IndependentBernoulli(GREY), condition=OneHot(3))
    one, each = (model.draw(4, y, seed=0) for y in (2, [2] * 4))
    np.testing.assert_array_equal(one.x, each.x)
    np.testing.assert_allclose(model.log_prob(one.x, 2), model.log_prob(one.x, [2] * 4), rtol=1e-6)
    with pytest.raises(DataError, match="takes y of shape"):
        model.sample(4, y=[2])


@pytest.mark.parametrize("share", [1.5, Ramp(0.0, 2.0, 10)], ids=["number", "ramp"])
def test_shares_of_own_draws_are_shares(share):
    with pytest.raises(ValueError, match="share from 0 to 1"):
        _fresh(MADE([4]), IndependentBernoulli(GREY), own_draws=share)


def test_network_and_likelihood_have_the_same_levels():
    with pytest.raises(ValueError, match="takes 2 levels, the likelihood 3"):
        Autoregressive(GRU(levels=2, units=3), IndependentCategorical([8], levels=3))


def test_what_a_likelihood_cannot_do_is_said():
    model = made_of(GatedPixelCNN(4, 1, units=4), GREY)
    with pytest.raises(NotSupported, match="leave out top_k"):
        model.sample(2, top_k=1)
    categorical = made_of(GatedPixelCNN(4, 1, units=4), GREY, levels=3)
    with pytest.raises(DataError, match="from 1 to 3"):
        categorical.sample(2, top_k=4)


def test_parts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="causal"):
        Autoregressive(MLP([3]), IndependentBernoulli(GREY))
    with pytest.raises(ValueError, match="takes images"):
        Autoregressive(GatedPixelCNN(4, 1), IndependentBernoulli((3, 3))).ensure_built()
    for network in (GatedPixelCNN, PixelCNN):
        with pytest.raises(ValueError, match="1 or more each"):
            network(4, 2, dilations=[2, 0])


@pytest.mark.parametrize(
    ("network", "likelihood", "y"),
    [
        (GatedPixelCNN(4, 2, units=4), IndependentBernoulli((4, 4, 1)), [0, 2, 1]),
        (GRU(5, 6), IndependentCategorical([7], 5), None),
    ],
)
def test_a_saved_model_draws_completes_and_measures_as_here(network, likelihood, y, tmp_path):
    model = Autoregressive(network, likelihood, condition=OneHot(3) if y else None)
    model.ensure_built()
    zoo.export(model, tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served"))
    seed = tf.constant([1, 2])
    given = {"y": tf.constant(y)} if y else {}
    drawn = served.sample(n=tf.constant(3), seed=seed, **given)["sample"]
    np.testing.assert_array_equal(drawn, model.sample(3, y and np.array(y), seed=seed))
    expected = model.log_prob(drawn, y and np.array(y))
    np.testing.assert_allclose(served.log_prob(x=drawn, **given)["log_prob"], expected, rtol=1e-5)
    known = np.zeros(model.event_shape, bool)
    known[:2] = True
    other = tf.constant([5, 6])
    completed = served.complete(x=drawn, known=tf.constant(known), seed=other, **given)["sample"]
    here = model.complete(drawn, known, y and np.array(y), seed=other)
    np.testing.assert_array_equal(completed, here)
    np.testing.assert_array_equal(completed[:, :2], drawn[:, :2])


@pytest.mark.parametrize(
    ("network", "wanted"),
    [
        (GatedPixelCNN(2, 1), False),
        (PixelCNN(2, 1), False),
        (PixelCNNPP(2, levels=1), False),
        (MADE([4]), True),
    ],
)
def test_xla_is_for_what_does_not_convolve(network, wanted):
    model = Autoregressive(network, IndependentBernoulli((4, 4, 1)))
    model.ensure_built()
    assert model.prefers_xla() is wanted
