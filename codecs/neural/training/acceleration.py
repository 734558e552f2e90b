"""Networks made fit for a device: mixed precision where it is safe, and on CUDA no waiting where none is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..compat import compressai


def mix(network: nn.Module, device_type: str) -> None:
    """Let the transforms of a network compute in bfloat16, in place; its weights stay float32.

    The last layer of the analysis and of the synthesis stay in float32, and so does all that makes likelihoods: a
    latent of 100 in bfloat16 is known to half a step of its quantiser.
    """
    for transform in (network.g_a, network.g_s):
        assert isinstance(transform, nn.Sequential)  # noqa: S101 - so it is in all of CompressAI
        *layers, last = transform
        for layer in layers:
            layer.forward = torch.autocast(device_type, torch.bfloat16)(layer.forward)
        last.forward = _in_float32(last.forward)


def _in_float32(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def widened(x: Tensor, *told: Any) -> Tensor:
        return forward(x.float(), *told)

    return widened


def unleash(network: nn.Module) -> None:
    """Keep entropy bottlenecks from waiting for the device, in place.

    CompressAI's permutes by numbers that lie on the device, and so waits for all that was asked of it, four times a
    step: two networks could not be trained beside each other. What is computed is the same.
    """
    bottleneck = compressai("entropy_models").EntropyBottleneck
    for module in network.modules():
        if type(module) is bottleneck:
            module.forward = _Unleashed(module)


class _Unleashed:
    """The forward pass of an entropy bottleneck."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        module = self.module
        swapped = x.transpose(0, 1).contiguous()
        values = swapped.reshape(swapped.size(0), 1, -1)
        mode = "noise" if module.training else "dequantize"
        outputs = module.quantize(values, mode, module._get_medians())
        likelihood = module._likelihood(outputs)[0]
        if module.use_likelihood_bound:
            likelihood = module.likelihood_lower_bound(likelihood)
        back = [one.reshape(swapped.shape).transpose(0, 1).contiguous() for one in (outputs, likelihood)]
        return back[0], back[1]
