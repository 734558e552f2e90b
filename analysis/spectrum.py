"""The power spectrum of the difference of two pictures: by frequency, by thirds of the range, and on a common grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Power = NDArray[np.float64]

Third = Literal["low", "medium", "high"]

LOW, HIGH = 1 / 6, 1 / 3
"""Radii in cycles per pixel where the low third ends and the high third begins: thirds of 0 to 1/2, the range of the
horizontal and vertical frequencies. The corners, up to a radius of 0.71, belong to the high third. White noise has 9 %
of its power in the low third, 26 % in the medium and 65 % in the high one."""


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
    # The transform of real values is symmetric about frequency 0: the missing columns mirror the inner ones.
    inside = half[:, 1 : (width + 1) // 2]
    return np.hstack([half, np.roll(inside[::-1, ::-1], 1, axis=0)])


def radius(height: int, width: int) -> NDArray[np.float64]:
    """Return the distance of each frequency from 0 in cycles per pixel, shape (H, W), in the order of `fft2`."""
    return np.asarray(np.hypot(np.fft.fftfreq(height)[:, np.newaxis], np.fft.fftfreq(width)), np.float64)


@dataclass(frozen=True, slots=True)
class Thirds:
    """The power of a difference by thirds of the frequency range, in squared units of the difference.

    `dc` is the power at frequency 0, which is part of `low`; `moment` is the sum over frequencies of power times
    radius.
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
        """The mean radius in cycles per pixel, weighted by power; frequency 0 counts. NaN if there is no power."""
        return self.moment / self.mse if self.mse else math.nan

    def share(self, part: Literal["dc", "low", "medium", "high"]) -> float:
        """Return the share of the power in a third or at frequency 0, 0 to 1; NaN if there is no power."""
        power: float = getattr(self, part)
        return power / self.mse if self.mse else math.nan


def thirds(power: Power) -> Thirds:
    """Return the power of a spectrum, in the order of `fft2`, by thirds.

    Frequency 0 counts as low: brightening a picture is the lowest possible shift, and without frequency 0 only its
    clipping would be measured. `dc` gives the power of frequency 0 separately.
    """
    return _thirds(power, radius(*power.shape), float(power[0, 0]))


def _thirds(power: Power, distance: NDArray[np.float64], dc: float) -> Thirds:
    low, high = distance < LOW, distance >= HIGH
    in_low, in_high = float(power[low].sum()), float(power[high].sum())
    in_medium = float(power[~(low | high)].sum())
    return Thirds(dc, in_low, in_medium, in_high, float((power * distance).sum()))


def mean_thirds(spectra: Iterable[Thirds]) -> Thirds:
    """Return the mean power by thirds, with equal weight for every spectrum; raise ValueError without spectra."""
    columns = list(zip(*map(astuple, spectra), strict=True))
    if not columns:
        raise ValueError("expected at least one spectrum")
    return Thirds(*(math.fsum(column) / len(column) for column in columns))


def third_of(distance: float) -> Third:
    """Return the third that a radius in cycles per pixel lies in."""
    return "low" if distance < LOW else "high" if distance >= HIGH else "medium"


# --- one grid for images of every size

GRID = (64, 33)
"""Rows and columns of the grid. Cell [k + 32, l] is centred at k / 64 cycles per pixel down and l / 64 across.

k goes from -32 (half a cycle, where up and down are the same) to 31, l from 0 to 32. The half plane suffices, because
the spectrum of real values is the same at a frequency and at its negative."""

GRID_VERSION = 1
"""Incremented when the grid or the power summed on it changes: sums of different versions cannot be added."""

_ROWS, _COLUMNS = GRID
_HALF = _ROWS // 2

_AREA: Power = np.full(GRID, 2 / _ROWS**2)
_AREA[:, [0, -1]] /= 2
"""The area of the plane that each cell and its negative cover, in (cycles/pixel)^2; the sum is 1."""


