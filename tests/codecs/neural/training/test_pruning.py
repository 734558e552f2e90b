"""Pruning: the cubic schedule by hand, exact zeros of the exact number, the smallest weights first."""

from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from codecshift.codecs.neural.training.pruning import Pruner, prunable, scores, sparsity, target  # noqa: E402
from codecshift.codecs.neural.training.recipe import Pruning  # noqa: E402

nn = torch.nn


def network() -> nn.Sequential:
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(3, 10, 5), nn.ReLU(), nn.ConvTranspose2d(10, 7, 3), nn.Conv2d(7, 3, 1), nn.Linear(4, 4)
    )


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0, 0.0),
        (100, 0.0),
        (200, 0.8 * (1 - 0.75**3)),
        (300, 0.8 * 0.875),
        (400, 0.8 * (1 - 0.25**3)),
        (500, 0.8),
        (999, 0.8),
    ],
)
def test_the_schedule_is_cubic(step: int, expected: float) -> None:
    assert target(Pruning(0.8, begin=0.1, end=0.5), step, 1000) == pytest.approx(expected)


def test_the_schedule_rises_and_slows_down() -> None:
    shares = [target(Pruning(0.95), step, 100) for step in range(101)]
    gains = [after - before for before, after in pairwise(shares)]
    assert gains == sorted(gains, reverse=True)
    assert shares[-1] == 0.95


def test_only_convolutions_are_pruned() -> None:
    assert [tuple(weight.shape) for weight in prunable(network())] == [(10, 3, 5, 5), (10, 7, 3, 3), (3, 7, 1, 1)]


@pytest.mark.parametrize("share", [0.8, 0.95])
def test_the_end_is_exactly_sparse_and_took_the_smallest(share: float) -> None:
    made = network()
    before = torch.cat([weight.detach().abs().flatten() for weight in prunable(made)])
    pruner = Pruner(made, Pruning(share, end=0.5, every=3), 100)
    for step in range(1, 101):
        pruner.prune(step)
    after = torch.cat([weight.detach().abs().flatten() for weight in prunable(made)])
    gone = int(share * before.numel() + 1e-9)
    assert int((after == 0).sum()) == gone
    assert sparsity(made) == gone / before.numel()
    # Nothing else changed, so these are the smallest of all layers together, as by a sort.
    assert float(before[after == 0].max()) <= float(before[after != 0].min())
    assert torch.equal(before[after != 0], after[after != 0])


def test_pruned_weights_do_not_steer_an_optimizer_that_turns_gradients() -> None:
    pytest.importorskip("pytorch_optimizer")
    from pytorch_optimizer import SOAP

    found = []
    for pull in (0.0, 100.0):  # on the weights that are pruned
        made = nn.Conv2d(3, 4, 1, bias=False)
        with torch.no_grad():
            made.weight.copy_(torch.arange(1.0, 13.0).view(4, 3, 1, 1))
        pruner = Pruner(made, Pruning(0.5, end=0.5, every=1), 2)
        optimizer = SOAP(made.parameters(), lr=0.1)
        pruner.prune(1)
        for step in range(2, 12):
            wanted = torch.where(pruner.masks[0], 20.0, pull)
            ((made.weight - wanted) ** 2).sum().backward()
            pruner.mask_gradients()
            optimizer.step()
            optimizer.zero_grad()
            pruner.prune(step)
        found.append(made.weight.detach().clone())
    assert torch.equal(*found)


def test_lamp_is_what_its_paper_says() -> None:
    weights = [torch.tensor([[3.0, -1.0], [0.0, 2.0]]), torch.tensor([0.5, -0.25])]
    # w^2 over the sum of the squares in its tensor that are as large or larger: 9/9, 1/14, 0/14, 4/13; then 1 and 1/5.
    expected = [1, 1 / 14, 0, 4 / 13, 1, 1 / 5]
    assert scores(weights, "lamp").tolist() == pytest.approx(expected)
    assert scores(weights, "magnitude").tolist() == [3.0, 1.0, 0.0, 2.0, 0.5, 0.25]


def test_lamp_does_not_care_how_large_a_tensor_is_and_empties_none() -> None:
    masks = []
    for factor in (1.0, 1e-6):
        made = network()
        with torch.no_grad():
            made[0].weight.mul_(factor)
        pruner = Pruner(made, Pruning(0.95, by="lamp", end=0.5, every=3), 100)
        for step in range(1, 101):
            pruner.prune(step)
        masks.append(torch.cat([mask.flatten() for mask in pruner.masks]))
        assert all(bool(mask.any()) for mask in pruner.masks)
        assert sparsity(made) == int(0.95 * len(masks[0]) + 1e-9) / len(masks[0])
    assert torch.equal(*masks)


def test_what_is_pruned_stays_pruned_while_the_rest_learns() -> None:
    made = network()
    pruner = Pruner(made, Pruning(0.9, end=0.5, every=2), 40)
    gone = [torch.zeros_like(weight, dtype=torch.bool) for weight in prunable(made)]
    for step in range(1, 41):
        with torch.no_grad():
            for weight in prunable(made):
                weight.add_(torch.randn_like(weight) * 0.1)
        pruner.prune(step)
        for weight, before in zip(prunable(made), gone, strict=True):
            assert bool((weight[before] == 0).all())
        gone = [weight == 0 for weight in prunable(made)]
    assert sparsity(made) == pytest.approx(0.9, abs=1e-3)
