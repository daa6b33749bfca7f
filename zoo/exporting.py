"""SavedModels: what a model can do, for programs that have TensorFlow and neither Keras nor zoo."""

import inspect
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from zoo.errors import NotSupported, ZooError
from zoo.files import new_folder

if TYPE_CHECKING:
    import tensorflow as tf

    from zoo.models.base import GenerativeModel


class Endpoint(NamedTuple):
    """One function of a SavedModel: `call(**{name: tensor}) -> {name: tensor}`."""

    call: Callable[..., "dict[str, tf.Tensor]"]
    signature: "dict[str, tf.TensorSpec]"


def export(model: "GenerativeModel", directory: str | os.PathLike) -> dict[str, list[str]]:
    """Writes a SavedModel.

    In another program, `tf.saved_model.load(directory)` has these functions, as far as the model's
    family has them; arguments by name, results in a dictionary, the first axis of any length:

        serve(x)                           the model's own call: also the default signature
        encode(x)                          mean, stddev of q(z|x) `[B, D]`
        decode(z)                          mean of p(x|z) `[B, *event]`
        reconstruct(x)                     mean: x seen through its code
        sample(n, seed)                    sample `[n, *event]`
        sample_mean(n, seed)               mean `[n, *event]`: of p(x|z), for the z of that sample;
                                           of each element given those before it; of a diffusion
                                           the last guess, not rounded to levels
        log_prob(x, num_samples, seed)     log_prob `[B]` in nats, any number of samples, or of a
                                           diffusion's times, in bounded memory; an exact one
                                           takes x alone
        complete(x, known, seed)           sample: x where `known`, bool `[*event]`, the rest drawn

    `x` and `z` are float32, `n` and `num_samples` int32, `seed` int32[2]; a conditional model's
    functions take `y` besides, int32 labels or float32, and end with TensorFlow's
    InvalidArgumentError for a label that is no class. The same seed gives the same numbers, there
    and here.

    Args:
        model: trained or not, compiled or not.
        directory: must not exist; appears when all is written.

    Returns:
        The names of the arguments of each endpoint.

    Raises:
        ZooError: the folder exists or cannot be written.
        NotSupported: not a Keras model of this package.
    """
    import keras
    import tensorflow as tf

    from zoo.models.base import GenerativeModel

    if not isinstance(model, GenerativeModel):
        raise NotSupported(f"a {type(model).__name__} cannot be exported as a SavedModel")
    model.ensure_built()
    # A copy knows of no optimizer and of no strategy.
    bare = type(model).from_config(model.get_config())
    bare.ensure_built()
    bare.set_weights(model.kept_weights())
    found = endpoints(bare)
    with new_folder(directory) as folder:
        archive = keras.export.ExportArchive()
        archive.track(bare)
        for name, (call, signature) in found.items():
            archive.add_endpoint(name, tf.function(call, input_signature=list(signature.values())))
        try:
            archive.write_out(str(folder), verbose=False)
        except tf.errors.OpError as error:
            raise ZooError(f"cannot write {directory}: {error.message.splitlines()[0]}") from error
    return {name: list(endpoint.signature) for name, endpoint in found.items()}


def endpoints(model: "GenerativeModel") -> dict[str, Endpoint]:
    """What of the contract the model's family has, as functions of named tensors."""
    import tensorflow as tf

    from zoo.noise import fold

    x = tf.TensorSpec((None, *model.event_shape), tf.float32, name="x")
    seed = tf.TensorSpec((2,), tf.int32, name="seed")
    given = getattr(model, "condition_spec", None)
    # Last among the tensors of each endpoint, where the model is conditional.
    y = {} if given is None else {"y": given}

    def serve(x, y=None):
        return model(x if y is None else (x, y), training=False)

    def encode(x, y=None):
        code = model.encode(x, y)
        return {"mean": code.mean(), "stddev": code.stddev()}

    def estimate(x, num_samples, seed, y=None):
        of_kind = {"importance": "importance_log_prob", "elbo": "bound"}[model.likelihood_kind]
        found = getattr(model, of_kind)(x, num_samples, fold(seed, "log_prob"), y)
        return {"log_prob": found}

    found = {"serve": Endpoint(serve, {"x": x, **y})}
    if model.can("encode"):
        found["encode"] = Endpoint(encode, {"x": x, **y})
    if model.can("decode"):
        z = tf.TensorSpec((None, *model.latent_shape), tf.float32, name="z")
        found["decode"] = Endpoint(
            lambda z, y=None: {"mean": _mean(model.decode(z, y))}, {"z": z, **y}
        )
    if model.can("reconstruct"):
        found["reconstruct"] = Endpoint(
            lambda x, y=None: {"mean": model.reconstruct(x, y, seed=0)}, {"x": x, **y}
        )
    if model.can("sample"):
        found |= _samples(model, {"seed": seed, **y})
    if model.likelihood_kind in ("importance", "elbo"):
        number = tf.TensorSpec((), tf.int32, name="num_samples")
        found["log_prob"] = Endpoint(estimate, {"x": x, "num_samples": number, "seed": seed, **y})
    elif model.can("log_prob"):
        found["log_prob"] = Endpoint(
            lambda x, y=None: {"log_prob": model.log_prob(x, y)}, {"x": x, **y}
        )
    if model.can("complete"):
        known = tf.TensorSpec(model.event_shape, tf.bool, name="known")
        found["complete"] = Endpoint(
            lambda x, known, seed, y=None: {"sample": model.complete(x, known, y, seed)},
            {"x": x, "known": known, "seed": seed, **y},
        )
    known = getattr(getattr(model, "condition", None), "known", None)
    if known is not None:
        return {k: Endpoint(_guarded(e.call, known), e.signature) for k, e in found.items()}
    return found


def _samples(model: "GenerativeModel", given: "dict[str, tf.TensorSpec]") -> dict[str, Endpoint]:
    """Draws and their means: apart, because both together would take a diffusion's steps twice."""
    import tensorflow as tf

    signature = {"n": tf.TensorSpec((), tf.int32, name="n"), **given}

    def sample(n, seed, y=None):
        return {"sample": model.sample(n, y, seed=seed)}

    def sample_mean(n, seed, y=None):
        return {"mean": model.sample(n, y, seed=seed, mean=True)}

    has_means = "mean" in inspect.signature(model.sample).parameters
    calls = (sample, sample_mean) if has_means else (sample,)
    return {call.__name__: Endpoint(call, signature) for call in calls}


def _guarded(call: Callable[..., "dict[str, tf.Tensor]"], known: Callable):
    """`call`, for which a label that is no class is an error, not a vector of zeros."""
    import tensorflow as tf

    def guarded(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        y = given.arguments["y"]
        fine = known(y)
        wrong = tf.boolean_mask(y, tf.logical_not(fine))
        with tf.control_dependencies(
            [tf.debugging.Assert(tf.reduce_all(fine), ["y has labels that are no classes:", wrong])]
        ):
            given.arguments["y"] = tf.identity(y)
            return call(*given.args, **given.kwargs)

    # The names of the arguments are the endpoint's.
    guarded.__signature__ = signature = inspect.signature(call)
    return guarded


def _mean(distribution) -> "tf.Tensor":
    import tensorflow as tf

    return tf.cast(distribution.mean(), tf.float32)
