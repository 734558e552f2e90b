"""Rows into a ranking: how many more bits than an anchor codecs need once the images shift, and how sure that is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..rate import MINIMUM_OVERLAP, MINIMUM_POINTS, BdRate, Curve, at_rate, bd_rate, inflation
from ..statistics import CONFIDENCE, RESAMPLES, SEED, Interval, Tail, bootstrap, interval, tail
from .point_tables import CLEAN, Condition, Floats, Grid, Mask, Quality, means
from .resampled import resample

ANCHORS = ("jpeg2000", "jpeg")
"""What codecs are compared with unless another is asked for: the first of these that has a curve."""
MATCHED_BPP = 0.5

NUMBERS = (
    *("score", "clean", "low", "medium", "high"),
    *("inflation", "inflation_low", "inflation_medium", "inflation_high", "psnr_clean"),
    *("penalty", "penalty_low", "penalty_medium", "penalty_high"),
)
"""The fields of an entry that are means over conditions, each with an interval."""
TAILS: Mapping[str, Literal["high", "low"]] = {"score": "high", "inflation": "high", "psnr_clean": "low"}
"""The numbers whose worst cases are told, and which end is the bad one."""


class NotComparable(ValueError):
    """Rows that cannot stand in one ranking; the message says why, and what to ask for instead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One codec's line; what cannot be compared is NaN.

    `score` is the mean BD-rate in percent against the anchor over the corrupted conditions (on clean images where there
    are no others), `clean`, `low`, `medium` and `high` the same over those conditions. `inflation` is bpp on corrupted
    over bpp on clean images at the same operating point, the geometric mean over points and conditions. `psnr_clean` is
    the PSNR in dB of what is decoded against the clean image, mean over conditions, at the setting that takes the
    matched rate on clean images. `overlap` is the smallest that any of the BD-rates rests on. `conditions` were
    compared, on `n` images in the one with the fewest. `reason` says why a codec has no rank. `gap_clean` and `gap` say
    by how many percent the rate estimated from likelihoods (rows of the codec's "-est") is above the real one, on clean
    images and over the corrupted conditions, the mean over points. `penalty` is the shift penalty: `score` less
    `clean`, in percentage points; it and `inflation` are told by band too.
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
    """How sure the numbers of a leaderboard are: intervals of a paired bootstrap over images, each by itself.

    `numbers` are by codec and field of NUMBERS. `above` is by how much a codec's score exceeds that of the codec ranked
    before it, `best` that of the first. `lost` is by codec and number the share of resamples without a value, where
    there are any. `by_corruption` are the BD-rates, means over severities, by codec and corruption.
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
        """Whether there is any interval: not so with too few images."""
        return any(one.known for numbers in self.numbers.values() for one in numbers.values())

    def tied(self, codec: str) -> bool:
        """Say whether a codec cannot be told apart from the one ranked before it."""
        return codec in self.above and self.above[codec].holds(0)


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A ranking, best first, codecs without a rank last, and what one must know to read it."""

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
    """The PSNR against clean, in dB, of every codec under every such condition at the matched rate."""
    tails: Mapping[tuple[str, str], Tail] = field(default_factory=dict)
    """The worst cases of every codec in each number of TAILS, over images x conditions, each image by itself."""
    intervals: Intervals | None = None


def rank(
    rows: pd.DataFrame,
    bands: Mapping[str, str],
    *,
    anchor: str | None = None,
    quality: Quality = "psnr",
    matched_bpp: float = MATCHED_BPP,
) -> Leaderboard:
    """Return the leaderboard of the rows of one set (columns as `benchmark.store.read` gives them).

    Each codec is compared with the anchor on the images that both have at all their points: mean bpp and mean quality
    over those images are a point of a curve, two curves give a BD-rate, and the mean of those over the corrupted
    conditions is the score. A codec that is not comparable under every one of them is listed without a rank. `bands`
    maps a corruption to "low", "medium" or "high". Without an `anchor`, jpeg2000 is taken, or jpeg, or else the first
    codec with a curve that is not of estimated rates. There are no intervals yet: see `intervals`.

    Raises NotComparable for no rows, rows of several sets, an anchor without a curve, or no codec with one.
    """
    sets = sorted(rows["set"].unique())
    if len(sets) != 1:
        raise NotComparable(f"a leaderboard is of one set: choose one of {', '.join(sets)}" if sets else "no rows")
    grid = Grid(rows, quality)
    anchor = _anchor(anchor, rows)
    rules = _rules(grid.conditions, bands)
    shifted = [condition for condition in grid.conditions if condition != CLEAN]
    scored = shifted or [CLEAN]

    entries = []
    compared: dict[tuple[str, Condition], BdRate] = {}
    inflations: dict[tuple[str, Condition], float] = {}
    matched: dict[tuple[str, Condition], float] = {}
    for codec in grid.codecs:
        status = rows.loc[rows["codec"] == codec, "status"]
        results = {one: _compared(grid, anchor, codec, one) for one in grid.conditions}
        held = {one: _held(grid, codec, one, matched_bpp) for one in shifted}
        compared |= {(codec, one): result for one, result in results.items()}
        inflations |= {(codec, one): ratio for one, (ratio, _) in held.items()}
        matched |= {(codec, one): psnr for one, (_, psnr) in held.items()}
        estimates = _estimates(codec, grid.conditions, compared, inflations, matched)
        numbers = _numbers(rules, np.isfinite(estimates), estimates[..., None])
        sound = [results[condition] for condition in scored if not results[condition].reason]
        reasons = Counter(results[condition].reason for condition in scored if results[condition].reason)
        entries.append(
            Entry(
                rank=None,
                codec=codec,
                **{name: float(value[0]) for name, value in numbers.items()},
                overlap=min((one.overlap for one in sound), default=math.nan),
                conditions=len(sound),
                n=min(int(_shared(grid, anchor, codec, condition).sum()) for condition in grid.conditions),
                failed=int((status == "failed").sum()),
                skipped=int((status == "skipped").sum()),
                reason=reasons.most_common(1)[0][0] if reasons else "",
                gap_clean=_gap(grid, codec, CLEAN),
                gap=_mean(_gap(grid, codec, condition) for condition in shifted),
            )
        )
    return Leaderboard(
        set=sets[0],
        anchor=anchor,
        quality=quality,
        matched_bpp=matched_bpp,
        images=int(rows["image"].nunique()),
        conditions=grid.conditions,
        entries=_ranked(entries),
        bd_rates=compared,
        inflations=inflations,
        psnr_clean=matched,
        tails=_tails(grid, anchor, matched_bpp),
    )


def intervals(
    rows: pd.DataFrame,
    bands: Mapping[str, str],
    board: Leaderboard,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    confidence: float = CONFIDENCE,
) -> Intervals:
    """Return the intervals of a leaderboard's numbers; `rows` and `bands` are those that it was made of.

    A resample is a leaderboard of images drawn with replacement, the same for every codec and condition. What enters a
    number is decided once, by the images as they are: the conditions it is a mean of are those comparable then. In a
    resample a curve is drawn by the same rule for points that are not worth having; it has no value there if it comes
    to fewer than four of them, or does not overlap the anchor's at all, or does not reach the matched rate. A number
    with a condition without value has none in that resample; see `statistics.interval` for what becomes of those.
    """
    grid = Grid(rows, board.quality)
    found = resample(grid, board.anchor, bootstrap(len(grid.images), resamples, seed), matched_bpp=board.matched_bpp)
    rules = _rules(grid.conditions, bands)
    corruptions = dict.fromkeys(name for name, _ in grid.conditions)
    numbers: dict[str, dict[str, Interval]] = {}
    lost: dict[tuple[str, str], float] = {}
    scores: dict[str, tuple[Floats, int]] = {}
    compared: dict[tuple[str, Condition], Interval] = {}
    by_corruption: dict[tuple[str, str], Interval] = {}
    for index, codec in enumerate(grid.codecs):
        estimates = _estimates(codec, grid.conditions, board.bd_rates, board.inflations, board.psnr_clean)
        sound = np.isfinite(estimates)
        values = np.stack([found.bd_rate[index], found.log_inflation[index], found.psnr_clean[index]])
        counts = _counts(grid, board.anchor, codec)
        fewest = _fewest(rules, sound, counts)
        once, again = (_numbers(rules, sound, one) for one in (estimates[..., None], values))
        numbers[codec] = {
            name: interval(float(once[name][0]), again[name], fewest[name], confidence=confidence) for name in NUMBERS
        }
        gaps = {name: int(np.isnan(again[name]).sum()) for name in NUMBERS if np.isfinite(once[name][0])}
        lost |= {(codec, name): count / resamples for name, count in gaps.items() if count}
        scores[codec] = again["score"], fewest["score"]
        for place, condition in enumerate(grid.conditions):
            percent = float(estimates[0, place])
            compared[codec, condition] = interval(percent, values[0, place], counts[0, place], confidence=confidence)
        for corruption in corruptions:
            where = sound[0] & np.array([name == corruption for name, _ in grid.conditions])
            if where.any():
                mean, images = float(estimates[0, where].mean()), int(counts[0, where].min())
                each = values[0, where].mean(axis=0)
                by_corruption[codec, corruption] = interval(mean, each, images, confidence=confidence)

    def difference(entry: Entry, other: Entry) -> Interval:
        (own, images), (base, others) = scores[entry.codec], scores[other.codec]
        return interval(entry.score - other.score, own - base, min(images, others), confidence=confidence)

    ranked = [entry for entry in board.entries if entry.rank is not None]
    return Intervals(
        confidence=confidence,
        images=len(grid.images),
        resamples=resamples,
        seed=seed,
        numbers=numbers,
        above={entry.codec: difference(entry, before) for before, entry in pairwise(ranked)},
        best={entry.codec: difference(entry, ranked[0]) for entry in ranked[1:]},
        lost=lost,
        bd_rates=compared,
        by_corruption=by_corruption,
    )


# --- what the images of one codec say under one condition


def _shared(grid: Grid, anchor: str, codec: str, condition: Condition) -> Mask:
    """Return the images that codec and anchor both have at all their points."""
    return grid.cell(codec, condition).complete & grid.cell(anchor, condition).complete


def _held_images(grid: Grid, codec: str, condition: Condition) -> Mask:
    """Return the images that a codec has at all its points, corrupted and clean."""
    if condition == CLEAN or CLEAN not in grid.conditions:
        return np.zeros(len(grid.images), np.bool_)
    return grid.cell(codec, condition).complete & grid.cell(codec, CLEAN).complete


def _compared(grid: Grid, anchor: str, codec: str, condition: Condition) -> BdRate:
    """Return the BD-rate in a condition."""
    base, own = grid.cell(anchor, condition), grid.cell(codec, condition)
    images = base.complete & own.complete
    if images.any():
        curves = (Curve.through(_over(cell.bpp, images), _over(cell.quality, images)) for cell in (base, own))
        return bd_rate(*curves)
    lacking = "it has" if not own.complete.any() else "the anchor has" if not base.complete.any() else "the two share"
    reason = f"{lacking} no image with rows at every point under {condition[0]}@{condition[1]}"
    return BdRate(math.nan, math.nan, reason)


def _held(grid: Grid, codec: str, condition: Condition, matched_bpp: float) -> tuple[float, float]:
    """Return the rate inflation, and PSNR against clean at the setting matched on clean images, in a condition."""
    images = _held_images(grid, codec, condition)
    if not images.any():
        return math.nan, math.nan
    own, clean = grid.cell(codec, condition), _over(grid.cell(codec, CLEAN).bpp, images)
    matched = at_rate(matched_bpp, clean, _over(own.psnr_clean, images))
    return inflation(clean, _over(own.bpp, images)), matched


def _over(table: Floats, images: Mask) -> Floats:
    """Return the mean of each row of (points, images) over some of the images."""
    count = int(images.sum())
    return means(table[:, images], np.full((count, 1), 1 / count))[:, 0]


def _gap(grid: Grid, codec: str, condition: Condition) -> float:
    """Return by how many percent the estimated rate is above the real one, NaN where either is not there."""
    estimate = estimate_of(codec)
    if estimate not in grid.codecs:
        return math.nan
    real = grid.cell(codec, condition).bpp
    estimated = grid.rates(estimate, condition, grid.points(codec))
    together = ~np.isnan(real) & ~np.isnan(estimated)
    ratios = [
        other[both].mean() / row[both].mean()
        for row, other, both in zip(real, estimated, together, strict=True)
        if both.any()
    ]
    return 100 * (_mean(ratios) - 1)


# --- numbers as means over conditions

BD_RATE, LOG_INFLATION, PSNR_CLEAN = range(3)
"""What is known of a codec under each condition: the first axis of the arrays below, the second is the condition."""
PENALTIES: Mapping[str, str] = {
    "penalty": "score",
    "penalty_low": "low",
    "penalty_medium": "medium",
    "penalty_high": "high",
}
"""The shift penalties, and the number that is set against the one on clean images."""

_Rules = Mapping[str, tuple[int, Mask]]


def _rules(conditions: Iterable[Condition], bands: Mapping[str, str]) -> _Rules:
    """Return of what, and over which conditions, each number is a mean."""
    conditions = list(conditions)
    clean = np.array([one == CLEAN for one in conditions])
    by_band = {band: ~clean & [bands.get(name) == band for name, _ in conditions] for band in ("low", "medium", "high")}
    return {
        "score": (BD_RATE, clean if clean.all() else ~clean),
        "clean": (BD_RATE, clean),
        **{band: (BD_RATE, where) for band, where in by_band.items()},
        "inflation": (LOG_INFLATION, ~clean),
        **{f"inflation_{band}": (LOG_INFLATION, where) for band, where in by_band.items()},
        "psnr_clean": (PSNR_CLEAN, ~clean),
    }


def _estimates(
    codec: str,
    conditions: Iterable[Condition],
    compared: Mapping[tuple[str, Condition], BdRate],
    inflations: Mapping[tuple[str, Condition], float],
    matched: Mapping[tuple[str, Condition], float],
) -> Floats:
    """Return what is known of a codec, shape (3, conditions)."""
    keys = [(codec, condition) for condition in conditions]
    return np.array(
        [
            [compared[key].percent for key in keys],
            [math.log(inflations.get(key, math.nan)) for key in keys],
            [matched.get(key, math.nan) for key in keys],
        ]
    )


def _counts(grid: Grid, anchor: str, codec: str) -> NDArray[np.intp]:
    """Return on how many images that rests, shape (3, conditions)."""
    shared = [_shared(grid, anchor, codec, condition).sum() for condition in grid.conditions]
    held = [_held_images(grid, codec, condition).sum() for condition in grid.conditions]
    return np.array([shared, held, held])


def _numbers(rules: _Rules, sound: Mask, values: Floats) -> dict[str, Floats]:
    """Return each number, shape (resamples,), from values of shape (3, conditions, resamples).

    `sound`, of shape (3, conditions), says which of them count. A mean over nothing is NaN.
    """
    nothing = np.full(values.shape[2], math.nan)
    found = {}
    for name, (what, where) in rules.items():
        chosen = values[what, where & sound[what]]
        found[name] = chosen.mean(axis=0) if len(chosen) else nothing
        if what == LOG_INFLATION:
            found[name] = np.exp(found[name])
    shifted = not np.array_equal(rules["score"][1], rules["clean"][1])
    return found | {name: found[of] - found["clean"] if shifted else nothing for name, of in PENALTIES.items()}


def _fewest(rules: _Rules, sound: Mask, counts: NDArray[np.intp]) -> dict[str, int]:
    """Return on how many images each number rests, in the condition with the fewest."""
    fewest = {}
    for name, (what, where) in rules.items():
        chosen = counts[what, where & sound[what]]
        fewest[name] = int(chosen.min()) if len(chosen) else 0
    return fewest | {name: min(fewest[of], fewest["clean"]) for name, of in PENALTIES.items()}


def _tails(grid: Grid, anchor: str, matched_bpp: float) -> dict[tuple[str, str], Tail]:
    """Return the worst cases of each codec: what every image by itself says under every corrupted condition."""
    each = resample(grid, anchor, np.eye(len(grid.images)), matched_bpp=matched_bpp, minimum_overlap=MINIMUM_OVERLAP)
    shifted = [place for place, one in enumerate(grid.conditions) if one != CLEAN] or [0]
    cases = {"score": each.bd_rate, "inflation": np.exp(each.log_inflation), "psnr_clean": each.psnr_clean}
    return {
        (codec, name): tail(cases[name][index, shifted], worst)
        for index, codec in enumerate(grid.codecs)
        for name, worst in TAILS.items()
    }


def estimate_of(codec: str) -> str:
    """Return the name under which the same codec's rate is estimated: "NAME-est", "ARCH-est@FILE"."""
    base, at, weights = codec.partition("@")
    return f"{base}-est{at}{weights}"


def _anchor(asked: str | None, rows: pd.DataFrame) -> str:
    points = rows[rows["status"] == "ok"].groupby("codec", sort=False)["point"].nunique()
    able = [str(codec) for codec in points.index[points >= MINIMUM_POINTS]]
    if asked is not None and asked not in able:
        raise NotComparable(f"{asked} has no rate curve here: expected an anchor among {', '.join(able) or 'none'}")
    if not able:
        raise NotComparable(f"no codec has the {MINIMUM_POINTS} points that a rate curve needs")
    measured = [codec for codec in able if not codec.partition("@")[0].endswith("-est")]
    return asked or next((codec for codec in ANCHORS if codec in able), (measured or able)[0])


def _ranked(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries in order of score, those lacking a condition without a rank at the end."""
    entries = sorted(entries, key=lambda one: (bool(one.reason), math.isnan(one.score), one.score))
    return tuple(one if one.reason else replace(one, rank=place) for place, one in enumerate(entries, start=1))


def _mean(values: Iterable[float]) -> float:
    """Return the mean of the finite values, NaN if there is none."""
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
