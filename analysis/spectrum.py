"""Where in the spectrum a difference of pictures lies: its power by frequency, by ring and by thirds of the band."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Power = NDArray[np.float64]

Third = Literal["low", "medium", "high"]

LOW, HIGH = 1 / 6, 1 / 3
"""Where the low third of the band ends and the high third begins, in cycles per pixel: thirds of 0 to 1/2, the range of
the horizontal and vertical frequencies. The radius counts, so the corners, up to 0.71, are of the high third. White
noise has 9 % of its power in the low third, 26 % in the medium and 65 % in the high one."""

RINGS_PER_CYCLE = 128
"""Rings of `radial_profile` per cycle per pixel."""


def power_spectrum(difference: NDArray[Any]) -> Power:
    """Return the power of a difference at each frequency, shape (H, W), in the order of `numpy.fft.fft2`.

    `difference`: (H, W) or (H, W, C), signed or floating, neither rounded nor standardised, in any unit u. With F the
    discrete Fourier transform of one channel, S = |F|^2 / (H W)^2, averaged over the channels, in u^2: the sum of S is
    the mean over all samples of the squared difference (Parseval), and S[0, 0] the square of the mean difference,
    averaged over the channels.

    Raises ValueError for another shape, an empty array, or unsigned integers, whose difference would have wrapped.
    """
    if difference.ndim not in {2, 3} or not difference.size:
        raise ValueError(f"expected a difference of shape (H, W) or (H, W, C), got {difference.shape}")
    if difference.dtype.kind not in "if":
        raise ValueError(f"expected a signed or floating-point difference, got {difference.dtype}")
    planes = difference[..., np.newaxis] if difference.ndim == 2 else difference
    height, width, channels = planes.shape
    half = np.zeros((height, width // 2 + 1))
    for channel in range(channels):
        transform = np.fft.rfft2(planes[..., channel].astype(np.float64))
        half += transform.real**2
        half += transform.imag**2
    half /= channels * float(height * width) ** 2
    # The transform of what is real is symmetric about frequency 0: the columns left out are those inside, turned round.
    inside = half[:, 1 : (width + 1) // 2]
    return np.hstack([half, np.roll(inside[::-1, ::-1], 1, axis=0)])


def radius(height: int, width: int) -> NDArray[np.float64]:
    """Return the distance of each frequency from 0 in cycles per pixel, shape (H, W), in the order of `fft2`."""
    return np.asarray(np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width)), np.float64)


def radial_profile(power: Power) -> Power:
    """Return the power in each ring of the spectrum: of any size, on one grid, and with the same sum.

    Ring 0 is frequency 0 alone; ring n holds what else lies at (n - 1) / 128 <= radius < n / 128 cycles per pixel, up
    to the corner at sqrt(1/2): 92 numbers. Each frequency belongs to one ring, so profiles of images of different size
    add up, and a small image leaves rings empty.
    """
    # Radii that are on an edge but for the last bits go to the ring that begins there.
    rings = np.floor(np.round(radius(*power.shape) * RINGS_PER_CYCLE, 9)).astype(np.intp) + 1
    rings[0, 0] = 0
    count = math.floor(RINGS_PER_CYCLE * math.sqrt(0.5)) + 2
    return np.asarray(np.bincount(rings.ravel(), weights=power.ravel(), minlength=count), np.float64)


@dataclass(frozen=True, slots=True)
class Bands:
    """The power of a difference by thirds of the band, in squared units of the difference; see `mean` for several.

    `dc` is the power at frequency 0, which is part of `low`, `medium` and `high` are the other thirds; `moment` is the
    sum over frequencies of power times radius.
    """

    dc: float
    low: float
    medium: float
    high: float
    moment: float

    @property
    def mse(self) -> float:
        """The mean squared error per sample: all the power."""
        return self.low + self.medium + self.high

    @property
    def centroid(self) -> float:
        """The mean radius, weighted by power, in cycles per pixel; frequency 0 counts. NaN where there is no power."""
        return self.moment / self.mse if self.mse else math.nan

    def share(self, band: Literal["dc", "low", "medium", "high"]) -> float:
        """Return the part of all power that a band has, 0 to 1; NaN where there is none."""
        power: float = getattr(self, band)
        return power / self.mse if self.mse else math.nan


def bands(power: Power) -> Bands:
    """Return the power of a spectrum, in the order of `fft2`, by thirds of the band.

    Frequency 0 counts as low: to brighten a picture is as low a shift as there is, and without it nothing of such a
    shift would be looked at but the clipping. Its power stands apart as `dc` beside that.
    """
    distance = radius(*power.shape)
    low, high = distance < LOW, distance >= HIGH
    in_low, in_high = float(power[low].sum()), float(power[high].sum())
    in_medium = float(power[~(low | high)].sum())
    return Bands(float(power[0, 0]), in_low, in_medium, in_high, float((power * distance).sum()))


def mean(several: Iterable[Bands]) -> Bands:
    """Return the mean power by bands, each spectrum counting the same whatever its size; ValueError for none."""
    columns = list(zip(*map(astuple, several), strict=True))
    if not columns:
        raise ValueError("expected at least one spectrum")
    return Bands(*(math.fsum(column) / len(column) for column in columns))


def third(centroid: float) -> Third:
    """Return the third of the band that a radius in cycles per pixel lies in."""
    return "low" if centroid < LOW else "high" if centroid >= HIGH else "medium"
