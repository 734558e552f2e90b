"""What a shift does at fixed settings and rates: the inflation of the rate, and the restoration of the clean image."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..conditions import CLEAN_CONDITION, Condition
from ..rate import at_rate, inflation
from .contest import Contest
from .ladders import Ladders

ShownPsnr = Mapping[tuple[Condition, str], float]
"""The PSNR in dB of the corrupted image against the clean one, by condition and image."""


def inflation_of(ladders: Ladders, codec: str, condition: Condition) -> float:
    """Return bpp on corrupted over bpp on clean images, each point against itself, the geometric mean over points.

    Means are over the images that the codec coded at all of its points both times. NaN if there are none.
    """
    shifted, clean = ladders.of(codec, condition), ladders.of(codec, CLEAN_CONDITION)
    clean_bpp = dict(zip(clean.points, clean.bpp, strict=True))
    pairs = [
        (own, clean_bpp[point])
        for point, own in zip(shifted.points, shifted.bpp, strict=True)
        if point in clean_bpp and not np.isnan(own).all() and not np.isnan(clean_bpp[point]).all()
    ]
    if not pairs:
        return math.nan
    rates = np.array(pairs)
    images = ~np.isnan(rates).any(axis=(0, 1))
    if not images.any():
        return math.nan
    own, base = rates[:, :, images].mean(axis=2).T
    return inflation(base, own)


def shown_psnr(shifts: pd.DataFrame) -> ShownPsnr:
    """Return the PSNR of corrupted images from a table with the columns corruption, severity, image and psnr."""
    keys = zip(shifts["corruption"], shifts["severity"].astype(int), shifts["image"], strict=True)
    return {
        ((str(corruption), severity), str(image)): float(value)
        for (corruption, severity, image), value in zip(keys, shifts["psnr"], strict=True)
    }


def restoration_of(ladders: Ladders, compared: Contest, codec: str, shown: ShownPsnr, matched_bpp: float) -> float:
    """Return the PSNR of decoded against clean less that of shown against clean, in dB, at the matched rate.

    The rate is the one really taken under the condition; PSNR is interpolated in log rate between the codec's points.
    NaN if the rate is outside the ladder, or the PSNR of a common image is unknown or infinite.
    """
    base = [
        shown.get((compared.condition, ladders.images[place]), math.nan) for place in np.nonzero(compared.images)[0]
    ]
    if codec not in compared.codecs or not np.isfinite(base).all():
        return math.nan
    ladder = ladders.of(codec, compared.condition)
    bpp, psnr = (table[ladder.curve][:, compared.images].mean(axis=1) for table in (ladder.bpp, ladder.psnr_clean))
    return at_rate(matched_bpp, bpp, psnr) - float(np.mean(base))
