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
from torch.nn.functional import avg_pool2d, pixel_unshuffle

NOISE = 0.1
"""What is left of the random weights, so that channels that begin without a task can find one."""

PIXELS = 2**21
"""How many pixels of photographs are enough to find components of: 32 crops of 256x256."""

HYPER = 4.0
"""The standard deviation that the widest of the hyper-latents begins with."""

TRUST = 0.7
"""How much a hyperprior at first believes what it is told of a neighbourhood."""

LIFT = 2.0
"""How many standard deviations above 0 the features of the hyper-transforms begin."""

_SCALES = (0.25, 0.5, 0.5)  # of the stages but the last: small enough that GDN is nearly linear, and its inverse tame


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
    latents = _expect(network, features) if hasattr(network, "h_a") else features
    _fit(network.entropy_bottleneck, latents)


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
    """Make one convolution the principal components of blocks of features, times a scale, and one the way back.

    Blocks are of 2x2, and of single pixels where nothing is subsampled.
    """
    channels, most = features.shape[1], convolution.out_channels
    size = int(convolution.stride[0])
    blocks = pixel_unshuffle(features, size).permute(0, 2, 3, 1).reshape(-1, size**2 * channels).double()
    mean = blocks.view(-1, channels, size**2).mean(dim=(0, 2))
    centred = blocks - mean.repeat_interleave(size**2)
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    found = min(most, size**2 * channels)
    components = vectors.flip(1)[:, :found].T.float()  # the widest first
    taps = components.view(found, channels, size, size)
    middle = convolution.kernel_size[0] // 2
    block = slice(middle, middle + size)  # the taps that see the block
    for one in (convolution, back):
        one.weight.mul_(NOISE)
        one.bias.zero_()
    convolution.weight[:found] = 0
    convolution.weight[:found, :, block, block] = scale * taps
    convolution.bias[:found] = -scale * (components @ mean.repeat_interleave(size**2).float())
    upward = isinstance(back, nn.ConvTranspose2d)
    tied = back.weight if upward else back.weight.transpose(0, 1)
    tied[:found] = 0
    # A convolution is a correlation: of one pixel its middle tap is the middle either way.
    tied[:found, :, block, block] = taps / scale
    back.bias.copy_(mean.float())


def _expect(network: Any, y: Tensor) -> Tensor:
    """Let a hyperprior code how large latents y are in 4x4 of them, as principal components; return its latents.

    Each channel counts in proportion to its own size. A Gaussian whose absolute values are a on the mean has the
    standard deviation sqrt(pi / 2) a: that is what the hyper-synthesis gives, `TRUST` of the way from the channel's
    mean to what it has been told of the neighbourhood.
    """
    spread = y.abs().mean(dim=(0, 2, 3)).clamp(min=0.1)
    (first, _), *pooling = _stages(network.h_a)
    *growing, (last, _) = _stages(network.h_s)
    features = y.abs() / spread.view(1, -1, 1, 1)
    _become(first, last, features, 1.0)
    features = first(features)
    lift = LIFT * features.std(dim=(0, 2, 3))  # above 0, where ReLU is linear, for nearly all
    first.bias += lift
    features = torch.relu(features + lift.view(1, -1, 1, 1))
    last.weight.mul_(TRUST)
    last.bias.sub_(torch.einsum("oihw,i->o", last.weight, lift))
    for down, _ in pooling:
        _pool(down, 1 / 4)
        features = avg_pool2d(features, 2)
    for up, _ in growing:
        _pool(up, 1.0)
    middle, grown = features.mean(dim=(0, 2, 3)), HYPER / features.std(dim=(0, 2, 3)).max()
    pooling[-1][0].weight.mul_(grown)
    pooling[-1][0].bias.copy_(-grown * middle)
    growing[0][0].weight.div_(grown)
    growing[0][0].bias.copy_(middle)
    first.weight.div_(spread.view(1, -1, 1, 1))
    scale = spread * math.sqrt(math.pi / 2)
    last.weight.mul_(scale.view(-1, 1, 1, 1))
    last.bias.mul_(scale)
    return (features - middle.view(1, -1, 1, 1)) * grown


def _pool(convolution: Any, tap: float) -> None:
    """Let a convolution of stride 2 put the same tap on the 2x2 block of each channel: a mean, or its way back."""
    convolution.weight.mul_(NOISE)
    convolution.bias.zero_()
    each = torch.arange(convolution.weight.shape[0])
    convolution.weight[each, each, 2:4, 2:4] = tap


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
