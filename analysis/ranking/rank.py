"""Ranking the codecs of one set: BD-rates against an anchor, rate inflation and PSNR at the matched rate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from ..conditions import CLEAN_CONDITION, Condition
from ..matched import MATCHED_BPP
from ..rate import MINIMUM_OVERLAP, MINIMUM_POINTS, BdRate, Curve, at_rate, bd_rate, inflation
from ..statistics import Tail, finite_mean, tail
from .leaderboard import TAILS, Entry, Leaderboard, NotComparable
from .numbers import estimates, numbers, rules_of
from .point_tables import Floats, Mask, PointTables, Quality, means
from .resampled import resample

ANCHORS = ("jpeg2000", "jpeg")
"""The default anchors: the first of these that has a curve is used."""


def rank(
    rows: pd.DataFrame,
    bands: Mapping[str, str],
    *,
    anchor: str | None = None,
    quality: Quality = "psnr",
    matched_bpp: float = MATCHED_BPP,
) -> Leaderboard:
    """Return the leaderboard of the rows of one set (columns as `benchmark.store.read` gives them).

    Each codec is compared with the anchor on the images that both have at all of their points. Mean bpp and mean
    quality over those images make a point of a curve, two curves give a BD-rate, and the mean BD-rate over the
    corrupted conditions is the score. A codec that is not comparable under every one of them is listed without a rank.
    `bands` maps a corruption to "low", "medium" or "high". `on_curve` decides which points and images make a curve. The
    default anchor is jpeg2000, else jpeg, else the first codec of real rates. It is chosen among the codecs with a
    curve under every condition; if there are none, among those with any curve. The leaderboard has no intervals; see
    `intervals`.

    Raises NotComparable if there are no rows, rows of several sets, an anchor without a curve, or no curve at all.
    """
    sets = sorted(rows["set"].unique())
    if len(sets) != 1:
        raise NotComparable(f"a leaderboard ranks one set: choose one of {', '.join(sets)}" if sets else "no rows")
    tables = PointTables(rows, quality)
    anchor = _anchor(anchor, tables)
    rules = rules_of(tables.conditions, bands)
    shifted = [condition for condition in tables.conditions if condition != CLEAN_CONDITION]
    scored = shifted or [CLEAN_CONDITION]

    entries = []
    bd_rates: dict[tuple[str, Condition], BdRate] = {}
    inflations: dict[tuple[str, Condition], float] = {}
    psnr_clean: dict[tuple[str, Condition], float] = {}
    for codec in tables.codecs:
        status = tables.rows.loc[tables.rows["codec"] == codec, "status"]
        for condition in tables.conditions:
            bd_rates[codec, condition] = _bd_rate(tables, anchor, codec, condition)
        for condition in shifted:
            key = (codec, condition)
            inflations[key], psnr_clean[key] = _at_fixed_settings(tables, codec, condition, matched_bpp)
        values = estimates(codec, tables.conditions, bd_rates, inflations, psnr_clean)
        results = [bd_rates[codec, condition] for condition in scored]
        comparable = [result for result in results if not result.reason]
        reasons = Counter(result.reason for result in results if result.reason)
        entries.append(
            Entry(
                rank=None,
                codec=codec,
                **{
                    name: float(value[0])
                    for name, value in numbers(rules, np.isfinite(values), values[..., None]).items()
                },
                overlap=min((result.overlap for result in results if result.overlap >= 0), default=math.nan),
                conditions=len(comparable),
                n=min(int(tables.shared_images(anchor, codec, condition).sum()) for condition in tables.conditions),
                failed=int((status == "failed").sum()),
                skipped=int((status == "skipped").sum()),
                reason=reasons.most_common(1)[0][0] if reasons else "",
                gap_clean=_gap(tables, codec, CLEAN_CONDITION),
                gap=finite_mean(_gap(tables, codec, condition) for condition in shifted),
            )
        )
    return Leaderboard(
        set=sets[0],
        anchor=anchor,
        quality=quality,
        matched_bpp=matched_bpp,
        images=int(tables.rows["image"].nunique()),
        conditions=tables.conditions,
        entries=_ranked(entries),
        bd_rates=bd_rates,
        inflations=inflations,
        psnr_clean=psnr_clean,
        tails=_tails(tables, anchor, matched_bpp),
        aside=tables.aside,
    )


def _anchor(asked: str | None, tables: PointTables) -> str:
    ok = tables.rows[tables.rows["status"] == "ok"]
    points = ok.groupby("codec", sort=False)["point"].nunique()
    able = [str(codec) for codec in points.index[points >= MINIMUM_POINTS]]
    if asked is not None and asked not in able:
        raise NotComparable(f"{asked} has no rate curve here: expected an anchor among {', '.join(able) or 'none'}")
    if not able:
        raise NotComparable(f"no codec has the {MINIMUM_POINTS} points that a rate curve needs")
    whole = [codec for codec in able if all(tables.has_curve(codec, condition) for condition in tables.conditions)]
    able = whole or able
    measured = [codec for codec in able if not codec.partition("@")[0].endswith("-est")]
    return asked or next((codec for codec in ANCHORS if codec in able), (measured or able)[0])


def _bd_rate(tables: PointTables, anchor: str, codec: str, condition: Condition) -> BdRate:
    base, own = tables.table(anchor, condition), tables.table(codec, condition)
    images = base.complete & own.complete
    if images.any():
        curves = (Curve.through(_over(table.bpp, images), _over(table.quality, images)) for table in (base, own))
        return bd_rate(*curves)
    lacking = "it has" if not own.complete.any() else "the anchor has" if not base.complete.any() else "the two share"
    under = f"{condition[0]} at severity {condition[1]}" if condition[1] else "no corruption"
    reason = f"{lacking} no image that was measured at every point under {under}"
    return BdRate(math.nan, math.nan, reason)


def _at_fixed_settings(
    tables: PointTables, codec: str, condition: Condition, matched_bpp: float
) -> tuple[float, float]:
    """Return the rate inflation, and the PSNR against clean images at the setting matched on clean images."""
    images = tables.paired_images(codec, condition)
    if not images.any():
        return math.nan, math.nan
    shown, clean = tables.table(codec, condition), _over(tables.table(codec, CLEAN_CONDITION).bpp, images)
    psnr_clean = at_rate(matched_bpp, clean, _over(shown.psnr_clean, images))
    return inflation(clean, _over(shown.bpp, images)), psnr_clean


def _over(values: Floats, images: Mask) -> Floats:
    """Return the mean of each row of (points, images) over some of the images."""
    count = int(images.sum())
    return means(values[:, images], np.full((count, 1), 1 / count))[:, 0]


def _gap(tables: PointTables, codec: str, condition: Condition) -> float:
    """Return by how many percent the estimated rate exceeds the real one, NaN where either is missing."""
    estimate = estimate_of(codec)
    if estimate not in tables.codecs:
        return math.nan
    real = tables.table(codec, condition).bpp
    estimated = tables.rates(estimate, condition, tables.points[codec])
    both = ~np.isnan(real) & ~np.isnan(estimated)
    ratios = [
        estimated_row[images].mean() / real_row[images].mean()
        for real_row, estimated_row, images in zip(real, estimated, both, strict=True)
        if images.any()
    ]
    return 100 * (finite_mean(ratios) - 1)


def estimate_of(codec: str) -> str:
    """Return the name of the codec's rows with estimated rates: "NAME-est" or "ARCH-est@FILE"."""
    base, at, weights = codec.partition("@")
    return f"{base}-est{at}{weights}"


def _ranked(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries in order of score; those that lack a condition come last, without a rank."""
    entries = sorted(entries, key=lambda entry: (bool(entry.reason), math.isnan(entry.score), entry.score))
    return tuple(entry if entry.reason else replace(entry, rank=place) for place, entry in enumerate(entries, start=1))


def _tails(tables: PointTables, anchor: str, matched_bpp: float) -> dict[tuple[str, str], Tail]:
    """Return the worst cases of each codec; a case is one image under one corrupted condition."""
    weights = np.eye(len(tables.images))
    single = resample(tables, anchor, weights, matched_bpp=matched_bpp, minimum_overlap=MINIMUM_OVERLAP)
    shifted = [index for index, condition in enumerate(tables.conditions) if condition != CLEAN_CONDITION] or [0]
    cases = {"score": single.bd_rate, "inflation": np.exp(single.log_inflation), "psnr_clean": single.psnr_clean}
    return {
        (codec, name): tail(cases[name][index, shifted], worst)
        for index, codec in enumerate(tables.codecs)
        for name, worst in TAILS.items()
    }
