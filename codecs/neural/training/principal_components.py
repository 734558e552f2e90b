"""Initial weights that make the transforms of a network the principal components of photographs.

A network with random weights needs thousands of steps to find a useful transform, and to make its latents large
compared with the rounding. The Karhunen-Loeve transform is the optimal linear transform of a Gaussian source, and the
layers of these networks are nearly linear at first. Four stages of 2x2 blocks form a transform of 16x16 pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pixel_unshuffle

NOISE = 0.1
"""The factor by which the random weights are kept, so that channels without a component can still learn."""

PIXELS = 2**21
"""The number of pixels that the components are computed from: 32 crops of 256x256."""

HYPER = 4.0
"""The initial standard deviation of the widest hyper-latent."""

TRUST = 0.7
"""The initial weight of the neighbourhood's size in a hyperprior's prediction; the rest is the channel's mean size."""

LIFT = 2.0
"""The initial mean of the features of the hyper-transforms, in standard deviations above 0."""

_SCALES = (0.25, 0.5, 0.5)  # of all stages except the last; small, so that GDN and its inverse are nearly linear


def step(lam: float) -> float:
    """Return the optimal step, at lambda, of a uniform quantiser of orthonormal coefficients of pixels in 0..1.

    At high rate, an error of d = step^2 / 12 per coefficient costs -log2(d) / 2 bits. A pixel has three coefficients,
    so lambda 255^2 d / 3 + bits is smallest at d = 3 / (2 ln 2 lambda 255^2).
    """
    return math.sqrt(12 * 3 / (2 * math.log(2) * lam * 255**2))


@torch.no_grad()
def initialise(network: Any, images: Tensor, lam: float) -> None:
    """Set the weights of a factorized prior or a hyperprior of Balle et al., in place.

    `images` (B, 3, H, W) are in 0..1, with sides that are multiples of 16; they must have enough pixels for covariances
    of 4 N values. `lam` sets the scale of the latents. The densities of the prior are set as wide as the latents. A
    conditional network gets the weights for the middle of its range, and keeps its modulation.
    """
    analysis, synthesis = list(_stages(network.g_a)), list(_stages(network.g_s))
    features = images
    for stage, (convolution, activation) in enumerate(analysis):
        is_last = stage == len(analysis) - 1
        inverse = synthesis[len(synthesis) - 1 - stage][0]
        scale = 1 / (step(lam) * math.prod(_SCALES)) if is_last else _SCALES[stage]
        _set_components(convolution, inverse, features, scale)
        features = activation(convolution(features))
    latents = _set_hyperprior(network, features) if hasattr(network, "h_a") else features
    _fit_density(network.entropy_bottleneck, latents)


def _stages(chain: nn.Module) -> Iterator[tuple[Any, Callable[[Tensor], Tensor]]]:
    """Yield each convolution of a transform with the nonlinearity that follows it."""
    layers: list[Any] = list(chain.children())
    if all(hasattr(layer, "convolution") for layer in layers):
        for layer in layers:
            yield layer.convolution, layer.activation
        return
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            following = layers[index + 1] if index + 1 < len(layers) else nn.Identity()
            yield layer, following


