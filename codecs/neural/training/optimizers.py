"""Optimizers whose learning rates go with the weights: a step changes each tensor by the same part of itself.

Adam moves every weight by about its learning rate, whatever the weight. Networks that begin with principal components
hold tensors whose weights are a thousand times as large as those of others: the rate that suits the ones destroys the
others, or leaves them where they are. Shazeer & Stern (2018) and You et al. (2020) scale rates for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def optimizer(
    kind: str, named: Mapping[str, nn.Parameter], factors: Mapping[str, Tensor], rate: float
) -> torch.optim.Optimizer:
    """Return Adam, or SOAP of Vyas et al. (2024): each of its steps is multiplied with the factor of its parameter."""
    values = list(named.values())
    made = torch.optim.Adam(values, lr=rate) if kind == "adam" else soap(values, rate)
    scaled = [(value, factors[name].to(value.device)) for name, value in named.items() if not _is_one(factors[name])]
    before: list[Tensor] = []

    def remember(*_told: Any) -> None:
        before[:] = [value.detach().clone() for value, _ in scaled]

    @torch.no_grad()
    def scale(*_told: Any) -> None:
        for (value, factor), was in zip(scaled, before, strict=True):
            value.copy_(torch.lerp(was, value, factor.expand_as(value)))

    if scaled:
        made.register_step_pre_hook(remember)
        made.register_step_post_hook(scale)
    return made


def soap(values: Sequence[nn.Parameter], rate: float) -> Any:
    """Return SOAP as its authors set it, but without weight decay, and with new bases only every 20 steps.

    It is Adam in the eigenbases of the gradients' covariances: what Adam needs where the inputs of a layer differ in
    size as principal components do.
    """
    from pytorch_optimizer import SOAP  # noqa: PLC0415 - seconds, and for training alone

    return SOAP(values, lr=rate, betas=(0.95, 0.95), weight_decay=0.0, precondition_frequency=20)


def _is_one(factor: Tensor) -> bool:
    return factor.ndim == 0 and float(factor) == 1.0