@lru_cache(maxsize=16)
def _overlaps(count: int) -> Power:
    """Return how much of each of `count` frequencies, in the order of `fft`, lies in each row of the grid.

    The shape is (64, count), and every column sums to 1. On the circle of frequencies, the frequency i / count covers
    the interval within 1 / (2 count) of it, and row k of the grid the interval within 1/128 of k / 64.
    """
    # In units of 1 / (128 count) all edges are integers.
    circle = 2 * _ROWS * count
    frequencies = 2 * _ROWS * np.arange(count)
    rows = 2 * count * np.arange(-_HALF, _HALF)[:, np.newaxis]
    shared = np.zeros((_ROWS, count), np.int64)
    for turn in (-circle, 0, circle):
        end = np.minimum(frequencies + _ROWS, rows + count + turn)
        start = np.maximum(frequencies - _ROWS, rows - count + turn)
        shared += np.maximum(end - start, 0)
    overlaps = shared / (2 * _ROWS)
    overlaps.flags.writeable = False
    return overlaps


def grid(power: Power) -> Power:
    """Return a spectrum of any size, (H, W) in the order of `fft2`, on the grid GRID, with the same sum.

    The power of each frequency is spread evenly over the rectangle of 1/H by 1/W around it. Each cell receives the
    power inside the cell and inside its negative.
    """
    height, width = power.shape
    whole = _overlaps(height) @ power @ _overlaps(width).T  # fy from -32/64 to 31/64, and likewise fx
    half = np.empty(GRID)
    half[:, 0], half[:, -1] = whole[:, _HALF], whole[:, 0]
    half[:, 1:-1] = whole[:, _HALF + 1 :] + _mirrored(whole[:, _HALF - 1 : 0 : -1])
    return _halved_evenly(half)


def _mirrored(rows: Power) -> Power:
    """Return the rows of the grid with row k at -k; half a cycle is its own negative."""
    return np.roll(rows[::-1], 1, axis=0)


def _halved_evenly(half: Power) -> Power:
    """Return the grid with the power of its outer columns split evenly; they contain both a cell and its negative."""
    edges = half[:, [0, -1]]
    half[:, [0, -1]] = (edges + _mirrored(edges)) / 2
    return half


def grid_radius() -> NDArray[np.float64]:
    """Return the distance of the centre of each cell of the grid from 0, in cycles per pixel, shape (64, 33)."""
    down = np.arange(-_HALF, _HALF)[:, np.newaxis] / _ROWS
    return np.asarray(np.hypot(down, np.arange(_COLUMNS) / _ROWS), np.float64)


def density(power: Power) -> Power:
    """Return the power of a grid per area of the plane, in squared units of the difference per (cycles/pixel)^2.

    White noise of variance v has the density v everywhere.
    """
    return np.asarray(power / _AREA, np.float64)


@lru_cache(maxsize=1)
def _rings() -> NDArray[np.intp]:
    """Return the ring of each cell of the grid, flattened."""
    rings: NDArray[np.intp] = np.round(grid_radius() * _ROWS).astype(np.intp).ravel()
    rings.flags.writeable = False
    return rings


@lru_cache(maxsize=1)
def ring_areas() -> Power:
    """Return the area of the plane in each ring of `radial`, in (cycles/pixel)^2; density times area is power."""
    areas = np.asarray(np.bincount(_rings(), weights=_AREA.ravel()), np.float64)
    areas.flags.writeable = False
    return areas


def radii() -> Power:
    """Return the radii of the 46 rings of `radial` in cycles per pixel: 0, 1/64, ... 45/64, which is the corner."""
    return np.arange(len(ring_areas())) / _ROWS


def radial(power: Power) -> tuple[Power, Power]:
    """Return (radii, mean density) of a grid in 46 rings, each 1/64 cycles per pixel wide, centred on `radii`."""
    return radii(), np.asarray(np.bincount(_rings(), weights=power.ravel()) / ring_areas(), np.float64)


def grid_thirds(power: Power) -> Thirds:
    """Return the power of a grid by thirds: each cell counts for the third in which its centre lies.

    `dc` is the power of the middle cell, which covers frequencies below 1/128 cycles per pixel down and across.
    """
    return _thirds(power, grid_radius(), float(power[_HALF, 0]))


# --- the spectra of a run

WINDOWS = ("none", "hann")
LUMINANCE = ("Y",)
EVERY_CHANNEL = ("Y", "R", "G", "B")
_WEIGHTS = {"R": 0.299, "G": 0.587, "B": 0.114}  # ITU-R BT.601, as in cv2.cvtColor, which does not round floats

