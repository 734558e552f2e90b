"""Faster training: transforms in bfloat16, and entropy bottlenecks that do not wait for the CUDA device."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..compat import compressai


def use_bfloat16(network: nn.Module, device_type: str) -> None:
    """Make the transforms of a network compute in bfloat16, in place; the weights stay in float32.

    The last layers of the analysis and the synthesis, and everything that computes likelihoods, stay in float32: at a
    latent of 100, bfloat16 resolves only half a quantisation step.
    """
    for transform in (network.g_a, network.g_s):
        assert isinstance(transform, nn.Sequential)  # noqa: S101 - true for all models of CompressAI
        *layers, last = transform
        for layer in layers:
            layer.forward = torch.autocast(device_type, torch.bfloat16)(layer.forward)
        last.forward = partial(_in_float32, last.forward)


def _in_float32(forward: Callable[..., Tensor], x: Tensor, *conditions: Any) -> Tensor:
    return forward(x.float(), *conditions)


def avoid_synchronisation(network: nn.Module) -> None:
    """Replace the forward pass of a network's entropy bottlenecks by one that does not wait for the device, in place.

    CompressAI's bottlenecks permute by indices on the device, and so wait for all queued work four times per step. Two
    networks could then not train in parallel.
    """
    bottleneck = compressai("entropy_models").EntropyBottleneck
    for module in network.modules():
        if type(module) is bottleneck:
            module.forward = _AsynchronousBottleneck(module)


class _AsynchronousBottleneck:
    """The forward pass of an entropy bottleneck, with axes swapped by transposition."""

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
        outputs, likelihood = (
            value.reshape(swapped.shape).transpose(0, 1).contiguous() for value in (outputs, likelihood)
        )
        return outputs, likelihood
