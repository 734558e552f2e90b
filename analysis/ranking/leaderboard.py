"""The leaderboard: an entry per codec, the ratings behind it, the worst cases, and the intervals of its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..conditions import BANDS, Condition
from ..statistics import Interval, Tail
from .contest import Fit
from .ladders import Quality
from .on_curve import Aside

GROUPS = ("score", "clean", "low", "medium", "high", "extra")
"""The fields of an entry that are bits against the anchor over a group of conditions."""
PENALTIES: Mapping[str, str] = {
    "penalty": "score",
    "penalty_low": "low",
    "penalty_medium": "medium",
    "penalty_high": "high",
}
"""The shift penalties, and the group that each compares with clean images."""
FITTED = (*GROUPS, *PENALTIES)
"""The fields of an entry that follow from the fit."""
AT_SETTINGS = (*(f"restoration_{band}" for band in BANDS), *(f"inflation_{band}" for band in BANDS))
"""The fields of an entry that compare a codec's own settings on corrupted and on clean images."""
NUMBERS = (*FITTED, *AT_SETTINGS)
"""The fields of an entry that have an interval."""

EQUAL = 1e-9
"""Scores, in log rate, that differ by less are equal: they share a rank."""


class NotComparable(ValueError):
    """Rows that cannot be ranked together; the message says why, and what to ask for instead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The line of one codec; a number that cannot be computed is NaN.

    `rank` is 1 + the number of codecs with a smaller score. `rank_low` and `rank_high` are the ends of its simultaneous
    confidence interval; for a codec without a rank they are the ranks that it could have (see `rank`), or None.

    `score` is percent of bits against the anchor at equal quality, a geometric mean over the scored conditions, and
    `score_low` and `score_high` are the ends of its confidence interval. `clean`, `low`, `medium`, `high` and `extra`
    are the same over those conditions; each is NaN unless the codec can be compared under all of them. `penalty` is the
    shift penalty, the ratio of `score` to `clean` as a percentage, also by band. `bd_rate` is the mean BD-rate in
    percent against the anchor over the scored conditions.

    `restoration` is the PSNR in dB against the clean image that coding adds to the corrupted image, at the setting that
    takes the matched rate. `on_front` says whether no other ranked codec is as good or better in both score and
    `restoration_high`, by the numbers themselves whatever their intervals. `inflation` is bpp on corrupted images
    divided by bpp on clean images at the same setting, a geometric mean. `coverage` is the smallest share of a
    condition's quality range that the ladder covers.

    `conditions` is the number of scored conditions with a rating, `n` the number of images in the one with the fewest.
    `reason` says why a codec has no rank. `gap_clean` and `gap` say by how many percent the rate estimated from
    likelihoods (rows of the codec's "-est") exceeds the real rate, on clean images and over the corrupted conditions,
    as means over points.
    """

    rank: int | None
    rank_low: int | None
    rank_high: int | None
    codec: str
    score: float
    score_low: float
    score_high: float
    clean: float
    low: float
    medium: float
    high: float
    extra: float
    penalty: float
    penalty_low: float
    penalty_medium: float
    penalty_high: float
    restoration_low: float
    restoration_medium: float
    restoration_high: float
    on_front: bool
    inflation_low: float
    inflation_medium: float
    inflation_high: float
    coverage: float
    bd_rate: float
    conditions: int
    n: int
    failed: int
    skipped: int
    reason: str
    gap_clean: float = math.nan
    gap: float = math.nan


@dataclass(frozen=True, slots=True)
class Intervals:
    """The confidence intervals of a leaderboard, from a paired bootstrap over images.

    `numbers` are by codec and field of NUMBERS; a codec that is not compared has those of AT_SETTINGS only. `apart` are
    the pairs of codecs, the better first, whose scores differ significantly, simultaneously over all pairs. `lost` is
    the share of resamples without a value, by codec and number, if there are any. `by_corruption` are the bits against
    the anchor in percent, geometric means over severities, by codec and corruption.
    """

    confidence: float
    images: int
    resamples: int
    seed: int
    numbers: Mapping[str, Mapping[str, Interval]]
    apart: frozenset[tuple[str, str]]
    lost: Mapping[tuple[str, str], float]
    by_corruption: Mapping[tuple[str, str], Interval]

    @property
    def known(self) -> bool:
        """Whether there is any interval; with too few images there is none."""
        return any(interval.known for numbers in self.numbers.values() for interval in numbers.values())


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A ranking, best codec first and codecs without a rank last, with the numbers behind it.

    `images` is the number of images of the rows, `compared` and `measured` by condition how many of them are compared,
    and how many would be without failures. `scored` are the conditions of the score. `fits` are the ratings by
    condition, and `ratings` are those less that of the anchor, in log rate, by codec and condition; NaN where the codec
    cannot be compared, for the reason in `absent`. `inflations` and `restorations` are by codec and corrupted
    condition. `shown_psnr` says whether the PSNR of the corrupted images is known, which restoration needs. `tails` are
    the worst cases of each codec's bits against the anchor in percent, a case being one image under one scored
    condition. `aside` are the points and conditions of the rows that are on no curve.
    """

    set: str
    anchor: str
    quality: Quality
    matched_bpp: float
    images: int
    conditions: tuple[Condition, ...]
    scored: tuple[Condition, ...]
    compared: Mapping[Condition, int]
    measured: Mapping[Condition, int]
    entries: tuple[Entry, ...]
    fits: Mapping[Condition, Fit]
    ratings: Mapping[tuple[str, Condition], float]
    absent: Mapping[tuple[str, Condition], str]
    inflations: Mapping[tuple[str, Condition], float]
    restorations: Mapping[tuple[str, Condition], float]
    shown_psnr: bool
    tails: Mapping[str, Tail]
    intervals: Intervals | None = None
    aside: Aside = field(default_factory=Aside)
