"""Adam and SOAP with a step factor for each parameter, which can follow the size of the weights.

Adam moves every weight by about the learning rate, regardless of the weight's size. In networks that start from
principal components, some tensors are a thousand times as large as others, so a single rate either destroys the small
tensors or barely moves the large ones. Shazeer & Stern (2018) and You et al. (2020) scale rates for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

TYPICAL = 0.017
"""PyTorch's initial root mean square of the weights of a 5x5 convolution of 48 channels; this size has factor 1."""

_NORMS = (".beta", ".gamma")
_PRIOR = ("h_a.", "h_s.", "entropy_bottleneck.")


@torch.no_grad()
def step_factors(network: nn.Module, *, relative: bool, gdn: float, prior: float) -> dict[str, Tensor]:
    """Return the factor of each parameter's step, by name: tensors that broadcast to the parameter.

    `gdn` applies to GDN's parameters, and `prior` to the entropy bottleneck and the hyper-transforms. With `relative`,
    the factor of a convolution is the root mean square of its weights relative to `TYPICAL`. In the hyper-transforms
    each row and column has its own factor, because channels of latents differ a hundredfold in size.
    """
    factors = {name: torch.tensor(gdn if name.endswith(_NORMS) else 1.0) for name, _ in network.named_parameters()}
    for name, module in network.named_modules():
        if relative and isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            size = (_sizes(module.weight) if name.startswith("h_") else _rms(module.weight)) / TYPICAL
            input_axis = 0 if isinstance(module, nn.ConvTranspose2d) else 1
            factors[f"{name}.weight"] = size
            factors[f"{name}.bias"] = size.mean(input_axis).flatten() if size.ndim else size
    return {name: value * prior if name.startswith(_PRIOR) else value for name, value in factors.items()}


def _rms(weight: Tensor, *axes: int) -> Tensor:
    return weight.square().mean(axes or None, keepdim=bool(axes)).sqrt()


def _sizes(weight: Tensor) -> Tensor:
    """Return the product of the root mean squares of rows and columns, as in Adafactor, shaped like 1x1 weights."""
    return _rms(weight, 1, 2, 3) * _rms(weight, 0, 2, 3) / _rms(weight).clamp(min=1e-12)


def make_optimizer(
    kind: str, parameters: Mapping[str, nn.Parameter], factors: Mapping[str, Tensor], rate: float
) -> torch.optim.Optimizer:
    """Return an optimizer whose steps are multiplied by the factor of each parameter.

    "adam" is PyTorch's Adam. "soap" is SOAP (Vyas et al. 2024): Adam in the eigenbases of the gradients' covariances.
    It suits layers whose inputs differ in size, as principal components do. It uses its authors' settings, except for
    no weight decay and new bases only every 20 steps.
    """
    values = list(parameters.values())
    if kind == "adam":
        optimizer: Any = torch.optim.Adam(values, lr=rate)
    else:
        from pytorch_optimizer import SOAP  # noqa: PLC0415 - its import takes seconds

        optimizer = SOAP(values, lr=rate, betas=(0.95, 0.95), weight_decay=0.0, precondition_frequency=20)
    scaled = [
        (value, factors[name].to(value.device))
        for name, value in parameters.items()
        if factors[name].ndim or float(factors[name]) != 1.0
    ]
    before: list[Tensor] = []

    def remember(*_: Any) -> None:
        before[:] = [value.detach().clone() for value, _ in scaled]

    @torch.no_grad()
    def scale(*_: Any) -> None:
        for (value, factor), start in zip(scaled, before, strict=True):
            value.copy_(torch.lerp(start, value, factor.expand_as(value)))

    if scaled:
        optimizer.register_step_pre_hook(remember)
        optimizer.register_step_post_hook(scale)
    made: torch.optim.Optimizer = optimizer
    return made
