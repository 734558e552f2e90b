"""Steps in proportion to the weights: what a step changes, and that the optimizer is otherwise its library's."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("codecshift.codecs.neural.training.train")

from codecshift.codecs.neural.models import construct  # noqa: E402
from codecshift.codecs.neural.training import optimizers  # noqa: E402 - torch may be missing
from torch import nn  # noqa: E402


@pytest.fixture
def network() -> Any:
    torch.manual_seed(0)
    return construct("bmshj2018-hyperprior", {"N": 8, "M": 12})


def factors(network: Any, *, to_weights: bool = True, gdn: float = 1.0, prior: float = 1.0) -> dict[str, Any]:
    return optimizers.step_factors(network, relative=to_weights, gdn=gdn, prior=prior)


def test_without_any_factor_all_is_one(network: Any) -> None:
    found = factors(network, to_weights=False)
    assert set(found) == {name for name, _ in network.named_parameters()}
    assert all(float(one) == 1 for one in found.values())


def test_gdn_and_the_prior_have_factors_of_their_own(network: Any) -> None:
    found = factors(network, to_weights=False, gdn=0.1, prior=3.0)
    for name, one in found.items():
        norm, prior = name.endswith((".beta", ".gamma")), name.startswith(("h_a", "h_s", "entropy"))
        assert float(one) == pytest.approx(0.1 if norm else 3.0 if prior else 1.0)


def test_the_factor_of_a_convolution_grows_with_its_weights(network: Any) -> None:
    before = factors(network)
    with torch.no_grad():
        network.g_a[0].weight.mul_(50)
    after = factors(network)
    for name, one in after.items():
        grown = 50 if name in {"g_a.0.weight", "g_a.0.bias"} else 1
        assert torch.allclose(one, grown * before[name])
    with torch.no_grad():
        network.g_a[2].weight.copy_(optimizers.TYPICAL * torch.randn_like(network.g_a[2].weight).sign())
    assert float(factors(network)["g_a.2.weight"]) == pytest.approx(1)


@pytest.mark.parametrize("transposed", [False, True])
def test_rows_and_columns_of_hyper_transforms_count_apart(transposed: bool) -> None:
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    chain = nn.ModuleDict({"h_s": nn.ModuleList([kind(5, 7, 3)])})
    layer: Any = chain["h_s"][0]
    inward, outward = torch.rand(5) + 0.1, torch.rand(7) + 0.1
    pair = torch.outer(inward, outward) if transposed else torch.outer(outward, inward)
    with torch.no_grad():
        layer.weight.copy_(pair[..., None, None].expand_as(layer.weight))
    found = factors(chain)
    # Of rank one, so the product of the sizes of rows and columns is the size itself.
    assert torch.allclose(found["h_s.0.weight"][..., 0, 0] * optimizers.TYPICAL, pair, rtol=1e-5)
    assert torch.allclose(found["h_s.0.bias"] * optimizers.TYPICAL, outward * inward.mean(), rtol=1e-5)


@pytest.mark.parametrize("kind", ["adam", "soap"])
def test_a_step_is_the_librarys_times_the_factor(kind: str) -> None:
    def stepped(factor: Any) -> Any:
        torch.manual_seed(1)
        value = nn.Parameter(torch.randn(6, 4))
        begun = value.detach().clone()
        optimizer = optimizers.make_optimizer(kind, {"w": value}, {"w": factor}, 0.1)
        # SOAP's first step gathers covariances only; factors change where later gradients are taken, so one more.
        for _ in range(2 if kind == "soap" else 1):
            optimizer.zero_grad()
            (begun * value).square().sum().backward()
            moved = value.detach().clone()
            optimizer.step()
        return value.detach() - moved

    one = stepped(torch.ones(()))
    assert one.abs().max() > 0.01
    assert torch.allclose(stepped(torch.tensor(0.25)), 0.25 * one, atol=1e-6)
    rows = torch.tensor([1.0, 2.0, 0.0, 1.0, 0.5, 3.0])[:, None]
    assert torch.allclose(stepped(rows), rows * one, atol=1e-6)
