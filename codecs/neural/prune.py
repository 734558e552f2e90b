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


class Pruner:
    """The masks of one network's weights while it is pruned, globally by magnitude."""

    def __init__(self, network: nn.Module, pruning: Pruning, steps: int) -> None:
        self.pruning = pruning
        self.steps = steps
        self.weights = prunable(network)
        self.masks = [torch.ones_like(weight, dtype=torch.bool) for weight in self.weights]

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
        sizes = [weight.abs().masked_fill(~mask, -1) for weight, mask in zip(self.weights, self.masks, strict=True)]
        flat = torch.cat([one.flatten() for one in sizes])
        count = int(share * flat.numel() + 1e-9)
        kept = torch.ones_like(flat, dtype=torch.bool)
        kept[torch.argsort(flat, stable=True)[:count]] = False
        start = 0
        for place, mask in enumerate(self.masks):
            self.masks[place] = kept[start : start + mask.numel()].view_as(mask)
            start += mask.numel()
