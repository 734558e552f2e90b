"""Rows into a ranking: how many more bits than an anchor each codec needs once the images shift."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from .distortion import ms_ssim_db
from .rate import MINIMUM_POINTS, BdRate, Curve, at_rate, bd_rate

ANCHORS = ("jpeg2000", "jpeg")
"""What codecs are compared with unless another is asked for: the first of these that has a curve."""
MATCHED_BPP = 0.5
CLEAN = ("none", 0)

Quality = Literal["psnr", "ms_ssim"]
Condition = tuple[str, int]
"""A corruption and a severity."""


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
    images and over the corrupted conditions, the mean over points.
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
    codec with a curve that is not of estimated rates.

    Raises NotComparable for no rows, rows of several sets, an anchor without a curve, or no codec with one.
    """
    sets = sorted(rows["set"].unique())
    if len(sets) != 1:
        raise NotComparable(f"a leaderboard is of one set: choose one of {', '.join(sets)}" if sets else "no rows")
    grid = _Grid(rows, quality)
    anchor = _anchor(anchor, rows)
    shifted = [condition for condition in grid.conditions if condition != CLEAN]
    scored = shifted or [CLEAN]

    entries = []
    compared: dict[tuple[str, Condition], BdRate] = {}
    codecs: list[str] = rows["codec"].unique().tolist()
    for codec in codecs:
        status = rows.loc[rows["codec"] == codec, "status"]
        results, counts = {}, []
        for condition in grid.conditions:
            own, base = grid.images(codec, condition), grid.images(anchor, condition)
            images = own.intersection(base)
            counts.append(len(images))
            if images.empty:
                lacking = "it has" if own.empty else "the anchor has" if base.empty else "the two share"
                reason = f"{lacking} no image with rows at every point under {condition[0]}@{condition[1]}"
                results[condition] = BdRate(math.nan, math.nan, reason)
            else:
                curves = [grid.curve(one, condition, images) for one in (anchor, codec)]
                results[condition] = bd_rate(*curves)
        compared |= {(codec, condition): result for condition, result in results.items()}
        held = [grid.held(codec, condition, matched_bpp) for condition in shifted]
        sound = [results[condition] for condition in scored if not results[condition].reason]
        reasons = Counter(results[condition].reason for condition in scored if results[condition].reason)

        def mean_of(band: str, results: Mapping[Condition, BdRate] = results) -> float:
            return _mean(results[one].percent for one in shifted if bands.get(one[0]) == band)

        entries.append(
            Entry(
                rank=None,
                codec=codec,
                score=_mean(results[condition].percent for condition in scored),
                clean=results[CLEAN].percent if CLEAN in results else math.nan,
                low=mean_of("low"),
                medium=mean_of("medium"),
                high=mean_of("high"),
                inflation=math.exp(_mean(math.log(inflation) for inflation, _ in held)),
                psnr_clean=_mean(matched for _, matched in held),
                overlap=min((one.overlap for one in sound), default=math.nan),
                conditions=len(sound),
                n=min(counts),
                failed=int((status == "failed").sum()),
                skipped=int((status == "skipped").sum()),
                reason=reasons.most_common(1)[0][0] if reasons else "",
                gap_clean=grid.gap(codec, CLEAN),
                gap=_mean(grid.gap(codec, condition) for condition in shifted),
            )
        )
    return Leaderboard(
        set=sets[0],
        anchor=anchor,
        quality=quality,
        matched_bpp=matched_bpp,
        images=int(rows["image"].nunique()),
        conditions=tuple(grid.conditions),
        entries=_ranked(entries),
        bd_rates=compared,
    )


class _Grid:
    """Rows as tables of images x points, one per codec and condition, for means over any choice of images."""

    def __init__(self, rows: pd.DataFrame, quality: Quality) -> None:
        pairs = dict.fromkeys(zip(rows["corruption"], rows["severity"].astype(int), strict=True))
        self.conditions: list[Condition] = sorted(pairs, key=lambda pair: pair != CLEAN)
        ok = rows[rows["status"] == "ok"]
        ok = ok.assign(quality=ok["psnr"] if quality == "psnr" else ms_ssim_db(ok["ms_ssim"]))
        self._rows = dict(iter(ok.groupby(["codec", "corruption", "severity"])))
        self._cells: dict[tuple[str, str, Condition], pd.DataFrame] = {}

    def _cell(self, value: str, codec: str, condition: Condition) -> pd.DataFrame:
        """Return the images x points of one codec under one condition, as far as there are rows."""
        key = (value, codec, condition)
        if key not in self._cells:
            part = self._rows.get((codec, *condition))
            part = pd.DataFrame(columns=["image", "point", value]) if part is None else part
            self._cells[key] = part.pivot(index="image", columns="point", values=value)
        return self._cells[key]

    def images(self, codec: str, condition: Condition) -> pd.Index[str]:
        """Return the images that have a row at every point."""
        return self._cell("bpp", codec, condition).dropna().index

    def curve(self, codec: str, condition: Condition, images: pd.Index[str]) -> Curve:
        """Return the curve of the means over `images`."""
        means = [self._cell(value, codec, condition).reindex(images).mean() for value in ("bpp", "quality")]
        return Curve.through(means[0], means[1].reindex(means[0].index))

    def held(self, codec: str, condition: Condition, matched_bpp: float) -> tuple[float, float]:
        """Return the rate inflation, and PSNR against clean at the setting matched on clean images, in a condition."""
        images = self.images(codec, condition).intersection(self.images(codec, CLEAN))
        clean = self._cell("bpp", codec, CLEAN).reindex(images).mean()
        under = self._cell("bpp", codec, condition).reindex(images).mean().reindex(clean.index)
        quality = self._cell("psnr_clean", codec, condition).reindex(images).mean().reindex(clean.index)
        return math.exp(_mean(np.log(under / clean))), at_rate(matched_bpp, clean, quality)

    def gap(self, codec: str, condition: Condition) -> float:
        """Return by how many percent the estimated rate is above the real one, NaN where either is not there."""
        real, estimated = (self._cell("bpp", one, condition) for one in (codec, estimate_of(codec)))
        images, points = real.index.intersection(estimated.index), real.columns.intersection(estimated.columns)
        of_both = [table.reindex(index=images, columns=points) for table in (real, estimated)]
        together = of_both[0].notna() & of_both[1].notna()
        means = [table.where(together).mean() for table in of_both]
        return 100 * (_mean(means[1] / means[0]) - 1)


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
