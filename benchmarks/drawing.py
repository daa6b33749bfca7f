"""How fast autoregressive models draw: from cached steps, and by a pass for each step.

    python -m benchmarks.drawing [--rounds 3] [--only images|audio]

The plain sampler is compiled too. For each step it runs the network over all that the step can see:
the whole image, or as much of the past as the receptive field has. XLA and TensorFlow's own kernels
are both tried for it, and the faster one counts. Same weights, same process, in turn.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from zoo.distributions import IndependentBernoulli, IndependentCategorical
from zoo.models import Autoregressive
from zoo.networks import GatedPixelCNN, WaveNet
from zoo.noise import fold

IMAGES, SIDE = 16, 28
RATE, LEVELS, SECONDS = 8_000, 256, 16
# Steps that the plain samplers are timed for; the rest is alike.
PLAIN_PIXELS, PLAIN_SAMPLES = 56, 100


def image_model() -> Autoregressive:
    """As `gated_pixelcnn.mnist`."""
    network = GatedPixelCNN(filters=32, layers=8, units=64)
    model = Autoregressive(network, IndependentBernoulli([SIDE, SIDE, 1]))
    model.ensure_built()
    return model


def audio_model(length: int) -> Autoregressive:
    """18 layers of 32 filters, dilations 1 to 256 twice."""
    network = WaveNet(LEVELS, filters=32, skip=32, units=64, dilations=[2**i for i in range(9)] * 2)
    model = Autoregressive(network, IndependentCategorical([length], LEVELS))
    model.ensure_built()
    return model


def plain_images(model: Autoregressive, xla: bool) -> Callable[[], tf.Tensor]:
    """Draws the first rows of the images by a whole pass for each pixel."""

    @tf.function(jit_compile=xla)
    def draw():
        def body(index, x):
            logits = model.likelihood(model.network(x))["logits"]
            probability = tf.sigmoid(tf.reshape(logits, [IMAGES, -1])[:, index])
            uniform = tf.random.stateless_uniform([IMAGES], fold(0, index))
            pixel = tf.cast(uniform < probability, tf.float32)
            place = tf.one_hot(index, SIDE * SIDE)
            drawn = tf.reshape(pixel[:, tf.newaxis] * place, [IMAGES, SIDE, SIDE, 1])
            return index + 1, x + drawn

        start = (tf.constant(0), tf.zeros([IMAGES, SIDE, SIDE, 1]))
        return tf.while_loop(lambda i, _: i < PLAIN_PIXELS, body, start)[1]

    return draw


def plain_audio(model: Autoregressive, xla: bool) -> Callable[[], tf.Tensor]:
    """Draws samples by a pass over the receptive field for each."""
    (field,) = model.event_shape

    @tf.function(jit_compile=xla)
    def draw():
        def body(index, window):
            # The network moves its input by one: the last place is the next sample's.
            features = model.network(tf.pad(window[:, 1:], [[0, 0], [0, 1]]))[:, -1:]
            logits = model.likelihood.projection(features)[:, 0]
            sample = tf.random.stateless_categorical(logits, 1, fold(0, index))
            return index + 1, tf.concat([window[:, 1:], tf.cast(sample, tf.float32)], axis=1)

        start = (tf.constant(0), tf.zeros([1, field]))
        return tf.while_loop(lambda i, _: i < PLAIN_SAMPLES, body, start)[1]

    return draw


def seconds(call: Callable[[], tf.Tensor]) -> float:
    """Of one call."""
    start = time.perf_counter()
    np.asarray(call())
    return time.perf_counter() - start


def compare(
    name: str, contenders: dict[str, tuple[Callable, float]], steps: int, rounds: int
) -> None:
    """Prints a table.

    Args:
        name: of the task.
        contenders: a call each, and the factor from its time to the whole task's.
        steps: how many elements the task draws.
        rounds: turns of all contenders.
    """
    for call, _ in contenders.values():
        call()
    times = {title: [] for title in contenders}
    for _ in range(rounds):
        for title, (call, factor) in contenders.items():
            times[title].append(seconds(call) * factor)
    head = "| sampler | seconds, median | range | elements a second |"
    print(f"\n### {name}\n\n{head}\n|---|---|---|---|")
    for title, found in times.items():
        middle, span = statistics.median(found), f"{min(found):.3f} to {max(found):.3f}"
        print(f"| {title} | {middle:.3f} | {span} | {steps / middle:,.0f} |")
    ours, *others = times.values()
    if others:
        ratios = [min(turn[1:]) / turn[0] for turn in zip(ours, *others, strict=True)]
        print(f"\ncached is {statistics.median(ratios):.1f} times as fast as the faster plain one")


def images(rounds: int) -> None:
    model = image_model()
    factor = SIDE * SIDE / PLAIN_PIXELS
    compare(
        f"{IMAGES} images of {SIDE} x {SIDE}, gated PixelCNN, {model.count_params():,} parameters",
        {
            "cached": (lambda: model.sample(IMAGES, seed=0), 1.0),
            "plain, TensorFlow": (plain_images(model, xla=False), factor),
            "plain, XLA": (plain_images(model, xla=True), factor),
        },
        IMAGES * SIDE * SIDE,
        rounds,
    )


def audio(rounds: int) -> None:
    model = audio_model(RATE)
    window = audio_model(model.network.receptive_field)
    window.set_weights(model.get_weights())
    factor = RATE / PLAIN_SAMPLES
    compare(
        f"one second of audio, {RATE} samples, WaveNet, {model.count_params():,} parameters",
        {
            "cached": (lambda: model.sample(1, seed=0), 1.0),
            "plain, TensorFlow": (plain_audio(window, xla=False), factor),
            "plain, XLA": (plain_audio(window, xla=True), factor),
        },
        RATE,
        rounds,
    )
    several = {"cached": (lambda: model.sample(SECONDS, seed=0), 1.0)}
    compare(f"{SECONDS} seconds of audio at once", several, SECONDS * RATE, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("images", "audio"))
    args = parser.parse_args()
    for name, run in (("images", images), ("audio", audio)):
        if args.only in (None, name):
            run(args.rounds)


if __name__ == "__main__":
    main()
