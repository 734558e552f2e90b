"""What a network is worth while it is being trained: real bytes and 8-bit pixels of photographs it never saw."""

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
from ..codec import GAIN, LAMBDA, NeuralCodec, NeuralEstimate
from ..models import loaded
from .photographs import Photographs
from .recipe import Recipe, TrainingError


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the images at one lambda: bits a pixel of real bytes and by the likelihoods, dB, and the loss."""

    lam: float
    bpp_real: float
    psnr: float
    bpp_est: float
    loss: float


def held_out(recipe: Recipe, photographs: Photographs) -> tuple[Image, ...]:
    """Return the images that a recipe is judged by; raise TrainingError where its loss is none of one of them."""
    images = tuple(map(photographs.image, range(min(len(photographs), recipe.validation_images))))
    if recipe.loss == "ms-ssim" and any(min(one.shape[:2]) <= 160 for one in images):
        raise TrainingError("a validation image has a side below 161 pixels, and so no MS-SSIM")
    return images


def validate(
    recipe: Recipe, state: Mapping[str, torch.Tensor], lam: float | None, images: Sequence[Image], device: torch.device
) -> list[Score]:
    """Return the scores of weights at their lambda, or where that is None at each of the recipe's.

    Bytes and pixels are those of the codec that the weights make, header included. The loss is the recipe's with the
    real rate and the mean distortion.
    """
    kind = ARCHITECTURES[recipe.architecture]
    dial = GAIN if kind.gain else LAMBDA if kind.conditional else None
    scores = []
    for place, one in enumerate(sorted(recipe.lambdas) if lam is None else [lam]):
        value = float(state["Gain"][place]) if kind.gain else one
        real = NeuralCodec(_network(recipe, state), kind.multiple, dial, value, device)
        promised = NeuralEstimate(_network(recipe, state), kind.multiple, dial, value, device)
        scores.append(_score(recipe, one, real, promised, images))
    return scores


def worth(scores: Sequence[Score]) -> float:
    """Return what to choose the best save by: the geometric mean of the losses, in which no lambda outweighs others."""
    return float(np.exp(np.mean([math.log(score.loss) for score in scores])))


def _network(recipe: Recipe, state: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    return loaded(recipe.architecture, recipe.config, state)


def _score(recipe: Recipe, lam: float, real: NeuralCodec, promised: NeuralEstimate, images: Sequence[Image]) -> Score:
    bits, estimates, decibels, distortions = [], [], [], []
    for image in images:
        data = real.encode(image)
        seen = real.decode(data)
        pixels = image.shape[0] * image.shape[1]
        squared = float(np.square(image.astype(np.float64) - seen).mean())
        bits.append(8 * len(data) / pixels)
        estimates.append(promised.estimate(image)[0] / pixels)
        decibels.append(10 * math.log10(255**2 / max(squared, 1e-9)))
        distortions.append(squared if recipe.loss == "mse" else 1 - _similar(image, seen))
    rate = float(np.mean(bits))
    loss = lam * float(np.mean(distortions)) + rate
    return Score(lam, rate, float(np.mean(decibels)), float(np.mean(estimates)), loss)


def _similar(image: Image, seen: Image) -> float:
    pair: list[Any] = [torch.from_numpy(one).permute(2, 0, 1)[None].float() for one in (image, seen)]
    return float(ms_ssim(*pair, data_range=255))
