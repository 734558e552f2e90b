"""Weights to begin with: transforms that are the principal components of photographs, which training then bends.

A network with random weights spends thousands of steps on finding a transform at all, and on making its latents large
beside the rounding. The Karhunen-Loeve transform is the best linear one there is for a Gaussian source, and the layers
of these networks are nearly linear at first: four stages of 2x2 blocks make it one of 16x16 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle

NOISE = 0.1
"""What is left of the random weights, so that channels that begin without a task can find one."""

PIXELS = 2**21
"""How many pixels of photographs are enough to find components of: 32 crops of 256x256."""

HYPER = 3.0
"""The standard deviation that hyper-latents begin with."""

_SCALES = (0.25, 0.5, 0.5)  # of the stages but the last: small enough that GDN is nearly linear, and its inverse tame
_BLOCK = slice(2, 4)  # the taps of a 5x5 kernel, of stride 2, that see a 2x2 block


def step(lam: float) -> float:
    """Return the step of a uniform quantiser of orthonormal coefficients of pixels in 0..1 that is best at lambda.

    At high rate an error of d = step^2 / 12 per coefficient costs -log2(d) / 2 bits; with three of them a pixel,
    lambda 255^2 d / 3 + bits is least at d = 3 / (2 ln 2 lambda 255^2).
    """
    return math.sqrt(12 * 3 / (2 * math.log(2) * lam * 255**2))


@torch.no_grad()
def begin(network: Any, images: Tensor, lam: float) -> None:
    """Give a factorized prior or a hyperprior of Balle et al. such weights, in place.

    `images`: (B, 3, H, W) in 0..1, sides multiples of 16, many enough for covariances of 4 N values; `lam` decides how
    large the latents are beside the rounding, and the densities of the prior are made as wide. A conditional network is
    given the weights of the middle of its lambdas, its modulation being what it is.
    """
    analysis, synthesis = list(_stages(network.g_a)), list(_stages(network.g_s))
    features = images
    for place, (convolution, activation) in enumerate(analysis):
        last = place == len(analysis) - 1
        back = synthesis[len(synthesis) - 1 - place][0]
        scale = 1 / (step(lam) * math.prod(_SCALES)) if last else _SCALES[place]
        _become(convolution, back, features, scale)
        features = activation(convolution(features))
    latents = features
    if hasattr(network, "h_s"):
        latents = _expect(network, features)
    _fit(network.entropy_bottleneck, latents)


def _expect(network: Any, y: Tensor) -> Tensor:
    """Let a hyperprior expect each channel of latents y to be as wide as it is, and look at it in proportion.

    Returns the hyper-latents that it then has.
    """
    spread = y.std(dim=(0, 2, 3)).clamp(min=0.2)
    analysis = list(_stages(network.h_a))
    first, last = analysis[0][0], analysis[-1][0]
    first.weight.div_(spread.view(1, -1, 1, 1))
    *_, (convolution, _) = _stages(network.h_s)
    convolution.weight.mul_(spread.view(-1, 1, 1, 1))
    convolution.bias.copy_(spread)
    z = y.abs()
    for layer, activation in analysis:
        z = activation(layer(z))
    # Of random weights nothing but zeros would come through the rounding.
    grown = HYPER / z.std()
    last.weight.mul_(grown)
    last.bias.mul_(grown)
    return z * grown


def _fit(bottleneck: Any, latents: Tensor) -> None:
    """Make the density of each channel as wide as the channel: a logistic one, nearly, of its standard deviation."""
    values = latents.transpose(0, 1).flatten(1)
    scale = values.std(dim=1).clamp(min=0.1) * math.sqrt(3) / math.pi
    for matrix in bottleneck.matrices:
        gain = scale ** (-1 / len(bottleneck.matrices)) / matrix.shape[1]
        matrix.copy_(gain.expm1().log().view(-1, 1, 1).expand_as(matrix))
    reach = 20 * scale
    middle = values.median(dim=1).values
    bottleneck.quantiles.copy_(torch.stack([middle - reach, middle, middle + reach], 1)[:, None])


def _stages(chain: nn.Module) -> Iterator[tuple[Any, Callable[[Tensor], Tensor]]]:
    """Yield the convolutions of a transform, each with the nonlinearity after it."""
    layers: list[Any] = list(chain.children())
    if all(hasattr(layer, "convolution") for layer in layers):
        for layer in layers:
            yield layer.convolution, layer.activation
        return
    for place, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            following = layers[place + 1] if place + 1 < len(layers) else nn.Identity()
            yield layer, following


def _become(convolution: Any, back: Any, features: Tensor, scale: float) -> None:
    """Make one convolution the principal components of 2x2 blocks of features, times a scale, and one the way back."""
    channels, most = features.shape[1], convolution.out_channels
    blocks = pixel_unshuffle(features, 2).permute(0, 2, 3, 1).reshape(-1, 4 * channels).double()
    mean = blocks.view(-1, channels, 4).mean(dim=(0, 2))
    centred = blocks - mean.repeat_interleave(4)
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    found = min(most, 4 * channels)
    components = vectors.flip(1)[:, :found].T.float()  # the widest first
    taps = components.view(found, channels, 2, 2)
    for one in (convolution, back):
        one.weight.mul_(NOISE)
        one.bias.zero_()
    convolution.weight[:found] = 0
    convolution.weight[:found, :, _BLOCK, _BLOCK] = scale * taps
    convolution.bias[:found] = -scale * (components @ mean.repeat_interleave(4).float())
    back.weight[:found] = 0
    back.weight[:found, :, _BLOCK, _BLOCK] = taps / scale
    back.bias.copy_(mean.float())
