"""The distortion between two pictures: squared error, PSNR and MS-SSIM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.uint8]
Field = NDArray[np.float32]
Color = tuple[int, int, int]

PEAK = 255

Decibels = TypeVar("Decibels", bound=Any)
"""A float, an array or a pandas Series."""


MS_SSIM_SMALLEST = 161  # pixels a side: the 11-tap window must still fit at a sixteenth of the size


def squared_error(first: Image, second: Image) -> int:
    """Return the sum over pixels and channels of the squared difference of two uint8 images: an exact integer."""
    # OpenCV may square a square root internally, which leaves the result slightly off the integer.
    return round(cv2.norm(first, second, cv2.NORM_L2SQR))


def psnr(error: ArrayLike, pixels: ArrayLike) -> NDArray[np.float64]:
    """Return the peak signal-to-noise ratio in dB of three-channel 8-bit images.

    `error` is the summed squared error, `pixels` the number of pixels: PSNR = 10 log10(255^2 3 pixels / error),
    infinite where the error is zero. Both broadcast.
    """
    with np.errstate(divide="ignore"):
        ratio = PEAK**2 * 3 * np.asarray(pixels, np.float64) / np.asarray(error, np.float64)
        return np.asarray(10 * np.log10(ratio))


def mean_squared_error(decibels: Decibels) -> Decibels:
    """Return the mean squared error per sample that a PSNR in dB stands for, 255^2 10^(-PSNR / 10); 0 of infinity."""
    return cast(Decibels, PEAK**2 * 10 ** (-decibels / 10))


def psnr_of_mse(error: ArrayLike) -> NDArray[np.float64]:
    """Return the PSNR in dB of a mean squared error per sample: the inverse of `mean_squared_error`."""
    return psnr(np.asarray(error) * 3, 1)  # the summed error over the three samples of one pixel


# Wang, Simoncelli & Bovik, "Multi-scale structural similarity for image quality assessment", 2003.
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1 = (0.01 * PEAK) ** 2
_C2 = (0.03 * PEAK) ** 2
_RADIUS = 5
_WINDOW = cv2.getGaussianKernel(2 * _RADIUS + 1, 1.5, cv2.CV_32F)
_STRIP = 64  # rows computed at a time, so that intermediate results stay in the cache


def _strips(height: int) -> Iterator[tuple[slice, slice]]:
    """Yield, strip by strip, the rows whose window lies inside a field, and the rows that those windows cover."""
    for top in range(_RADIUS, height - _RADIUS, _STRIP):
        bottom = min(top + _STRIP, height - _RADIUS)
        yield slice(top, bottom), slice(top - _RADIUS, bottom + _RADIUS)


def _smooth(rows: Field) -> Field:
    """Return the Gaussian mean around every pixel of `rows`, except in the first and last five rows."""
    return np.asarray(cv2.sepFilter2D(rows, cv2.CV_32F, _WINDOW, _WINDOW), np.float32)[_RADIUS:-_RADIUS]


def _halve(field: Field, black: Color) -> Field:
    """Return the 2x2 means; an odd side gets a line of black first, as the common implementations do."""
    height, width = field.shape[:2]
    if height % 2 or width % 2:
        field = np.asarray(cv2.copyMakeBorder(field, height % 2, 0, width % 2, 0, cv2.BORDER_CONSTANT, value=black))
        field = field[: field.shape[0] // 2 * 2, : field.shape[1] // 2 * 2]
        height, width = field.shape[:2]
    return np.asarray(cv2.resize(field, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32)


@dataclass(frozen=True, slots=True)
class _Level:
    """One scale of an image: its pixels minus `color`, their local mean, and their local variance plus C2 / 2.

    `color` is the mean colour of the image in whole numbers. Variances are differences of large numbers; subtracting
    the mean colour first loses the fewest bits of single precision, and none for a flat picture. Mean and variance are
    set only in rows where the whole window lies inside the field.
    """

    color: Color
    field: Field
    mean: Field
    spread: Field


def _levels(image: Image) -> tuple[_Level, ...]:
    red, green, blue, _ = (round(mean) for mean in cv2.mean(image))
    black = (-red, -green, -blue)
    field = np.asarray(cv2.add(image.astype(np.float32), np.array((*black, 0), np.float64)), np.float32)
    levels = []
    for scale in range(len(MS_SSIM_WEIGHTS)):
        if scale:
            field = _halve(field, black)
        level = _Level((red, green, blue), field, np.empty_like(field), np.empty_like(field))
        for inside, covered in _strips(len(field)):
            mean = _smooth(field[covered])
            spread = _smooth(np.square(field[covered]))
            level.mean[inside] = mean
            spread -= np.square(mean, out=mean)
            np.add(spread, np.float32(_C2 / 2), out=level.spread[inside])
        levels.append(level)
    return tuple(levels)


class Prepared:
    """An image with everything that MS-SSIM needs, computed once and used for every comparison.

    `levels` is empty if the image is too small for five scales (a side under 161 pixels).
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self.levels = _levels(image) if min(image.shape[:2]) >= MS_SSIM_SMALLEST else ()


class Bare(Prepared):
    """An image without `levels`, which takes no time to prepare and has no MS-SSIM."""

    def __init__(self, image: Image) -> None:
        self.image = image
        self.levels = ()


def ms_ssim(first: Prepared, second: Prepared) -> float | None:
    """Return the multi-scale structural similarity of two images of one shape, at most 1.

    Five scales, 11x11 Gaussian window of sigma 1.5, valid positions only, K1 = 0.01, K2 = 0.03, peak 255; per channel,
    then the mean over channels, negative factors set to zero: the definition of pytorch-msssim. None where a side is
    under 161 pixels, or the first image is Bare. Raises ValueError when the shapes differ.
    """
    if first.image.shape != second.image.shape:
        raise ValueError(f"expected two images of one shape, got {first.image.shape} and {second.image.shape}")
    if not first.levels:
        return None
    product = np.ones(3)
    last = len(MS_SSIM_WEIGHTS) - 1
    for scale, (left, right, weight) in enumerate(zip(first.levels, second.levels, MS_SSIM_WEIGHTS, strict=True)):
        height, width = left.field.shape[:2]
        total = np.zeros(3)
        for inside, covered in _strips(height):
            # 1 - (2 covariance + C2) / (variance + variance + C2) is the variance of the difference of both images over
            # the same denominator. This form loses no precision to cancellation when the images are nearly equal.
            difference = left.field[covered] - right.field[covered]
            dissimilarity = _smooth(np.square(difference, out=difference))
            mean = left.mean[inside] - right.mean[inside]
            dissimilarity -= np.square(mean, out=mean)
            dissimilarity /= left.spread[inside] + right.spread[inside]
            if scale == last:
                dissimilarity = 1 - (1 - dissimilarity) * _brightness(left, right, inside)
            total += cv2.sumElems(dissimilarity[:, _RADIUS:-_RADIUS])[:3]
        factor = 1 - total / ((height - 2 * _RADIUS) * (width - 2 * _RADIUS))
        product *= np.maximum(factor, 0) ** weight
    return min(float(product.mean()), 1.0)  # rounding may lift it above by a millionth


def _brightness(left: _Level, right: _Level, rows: slice) -> NDArray[np.float64]:
    """Return (2 a b + C1) / (a a + b b + C1) for the local means of two images."""
    first, second = (level.mean[rows] + np.array(level.color, np.float64) for level in (left, right))
    return np.asarray((2 * first * second + _C1) / (np.square(first) + np.square(second) + _C1))
