"""The distortion between two pictures: squared error and PSNR."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Image = NDArray[np.uint8]

PEAK = 255

Decibels = TypeVar("Decibels", bound=Any)
"""A float, an array or a pandas Series."""


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
