"""Validation of a network in training, with real bytes and 8-bit pixels, on photographs outside the training data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_msssim import ms_ssim

from ...protocol import Image
from ..architectures import ARCHITECTURES
from ..codec import NeuralCodec, NeuralEstimate, dial_of
from ..models import loaded
from .photographs import Photographs
from .recipe import Recipe, TrainingError


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the images at one lambda: bits per pixel (of real bytes, and estimated), PSNR, and the loss."""

    lam: float
    bpp_real: float
    psnr: float
    bpp_est: float
    loss: float


def validation_images(recipe: Recipe, photographs: Photographs) -> tuple[Image, ...]:
    """Return the recipe's number of photographs; raise TrainingError if one is too small for an MS-SSIM loss."""
    images = tuple(map(photographs.image, range(min(len(photographs), recipe.validation_images))))
    if recipe.loss == "ms-ssim" and any(min(image.shape[:2]) <= 160 for image in images):
        raise TrainingError("a validation image has a side below 161 pixels, too small for MS-SSIM: remove it")
    return images


def validate(
    recipe: Recipe, state: Mapping[str, torch.Tensor], lam: float | None, images: Sequence[Image], device: torch.device
) -> list[Score]:
    """Return the scores of weights at `lam`, or at each lambda of the recipe if `lam` is None.

    Bytes (headers included) and pixels are those of the codec with these weights. The loss is the recipe's, with the
    real rate and the mean distortion.
    """
    facts, dial = ARCHITECTURES[recipe.architecture], dial_of(recipe.architecture)
    scores = []
    for index, at_lambda in enumerate(sorted(recipe.lambdas) if lam is None else [lam]):
        value = float(state["Gain"][index]) if facts.gain else at_lambda
        options = (facts.multiple, dial, value, device)
        # A codec modifies its model, so the estimate has a model of its own.
        codec = NeuralCodec(loaded(recipe.architecture, recipe.config, state), *options)
        estimate = NeuralEstimate(loaded(recipe.architecture, recipe.config, state), *options)
        scores.append(_score(recipe, at_lambda, codec, estimate, images))
    return scores


def mean_loss(scores: Sequence[Score]) -> float:
    """Return the geometric mean of the losses, so that no lambda outweighs the others."""
    return float(np.exp(np.mean([math.log(score.loss) for score in scores])))


def _score(recipe: Recipe, lam: float, codec: NeuralCodec, estimate: NeuralEstimate, images: Sequence[Image]) -> Score:
    real_bpps, estimated_bpps, psnrs, distortions = [], [], [], []
    for image in images:
        data = codec.encode(image)
        decoded = codec.decode(data)
        pixels = image.shape[0] * image.shape[1]
        mse = float(np.square(image.astype(np.float64) - decoded).mean())
        real_bpps.append(8 * len(data) / pixels)
        estimated_bpps.append(estimate.estimate(image)[0] / pixels)
        psnrs.append(10 * math.log10(255**2 / max(mse, 1e-9)))
        distortions.append(mse if recipe.loss == "mse" else 1 - _ms_ssim(image, decoded))
    rate = float(np.mean(real_bpps))
    loss = lam * float(np.mean(distortions)) + rate
    return Score(lam, rate, float(np.mean(psnrs)), float(np.mean(estimated_bpps)), loss)


def _ms_ssim(image: Image, decoded: Image) -> float:
    pair: list[Any] = [torch.from_numpy(pixels).permute(2, 0, 1)[None].float() for pixels in (image, decoded)]
    return float(ms_ssim(*pair, data_range=255))
