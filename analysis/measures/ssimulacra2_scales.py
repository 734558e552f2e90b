"""The six scales of an image for SSIMULACRA 2, and the errors between the scales of two images."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import ssimulacra2_kernel as kernel

Image = NDArray[np.uint8]
Planes = NDArray[np.float32]

SCALES = 6
LEAST_SIDE = 8
"""Pixels a side that the program asks of an image, and of a scale that it halves."""


@dataclass(frozen=True, slots=True)
class Scale:
    """An image at one scale: its colours X, Y, B - Y between 0 and 1, their local means and their local variances.

    All are of shape (3, height, width), except `turned`: the colours with rows and columns exchanged.
    """

    colours: Planes
    turned: Planes
    means: Planes
    variances: Planes


@dataclass(frozen=True, slots=True)
class Prepared:
    """An image with all that its comparisons need: up to six scales, each half of the one before."""

    shape: tuple[int, ...]
    scales: tuple[Scale, ...]


def scales(image: Image) -> Prepared:
    """Return the scales of a uint8 RGB image of shape (H, W, 3).

    Raises ValueError where a side is under 8 pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(f"expected an image of at least {LEAST_SIDE} pixels a side, got {width}x{height}")
    linear = np.empty((3, height, width), np.float32)
    kernel.lighten(np.ascontiguousarray(image), _LIGHT, linear)
    found = [_scale(linear)]
    # The program looks at the size before it halves it, so the coarsest scale may have 4 pixels a side.
    while len(found) < SCALES and min(linear.shape[1:]) >= LEAST_SIDE:
        half = np.empty((3, (linear.shape[1] + 1) // 2, (linear.shape[2] + 1) // 2), np.float32)
        kernel.halve(linear, half)
        linear = half
        found.append(_scale(linear))
    return Prepared(image.shape, tuple(found))


def norms(reference: Prepared, seen: Prepared) -> NDArray[np.float64]:
    """Return for each colour and scale the mean, then the 4-norm of each error: in structure, artefacts, lost detail.

    Raises ValueError where the shapes differ.
    """
    if reference.shape != seen.shape:
        raise ValueError(f"expected two images of one shape, got {reference.shape} and {seen.shape}")
    errors = np.empty((3, len(seen.scales), 2, 3))
    for place, (first, second) in enumerate(zip(reference.scales, seen.scales, strict=True)):
        product = np.empty_like(first.means[0])
        for colour in range(3):
            _smooth(first.turned[colour] * second.turned[colour], product)
            means = kernel.compare(
                first.colours[colour],
                second.colours[colour],
                first.means[colour],
                second.means[colour],
                first.variances[colour],
                second.variances[colour],
                product,
            )
            errors[colour, place] = means[:, 0], means[:, 1] ** 0.25
    return errors.ravel()


def _scale(linear: Planes) -> Scale:
    colours, means, variances = np.empty_like(linear), np.empty_like(linear), np.empty_like(linear)
    turned = np.empty((3, linear.shape[2], linear.shape[1]), np.float32)
    kernel.opsin(linear, colours)
    for colour in range(3):
        cv2.transpose(colours[colour], dst=turned[colour])
        _smooth(turned[colour], means[colour])
        _smooth(np.square(turned[colour]), variances[colour])
        variances[colour] -= np.square(means[colour])
    return Scale(colours, turned, means, variances)


def _smooth(turned: Planes, smooth: Planes) -> None:
    """Write the Gaussian mean around each pixel of a plane that comes with rows and columns exchanged."""
    along = np.empty_like(turned)
    kernel.smooth_along(turned, along)
    kernel.smooth_down(np.asarray(cv2.transpose(along), np.float32), smooth)


def _light() -> Planes:
    """Return the linear light of the 256 values of sRGB.

    The rational function is that of libjxl (transfer_functions-inl.h), within 3e-7 of IEC 61966-2-1.
    """
    value = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
    over, under = np.full_like(value, 8.210152774e-01), np.full_like(value, 6.521209011e-03)
    for over_term, under_term in (
        (7.961564959e-01, -5.512498495e-02),
        (1.624820318e-01, 4.987528350e-01),
        (1.043637593e-02, 1.076976492e00),
        (2.200248328e-04, 2.631846970e-01),
    ):
        over, under = _fused(over, value, over_term), _fused(under, value, under_term)
    return np.where(value > np.float32(0.04045), over / under, value * np.float32(1 / 12.92))


def _fused(first: ArrayLike, second: ArrayLike, third: float) -> Planes:
    """Return first second + third, rounded once: double precision holds the product of two singles exactly."""
    product = np.multiply(first, second, dtype=np.float64)
    return np.asarray(product + np.float64(np.float32(third)), np.float32)


_LIGHT = _light()