def _set_components(convolution: Any, inverse: Any, features: Tensor, scale: float) -> None:
    """Set a convolution to the scaled principal components of blocks of features, and another to its inverse.

    Blocks are 2x2, or single pixels if the convolution does not subsample.
    """
    channels = features.shape[1]
    size = int(convolution.stride[0])
    blocks = pixel_unshuffle(features, size).permute(0, 2, 3, 1).reshape(-1, size**2 * channels).double()
    mean = blocks.view(-1, channels, size**2).mean(dim=(0, 2))
    centred = blocks - mean.repeat_interleave(size**2)
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    count = min(convolution.out_channels, size**2 * channels)
    components = vectors.flip(1)[:, :count].T.float()  # the largest variance first
    taps = components.view(count, channels, size, size)
    middle = convolution.kernel_size[0] // 2
    block = slice(middle, middle + size)  # the taps on the block
    for layer in (convolution, inverse):
        layer.weight.mul_(NOISE)
        layer.bias.zero_()
    convolution.weight[:count] = 0
    convolution.weight[:count, :, block, block] = scale * taps
    convolution.bias[:count] = -scale * (components @ mean.repeat_interleave(size**2).float())
    transposed = isinstance(inverse, nn.ConvTranspose2d)
    tied = inverse.weight if transposed else inverse.weight.transpose(0, 1)
    tied[:count] = 0
    # For blocks of a single pixel, the middle tap is the same in a correlation and in a transposed convolution.
    tied[:count, :, block, block] = taps / scale
    inverse.bias.copy_(mean.float())


def _set_hyperprior(network: Any, y: Tensor) -> Tensor:
    """Set a hyperprior to code the mean size of latents y in 4x4 blocks, as principal components; return its latents.

    Each channel is first divided by its mean size. A Gaussian with the mean absolute value a has the standard deviation
    sqrt(pi / 2) a. The hyper-synthesis predicts a as `TRUST` times the decoded size of the neighbourhood plus
    1 - `TRUST` times the channel's mean size.
    """
    spread = y.abs().mean(dim=(0, 2, 3)).clamp(min=0.1)
    (first, _), *pooling = _stages(network.h_a)
    *growing, (last, _) = _stages(network.h_s)
    features = y.abs() / spread.view(1, -1, 1, 1)
    _set_components(first, last, features, 1.0)
    features = first(features)
    lift = LIFT * features.std(dim=(0, 2, 3))  # raises nearly all features above 0, where ReLU is linear
    first.bias += lift
    features = torch.relu(features + lift.view(1, -1, 1, 1))
    last.weight.mul_(TRUST)
    last.bias.sub_(torch.einsum("oihw,i->o", last.weight, lift))
    for down, _ in pooling:
        _set_pooling(down, 1 / 4)
        features = avg_pool2d(features, 2)
    for up, _ in growing:
        _set_pooling(up, 1.0)
    middle, gain = features.mean(dim=(0, 2, 3)), HYPER / features.std(dim=(0, 2, 3)).max()
    pooling[-1][0].weight.mul_(gain)
    pooling[-1][0].bias.copy_(-gain * middle)
    growing[0][0].weight.div_(gain)
    growing[0][0].bias.copy_(middle)
    first.weight.div_(spread.view(1, -1, 1, 1))
    scale = spread * math.sqrt(math.pi / 2)
    last.weight.mul_(scale.view(-1, 1, 1, 1))
    last.bias.mul_(scale)
    return (features - middle.view(1, -1, 1, 1)) * gain


def _set_pooling(convolution: Any, tap: float) -> None:
    """Set a convolution of stride 2 to the same tap on the 2x2 block of each channel: averaging, or its inverse."""
    convolution.weight.mul_(NOISE)
    convolution.bias.zero_()
    channels = torch.arange(convolution.weight.shape[0])
    convolution.weight[channels, channels, 2:4, 2:4] = tap


def _fit_density(bottleneck: Any, latents: Tensor) -> None:
    """Set the density of each channel to approximately a logistic density with the channel's standard deviation."""
    values = latents.transpose(0, 1).flatten(1)
    scale = values.std(dim=1).clamp(min=0.1) * math.sqrt(3) / math.pi
    for matrix in bottleneck.matrices:
        gain = scale ** (-1 / len(bottleneck.matrices)) / matrix.shape[1]
        matrix.copy_(gain.expm1().log().view(-1, 1, 1).expand_as(matrix))
    reach = 20 * scale
    middle = values.median(dim=1).values
    bottleneck.quantiles.copy_(torch.stack([middle - reach, middle, middle + reach], 1)[:, None])
