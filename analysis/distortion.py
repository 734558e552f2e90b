"""The distortion between two pictures: squared error and PSNR, the table of measures, and their decibel scales."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .measures.ms_ssim import MS_SSIM_SMALLEST

Image = NDArray[np.uint8]

PEAK = 255

Decibels = TypeVar("Decibels", bound=Any)
"""A float, an array or a pandas Series."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of a codec; results of different versions are never compared.

    Images with a side under `smallest` pixels have no value.
    """

    name: str
    version: int
    unit: str
    better: Literal["lower", "higher"]
    smallest: int = 1


MEASURES = (
    Measure("bpp", 1, "bit/pixel", "lower"),
    Measure("psnr", 1, "dB", "higher"),
    Measure("ms_ssim", 2, "", "higher", MS_SSIM_SMALLEST),
)


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


def on_axis(values: ArrayLike, measure: str) -> NDArray[Any]:
    """Return the values of images on the axis that curves are drawn and averaged on.

    The axis is in dB: "psnr" is in dB already, "ms_ssim" is converted. Every mean of a curve is taken on this axis over
    images, so it is the mean of dB values and not the dB of a mean.
    """
    return ms_ssim_db(values) if measure == "ms_ssim" else np.asarray(values, np.float64)


def ms_ssim_db(value: ArrayLike) -> NDArray[Any]:
    """Return MS-SSIM on the decibel scale, -10 log10(1 - MS-SSIM), infinite at 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(-10 * np.log10(1 - np.asarray(value, np.float64)))
