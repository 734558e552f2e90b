"""The loss-conditional hyperprior: lambda is what it hears everywhere, and two bytes say it."""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("codecshift.codecs.neural.conditional")

from codecshift.codecs.neural import conditional  # noqa: E402
from codecshift.codecs.neural.architectures import HIGH, LOW  # noqa: E402
from codecshift.codecs.neural.codec import LAMBDA  # noqa: E402
from codecshift.codecs.neural.conditional import ConditionalHyperprior, Film  # noqa: E402
from codecshift.codecs.neural.models import loaded  # noqa: E402


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    made = ConditionalHyperprior(6, 8)
    # Larger weights and a louder modulation than a new network has, so that latents are not all zero.
    with torch.no_grad():
        for name, value in made.named_parameters():
            if "film.mlp.2" in name:
                value.normal_(0, 0.05)
        made.g_a[-1].convolution.weight.mul_(60)
    return loaded("hyperprior-lct", {"N": 6, "M": 8}, made.state_dict())


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 64, 128, generator=generator)


@pytest.mark.parametrize("lam", [LOW, 0.0018, 0.013, 0.0483, HIGH])
def test_a_lambda_that_streams_can_name_is_near_and_stays(lam: float) -> None:
    index = LAMBDA.index(lam)
    assert 0 <= index < 2**16
    assert LAMBDA.value(index) == pytest.approx(lam, rel=5e-5)
    assert LAMBDA.index(LAMBDA.value(index)) == index


def test_every_index_comes_back() -> None:
    assert [index for index in range(2**16) if LAMBDA.index(LAMBDA.value(index)) != index] == []


def test_the_condition_is_the_logarithm_from_minus_one_to_one() -> None:
    lam = torch.tensor([LOW, math.sqrt(LOW * HIGH), HIGH])
    assert torch.allclose(conditional.condition(lam).flatten(), torch.tensor([-1.0, 0.0, 1.0]), atol=1e-5)


def test_every_convolution_is_modulated() -> None:
    network = ConditionalHyperprior(4, 4)
    convolutions = [one for one in network.modules() if isinstance(one, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]
    modulated = [one.convolution for one in network.modules() if isinstance(one, conditional.Modulated)]
    assert len(convolutions) == 14
    assert {id(one) for one in convolutions} == {id(one) for one in modulated}


def test_a_film_scales_and_shifts_channels_by_its_network_of_lambda() -> None:
    torch.manual_seed(0)
    film = Film(3)
    torch.nn.init.normal_(film.mlp[2].weight)
    x, told = torch.rand(2, 3, 4, 4), torch.tensor([[-0.5], [0.7]])
    log_scale, shift = film.mlp(told).chunk(2, 1)
    expected = torch.stack(
        [torch.stack([x[b, c] * log_scale[b, c].exp() + shift[b, c] for c in range(3)]) for b in range(2)]
    )
    assert torch.allclose(film(x, told), expected)


@torch.no_grad()
def test_a_new_film_scales_by_the_power_of_lambda_alone() -> None:
    x = torch.ones(1, 2, 1, 1)
    lam = torch.tensor([HIGH])
    expected = math.sqrt(HIGH / math.sqrt(LOW * HIGH))
    assert float(Film(2, power=0.5)(x, conditional.condition(lam)).mean()) == pytest.approx(expected, rel=1e-5)
    assert torch.equal(Film(2)(x, conditional.condition(lam)), x)


def test_the_rate_rises_with_lambda(network: torch.nn.Module, images: torch.Tensor) -> None:
    sizes = []
    for lam in (LOW, 0.01, HIGH):
        strings = network.compress(images, lam)["strings"]
        sizes.append(sum(len(one) for group in strings for one in group))
    assert sizes[0] < sizes[1] < sizes[2]


def test_the_bytes_decode_to_what_forward_sees(network: torch.nn.Module, images: torch.Tensor) -> None:
    lam = 0.02
    made = network.compress(images, lam)
    with torch.inference_mode():
        decoded = network.decompress(made["strings"], made["shape"], lam)["x_hat"]
        seen = network(images, torch.tensor([lam, lam], dtype=torch.float64))["x_hat"]
    assert torch.allclose(decoded, seen.clamp(0, 1), atol=1e-5)


def test_each_image_of_a_batch_hears_its_own_lambda(network: torch.nn.Module, images: torch.Tensor) -> None:
    with torch.inference_mode():
        both = network(images, torch.tensor([0.002, 0.2]))["x_hat"]
        apart = [network(images[i : i + 1], torch.tensor([lam]))["x_hat"] for i, lam in enumerate((0.002, 0.2))]
    assert torch.allclose(both, torch.cat(apart), atol=1e-5)
