"""A SavedModel answers as the model does, in a process that has TensorFlow and no zoo."""

import numpy as np
import pytest
import tensorflow as tf
from models import images, vae
from processes import result

import zoo
from zoo import distributions as zd
from zoo import networks as zn
from zoo.cli import main
from zoo.errors import NotSupported, ZooError
from zoo.exporting import endpoints, export
from zoo.models import VAE
from zoo.models.base import GenerativeModel

X = images(6, seed=4)
Z = np.random.RandomState(0).normal(size=(6, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    model = vae()
    model.compile()
    model.fit(images(), epochs=3, verbose=0)
    return model


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    at = tmp_path_factory.mktemp("served")
    found = export(model, at / "1")
    assert list(found) == [
        *("serve", "encode", "decode", "reconstruct", "sample", "sample_mean", "log_prob")
    ]
    np.savez(at / "data.npz", x=X, z=Z)
    return result("served.py", at / "1", at / "data.npz")


def test_it_needs_tensorflow_alone(served):
    # The program hides keras before it imports TensorFlow, which would import it.
    assert "tensorflow" in served["imported"]
    assert not {"zoo", "tensorflow_probability", "tf_keras"} & set(served["imported"])


@pytest.mark.parametrize("count", [1, 3])
def test_endpoints_answer_as_the_model_does(served, model, count):
    x, z, found = X[:count], Z[:count], served[str(count)]
    code = model.encode(x)
    expected = {
        "serve": model(x),
        "encode": {"mean": code.mean(), "stddev": code.stddev()},
        "decode": {"mean": model.decode(z).mean()},
        "reconstruct": {"mean": model.reconstruct(x)},
        "log_prob": {"log_prob": model.log_prob(x, num_samples=2500, seed=tf.constant([1, 2]))},
    }
    for name, answer in expected.items():
        assert found[name].keys() == answer.keys()
        for key, value in answer.items():
            np.testing.assert_allclose(found[name][key], value, atol=1e-5, err_msg=name)


def test_samples_are_a_function_of_the_seed(served, model):
    first, again, other = served["samples"]
    assert first == again != other
    np.testing.assert_array_equal(first["sample"], model.sample(2, seed=tf.constant([1, 2])))
    assert np.shape(first["sample"]) == (2, 4, 4, 1) and set(np.ravel(first["sample"])) == {0, 1}
    means = served["means"]["mean"]
    np.testing.assert_allclose(means, model.sample(2, seed=tf.constant([1, 2]), mean=True), 1e-5)
    assert 0 < np.min(means) < np.max(means) < 1


def test_any_number_of_samples_in_flat_memory(served, model):
    # All at once would hold 20 000 x 6 x 16 numbers a tensor, 8 MB, in a few dozen tensors.
    assert served["megabytes"] < 30
    reference = model.log_prob(X, num_samples=20_000, seed=7)
    np.testing.assert_allclose(served["many"], reference, atol=0.1)


def test_arguments_have_names(served):
    assert served["signatures"] == {
        "serve": ["x"],
        "serving_default": ["x"],
        "encode": ["x"],
        "decode": ["z"],
        "reconstruct": ["x"],
        "sample": ["n", "seed"],
        "sample_mean": ["n", "seed"],
        "log_prob": ["num_samples", "seed", "x"],
    }


def test_an_existing_folder_is_refused(model, tmp_path):
    (tmp_path / "here").mkdir()
    with pytest.raises(ZooError, match="exists already"):
        export(model, tmp_path / "here")
    assert list(tmp_path.iterdir()) == [tmp_path / "here"]
    assert not list((tmp_path / "here").iterdir())


def test_a_failure_leaves_nothing(model, tmp_path, monkeypatch):
    def full(what, folder, **kwargs):
        (tmp_path / "written").write_text(folder)
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(ZooError, match="No space left on device"):
        export(model, tmp_path / "out" / "1")
    assert (tmp_path / "written").exists()
    assert not list((tmp_path / "out").iterdir())


def test_the_command_exports_a_saved_model(tmp_path, capsys):
    model = zoo.create("vae.digits", seed=1, smoke=True)
    zoo.save(model, tmp_path / "saved")
    assert main(["export", str(tmp_path / "saved"), str(tmp_path / "served")]) == 0
    assert "sample(n, seed)" in capsys.readouterr().err
    served = tf.saved_model.load(str(tmp_path / "served"))
    x = np.zeros((2, 8, 8, 1), "float32")
    np.testing.assert_allclose(served.encode(x)["mean"], model.encode(x).mean(), atol=1e-5)
    assert main(["export", str(tmp_path / "saved"), str(tmp_path / "served")]) == 2
    assert main(["export", str(tmp_path / "nothing"), str(tmp_path / "other")]) == 2
    assert not (tmp_path / "other").exists()


def test_only_what_a_family_has_becomes_an_endpoint():
    class Encoder(GenerativeModel):
        likelihood_kind = None

        def encode(self, x, y=None):
            raise AssertionError("only when traced")

    assert list(endpoints(Encoder(event_shape=(2,)))) == ["serve", "encode"]
    with pytest.raises(NotSupported, match="cannot be exported"):
        export(object(), "nowhere")


@pytest.mark.parametrize("scale", ["fixed", "learned", "per_element"])
def test_a_full_covariance_and_normal_pixels(scale, tmp_path):
    model = VAE(
        encoder=zn.MLP([4]),
        posterior=zd.MultivariateNormalTriL(2),
        decoder=zn.MLP([4]),
        likelihood=zd.IndependentNormal((4, 4, 1), scale=scale, value=0.3),
    )
    export(model, tmp_path / "1")
    served = tf.saved_model.load(str(tmp_path / "1"))
    np.testing.assert_allclose(served.encode(X)["stddev"], model.encode(X).stddev(), atol=1e-5)
    drawn = served.sample(n=tf.constant(2), seed=tf.constant([1, 2]))["sample"]
    np.testing.assert_allclose(drawn, model.sample(2, seed=tf.constant([1, 2])), atol=1e-5)


def test_a_label_that_is_no_class_is_refused(tmp_path):
    model = zoo.create("cgan.mnist", smoke=True)
    export(model, tmp_path / "1")
    served, seed = tf.saved_model.load(str(tmp_path / "1")), tf.constant([1, 2])
    drawn = served.sample(n=tf.constant(2), seed=seed, y=tf.constant([0, 9]))["sample"]
    np.testing.assert_allclose(drawn, model.sample(2, [0, 9], seed=seed), atol=1e-5)
    for label in (-1, 10):
        y = tf.constant([0, 1, 2, 3, 4, label])
        with pytest.raises(tf.errors.InvalidArgumentError, match=rf"no classes:\] \[{label}\]"):
            served.sample(n=tf.constant(6), seed=seed, y=y)


def test_labels_of_a_recording_are_looked_at_in_a_graph():
    labels = zn.RecordingLabels([10, 5])
    y = np.array([[0, 0, 0], [9, 4, 7], [10, 0, 0], [0, 5, 0], [-1, 0, 0], [0, 0, -1]])
    known = labels.known(tf.constant(y)).numpy()
    assert known.tolist() == [labels.violation(row[np.newaxis]) is None for row in y]
    assert known.tolist() == [True, True, False, False, False, False]
