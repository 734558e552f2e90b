"""Weights of one lambda made to suit another, and those of a fixed rate to suit all: what a network begins with.

The best step of a quantiser goes with lambda^-1/2 at high rate. So latents are made lambda^1/2 as large, and all that
is told of their size is told so; the images that come out are what they were, but for the rounding.
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
    """Return a copy of weights for a lambda `ratio` times as high; as they are for what is no prior of Balle et al."""
    made = {name: value.clone() for name, value in state.items()}
    if architecture not in {"bmshj2018-factorized", "bmshj2018-hyperprior"}:
        return made
    grown = math.sqrt(ratio)
    for name in (f"{_ANALYSIS}weight", f"{_ANALYSIS}bias"):
        made[name] *= grown
    made[f"{_SYNTHESIS}weight"] /= grown
    if architecture == "bmshj2018-factorized":
        _widen(made, grown)
    else:
        made[f"{_HYPER_ANALYSIS}weight"] /= grown
        for name in (f"{_HYPER_SYNTHESIS}weight", f"{_HYPER_SYNTHESIS}bias"):
            made[name] *= grown
    return made


def conditioned(state: Mapping[str, Tensor], lam: float | None) -> State:
    """Return a scale hyperprior's weights as those of a conditional network: its modulation keeps what it begins with.

    They are first rescaled from their lambda to the middle of the range, at which modulation begins as none.
    """
    middle = math.sqrt(LOW * HIGH)
    fixed = rescaled(state, "bmshj2018-hyperprior", middle / (lam or middle))
    return {_renamed(name): value for name, value in fixed.items()}


def _renamed(name: str) -> str:
    """Return what g_a.2.weight or g_a.3.beta is called in a chain of modulated layers."""
    chain, dot, rest = name.partition(".")
    if chain not in {"g_a", "g_s", "h_a", "h_s"}:
        return name
    place, _, key = rest.partition(".")
    layer, part = divmod(int(place), 2)
    return f"{chain}{dot}{layer}.{('convolution', 'activation')[part]}.{key}"


def _widen(made: State, grown: float) -> None:
    """Widen the densities of an entropy bottleneck: its first layer multiplies by softplus(matrix)."""
    stem = "entropy_bottleneck."
    first = next(name for name in made if name.startswith(stem) and name.endswith("matrices.0"))
    slope = torch.nn.functional.softplus(made[first].double()) / grown
    made[first] = slope.expm1().log().to(made[first].dtype)
    made[f"{stem}quantiles"] *= grown
