"""Which of many differences are surely positive or negative, with one error rate for all of them together."""

from __future__ import annotations

import math

import numpy as np

from ..statistics import CONFIDENCE, MINIMUM_IMAGES, MOST_LOST
from .records import Floats

_NOTHING = 1e-12
"""A difference below this is rounding."""


def sure_signs(differences: Floats, images: int) -> Floats:
    """Return +1 or -1 for each difference that is surely positive or negative, else 0.

    `differences` has shape (1 + resamples, differences): first those of all images, then those of each resample. All
    returned signs are right together with the default confidence, whatever the differences have to do with each other:
    a difference is sure if it exceeds its standard deviation in the resamples, times sqrt(n / (n - 1)), times the
    quantile of Student's distribution with n - 1 degrees of freedom at the error rate divided by the number of
    differences (Bonferroni). A difference without a value in more than MOST_LOST of the resamples is not sure, and none
    is with fewer than MINIMUM_IMAGES images.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - importing a room is free

    estimate, resampled = differences[0], differences[1:]
    signs = np.zeros(len(estimate))
    if images < MINIMUM_IMAGES:
        return signs
    known = np.isfinite(estimate) & (np.isnan(resampled).mean(axis=0) <= MOST_LOST)
    spread = np.sqrt(np.nanmean((resampled[:, known] - estimate[known]) ** 2, axis=0))
    quantile = float(stdtrit(images - 1, 1 - (1 - CONFIDENCE) / (2 * len(signs))))
    limit = np.maximum(spread * math.sqrt(images / (images - 1)) * quantile, _NOTHING)
    signs[known] = np.where(np.abs(estimate[known]) > limit, np.sign(estimate[known]), 0)
    return signs
