"""Loss-conditional variable rate: one hyperprior network that takes lambda as an input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .architectures import HIGH, LOW
from .compat import compressai

_HALF = math.log(HIGH / LOW) / 2
_MIDDLE = math.log(HIGH * LOW) / 2

_layers, _models = compressai("layers"), compressai("models")
_utils, _entropy = compressai("models.utils"), compressai("entropy_models")


def condition(lam: Tensor) -> Tensor:
    """Return log lambda scaled to -1..1 as a float32 column (B, 1), for lambdas of shape (B,)."""
    return ((lam.double().log() - _MIDDLE) / _HALF).clamp(-1, 1).float().view(-1, 1)


class Film(nn.Module):
    """A scale and a shift per channel, from a small network of log lambda (Perez et al. 2018; Dosovitskiy & D. 2020).

    y = x * lambda^power * exp(s(log lambda)) + t(log lambda), with lambda relative to the middle of its range. s and t
    are initially 0, so that a new network scales by lambda^power alone.
    """

    def __init__(self, channels: int, power: float = 0.0, hidden: int = 64) -> None:
        super().__init__()
        self.power = power
        last = nn.Linear(hidden, 2 * channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), last)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return x (B, C, H, W) modulated by conditions (B, 1)."""
        log_scale, shift = self.mlp(condition).chunk(2, 1)
        scale = (log_scale + self.power * _HALF * condition).exp()
        out: Tensor = x * scale[..., None, None] + shift[..., None, None]
        return out


class Modulated(nn.Module):
    """A convolution, its modulation by lambda, and the nonlinearity after them."""

    def __init__(self, convolution: nn.Module, channels: int, activation: nn.Module | None, power: float = 0.0) -> None:
        super().__init__()
        self.convolution = convolution
        self.film = Film(channels, power)
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the layer's output for inputs (B, C, H, W) and conditions (B, 1)."""
        out: Tensor = self.activation(self.film(self.convolution(x), condition))
        return out


class Chain(nn.Sequential):
    """Modulated layers one after the other."""

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]  # every layer takes lambda
        """Return the output of the last layer."""
        for layer in self:
            x = layer(x, condition)
        return x


class ConditionalHyperprior(_models.CompressionModel):  # type: ignore[misc, name-defined]  # CompressAI has no types
    """A scale hyperprior (Balle et al. 2018) of N and M channels with every convolution modulated by lambda.

    Trained with one lambda per image, it serves all rates (Dosovitskiy & Djolonga 2020). The latents and the scales of
    their prior are multiplied by lambda^1/2, because the optimal quantisation step is proportional to lambda^-1/2 at
    high rate. The network learns the deviation from that.
    """

    def __init__(self, N: int, M: int) -> None:  # noqa: N803 - the field's names
        super().__init__()
        conv, deconv, gdn = _utils.conv, _utils.deconv, _layers.GDN
        self.N, self.M = int(N), int(M)
        self.entropy_bottleneck = _entropy.EntropyBottleneck(N)
        self.gaussian_conditional = _entropy.GaussianConditional(None)
        self.g_a = Chain(
            Modulated(conv(3, N), N, gdn(N)),
            Modulated(conv(N, N), N, gdn(N)),
            Modulated(conv(N, N), N, gdn(N)),
            Modulated(conv(N, M), M, None, power=0.5),
        )
        self.g_s = Chain(
            Modulated(deconv(M, N), N, gdn(N, inverse=True), power=-0.5),
            Modulated(deconv(N, N), N, gdn(N, inverse=True)),
            Modulated(deconv(N, N), N, gdn(N, inverse=True)),
            Modulated(deconv(N, 3), 3, None),
        )
        self.h_a = Chain(
            Modulated(conv(M, N, stride=1, kernel_size=3), N, nn.ReLU(), power=-0.5),
            Modulated(conv(N, N), N, nn.ReLU()),
            Modulated(conv(N, N), N, None),
        )
        self.h_s = Chain(
            Modulated(deconv(N, N), N, nn.ReLU()),
            Modulated(deconv(N, N), N, nn.ReLU()),
            Modulated(conv(N, M, stride=1, kernel_size=3), M, nn.ReLU(), power=0.5),
        )

    def forward(self, x: Tensor, lam: Tensor) -> dict[str, Any]:
        """Return {"x_hat", "likelihoods": {"y", "z"}} of images (B, 3, H, W) in 0..1 at lambdas (B,)."""
        conditions = condition(lam)
        y = self.g_a(x, conditions)
        z = self.h_a(y.abs(), conditions)
        z_hat, z_likelihoods = self.entropy_bottleneck(z)
        scales_hat = self.h_s(z_hat, conditions)
        y_hat, y_likelihoods = self.gaussian_conditional(y, scales_hat)
        x_hat = self.g_s(y_hat, conditions)
        return {"x_hat": x_hat, "likelihoods": {"y": y_likelihoods, "z": z_likelihoods}}

    def compress(self, x: Tensor, lam: float) -> dict[str, Any]:
        """Return {"strings": [y, z], "shape"} of images at a lambda."""
        conditions = self._conditions(lam, x)
        y = self.g_a(x, conditions)
        z = self.h_a(y.abs(), conditions)
        z_strings = self.entropy_bottleneck.compress(z)
        z_hat = self.entropy_bottleneck.decompress(z_strings, z.size()[-2:])
        indexes = self.gaussian_conditional.build_indexes(self.h_s(z_hat, conditions))
        y_strings = self.gaussian_conditional.compress(y, indexes)
        return {"strings": [y_strings, z_strings], "shape": z.size()[-2:]}

    def decompress(self, strings: Sequence[Sequence[bytes]], shape: Sequence[int], lam: float) -> dict[str, Tensor]:
        """Return {"x_hat"} in 0..1 for the strings that `compress` made at the same lambda."""
        y_strings, z_strings = strings
        z_hat = self.entropy_bottleneck.decompress(z_strings, shape)
        conditions = self._conditions(lam, z_hat)
        indexes = self.gaussian_conditional.build_indexes(self.h_s(z_hat, conditions))
        y_hat = self.gaussian_conditional.decompress(y_strings, indexes, z_hat.dtype)
        return {"x_hat": self.g_s(y_hat, conditions).clamp_(0, 1)}

    @staticmethod
    def _conditions(lam: float, like: Tensor) -> Tensor:
        return condition(torch.full((like.size(0),), lam, dtype=torch.float64)).to(like.device)
