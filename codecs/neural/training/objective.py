"""The rate-distortion objective, and the forward pass of each kind of network at its lambdas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_msssim import ms_ssim
from torch import Tensor, nn

from ..architectures import ARCHITECTURES, HIGH, LOW
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class Terms:
    """The objective of one batch: `loss`, to be minimised, and the means of its parts over the batch.

    `bpp` is the bits per pixel estimated from the likelihoods. `mse` is in squared 8-bit levels (0..255^2). `ms_ssim`
    is NaN unless it is part of the loss.
    """

    loss: Tensor
    bpp: Tensor
    mse: Tensor
    ms_ssim: Tensor


def forward(
    recipe: Recipe, lam: float | None, network: nn.Module, x: Tensor, rng: np.random.Generator, progress: float
) -> tuple[Any, Tensor]:
    """Return the output of a recipe's network for a batch, and the lambda of each image (B,); `progress` is in 0..1.

    A network for a single lambda uses `lam` for all images. For networks that serve all rates `lam` is None. A
    conditional network takes lambda as an input, drawn log-uniformly for each image. A gain-based network has one gain
    per lambda, and one lambda is drawn for each batch. In the first part of its training, `stage_one`, it learns only
    the highest rate, with CompressAI's noise in place of rounding (Kamisli, Racape & Choi 2024).
    """
    if lam is not None:
        return network(x), x.new_full((len(x),), lam)
    if ARCHITECTURES[recipe.architecture].gain:
        lambdas = sorted(recipe.lambdas)
        in_stage_one = progress < recipe.stage_one
        index = len(lambdas) - 1 if in_stage_one else int(rng.integers(len(lambdas)))
        return network(x, stage=1 if in_stage_one else 2, s=index), x.new_full((len(x),), lambdas[index])
    drawn = torch.from_numpy(np.exp(rng.uniform(math.log(LOW), math.log(HIGH), len(x)))).to(x.device)
    return network(x, drawn), drawn.float()


def image_weights(recipe: Recipe, lam: Tensor) -> Tensor | float:
    """Return the weight of each image in the objective (B,): (lambda / middle)^-balance in a network for all rates.

    The weights do not change the optimum at each lambda. They change how soon it is reached, and the compromise if one
    network cannot serve all lambdas equally well. Early in training, the error is the same at every lambda. With
    balance 0, the few images with the highest lambdas then dominate; with balance 1, errors count the same at all
    lambdas.
    """
    if not recipe.variable:
        return 1.0
    middle = math.sqrt(LOW * HIGH)
    return (lam / middle) ** -recipe.balance


def bits_per_pixel(likelihoods: Mapping[str, Tensor], pixels: int) -> Tensor:
    """Return the bits per pixel of each image of a batch (B,): the sum of -log2 of its likelihoods over its pixels."""
    bits = sum((-values.float().log2().flatten(1).sum(1) for values in likelihoods.values()), start=torch.zeros(()))
    return bits / pixels


def terms(output: Mapping[str, Any], x: Tensor, lam: Tensor, loss: str, weight: Tensor | float = 1.0) -> Terms:
    """Return the objective for images x (B, 3, H, W) in 0..1 at lambdas (B,), and its parts.

    With `loss` "mse" it is the mean of lambda * 255^2 * MSE + bpp, with "ms-ssim" the mean of
    lambda * (1 - MS-SSIM) + bpp. `weight` is a weight per image, or one for all images.
    """
    x_hat = output["x_hat"].float()
    bpp = bits_per_pixel(output["likelihoods"], x.shape[2] * x.shape[3])
    mse = 255**2 * (x_hat - x).square().flatten(1).mean(1)
    if loss == "mse":
        similarity = x.new_full((len(x),), math.nan)
        distortion = mse
    else:
        similarity = ms_ssim(x_hat, x, data_range=1, size_average=False)
        distortion = 1 - similarity
    objective = (weight * (lam * distortion + bpp)).mean()
    return Terms(objective, bpp.mean().detach(), mse.mean().detach(), similarity.mean().detach())
