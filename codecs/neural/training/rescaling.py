"""Rescaling of weights for one lambda, to start the training at another lambda or at all lambdas.

The optimal quantisation step is proportional to lambda^-1/2 at high rate. Latents are therefore scaled by the square
root of the ratio of lambdas, and so is everything that predicts their size. Reconstructions stay the same except for
rounding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from ..architectures import HIGH, LOW

State = dict[str, Tensor]

_ANALYSIS, _SYNTHESIS, _HYPER_ANALYSIS, _HYPER_SYNTHESIS = "g_a.6.", "g_s.0.", "h_a.0.", "h_s.4."


def rescaled(state: Mapping[str, Tensor], architecture: str, ratio: float) -> State:
    """Return a copy of weights, rescaled to a lambda `ratio` times as high if the model is one of Balle et al."""
    copy = {name: value.clone() for name, value in state.items()}
    if architecture not in {"bmshj2018-factorized", "bmshj2018-hyperprior"}:
        return copy
    scale = math.sqrt(ratio)
    for name in (f"{_ANALYSIS}weight", f"{_ANALYSIS}bias"):
        copy[name] *= scale
    copy[f"{_SYNTHESIS}weight"] /= scale
    if architecture == "bmshj2018-factorized":
        _widen(copy, scale)
    else:
        copy[f"{_HYPER_ANALYSIS}weight"] /= scale
        for name in (f"{_HYPER_SYNTHESIS}weight", f"{_HYPER_SYNTHESIS}bias"):
            copy[name] *= scale
    return copy


def conditioned(state: Mapping[str, Tensor], lam: float | None) -> State:
    """Return a scale hyperprior's weights under the names of a conditional network, without its modulation.

    The weights are first rescaled from `lam` to the middle of the range, where the initial modulation is the identity.
    """
    middle = math.sqrt(LOW * HIGH)
    fixed = rescaled(state, "bmshj2018-hyperprior", middle / (lam or middle))
    return {_conditional_name(name): value for name, value in fixed.items()}


def _conditional_name(name: str) -> str:
    """Return the name of a weight such as g_a.2.weight or g_a.3.beta in a chain of modulated layers."""
    chain, dot, rest = name.partition(".")
    if chain not in {"g_a", "g_s", "h_a", "h_s"}:
        return name
    place, _, key = rest.partition(".")
    layer, part = divmod(int(place), 2)
    return f"{chain}{dot}{layer}.{('convolution', 'activation')[part]}.{key}"


def _widen(state: State, scale: float) -> None:
    """Widen the densities of an entropy bottleneck, whose first layer multiplies by softplus(matrix)."""
    stem = "entropy_bottleneck."
    first = next(name for name in state if name.startswith(stem) and name.endswith("matrices.0"))
    slope = torch.nn.functional.softplus(state[first].double()) / scale
    state[first] = slope.expm1().log().to(state[first].dtype)
    state[f"{stem}quantiles"] *= scale
