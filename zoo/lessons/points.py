"""How noise becomes a ring of Gaussians: by a GAN while it learns, and by a diffusion."""

import keras
import numpy as np
import tensorflow as tf

import zoo.data
from zoo import catalogue, configuration, storing
from zoo.data import points
from zoo.evaluation.results import examples
from zoo.evaluation.samples import compare_modes
from zoo.lessons.page import Lesson, Page
from zoo.models.samplers import DDIM
from zoo.noise import fold
from zoo.pictures.planes import Plane, angle, lattice, planes
from zoo.pictures.style import sentence

GAME, WALK = "gan.points", "ddpm.points"
# Steps of training at which the game is looked at.
STAGES = (0, 100, 500, 2_000, 15_000)
_BATCH, _RATE = 200, 1e-3
# Points of a picture, and for the numbers; half of a panel's side, and how fine its field is.
_SHOWN, _COUNTED = 1_500, 10_000
_REACH, _FINE = 3.2, 80
# The steps of the diffusion's sampler, and those after which it is shown.
_STEPS, _LOOKS = 50, (0, 15, 30, 40, 45, 50)


def make() -> Page:
    page = Page("From noise to a ring of Gaussians")
    _game(page)
    _walk(page)
    return page


# The game.


def _game(page: Page) -> None:
    model = _untrained()
    train = np.concatenate(list(examples(zoo.data.load("points", valid=0).train)))
    noise = np.asarray(model.prior_distribution().sample(_SHOWN, seed=fold(0, "shown")))
    above, below, rows, done = [], [], [], 0
    for stage in STAGES:
        if stage > done:
            _play(model, train, done, stage)
        done = stage
        name = f"{stage:,} steps"
        field = tf.sigmoid(model.logit(lattice(_REACH, _FINE))).numpy().reshape(_FINE, _FINE)
        shown = train[:_SHOWN]
        above.append(Plane(name, shown, angle(shown), field))
        below.append(Plane("", model.decode(noise).mean().numpy(), angle(noise), field))
        rows.append((f"{stage:,}", *_numbers(model)))
    page.say(
        f"`{GAME}` with a noise of two dimensions, so that all of it can be drawn. In each step "
        "the discriminator sees data and samples once, and then the generator moves its samples to "
        "where they are taken for data. The best discriminator of data of density p and samples of "
        "density q is D(x) = p(x) / (p(x) + q(x)): 1/2 everywhere once q = p, when the game is "
        "worth -log 4."
    )
    figure = planes(
        [above, below],
        "The game: D(x), and where the generator carries its noise",
        sentence(
            "dark: D(x) near 1, taken for data; light: near 0",
            "above, the data, coloured by their own angle",
            "below, samples G(z), coloured by the angle of their noise z: what is one colour was "
            "one sector of the noise",
        ),
        _REACH,
        ("data", "samples"),
    )
    page.show("points-game", figure, "D(x), data and samples after some steps of training")
    page.tabulate(
        ("steps", "D's loss, nats", "modes within 20 % of their share", "largest deviation",
         "samples beyond three deviations of every mode"),
        rows,
    )  # fmt: skip
    page.say(
        f"D's loss is -E log D(x) - E log(1 - D(G(z))), on {_COUNTED:,} new points and as many "
        f"samples; of a discriminator that tells nothing apart it is log 4 = {np.log(4):.3f}. What "
        "was one sector of the noise is torn into modes, and thin bridges stay between them, "
        "because a continuous G cannot do otherwise: they are the samples astray."
    )


def _untrained():
    config = configuration.read(GAME, overrides=["model.prior.size=2"])
    model = storing.build_model(config, seed=0)
    rate = keras.optimizers.schedules.CosineDecay(_RATE, STAGES[-1])
    model.compile(keras.optimizers.Adam(rate, beta_1=0.5), jit_compile=True, steps_per_execution=50)
    model.ensure_built()
    return model


def _play(model, train: np.ndarray, done: int, stage: int) -> None:
    chosen = np.random.RandomState(done).randint(len(train), size=(stage - done) * _BATCH)
    model.fit(train[chosen], batch_size=_BATCH, shuffle=False, verbose=0)


def _numbers(model) -> tuple[str, ...]:
    fresh, _ = points.sample(_COUNTED, seed=7)
    fake = model.sample(_COUNTED, seed=0).numpy()
    real_logit, fake_logit = model.logit(fresh), model.logit(fake)
    loss = tf.reduce_mean(tf.nn.softplus(-real_logit) + tf.nn.softplus(fake_logit))
    found = compare_modes(fake, {})
    modes, error, astray = (found[k].value for k in ("modes", "mode_error", "astray"))
    return f"{loss:.3f}", f"{modes:.0f} of {points.MODES}", f"{error:.0%}", f"{astray:.1%}"


# The walk.


def _walk(page: Page) -> None:
    model = catalogue.load(WALK)
    sampler, schedule = DDIM(_STEPS), model.schedule
    times = sampler.times(schedule)
    start = tf.random.stateless_normal((_COUNTED, 2), fold(0, "start"))
    x, row = start, []
    for i in range(_STEPS + 1):
        if i in _LOOKS:
            shown = x.numpy()[:_SHOWN]
            row.append(Plane(f"t = {times[i]}", shown, angle(start.numpy()[:_SHOWN])))
        if i < _STEPS:
            t, s = tf.constant(times[i]), tf.constant(times[i + 1])
            guess = model.guess(x, tf.fill([_COUNTED], t))
            x = sampler.step(x, guess, t, s, schedule, tf.zeros_like(x))
    found = compare_modes(x.numpy(), {})
    page.say(
        f"A diffusion, `{WALK}`, goes the same way in many small steps, each of which only has to "
        "remove a little noise. With DDIM and no fresh noise, a sample is a function of its first "
        f"noise too; here in {_STEPS} steps."
    )
    figure = planes(
        [row],
        "The walk: how a diffusion carries noise to data",
        f"DDIM with eta = 0, {_STEPS} steps from t = {schedule.steps} to 0; points coloured by the "
        "angle of their first noise",
        _REACH,
        ("samples",),
    )
    page.show("points-walk", figure, "Samples of a diffusion at six times")
    page.say(
        f"Of {_COUNTED:,} such samples, {found['modes'].value:.0f} of {points.MODES} modes have "
        f"within 20 % of their share (largest deviation {found['mode_error'].value:.0%}), and "
        f"{found['astray'].value:.1%} lie beyond three deviations of every mode, where "
        f"{np.exp(-4.5):.1%} of the data do."
    )


LESSON = Lesson("how a GAN, while it learns, and a diffusion carry noise to a ring", make)
