"""The confidence intervals of a leaderboard: quantiles of its numbers over resamples of the images."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..conditions import Condition
from ..statistics import CONFIDENCE, RESAMPLES, SEED, Interval, bootstrap, interval
from .leaderboard import NUMBERS, Entry, Intervals, Leaderboard
from .numbers import estimates, fewest, numbers, rules_of
from .point_tables import Floats, PointTables
from .resampled import resample


def intervals(
    rows: pd.DataFrame,
    bands: Mapping[str, str],
    board: Leaderboard,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    confidence: float = CONFIDENCE,
) -> Intervals:
    """Return the intervals of a leaderboard's numbers; `rows` and `bands` are the arguments of `rank` that made it.

    A resample is a leaderboard of images drawn with replacement, the same draw for every codec and condition. In every
    resample, a number averages the conditions that are comparable over all images, and a curve is the frontier of its
    points. A BD-rate has no value in a resample if a curve has fewer than four points or the two curves do not overlap;
    PSNR has none if the curve does not reach the matched rate. A number has no value in a resample if one of its
    conditions has none; `statistics.interval` leaves such resamples out.
    """
    tables = PointTables(rows, board.quality)
    weights = bootstrap(len(tables.images), resamples, seed)
    resampled = resample(tables, board.anchor, weights, matched_bpp=board.matched_bpp)
    rules = rules_of(tables.conditions, bands)
    corruptions = dict.fromkeys(name for name, _ in tables.conditions)
    by_number: dict[str, dict[str, Interval]] = {}
    lost: dict[tuple[str, str], float] = {}
    scores: dict[str, tuple[Floats, int]] = {}
    bd_rates: dict[tuple[str, Condition], Interval] = {}
    by_corruption: dict[tuple[str, str], Interval] = {}
    for index, codec in enumerate(tables.codecs):
        estimated = estimates(codec, tables.conditions, board.bd_rates, board.inflations, board.psnr_clean)
        sound = np.isfinite(estimated)
        values = np.stack([resampled.bd_rate[index], resampled.log_inflation[index], resampled.psnr_clean[index]])
        counts = _counts(tables, board.anchor, codec)
        images = fewest(rules, sound, counts)
        once, again = (numbers(rules, sound, array) for array in (estimated[..., None], values))
        by_number[codec] = {
            name: interval(float(once[name][0]), again[name], images[name], confidence=confidence) for name in NUMBERS
        }
        missing = {name: int(np.isnan(again[name]).sum()) for name in NUMBERS if np.isfinite(once[name][0])}
        lost |= {(codec, name): count / resamples for name, count in missing.items() if count}
        scores[codec] = again["score"], images["score"]
        for place, condition in enumerate(tables.conditions):
            percent = float(estimated[0, place])
            bd_rates[codec, condition] = interval(percent, values[0, place], counts[0, place], confidence=confidence)
        for corruption in corruptions:
            members = sound[0] & np.array([name == corruption for name, _ in tables.conditions])
            if members.any():
                percent, least = float(estimated[0, members].mean()), int(counts[0, members].min())
                means = values[0, members].mean(axis=0)
                by_corruption[codec, corruption] = interval(percent, means, least, confidence=confidence)

    def difference(entry: Entry, other: Entry) -> Interval:
        (own, own_images), (base, base_images) = scores[entry.codec], scores[other.codec]
        return interval(entry.score - other.score, own - base, min(own_images, base_images), confidence=confidence)

    ranked = [entry for entry in board.entries if entry.rank is not None]
    return Intervals(
        confidence=confidence,
        images=len(tables.images),
        resamples=resamples,
        seed=seed,
        numbers=by_number,
        above={entry.codec: difference(entry, before) for before, entry in pairwise(ranked)},
        best={entry.codec: difference(entry, ranked[0]) for entry in ranked[1:]},
        lost=lost,
        bd_rates=bd_rates,
        by_corruption=by_corruption,
    )


def _counts(tables: PointTables, anchor: str, codec: str) -> NDArray[np.intp]:
    """Return how many images each quantity of a codec rests on, shape (3, conditions)."""
    shared = [tables.shared_images(anchor, codec, condition).sum() for condition in tables.conditions]
    paired = [tables.paired_images(codec, condition).sum() for condition in tables.conditions]
    return np.array([shared, paired, paired])
