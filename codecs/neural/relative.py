"""Learning rates in proportion to the weights: a step changes each tensor by the same part of itself.

Adam moves every weight by about its learning rate, whatever the weight. Networks that begin with principal components
hold tensors whose weights are a thousand times as large as those of others: the rate that suits the ones destroys the
others, or leaves them where they are. Shazeer & Stern (2018) and You et al. (2020) scale rates for the same reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

TYPICAL = 0.017
"""The root mean square of weights that a 5x5 convolution of 48 channels begins with in PyTorch: its factor is 1."""

_PRIOR = ("h_a.", "h_s.", "entropy_bottleneck.")


@torch.no_grad()
def factors(network: nn.Module, *, relative: bool, gdn: float, prior: float) -> dict[str, Tensor]:
    """Return what Adam's step of each parameter is multiplied with, by name: tensors that broadcast to the parameter.

    `gdn` is of GDN's parameters and `prior` of the entropy bottleneck and the hyper-transforms. Where `relative`, a
    convolution counts as its weights do: the root mean square of the tensor, relative to `TYPICAL`. In the
    hyper-transforms it is that of each row and column, since channels of latents differ a hundredfold in size.
    """
    norms = (".beta", ".gamma")
    found = {name: torch.tensor(gdn if name.endswith(norms) else 1.0) for name, _ in network.named_parameters()}
    for name, module in network.named_modules():
        if relative and isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            size = (_sizes(module.weight) if name.startswith("h_") else _rms(module.weight)) / TYPICAL
            inward = 0 if isinstance(module, nn.ConvTranspose2d) else 1
            found[f"{name}.weight"] = size
            found[f"{name}.bias"] = size.mean(inward).flatten() if size.ndim else size
    return {name: value * prior if name.startswith(_PRIOR) else value for name, value in found.items()}


def _rms(weight: Tensor, *over: int) -> Tensor:
    return weight.square().mean(over or None, keepdim=bool(over)).sqrt()


def _sizes(weight: Tensor) -> Tensor:
    """Return the product of the sizes of rows and of columns, as Adafactor has it, of the shape of 1x1 weights."""
    return _rms(weight, 1, 2, 3) * _rms(weight, 0, 2, 3) / _rms(weight).clamp(min=1e-12)


class ScaledAdam(torch.optim.Adam):
    """Adam, each of whose steps is multiplied with the factor of its parameter."""

    def __init__(self, named: dict[str, nn.Parameter], factors: dict[str, Tensor], rate: float) -> None:
        super().__init__(list(named.values()), lr=rate)
        self.factors = {name: factors[name].to(value.device) for name, value in named.items()}
        self._scaled = [(value, self.factors[name]) for name, value in named.items() if not _is_one(self.factors[name])]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step."""
        before = [value.clone() for value, _ in self._scaled]
        loss = super().step(closure)
        for (value, factor), was in zip(self._scaled, before, strict=True):
            value.copy_(torch.lerp(was, value, factor.expand_as(value)))
        return loss


def _is_one(factor: Tensor) -> bool:
    return factor.ndim == 0 and float(factor) == 1.0
