"""Gradual pruning: a growing share of the smallest weights of all convolutions is set to zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .recipe import Pruning


def target(pruning: Pruning, step: int, steps: int) -> float:
    """Return the target sparsity after `step` of `steps`, 0..1.

    s(t) = s_f * (1 - (1 - (t - t_0) / (t_1 - t_0))^3), the cubic schedule of Zhu & Gupta (2017) from s_i = 0.
    """
    begin, end = pruning.begin * steps, pruning.end * steps
    progress = min(max((step - begin) / (end - begin), 0.0), 1.0)
    return pruning.sparsity * (1 - (1 - progress) ** 3)


def prunable(network: nn.Module) -> list[Tensor]:
    """Return the weights of every convolution, transposed ones included."""
    return [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)]


def sparsity(network: nn.Module) -> float:
    """Return the fraction of prunable weights that are exactly zero."""
    weights = prunable(network)
    return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)


def scores(weights: list[Tensor], by: str) -> Tensor:
    """Return the scores of the weights of all tensors, concatenated: the lowest scores are pruned first.

    `by` is "magnitude", over all tensors together, or "lamp": w^2 divided by the sum of all u^2 with |u| >= |w| in the
    same tensor (Lee et al. 2021). LAMP scores do not depend on a tensor's scale, and always keep its largest weight.
    """
    if by == "magnitude":
        return torch.cat([weight.abs().flatten() for weight in weights])
    tensor_scores = []
    for weight in weights:
        squares = weight.double().square().flatten()
        order = torch.argsort(squares, descending=True, stable=True)
        falling = squares[order]
        lamp = falling / falling.cumsum(0).clamp(min=1e-300)
        tensor_scores.append(torch.empty_like(squares).scatter_(0, order, lamp))
    return torch.cat(tensor_scores)


class Pruner:
    """The masks of the weights of one network while it is pruned."""

    def __init__(self, network: nn.Module, pruning: Pruning, steps: int) -> None:
        self.pruning = pruning
        self.steps = steps
        self.weights = prunable(network)
        self.masks = [torch.ones_like(weight, dtype=torch.bool) for weight in self.weights]

    def mask_gradients(self) -> None:
        """Set the gradients of pruned weights to zero.

        In an optimizer that rotates gradients, such as SOAP, these gradients would otherwise affect other weights.
        """
        for weight, mask in zip(self.weights, self.masks, strict=True):
            if weight.grad is not None:
                weight.grad.mul_(mask)

    def prune(self, step: int) -> None:
        """Prune to the schedule's target after step `step`, counted from 1, and keep pruned weights at zero."""
        last = step == self.steps or step == round(self.pruning.end * self.steps)
        if step % self.pruning.every == 0 or last:
            self._update_masks(target(self.pruning, step, self.steps))
        with torch.no_grad():
            for weight, mask in zip(self.weights, self.masks, strict=True):
                weight.mul_(mask)

    @torch.no_grad()
    def _update_masks(self, share: float) -> None:
        """Mask exactly floor(share * all) weights; weights that are masked already stay masked."""
        flat = scores(self.weights, self.pruning.by)
        flat = flat.masked_fill(~torch.cat([mask.flatten() for mask in self.masks]), -1)
        count = int(share * flat.numel() + 1e-9)
        kept = torch.ones_like(flat, dtype=torch.bool)
        kept[torch.argsort(flat, stable=True)[:count]] = False
        start = 0
        for index, mask in enumerate(self.masks):
            self.masks[index] = kept[start : start + mask.numel()].view_as(mask)
            start += mask.numel()
