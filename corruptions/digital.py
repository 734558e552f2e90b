"""Digital: the effects of processing, resampling and storage.

Formulas and levels: Hendrycks & Dietterich 2019. The pixels equal those of imagecorruptions 1.1.2 for the same random
state, with exceptions that the functions' docstrings state.
"""

from __future__ import annotations

import io
import math

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from .corruption import Image
from .grey import UNIT, UNIT32, Floats, looked_up, on_unit_scale, strips, truncated
from .hsv import adjusted

CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
"""The share of each sample's deviation from the mean that is kept."""

ELASTIC_TRANSFORM = (250 * 0.05, 250 * 0.065, 250 * 0.085, 250 * 0.1, 250 * 0.12)
"""Amplification of the smoothed displacements."""

PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)
"""Scale of the coarse image."""

JPEG_COMPRESSION = (25, 18, 15, 10, 7)
"""JPEG quality."""

SATURATE = ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))
"""Factor and offset of S."""

_BLOCK = 48  # lines smoothed at a time


def contrast(image: Image, level: float, _rng: np.random.Generator) -> Image:
    """Pull every sample towards the mean of its channel, and keep the share `level` of its deviation."""
    means = np.mean(on_unit_scale(image), axis=(0, 1))
    shades = truncated((UNIT[:, None] - means) * level + means)
    return np.asarray(cv2.LUT(image, shades[None]), dtype=np.uint8)


def elastic_transform(image: Image, level: float, rng: np.random.Generator) -> Image:
    """Stretch and squeeze the image by smooth random displacements.

    Displacements are drawn uniformly from -H/200 to H/200, smoothed over a hundredth of each side, and multiplied by
    `level`. The pixels equal those of imagecorruptions 1.1.2 for the same random state, except with a tiny probability.
    Sums are in double precision, but in another order, and then rounded to single precision as there. A displacement
    or sample rounds differently with a probability of about 1e-8, and this changes a pixel by one level in about 1e-4
    of these cases. No such case has been seen.
    """
    height, width = image.shape[:2]
    bound = height * 0.005
    across, down = (
        (_smoothed(rng.uniform(-bound, bound, size=(height, width))) * level).astype(np.float32) for _ in range(2)
    )
    # With mirrored margins as wide as the largest displacement, the neighbours of every position are one step apart.
    beside, beyond = (math.ceil(np.abs(shift).max()) + 1 for shift in (across, down))
    mirrored = cv2.copyMakeBorder(image, beyond, beyond, beside, beside, cv2.BORDER_REFLECT)
    stride = width + 2 * beside
    planes = np.empty((3, mirrored.size // 3))
    for plane, levels in zip(planes, cv2.split(mirrored), strict=True):
        plane[:] = looked_up(np.asarray(levels, dtype=np.uint8), UNIT32.astype(np.float64)).reshape(-1)
    out = np.empty_like(image)
    for rows in strips(height, width * 3):
        y = np.arange(rows.start, rows.stop)[:, None] + down[rows]
        x = np.arange(width) + across[rows]
        corner_y, corner_x = np.floor(y), np.floor(x)
        y -= corner_y
        x -= corner_x
        corner_y += beyond
        corner_y *= stride
        corner_y += corner_x
        corner_y += beside
        corner = corner_y.astype(np.intp)
        value = _between(planes, corner, x)
        corner += stride
        below = _between(planes, corner, x)
        below -= value
        below *= y
        value += below
        cv2.merge(list(truncated(value.astype(np.float32))), out[rows])
    return out


def _smoothed(field: Floats) -> Floats:
    """Return `field` smoothed with a Gaussian whose sigma is 1 % of each side, cut off at 3 sigma, borders mirrored.

    It multiplies blocks of the field by a band matrix. These are the sums of scipy.ndimage.gaussian_filter in another
    order: equal to about 1e-15, and several times as fast.
    """
    height, width = field.shape
    return _banded(_banded(field, height * 0.01).T, width * 0.01).T


def _banded(lines: Floats, sigma: float) -> Floats:
    """Return `lines` correlated along the first axis with a Gaussian of `sigma` lines."""
    radius = int(3 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    weights /= weights.sum()
    band = np.zeros((_BLOCK, _BLOCK + 2 * radius))
    for i in range(_BLOCK):
        band[i, i : i + len(weights)] = weights
    padded = cv2.copyMakeBorder(lines, radius, radius, 0, 0, cv2.BORDER_REFLECT)
    out = np.empty(lines.shape)
    for start in range(0, len(lines), _BLOCK):
        stop = min(start + _BLOCK, len(lines))
        used = band[: stop - start, : stop - start + 2 * radius]
        np.matmul(used, padded[start : stop + 2 * radius], out=out[start:stop])
    return out


def _between(planes: Floats, pixel: NDArray[np.intp], fraction: Floats) -> Floats:
    """Return the interpolated values, for each plane, at `fraction` of the way from each `pixel` to the next one."""
    value = planes.take(pixel, axis=1, mode="clip")
    step = planes.take(pixel + 1, axis=1, mode="clip")
    step -= value
    step *= fraction
    value += step
    return value


def pixelate(image: Image, level: float, _rng: np.random.Generator) -> Image:
    """Shrink the sides of the image by the factor `level` with averaging, and enlarge it again by repeating pixels."""
    height, width = image.shape[:2]
    coarse = PIL.Image.fromarray(image).resize((int(width * level), int(height * level)), PIL.Image.Resampling.BOX)
    return np.array(coarse.resize((width, height), PIL.Image.Resampling.NEAREST))


def jpeg_compression(image: Image, level: int, _rng: np.random.Generator) -> Image:
    """Store the image as a JPEG of quality `level` and read it back.

    The pixels equal those of imagecorruptions 1.1.2 with the same Pillow.
    """
    stored = io.BytesIO()
    PIL.Image.fromarray(image).save(stored, "JPEG", quality=level)
    return np.array(PIL.Image.open(stored, formats=("JPEG",)))


def saturate(image: Image, level: tuple[float, float], _rng: np.random.Generator) -> Image:
    """Multiply the S of HSV by a factor and add an offset."""
    factor, offset = level
    return adjusted(image, lambda saturation: np.clip(saturation * factor + offset, 0, 1), lambda value: value)