Transform = Mapping[str, NDArray[np.complex64]]
"""The discrete Fourier transform of a difference, by channel: shape (H, W // 2 + 1), not normalised."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How spectra are computed: from which channels, Y alone or also R, G and B, and with which window.

    Y is the luminance by BT.601, 0.299 R + 0.587 G + 0.114 B. A window weighs each pixel before the transform; "hann"
    falls to zero at the edges and keeps the power of white noise. With a window, the sum of other spectra is only
    approximately the squared error.
    """

    channels: tuple[str, ...] = LUMINANCE
    window: str = "none"


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return first - second of two uint8 images (H, W, 3), exactly."""
    return np.asarray(cv2.subtract(first, second, dtype=cv2.CV_32F), np.float32)


def transform(picture: NDArray[np.float32] | NDArray[np.uint8], settings: Settings) -> Transform:
    """Return the transform of a difference (H, W, 3), or of an image, in single precision."""
    import scipy.fft  # noqa: PLC0415 - takes a fifth of a second, only needed for spectra

    picture = picture.astype(np.float32, copy=False)

    def through(plane: NDArray[np.float32]) -> NDArray[np.complex64]:
        if settings.window == "hann":
            plane = plane * _hann(plane.shape[0])[:, np.newaxis]
            plane *= _hann(plane.shape[1])
        return np.asarray(scipy.fft.rfft2(plane), np.complex64)

    if settings.channels == LUMINANCE:
        return {"Y": through(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32))}
    planes = {name: through(picture[..., channel]) for channel, name in enumerate("RGB")}
    luminance = sum(np.float32(weight) * planes[name] for name, weight in _WEIGHTS.items())
    return {"Y": np.asarray(luminance, np.complex64), **planes}


def added(first: Transform, second: Transform) -> Transform:
    """Return the transform of the sum of two differences."""
    return {channel: first[channel] + second[channel] for channel in first}


def gridded(transform: Transform, width: int) -> dict[str, Power]:
    """Return the power on the grid, by channel, of the transform of a difference `width` pixels wide.

    Equals `grid(power_spectrum(...))` to single precision: the sum is the mean squared difference of the channel.
    """
    return {channel: _gridded(plane, width) for channel, plane in transform.items()}


def _gridded(plane: NDArray[np.complex64], width: int) -> Power:
    height = len(plane)
    # Real and imaginary parts are adjacent: both are squared here, and the matrix product adds them.
    squares = np.square(np.ascontiguousarray(plane).view(np.float32))
    half = _overlaps(height) @ (squares @ _half_overlaps(width))
    return _halved_evenly(half / float(height * width) ** 2)


@lru_cache(maxsize=16)
def _half_overlaps(width: int) -> NDArray[np.float32]:
    """Return how much of each column of a half transform, real and imaginary parts, goes to each column of the grid.

    The shape is (2 (W // 2 + 1), 33). Inner columns count twice, for the negative frequencies that a half transform
    leaves out.
    """
    whole = _overlaps(width)[:, : width // 2 + 1]
    half = np.vstack([whole[_HALF:], whole[:1]])
    half[1:-1] += whole[_HALF - 1 : 0 : -1]  # only frequencies that are their own negative reach across
    half[:, 1 : (width + 1) // 2] *= 2
    return np.repeat(half.T, 2, axis=0).astype(np.float32)


@lru_cache(maxsize=16)
def _hann(count: int) -> NDArray[np.float32]:
    # Sampled between the zeros, so that no pixel has weight 0, not even in a side of one pixel.
    window = np.sin(np.pi * (np.arange(count) + 0.5) / count) ** 2
    return np.asarray(window / np.sqrt(np.mean(window**2)), np.float32)


SpectrumKey = tuple[str, str, int, str, str]
"""Quantity, corruption, severity, codec and point of a spectrum; codec and point are "" for images and shifts."""


def luminance(spectra: pd.DataFrame) -> dict[SpectrumKey, Power]:
    """Return the luminance spectra of one set on the grid, from a table as `benchmark.store.spectra` gives it."""
    table = spectra[spectra["channel"] == "Y"]
    keys = zip(*(table[name] for name in ("quantity", "corruption", "severity", "codec", "point")), strict=True)
    return dict(zip(keys, table["power"], strict=True))
