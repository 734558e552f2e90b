"""The objective by hand, and the lambdas that are drawn for it."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_msssim")

from codecshift.codecs.neural.training.objective import bits_per_pixel, forward, image_weights, terms  # noqa: E402
from codecshift.codecs.neural.training.recipe import Recipe  # noqa: E402


def test_lambdas_are_drawn_log_uniformly_in_the_range() -> None:
    class Ear(torch.nn.Module):
        def forward(self, _x: Any, lam: Any) -> Any:
            return lam

    recipe = Recipe("tiny", "hyperprior-lct", 4, 6, (0.02,), 12)
    drawn, lam = forward(recipe, None, Ear(), torch.zeros(20_000, 1), np.random.default_rng(0), 0.0)
    assert torch.allclose(drawn.float(), lam)
    progress = np.log(lam.double().numpy() / 0.0012) / np.log(0.26 / 0.0012)
    assert progress.min() >= 0
    assert progress.max() <= 1.0000001
    assert np.allclose(np.histogram(progress, 10, (0, 1.0000001))[0] / 20_000, 0.1, atol=0.01)


def test_gains_are_drawn_after_the_first_stage() -> None:
    drawn = []

    class Ear(torch.nn.Module):
        def forward(self, _x: Any, stage: int, s: int) -> Any:
            drawn.append((stage, s))

    recipe = Recipe("tiny", "mbt2018-vbr", 4, 6, (0.4, 0.1, 0.2), 12, stage_one=0.5)
    rng = np.random.default_rng(0)
    steps = np.linspace(0, 1, 100)
    lambdas = [float(forward(recipe, None, Ear(), torch.zeros(1), rng, progress)[1]) for progress in steps]
    assert set(drawn[:50]) == {(1, 2)}
    assert set(drawn[50:]) == {(2, 0), (2, 1), (2, 2)}
    assert lambdas == pytest.approx([sorted(recipe.lambdas)[s] for _, s in drawn])


def test_the_objective_by_hand() -> None:
    x, x_hat = torch.zeros(2, 3, 4, 4), torch.stack([torch.full((3, 4, 4), 0.1), torch.full((3, 4, 4), 0.2)])
    likelihoods = {"y": torch.full((2, 5, 1, 1), 0.5), "z": torch.full((2, 1, 1, 1), 0.25)}
    assert bits_per_pixel(likelihoods, 16).tolist() == [7 / 16, 7 / 16]
    batch = terms({"x_hat": x_hat, "likelihoods": likelihoods}, x, torch.tensor([0.01, 0.02]), "mse")
    expected = np.mean([0.01 * 255**2 * 0.01, 0.02 * 255**2 * 0.04]) + 7 / 16
    assert float(batch.loss) == pytest.approx(expected, rel=1e-5)
    assert float(batch.mse) == pytest.approx(255**2 * 0.025, rel=1e-5)


def test_only_a_network_for_all_rates_weights_its_images() -> None:
    lam = torch.tensor([0.0012, 0.26], dtype=torch.float64)
    recipe = Recipe("tiny", "hyperprior-lct", 4, 6, (0.02,), 12, balance=0.5)
    low, high = image_weights(recipe, lam).tolist()
    assert low / high == pytest.approx((0.26 / 0.0012) ** 0.5)
    assert image_weights(Recipe("tiny", "bmshj2018-factorized", 4, 6, (0.02,), 12), lam) == 1.0
