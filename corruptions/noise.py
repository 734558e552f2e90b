"""Noise of sensors and channels, independent for each sample.

Formulas and levels: Hendrycks & Dietterich 2019. The pixels equal those of imagecorruptions 1.1.2 for the same random
state, with exceptions that the functions' docstrings state.
"""

from __future__ import annotations

import numpy as np

from .corruption import Image
from .grey import UNIT, looked_up, on_unit_scale, strips, truncated

GAUSSIAN_NOISE = (0.08, 0.12, 0.18, 0.26, 0.38)
"""Standard deviations on the unit scale."""

SHOT_NOISE = (60, 25, 12, 5, 3)
"""Mean photon counts at white."""

IMPULSE_NOISE = (0.03, 0.06, 0.09, 0.17, 0.27)
"""Shares of samples replaced."""

SPECKLE_NOISE = (0.15, 0.2, 0.35, 0.45, 0.6)
"""Standard deviations relative to the sample."""


def gaussian_noise(image: Image, level: float, rng: np.random.Generator) -> Image:
    """Add white Gaussian noise of standard deviation `level` (unit scale) to every sample."""
    out = np.empty_like(image)
    for rows in strips(image.shape[0], image[0].size):
        noisy = rng.normal(size=image[rows].shape, scale=level)
        noisy += on_unit_scale(image[rows])
        out[rows] = truncated(noisy)
    return out


def shot_noise(image: Image, level: int, rng: np.random.Generator) -> Image:
    """Replace every sample by a Poisson count whose mean at white is `level`.

    The pixels equal those of imagecorruptions 1.1.2 for the same random state. The counts are whole numbers, so a table
    maps them to levels, and nearly all time goes into the draw.
    """
    shades = truncated(np.arange(level + 1) / float(level))
    out = np.empty_like(image)
    for rows in strips(image.shape[0], image[0].size):
        means = on_unit_scale(image[rows])
        means *= level
        counts = rng.poisson(means)
        out[rows] = shades.take(counts, mode="clip")
    return out


def impulse_noise(image: Image, level: float, rng: np.random.Generator) -> Image:
    """Replace a share `level` of all samples by black or white with equal chance (salt and pepper).

    The pixels equal those of imagecorruptions 1.1.2 if `rng` replaces the scikit-image generator that it leaves
    unseeded.
    """
    replaced = np.empty(image.shape, dtype=np.bool_)
    for rows in strips(image.shape[0], image[0].size):
        replaced[rows] = rng.random(image[rows].shape) <= level
    # The other samples go to the unit scale and back, because v / 255 * 255 is just below v for some v.
    out = looked_up(image, truncated(UNIT.copy()))
    for rows in strips(image.shape[0], image[0].size):
        salt = rng.random(image[rows].shape) <= 0.5
        np.copyto(out[rows], salt.view(np.uint8) * np.uint8(255), where=replaced[rows])
    return out


def speckle_noise(image: Image, level: float, rng: np.random.Generator) -> Image:
    """Add Gaussian noise whose standard deviation is `level` times the sample."""
    out = np.empty_like(image)
    for rows in strips(image.shape[0], image[0].size):
        unit = on_unit_scale(image[rows])
        noisy = rng.normal(size=unit.shape, scale=level)
        noisy *= unit
        noisy += unit
        out[rows] = truncated(noisy)
    return out
