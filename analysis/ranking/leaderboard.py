"""The leaderboard: an entry per codec, the underlying BD-rates, the worst cases, and the intervals of its numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..conditions import Condition
from ..rate import BdRate
from ..statistics import Interval, Tail
from .on_curve import Aside
from .point_tables import Quality

NUMBERS = (
    *("score", "clean", "low", "medium", "high"),
    *("inflation", "inflation_low", "inflation_medium", "inflation_high", "psnr_clean"),
    *("penalty", "penalty_low", "penalty_medium", "penalty_high"),
)
"""The fields of an entry that are means over conditions, each with an interval."""
TAILS: Mapping[str, Literal["high", "low"]] = {"score": "high", "inflation": "high", "psnr_clean": "low"}
"""The numbers whose worst cases are reported, and which end is the bad end."""


class NotComparable(ValueError):
    """Rows that cannot be ranked together; the message says why, and what to ask for instead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The line of one codec; a number that cannot be computed is NaN.

    `score` is the mean BD-rate in percent against the anchor over the corrupted conditions (over clean images if there
    are no others); `clean`, `low`, `medium` and `high` are the same over those conditions. `inflation` is bpp on
    corrupted images divided by bpp on clean images at the same operating point, a geometric mean over points and
    conditions.
    `psnr_clean` is the PSNR in dB of the decoded against the clean image at the setting that takes the matched rate on
    clean images, a mean over conditions. `overlap` is the smallest overlap of the codec's curves with the anchor's,
    including curves that overlap too little for a BD-rate. `conditions` is the number of conditions compared, `n` the
    number of images in the condition with the fewest. `reason` says why a codec has no rank. `gap_clean` and `gap` say
    by how many percent the rate estimated from likelihoods (rows of the codec's "-est") exceeds the real rate, on clean
    images and over the corrupted conditions, as means over points. `penalty` is the shift penalty: `score` minus
    `clean`, in percentage points. `inflation` and `penalty` are also given by band.
    """

    rank: int | None
    codec: str
    score: float
    clean: float
    low: float
    medium: float
    high: float
    inflation: float
    psnr_clean: float
    overlap: float
    conditions: int
    n: int
    failed: int
    skipped: int
    reason: str
    gap_clean: float = math.nan
    gap: float = math.nan
    inflation_low: float = math.nan
    inflation_medium: float = math.nan
    inflation_high: float = math.nan
    penalty: float = math.nan
    penalty_low: float = math.nan
    penalty_medium: float = math.nan
    penalty_high: float = math.nan


@dataclass(frozen=True, slots=True)
class Intervals:
    """The confidence intervals of a leaderboard's numbers, from a paired bootstrap over images.

    `numbers` are by codec and field of NUMBERS. `above` is by how much a codec's score exceeds that of the codec ranked
    before it, `best` by how much it exceeds that of the first. `lost` is the share of resamples without a value, by
    codec and number, if there are any. `by_corruption` are the BD-rates, means over severities, by codec and
    corruption.
    """

    confidence: float
    images: int
    resamples: int
    seed: int
    numbers: Mapping[str, Mapping[str, Interval]]
    above: Mapping[str, Interval]
    best: Mapping[str, Interval]
    lost: Mapping[tuple[str, str], float]
    bd_rates: Mapping[tuple[str, Condition], Interval]
    by_corruption: Mapping[tuple[str, str], Interval]

    @property
    def known(self) -> bool:
        """Whether there is any interval; with too few images there is none."""
        return any(interval.known for numbers in self.numbers.values() for interval in numbers.values())

    def tied(self, codec: str) -> bool:
        """Return whether a codec's score may equal that of the codec ranked before it."""
        return codec in self.above and self.above[codec].holds(0)


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A ranking, best codec first and codecs without a rank last, with the numbers behind it."""

    set: str
    anchor: str
    quality: Quality
    matched_bpp: float
    images: int
    conditions: tuple[Condition, ...]
    entries: tuple[Entry, ...]
    bd_rates: Mapping[tuple[str, Condition], BdRate]
    """The BD-rate of every codec under every condition, clean included."""
    inflations: Mapping[tuple[str, Condition], float] = field(default_factory=dict)
    """The rate inflation of every codec under every condition that is not clean."""
    psnr_clean: Mapping[tuple[str, Condition], float] = field(default_factory=dict)
    """The PSNR against clean in dB, of every codec at the matched rate under every condition that is not clean."""
    tails: Mapping[tuple[str, str], Tail] = field(default_factory=dict)
    """The worst cases of every codec in each number of TAILS, over images x conditions, one case per pair."""
    intervals: Intervals | None = None
    aside: Aside = field(default_factory=Aside)
    """The points and conditions of the rows that are on no curve."""
