"""Densities of codes, fitted afterwards: against numpy and scikit-learn, and what they are for."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.mixture import GaussianMixture

import zoo
import zoo.distributions as zd
from zoo.cli import main
from zoo.errors import NotSupported
from zoo.models import VAE, Autoencoder, Classifier, Density
from zoo.networks import MLP
from zoo.training import density as fitting
from zoo.training.density import draws, fit_density

SHAPE = [2, 2, 1]


@pytest.fixture(scope="module")
def data():
    x = np.random.RandomState(0).random_sample((600, *SHAPE)).astype("float32")
    return zoo.data.from_array(x, batch_size=100)


@pytest.fixture(scope="module")
def autoencoder():
    return Autoencoder(
        MLP([8]),
        zd.VectorDeterministic(2),
        MLP([8]),
        zd.IndependentDeterministic(SHAPE),
    )


def banana(count: int, seed: int) -> np.ndarray:
    """Points that no normal fits well."""
    random = np.random.RandomState(seed)
    first = random.normal(size=count)
    second = first**2 + 0.2 * random.normal(size=count)
    return np.stack([3 * first + 10, second], axis=1).astype("float32")


def test_a_normal_has_the_moments_of_the_codes(autoencoder, data):
    found = fit_density(autoencoder, data, "gaussian", seed=0)
    codes = draws(autoencoder, data)
    codes = codes[np.random.RandomState(0).permutation(len(codes))][len(codes) // 10 :]
    prior = found.model.prior_distribution()
    np.testing.assert_allclose(prior.mean(), codes.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(
        prior.covariance(), np.cov(codes, rowvar=False, bias=True), rtol=1e-3, atol=1e-5
    )


def test_a_mixture_is_the_one_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(fitting, "_COMPONENTS", (3,))
    train, valid = banana(500, 0), banana(200, 1)
    prior = fitting.DENSITIES["gmm"](train, valid, 0)
    found = prior.distribution(prior(None)).log_prob(valid)
    wanted = GaussianMixture(3, random_state=0, reg_covar=1e-5).fit(train).score_samples(valid)
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_a_flow_fits_what_a_normal_cannot():
    train, valid = banana(2000, 0), banana(500, 1)

    def score(name):
        prior = fitting.DENSITIES[name](train, valid, 0)
        return float(tf.reduce_mean(prior.distribution(prior(None)).log_prob(valid)))

    # The true density of the points: two normals given each other.
    first = (valid[:, 0] - 10) / 3
    truth = -np.log(2 * np.pi) - np.log(3 * 0.2) - first**2 / 2
    truth = (truth - ((valid[:, 1] - first**2) / 0.2) ** 2 / 2).mean()
    assert score("gaussian") < truth - 0.5
    assert truth - 0.3 < score("maf") < truth + 0.1


@pytest.mark.parametrize("density", ["gaussian", "gmm"])
def test_an_autoencoder_can_be_sampled_then(autoencoder, data, density, tmp_path):
    assert not autoencoder.can("sample")
    model = fit_density(autoencoder, data, density).model
    samples = model.sample(5, seed=0)
    assert samples.shape == (5, *SHAPE)
    x = next(iter(data))
    np.testing.assert_array_equal(model.reconstruct(x), autoencoder.reconstruct(x))
    zoo.save(model, tmp_path / "saved")
    np.testing.assert_array_equal(zoo.load(tmp_path / "saved").sample(5, seed=0), samples)
    zoo.export(model, tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served"))
    found = served.sample(n=5, seed=tf.constant([0, 0]))
    assert found["sample"].shape == (5, *SHAPE)


def test_a_variational_one_gets_another_prior():
    x = np.random.RandomState(0).randint(0, 2, (300, *SHAPE)).astype("float32")
    data = zoo.data.from_array(x, batch_size=100, values="unit")
    model = VAE(
        MLP([8]), zd.MultivariateNormalDiag(2), MLP([8]), zd.IndependentBernoulli(SHAPE), seed=1
    )
    changed = fit_density(model, data, "gaussian").model
    assert isinstance(changed, VAE)
    # Codes of an untrained encoder are no standard normal, so the bound is another one.
    before, after = (m.log_prob(x[:50], num_samples=200) for m in (model, changed))
    assert np.abs(before - after).max() > 1e-3
    assert np.isfinite(after).all()


def test_what_has_no_codes_is_refused(autoencoder, data):
    with pytest.raises(NotSupported, match="unknown density 'kde'; choose one of: gaussian"):
        fit_density(autoencoder, data, "kde")
    classifier = Classifier(MLP([4]), zd.IndependentCategorical([1], levels=2), SHAPE)
    with pytest.raises(NotSupported, match="Classifier has no codes"):
        fit_density(classifier, data)


def test_a_density_is_a_model_of_its_own():
    model = Density(zd.NormalPrior(2))
    points = banana(400, 0)
    model.compile(optimizer="adam")
    before = model.evaluate(points, verbose=0, return_dict=True)["log_likelihood"]
    model.fit(points, epochs=20, batch_size=50, verbose=0)
    after = model.evaluate(points, verbose=0, return_dict=True)["log_likelihood"]
    assert after > before + 5
    np.testing.assert_allclose(model.log_prob(points).numpy().mean(), after, rtol=1e-4)


def test_the_command(tmp_path, capsys):
    out = tmp_path / "dense"
    assert main(["fit-density", "vae.digits", "--density", "gaussian", "--out", str(out)]) == 0
    assert "held-out codes:" in capsys.readouterr().err
    assert zoo.load(out).sample(3, seed=0).shape == (3, 8, 8, 1)
    assert main(["fit-density", "vae.digits", "--out", str(out)]) == 2
    assert "exists" in capsys.readouterr().err
