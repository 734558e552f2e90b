"""Principal components to begin with: a network codes photographs before its first step, as random ones do not."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

torch = pytest.importorskip("torch", exc_type=ImportError)
pytest.importorskip("safetensors", exc_type=ImportError)

from codecshift.codecs.neural.models import construct  # noqa: E402
from codecshift.codecs.neural.training import principal_components, recipe  # noqa: E402 - torch may be missing
from codecshift.codecs.neural.training.recipe import TrainingError  # noqa: E402

NAMES = ("bmshj2018-factorized", "bmshj2018-hyperprior", "hyperprior-lct")
LAMBDA = math.sqrt(0.0012 * 0.26)  # the middle, at which a conditional network's modulation is 1


@pytest.fixture(scope="module")
def images() -> Any:
    picture = skimage.data.astronaut()
    crops = [picture[top : top + 64, left : left + 64] for top in range(0, 448, 64) for left in range(0, 448, 64)]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def made(name: str, images: Any, lam: float = LAMBDA) -> Any:
    torch.manual_seed(0)
    network = construct(name, {"N": 32, "M": 48})
    principal_components.initialise(network, images, lam)
    return network


def seen(network: Any, images: Any, lam: float = LAMBDA) -> Any:
    """Return what comes back of images whose latents are rounded."""
    told = () if not hasattr(network, "_conditions") else (torch.zeros(len(images), 1),)
    with torch.no_grad():
        return network.g_s(torch.round(network.g_a(images, *told)), *told)


def psnr(one: Any, other: Any) -> float:
    return float(-10 * torch.log10((one.clamp(0, 1) - other).square().mean()))


@pytest.mark.parametrize("name", NAMES)
def test_a_network_codes_before_its_first_step(name: str, images: Any) -> None:
    torch.manual_seed(0)
    assert psnr(seen(construct(name, {"N": 32, "M": 48}), images), images) < 12
    assert psnr(seen(made(name, images), images), images) > 25


def test_latents_are_as_large_as_the_step_of_their_lambda_wants(images: Any) -> None:
    low, high = (made(NAMES[0], images, lam) for lam in (0.002, 0.2))
    with torch.no_grad():
        spread = [float(one.g_a(images).std()) for one in (low, high)]
    assert spread[1] / spread[0] == pytest.approx(math.sqrt(0.2 / 0.002), rel=1e-3)
    assert psnr(seen(high, images), images) > psnr(seen(low, images), images)


def test_the_step_is_the_best_one_for_lambda() -> None:
    lam = 0.013
    best = principal_components.step(lam) ** 2 / 12

    def cost(error: float) -> float:
        return lam * 255**2 * error / 3 - math.log2(error) / 2

    assert cost(best) < min(cost(0.99 * best), cost(1.01 * best))


@torch.no_grad()
def bits(network: Any, picture: Any) -> float:
    """Return the estimated bits of a picture whose latents are rounded."""
    likelihoods = network.eval()(picture)["likelihoods"].values()
    return sum(-float(one.log2().sum()) for one in likelihoods)


@torch.no_grad()
def test_the_densities_of_a_factorized_prior_are_as_wide_as_the_latents(images: Any) -> None:
    network = made(NAMES[0], images)
    ours = bits(network, images)
    values = network.g_a(images).round().transpose(0, 1).flatten(1)
    entropy = 0.0
    for one in values:
        _, counts = one.unique(return_counts=True)
        entropy -= float((counts * (counts / counts.sum()).log2()).sum())
    assert entropy < ours < 1.2 * entropy  # the best code of each channel, and one that only knows how wide it is
    torch.manual_seed(0)
    fresh = construct(NAMES[0], {"N": 32, "M": 48})
    network.entropy_bottleneck.load_state_dict(fresh.entropy_bottleneck.state_dict())
    assert bits(network, images) > 1.5 * ours


@torch.no_grad()
def test_a_hyperprior_begins_with_knowing_where_latents_are_large() -> None:
    picture = torch.from_numpy(skimage.data.astronaut()).permute(2, 0, 1)[None].float() / 255
    quarters = picture.unfold(2, 256, 256).unfold(3, 256, 256).permute(0, 2, 3, 1, 4, 5).reshape(4, 3, 256, 256)
    network = made(NAMES[1], quarters)
    told = bits(network, picture)
    network.h_s[-2].weight.zero_()  # told nothing, it expects each channel to be as large as it is on the mean
    network.h_s[-2].bias.copy_(network.g_a(quarters).abs().mean(dim=(0, 2, 3)) * math.sqrt(math.pi / 2))
    assert told < 0.97 * bits(network, picture)


def test_a_network_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text(
        'architecture = "elic2022-chandelier"\nN = 8\nM = 16\nlambdas = [0.01]\nsteps = 1\ninitial = "principal"\n',
        encoding="utf-8",
    )
    with pytest.raises(TrainingError, match="expected random for elic2022-chandelier"):
        recipe.read(path)
