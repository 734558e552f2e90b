"""The axis of a measure: the monotone scale, rising with quality, that curves are drawn and averaged on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .table import find


def axis(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return the values of images on the axis of the measure called `name`, on which more is always better.

    PSNR is in dB already; MS-SSIM is converted to dB, infinite at 1; a measure whose lower values are better changes
    its sign. Every mean of a curve is taken on this axis over images, so it is the mean of dB values and not the dB of
    a mean. Raises UnknownMeasure.
    """
    measure = find(name)
    numbers = np.asarray(values, np.float64)
    if measure.axis != "value":
        with np.errstate(divide="ignore"):
            return np.asarray(-10 * np.log10(1 - numbers))
    return numbers if measure.better == "higher" else -numbers


def title(name: str) -> str:
    """Return what an axis of the measure called `name` is labelled: "PSNR, dB"."""
    measure = find(name)
    if measure.axis != "value":
        symbol = measure.title.replace("-", r"\text{-}")
        return f"{measure.title}, dB: $-10\\,\\log_{{10}}(1-\\mathrm{{{symbol}}})$"
    sign = "-" if measure.better == "lower" else ""
    return f"{sign}{measure.title}{', ' + measure.unit if measure.unit else ''}"
