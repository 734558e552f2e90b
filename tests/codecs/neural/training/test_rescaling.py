"""Weights carried from one lambda to another, and from a fixed rate to all of them: the images stay what they were."""

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("codecshift.codecs.neural.training.train")

from codecshift.codecs.neural.models import construct  # noqa: E402
from codecshift.codecs.neural.training import rescaling  # noqa: E402 - torch may be missing

CONFIG = {"N": 8, "M": 12}
FIXED = ("bmshj2018-factorized", "bmshj2018-hyperprior")
RATIO = 7.0


def made(name: str) -> Any:
    torch.manual_seed(0)
    network = construct(name, CONFIG).eval()
    with torch.no_grad():
        for layer in (network.g_a[6], network.h_s[4] if hasattr(network, "h_s") else network.g_a[6]):
            layer.bias.add_(3)
    return network


def carried(network: Any, name: str) -> Any:
    other = construct(name, CONFIG).eval()
    other.load_state_dict(rescaling.rescaled(network.state_dict(), name, RATIO))
    return other


@pytest.fixture
def x() -> Any:
    torch.manual_seed(2)
    return torch.rand(2, 3, 64, 64)


@pytest.mark.parametrize("name", FIXED)
@torch.no_grad()
def test_latents_grow_with_the_root_of_lambda_and_images_stay(name: str, x: Any) -> None:
    network = made(name)
    other = carried(network, name)
    y, grown = network.g_a(x), other.g_a(x)
    assert torch.allclose(grown, math.sqrt(RATIO) * y, atol=1e-4)
    assert torch.allclose(other.g_s(grown), network.g_s(y), atol=1e-4)


@torch.no_grad()
def test_the_scales_of_a_hyperprior_grow_with_its_latents(x: Any) -> None:
    network = made(FIXED[1])
    other = carried(network, FIXED[1])
    z, same = (one.h_a(one.g_a(x).abs()) for one in (network, other))
    assert torch.allclose(z, same, atol=1e-4)
    assert torch.allclose(other.h_s(z), math.sqrt(RATIO) * network.h_s(z), atol=1e-4)


@torch.no_grad()
def test_the_densities_of_a_factorized_prior_grow_with_its_latents() -> None:
    network = made(FIXED[0])
    other = carried(network, FIXED[0])
    values = torch.linspace(-20, 20, 12 * 5).view(12, 1, 5)
    before, after = network.entropy_bottleneck, other.entropy_bottleneck
    expected = before._logits_cumulative(values, stop_gradient=True)
    assert torch.allclose(after._logits_cumulative(math.sqrt(RATIO) * values, stop_gradient=True), expected, atol=1e-4)
    assert torch.allclose(after.quantiles, math.sqrt(RATIO) * before.quantiles)


@torch.no_grad()
def test_a_conditional_network_begins_as_the_fixed_one(x: Any) -> None:
    network, lam = made(FIXED[1]), 0.013
    other = construct("hyperprior-lct", CONFIG).eval()
    state = rescaling.conditioned(network.state_dict(), lam)
    own = other.state_dict()
    missing = {name for name in own if name not in state}
    assert missing
    assert all(".film." in name for name in missing)
    assert {name for name in state if name not in own} == set()
    other.load_state_dict({**own, **state})
    told = torch.full((2,), lam)
    y = network.g_a(x)
    out = other(x, told)
    assert torch.allclose(out["x_hat"], network.g_s(torch.round(y)), atol=2e-3)
    expected = network(x)
    for part in ("y", "z"):
        bits = [-float(one["likelihoods"][part].log2().sum()) for one in (out, expected)]
        assert bits[0] == pytest.approx(bits[1], rel=1e-2)


def test_other_architectures_are_carried_as_they_are() -> None:
    torch.manual_seed(0)
    state = construct("mbt2018-mean", CONFIG).state_dict()
    same = rescaling.rescaled(state, "mbt2018-mean", RATIO)
    assert all(torch.equal(same[name], value) for name, value in state.items())
