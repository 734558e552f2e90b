"""What a shift does at fixed settings and rates: the inflation of the rate, and the restoration of the clean image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..conditions import BANDS, CLEAN_CONDITION, Condition
from ..rate import at_rate, inflation
from ..statistics import Resampled
from .contest import Contest
from .groups import Groups, mean_over
from .ladders import Floats, Ladders

ShownPsnr = Mapping[tuple[Condition, str], float]
"""The PSNR in dB of the corrupted image against the clean one, by condition and image."""


def shown_psnr(shifts: pd.DataFrame) -> ShownPsnr:
    """Return the PSNR of corrupted images from a table with the columns corruption, severity, image and psnr."""
    keys = zip(shifts["corruption"], shifts["severity"].astype(int), shifts["image"], strict=True)
    return {
        ((str(corruption), severity), str(image)): float(value)
        for (corruption, severity, image), value in zip(keys, shifts["psnr"], strict=True)
    }


@dataclass(frozen=True, slots=True)
class ShiftEffects:
    """What shifts do to one codec: by corrupted condition, and as a mean by field of AT_SETTINGS."""

    inflations: Mapping[Condition, float]
    restorations: Mapping[Condition, float]
    by_band: Mapping[str, Resampled]


def shift_effects(
    ladders: Ladders,
    contests: Mapping[Condition, Contest],
    codec: str,
    groups: Groups,
    shown: ShownPsnr,
    matched_bpp: float,
    draws: Floats,
) -> ShiftEffects:
    """Return the effects of all shifts on one codec; the means by band are resampled.

    `draws` has shape (1 + resamples, images) and says how often each of the set's images counts, in its first line
    once. Restoration is averaged in dB, inflation geometrically.
    """
    shifted = [condition for condition in contests if condition != CLEAN_CONDITION]
    inflations = {condition: inflation_of(ladders, codec, condition, draws) for condition in shifted}
    restorations = {
        condition: restoration_of(ladders, contests[condition], codec, shown, matched_bpp, draws)
        for condition in shifted
    }
    logs = {condition: Resampled(np.log(number.values), number.images) for condition, number in inflations.items()}
    by_band = {}
    for band in BANDS:
        log = _mean(logs, groups[band])
        by_band[f"inflation_{band}"] = Resampled(np.exp(log.values), log.images)
        by_band[f"restoration_{band}"] = _mean(restorations, groups[band])
    return ShiftEffects(
        inflations={condition: float(number.values[0]) for condition, number in inflations.items()},
        restorations={condition: float(number.values[0]) for condition, number in restorations.items()},
        by_band=by_band,
    )


def _mean(numbers: Mapping[Condition, Resampled], members: Sequence[Condition]) -> Resampled:
    """Return the mean over severities, then over corruptions; its images are those of the condition with the fewest."""
    values = mean_over({condition: number.values for condition, number in numbers.items()}, members)
    return Resampled(np.atleast_1d(values), min((numbers[condition].images for condition in members), default=0))


def inflation_of(ladders: Ladders, codec: str, condition: Condition, draws: Floats) -> Resampled:
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
    rates = np.array(pairs).reshape(-1, 2, len(ladders.images))
    images = ~np.isnan(rates).any(axis=(0, 1))
    if not len(rates) or not images.any():
        return _unknown(draws)
    both = rates.swapaxes(0, 1).reshape(2 * len(rates), -1)[:, images]
    own, base = np.split(_means(both, draws[:, images]), 2, axis=1)
    return Resampled(inflation(base, own), int(images.sum()))


def restoration_of(
    ladders: Ladders, compared: Contest, codec: str, shown: ShownPsnr, matched_bpp: float, draws: Floats
) -> Resampled:
    """Return the PSNR of decoded against clean less that of shown against clean, in dB, at the matched rate.

    The rate is the one really taken under the condition; PSNR is interpolated in log rate between the codec's points.
    NaN if the rate is outside the ladder, or the PSNR of a common image is unknown or infinite.
    """
    names = [ladders.images[place] for place in np.nonzero(compared.images)[0]]
    base = np.array([[shown.get((compared.condition, name), math.nan) for name in names]])
    if codec not in compared.codecs or not np.isfinite(base).all():
        return _unknown(draws)
    ladder = ladders.of(codec, compared.condition)
    bpp, psnr = (table[ladder.curve][:, compared.images] for table in (ladder.bpp, ladder.psnr_clean))
    means = _means(np.concatenate([bpp, psnr, base]), draws[:, compared.images])
    bpp, psnr, base = np.split(means, [len(bpp), 2 * len(bpp)], axis=1)
    return Resampled(at_rate(matched_bpp, bpp, psnr) - base[:, 0], len(names))


def _unknown(draws: Floats) -> Resampled:
    return Resampled(np.full(len(draws), math.nan), 0)


def _means(table: Floats, draws: Floats) -> Floats:
    """Return the means of a table of points x images over drawn images, shape (draws, points); NaN if none is drawn."""
    with np.errstate(invalid="ignore"):
        return np.asarray(draws @ table.T / draws.sum(axis=1, keepdims=True))
