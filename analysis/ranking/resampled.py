"""What a leaderboard rests on, codec by codec and condition by condition, in every resample of the images."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from .curves import Curves, at_rates, bd_rates
from .point_tables import CLEAN, Cell, Condition, Floats, Grid, Mask, means, shares

BLOCK = 2000
"""How many resamples are worked at a time: few enough for a curve's arrays to stay in a core's cache."""


@dataclass(frozen=True, slots=True)
class Resampled:
    """Arrays of shape (codecs, conditions, resamples), NaN where a resample has no value.

    `bd_rate` against the anchor in percent; `log_inflation`, of the rate on corrupted over that on clean images, the
    mean over points; `psnr_clean` in dB, at the setting that takes the matched rate on clean images. The last two are
    NaN on clean images themselves.
    """

    codecs: tuple[str, ...]
    conditions: tuple[Condition, ...]
    bd_rate: Floats
    log_inflation: Floats
    psnr_clean: Floats


def resample(
    grid: Grid, anchor: str, weights: Floats, *, matched_bpp: float, minimum_overlap: float = 0.0
) -> Resampled:
    """Return what every resample says, each a row of `weights`, shape (resamples, images), as `bootstrap` draws them.

    Codec and anchor are compared on the images that both have at all their points; so are corrupted and clean images of
    one codec. The same weights serve every codec and condition. With the unit matrix for weights, a resample is an
    image.
    """
    shape = (len(grid.codecs), len(grid.conditions), len(weights))
    found = Resampled(grid.codecs, grid.conditions, *(np.full(shape, math.nan) for _ in range(3)))
    columns = np.ascontiguousarray(weights.T)

    def work(place: int) -> None:
        for start in range(0, len(weights), BLOCK):
            block = slice(start, start + BLOCK)
            _work(found, grid, anchor, place, block, columns[:, block], matched_bpp, minimum_overlap)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # NumPy lets go of the interpreter while it computes
        for _ in threads.map(work, range(len(grid.conditions))):
            pass
    return found


def _work(
    found: Resampled,
    grid: Grid,
    anchor: str,
    place: int,
    block: slice,
    weights: Floats,
    matched_bpp: float,
    minimum_overlap: float,
) -> None:
    """Fill in one condition of every codec, in one block of resamples."""
    condition = grid.conditions[place]
    base = grid.cell(anchor, condition)

    @cache
    def of(used: bytes) -> Floats:
        return shares(weights[np.frombuffer(used, np.bool_)])

    @cache
    def anchors(used: bytes) -> Curves:
        return _curves(base, np.frombuffer(used, np.bool_), of(used))

    for index, codec in enumerate(grid.codecs):
        cell = grid.cell(codec, condition)
        used = cell.complete & base.complete
        if used.any():
            key = used.tobytes()
            own = anchors(key) if codec == anchor else _curves(cell, used, of(key))
            found.bd_rate[index, place, block] = bd_rates(anchors(key), own, minimum_overlap=minimum_overlap)
        if condition == CLEAN or CLEAN not in grid.conditions:
            continue
        clean = grid.cell(codec, CLEAN)
        held = cell.complete & clean.complete
        if held.any():
            weighted = of(held.tobytes())
            before, after, matched = (
                means(table[:, held], weighted) for table in (clean.bpp, cell.bpp, cell.psnr_clean)
            )
            both = ~(np.isnan(clean.bpp[:, held]).all(axis=1) | np.isnan(cell.bpp[:, held]).all(axis=1))
            found.log_inflation[index, place, block] = np.log(after[both] / before[both]).mean(axis=0)
            found.psnr_clean[index, place, block] = at_rates(matched_bpp, before, matched)


def _curves(cell: Cell, used: Mask, shares: Floats) -> Curves:
    # In the order of their rate, so that few resamples have points out of place.
    order = np.argsort(cell.bpp[:, used].mean(axis=1))
    bpp, quality = (means(table[order][:, used], shares) for table in (cell.bpp, cell.quality))
    return Curves.through(bpp, quality)
