"""What a network is worth while it is being trained: real bytes and 8-bit pixels of photographs it never saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pytorch_msssim import ms_ssim
from torch import nn
from torch.nn import functional

from ..protocol import Image
from .names import ARCHITECTURES
from .objective import bits_per_pixel
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the images at one lambda: bits a pixel of real bytes and by the likelihoods, dB, and the loss."""

    lam: float
    bpp_real: float
    psnr: float
    bpp_est: float
    loss: float


@torch.inference_mode()
def validate(network: nn.Module, recipe: Recipe, lam: float | None, images: Sequence[Image]) -> list[Score]:
    """Return the scores of a network that is ready to code, at its lambda or at each of those it serves.

    The bytes are those of the entropy coder, with no header; the pixels what it decodes them to, clamped and rounded.
    The loss is the recipe's with the real rate.
    """
    kind = ARCHITECTURES[recipe.architecture]
    scores = []
    for place, one in enumerate(sorted(recipe.lambdas) if lam is None else [lam]):
        coding: dict[str, Any] = {"s": place} if kind.gain else {"lam": one} if kind.conditional else {}
        forward = {"lam": one} if kind.conditional else coding
        found = [_measure(network, recipe, image, coding, forward) for image in images]
        rate, estimate, squared, similar = (float(mean) for mean in np.mean(found, axis=0))
        distortion = squared if recipe.loss == "mse" else 1 - similar
        psnr = float(np.mean([10 * math.log10(255**2 / max(row[2], 1e-9)) for row in found]))
        scores.append(Score(one, rate, psnr, estimate, one * distortion + rate))
    return scores


def _measure(
    network: Any, recipe: Recipe, image: Image, coding: dict[str, Any], forward: dict[str, Any]
) -> tuple[float, float, float, float]:
    """Return bpp of real bytes, bpp by likelihoods, mean squared error and, where it is the loss, MS-SSIM."""
    height, width = image.shape[:2]
    multiple = ARCHITECTURES[recipe.architecture].multiple
    device = next(network.parameters()).device
    x = torch.from_numpy(image).to(device).permute(2, 0, 1)[None].float() / 255
    padded = functional.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
    made = network.compress(padded, **coding)
    decoded = network.decompress(made["strings"], made["shape"], **coding)["x_hat"][..., :height, :width]
    seen = decoded.clamp(0, 1).mul(255).round()
    told = {"lam": torch.tensor([forward["lam"]])} if "lam" in forward else forward
    estimate = bits_per_pixel(network(padded, **told)["likelihoods"], height * width)
    similar = ms_ssim(seen, x * 255, data_range=255) if recipe.loss == "ms-ssim" else torch.tensor(math.nan)
    squared = (seen - (x * 255).round()).square().mean()
    return 8 * _bytes(made["strings"]) / (height * width), float(estimate), float(squared), float(similar)


def _bytes(strings: Any) -> int:
    """Return the bytes in CompressAI's nested lists of strings."""
    return len(strings) if isinstance(strings, bytes) else sum(map(_bytes, strings))


def worth(scores: Sequence[Score]) -> float:
    """Return the loss to choose the best save by: the mean over lambdas."""
    return float(np.mean([score.loss for score in scores]))
