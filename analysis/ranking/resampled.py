"""The quantities of a leaderboard, by codec and condition, in every resample of the images."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..conditions import CLEAN_CONDITION
from .curves import Curves, at_rates, bd_rates
from .point_tables import Floats, Mask, PointTable, PointTables, means, shares

BLOCK = 2000
"""Resamples computed at a time: few enough for a curve's arrays to stay in a core's cache."""


@dataclass(frozen=True, slots=True)
class Resampled:
    """Arrays of shape (codecs, conditions, resamples), NaN where a resample has no value.

    `bd_rate` is in percent against the anchor. `log_inflation` is the log of the rate on corrupted images divided by
    that on clean images, a mean over points. `psnr_clean` is in dB, at the setting that takes the matched rate on clean
    images. The last two are NaN under the clean condition.
    """

    bd_rate: Floats
    log_inflation: Floats
    psnr_clean: Floats


def resample(
    tables: PointTables, anchor: str, weights: Floats, *, matched_bpp: float, minimum_overlap: float = 0.0
) -> Resampled:
    """Return the quantities in every resample; `weights` has shape (resamples, images), as from `bootstrap`.

    Codec and anchor are compared on the images that both have at all of their points. Corrupted images are compared
    with clean ones on the images that the codec has at all points in both. The same weights serve every codec and
    condition. With the unit matrix as weights, each resample is one image.
    """
    shape = (len(tables.codecs), len(tables.conditions), len(weights))
    resampled = Resampled(*(np.full(shape, math.nan) for _ in range(3)))
    columns = np.ascontiguousarray(weights.T)

    def work(place: int) -> None:
        for start in range(0, len(weights), BLOCK):
            block = slice(start, start + BLOCK)
            _fill(resampled, tables, anchor, place, block, columns[:, block], matched_bpp, minimum_overlap)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # NumPy releases the interpreter's lock while it computes
        for _ in threads.map(work, range(len(tables.conditions))):
            pass
    return resampled


def _fill(
    resampled: Resampled,
    tables: PointTables,
    anchor: str,
    place: int,
    block: slice,
    weights: Floats,
    matched_bpp: float,
    minimum_overlap: float,
) -> None:
    """Fill in one condition of every codec, for one block of resamples."""
    condition = tables.conditions[place]
    base = tables.table(anchor, condition)

    @cache
    def shares_of(images: bytes) -> Floats:
        return shares(weights[np.frombuffer(images, np.bool_)])

    @cache
    def anchor_curves(images: bytes) -> Curves:
        return _curves(base, np.frombuffer(images, np.bool_), shares_of(images))

    for index, codec in enumerate(tables.codecs):
        table = tables.table(codec, condition)
        shared = table.complete & base.complete
        if shared.any():
            key = shared.tobytes()
            own = anchor_curves(key) if codec == anchor else _curves(table, shared, shares_of(key))
            resampled.bd_rate[index, place, block] = bd_rates(anchor_curves(key), own, minimum_overlap=minimum_overlap)
        paired = tables.paired_images(codec, condition)
        if paired.any():
            clean = tables.table(codec, CLEAN_CONDITION)
            image_shares = shares_of(paired.tobytes())
            clean_bpp, bpp, psnr_clean = (
                means(values[:, paired], image_shares) for values in (clean.bpp, table.bpp, table.psnr_clean)
            )
            both = ~(np.isnan(clean.bpp[:, paired]).all(axis=1) | np.isnan(table.bpp[:, paired]).all(axis=1))
            resampled.log_inflation[index, place, block] = np.log(bpp[both] / clean_bpp[both]).mean(axis=0)
            resampled.psnr_clean[index, place, block] = at_rates(matched_bpp, clean_bpp, psnr_clean)


def _curves(table: PointTable, images: Mask, shares: Floats) -> Curves:
    # Points are sorted by their rate, so that few resamples have points out of order.
    order = np.argsort(table.bpp[:, images].mean(axis=1))
    bpp, quality = (means(values[order][:, images], shares) for values in (table.bpp, table.quality))
    return Curves.through(bpp, quality)
