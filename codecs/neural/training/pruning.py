"""Gradual magnitude pruning: the smallest weights of all convolutions go, step by step, until few are left."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .recipe import Pruning


def target(pruning: Pruning, step: int, steps: int) -> float:
    """Return the sparsity wanted after `step` of `steps`, 0..1.

    s(t) = s_f * (1 - (1 - (t - t_0) / (t_1 - t_0))^3), the cubic schedule of Zhu & Gupta (2017) from s_i = 0.
    """
    begin, end = pruning.begin * steps, pruning.end * steps
    through = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return pruning.sparsity * (1 - (1 - through) ** 3)


def prunable(network: nn.Module) -> list[Tensor]:
    """Return the weights that pruning counts and takes from: those of every convolution, transposed ones too."""
    return [one.weight for one in network.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)]


def sparsity(network: nn.Module) -> float:
    """Return the share of exact zeros among the weights that can be pruned."""
    weights = prunable(network)
    return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)


def scores(weights: list[Tensor], by: str) -> Tensor:
    """Return what the weights of all tensors, one after the other, are worth: those of least worth go first.

    `by` is "magnitude", of all tensors together, or "lamp": w^2 over the sum of all u^2 with |u| >= |w| in the same
    tensor (Lee et al. 2021), which is the same however large the weights of a tensor are, and keeps its largest.
    """
    if by == "magnitude":
        return torch.cat([weight.abs().flatten() for weight in weights])
    worth = []
    for weight in weights:
        squares = weight.double().square().flatten()
        order = torch.argsort(squares, descending=True, stable=True)
        ordered = squares[order]
        worth.append(torch.empty_like(squares).scatter_(0, order, ordered / ordered.cumsum(0).clamp(min=1e-300)))
    return torch.cat(worth)


class Pruner:
    """The masks of one network's weights while it is pruned."""

    def __init__(self, network: nn.Module, pruning: Pruning, steps: int) -> None:
        self.pruning = pruning
        self.steps = steps
        self.weights = prunable(network)
        self.masks = [torch.ones_like(weight, dtype=torch.bool) for weight in self.weights]

    def before(self) -> None:
        """Take from the gradients what is of pruned weights.

        An optimizer that turns gradients, as SOAP does, would let those weights, which do not move, steer the others.
        """
        for weight, mask in zip(self.weights, self.masks, strict=True):
            if weight.grad is not None:
                weight.grad.mul_(mask)

    def after(self, step: int) -> None:
        """Prune as the schedule wants after step number `step`, counted from 1, and keep what is pruned at zero."""
        last = step == self.steps or step == round(self.pruning.end * self.steps)
        if step % self.pruning.every == 0 or last:
            self._choose(target(self.pruning, step, self.steps))
        with torch.no_grad():
            for weight, mask in zip(self.weights, self.masks, strict=True):
                weight.mul_(mask)

    @torch.no_grad()
    def _choose(self, share: float) -> None:
        """Mask exactly floor(share * all) weights: pruned ones are zero, hence the smallest, and stay pruned."""
        flat = scores(self.weights, self.pruning.by)
        flat = flat.masked_fill(~torch.cat([mask.flatten() for mask in self.masks]), -1)
        count = int(share * flat.numel() + 1e-9)
        kept = torch.ones_like(flat, dtype=torch.bool)
        kept[torch.argsort(flat, stable=True)[:count]] = False
        start = 0
        for place, mask in enumerate(self.masks):
            self.masks[place] = kept[start : start + mask.numel()].view_as(mask)
            start += mask.numel()
