"""What makes training faster on a device changes nothing, or only what it may."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("codecshift.codecs.neural.models")

from codecshift.codecs.neural.models import construct  # noqa: E402
from codecshift.codecs.neural.training.acceleration import avoid_synchronisation, use_bfloat16  # noqa: E402


def test_a_bottleneck_that_does_not_wait_computes_the_same() -> None:
    torch.manual_seed(0)
    network = construct("bmshj2018-hyperprior", {"N": 4, "M": 6})
    x = torch.rand(2, 3, 64, 128)

    def outcome() -> list[Any]:
        torch.manual_seed(4)
        output = network(x)
        (output["x_hat"].sum() + output["likelihoods"]["z"].log().sum()).backward()
        results = [output["x_hat"], *output["likelihoods"].values()]
        results += [value.grad.clone() for value in network.parameters() if value.grad is not None]
        network.zero_grad()
        return results

    expected = outcome()
    avoid_synchronisation(network)
    assert all(torch.equal(*pair) for pair in zip(expected, outcome(), strict=True))


@pytest.mark.parametrize("name", ["bmshj2018-hyperprior", "hyperprior-lct"])
def test_mixed_precision_leaves_likelihoods_in_float32(name: str) -> None:
    torch.manual_seed(0)
    network = construct(name, {"N": 4, "M": 6}).eval()
    x = torch.rand(1, 3, 64, 64)
    conditions = (torch.tensor([0.01]),) if name == "hyperprior-lct" else ()
    expected = network(x, *conditions)
    use_bfloat16(network, "cpu")
    results = network(x, *conditions)
    assert {results["x_hat"].dtype, *(values.dtype for values in results["likelihoods"].values())} == {torch.float32}
    assert not torch.equal(results["x_hat"], expected["x_hat"])
    assert torch.allclose(results["x_hat"], expected["x_hat"], atol=0.02)
