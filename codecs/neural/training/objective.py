"""The rate-distortion objective, and how each kind of network is asked for one: a lambda of its own, or many."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from pytorch_msssim import ms_ssim
from torch import Tensor, nn

from ..architectures import ARCHITECTURES, HIGH, LOW
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class Terms:
    """What one batch costs: `loss` to go down from, and the means of its parts over the batch.

    `bpp` is bits a pixel by the likelihoods, `mse` of 8-bit levels (0..255^2), `ms_ssim` NaN where it is not the loss.
    """

    loss: Tensor
    bpp: Tensor
    mse: Tensor
    ms_ssim: Tensor


class Rates(Protocol):
    """How a network is asked for a rate."""

    def forward(self, network: nn.Module, x: Tensor, rng: np.random.Generator, through: float) -> tuple[Any, Tensor]:
        """Return the network's output for a batch, and the lambda of each image (B,); `through` its training, 0..1."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A network of one lambda."""

    lam: float

    def forward(self, network: nn.Module, x: Tensor, rng: np.random.Generator, through: float) -> tuple[Any, Tensor]:  # noqa: ARG002
        """Return the output, all images at the one lambda."""
        return network(x), x.new_full((len(x),), self.lam)


@dataclass(frozen=True, slots=True)
class Conditional:
    """A network that is told a lambda, drawn log-uniformly for each image."""

    def forward(self, network: nn.Module, x: Tensor, rng: np.random.Generator, through: float) -> tuple[Any, Tensor]:  # noqa: ARG002
        """Return the output, each image at a lambda of its own."""
        drawn = np.exp(rng.uniform(math.log(LOW), math.log(HIGH), len(x)))
        lam = torch.from_numpy(drawn).to(x.device)
        return network(x, lam), lam.float()


@dataclass(frozen=True, slots=True)
class Gains:
    """A network with a gain for each of several lambdas, rising; one is drawn for each batch.

    For the first part of the training, `stage_one`, it learns the highest rate alone, with CompressAI's noise in place
    of rounding (Kamisli, Racape & Choi 2024).
    """

    lambdas: tuple[float, ...]
    stage_one: float

    def forward(self, network: nn.Module, x: Tensor, rng: np.random.Generator, through: float) -> tuple[Any, Tensor]:
        """Return the output, all images at the lambda of one gain."""
        first = through < self.stage_one
        place = len(self.lambdas) - 1 if first else int(rng.integers(len(self.lambdas)))
        return network(x, stage=1 if first else 2, s=place), x.new_full((len(x),), self.lambdas[place])


def rates(recipe: Recipe, lam: float | None) -> Rates:
    """Return how the network of a recipe is asked: at `lam`, or where that is None in its own way."""
    if lam is not None:
        return Fixed(lam)
    if ARCHITECTURES[recipe.architecture].gain:
        return Gains(tuple(sorted(recipe.lambdas)), recipe.stage_one)
    return Conditional()


def weights(recipe: Recipe, lam: Tensor) -> Tensor | float:
    """Return what the objective of each image counts: in a network for all rates (lambda / middle)^-balance, (B,).

    What is best at each lambda does not depend on it; how soon it is found, and where one network cannot serve all,
    does. A young network errs by the same at every lambda: at 0 the few images of the highest decide alone where it
    goes, at 1 an error counts the same at all of them.
    """
    if not recipe.variable:
        return 1.0
    middle = math.sqrt(LOW * HIGH)
    return (lam / middle) ** -recipe.balance


def bits_per_pixel(likelihoods: Mapping[str, Tensor], pixels: int) -> Tensor:
    """Return -log2 of the likelihoods of each image of a batch, summed, over its pixels: (B,)."""
    bits = sum((-one.float().log2().flatten(1).sum(1) for one in likelihoods.values()), start=torch.zeros(()))
    return bits / pixels


def terms(output: Mapping[str, Any], x: Tensor, lam: Tensor, loss: str, weight: Tensor | float = 1.0) -> Terms:
    """Return the objective for images x (B, 3, H, W) in 0..1 at lambdas (B,), and its parts.

    "mse": mean of lambda * 255^2 * MSE + bpp. "ms-ssim": mean of lambda * (1 - MS-SSIM) + bpp. `weight` is of each
    image, or of all.
    """
    x_hat = output["x_hat"].float()
    bpp = bits_per_pixel(output["likelihoods"], x.shape[2] * x.shape[3])
    mse = 255**2 * (x_hat - x).square().flatten(1).mean(1)
    if loss == "mse":
        similar = x.new_full((len(x),), math.nan)
        distortion = mse
    else:
        similar = ms_ssim(x_hat, x, data_range=1, size_average=False)
        distortion = 1 - similar
    return Terms(
        (weight * (lam * distortion + bpp)).mean(), bpp.mean().detach(), mse.mean().detach(), similar.mean().detach()
    )
