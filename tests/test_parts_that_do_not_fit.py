"""Parts that do not go together are refused when the model is made, in one line."""

import numpy as np
import pytest

import zoo.distributions as zd
import zoo.objectives as zo
from zoo.cli import main
from zoo.errors import DataError
from zoo.models import VAE, Autoencoder
from zoo.networks import MLP, OneHot

SHAPE = [4, 4, 1]


def _vae(posterior=None, **parts):
    posterior = posterior or zd.MultivariateNormalDiag(3)
    return VAE(MLP([4]), posterior, MLP([4]), zd.IndependentBernoulli(SHAPE), **parts)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"prior": zd.RealNVP(2, 1, [4])}, "the prior RealNVP has size 2, and the posterior 3"),
        ({"prior": zd.StandardNormal(4)}, "the prior StandardNormal has size 4"),
        ({"prior": zd.VampPrior(2, 5, SHAPE)}, "the prior VampPrior has size 2"),
        (
            {"prior": zd.VampPrior(3, 5, [8, 8, 1])},
            r"VampPrior has event_shape \[8, 8, 1\], and the likelihood \[4, 4, 1\]",
        ),
        (
            {"prior": zd.VampPrior(3, 5, SHAPE), "condition": OneHot(2)},
            "pseudo-inputs have no label",
        ),
        ({"condition": "onehot"}, "the condition is 'onehot', not a layer"),
        ({"posterior": zd.VectorDeterministic(3)}, "has no density, so there is no bound"),
        (
            {"objective": zo.SquaredError()},
            "SquaredError is an objective over RestorationTerms, and VAE makes VariationalTerms",
        ),
    ],
)
def test_a_vae_says_what_does_not_fit(parts, message):
    with pytest.raises(ValueError, match=message) as error:
        _vae(**parts)
    assert "\n" not in str(error.value)


def test_an_autoencoder_has_no_bound():
    with pytest.raises(ValueError, match="ELBO is an objective over VariationalTerms"):
        Autoencoder(
            MLP([4]),
            zd.VectorDeterministic(2),
            MLP([4]),
            zd.IndependentDeterministic(SHAPE),
            objective=zo.ELBO(),
        )


def test_codes_of_another_size_are_named():
    model = _vae()
    with pytest.raises(DataError, match=r"takes codes of shape \[..., 3\], but was given \[2, 5\]"):
        model.decode(np.zeros((2, 5), np.float32))


@pytest.mark.parametrize("n", [-1, 0, 2.5])
def test_a_number_of_samples_is_whole(n):
    with pytest.raises(DataError, match="a number of samples is a whole number from 1, not"):
        _vae().sample(n)


def test_the_command_leaves_nothing_behind(tmp_path, capsys):
    config = tmp_path / "mine.yaml"
    config.write_text("base: vae.digits\nmodel:\n  objective: {type: SquaredError}\n")
    assert main(["train", str(config), "--out", str(tmp_path / "run")]) == 2
    assert "SquaredError is an objective over" in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
