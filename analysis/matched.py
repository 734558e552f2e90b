"""Codecs at matched operating points: the rate and fidelity of each at one fixed point under corruption."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .conditions import CLEAN, CLEAN_CONDITION, Condition, by_band
from .statistics import finite_mean

MATCHED_BPP = 0.5
"""The default rate on clean images at which codecs are compared."""
OVERALL = "corrupted"
"""The name of the mean over all corrupted conditions, beside "clean" and the bands."""


@dataclass(frozen=True, slots=True)
class MatchedPoint:
    """A codec's point, kept fixed under corruption; `target` is what it was chosen to match, "" if it was given."""

    target: str
    codec: str
    point: str


@dataclass(frozen=True, slots=True)
class MatchedLine:
    """One codec at one point, over clean images, the corruptions of a band, or all corruptions; NaN where unknown.

    `bpp`, `psnr` (dB) and `ms_ssim` are means over images, then over conditions; a lossless image is left
    out of means in decibels. `psnr` and `ms_ssim` compare with the image the codec was given, `psnr_clean` and
    `ms_ssim_clean` with the clean image. `inflation` is mean bpp on corrupted images divided by mean bpp on clean
    images, a geometric mean over conditions. `n` is the number of images in the condition with the fewest, counting
    those that every codec of the target has.
    """

    target: str
    over: str
    codec: str
    point: str
    conditions: int
    n: int
    failed: int
    bpp: float
    inflation: float
    psnr: float
    psnr_clean: float
    ms_ssim: float
    ms_ssim_clean: float


def under_corruption(rows: pd.DataFrame, bands: Mapping[str, str], points: Sequence[MatchedPoint]) -> list[MatchedLine]:
    """Return the lines of one set's rows (columns as `benchmark.store.read` gives them), target by target.

    Points without a target are listed with those of every target. Within a target and a condition, codecs are compared
    on the images that all of them have; a codec without images has no line. `bands` maps a corruption to "low",
    "medium" or "high"; other corruptions count only in the mean over all of them.
    """
    conditions = sorted(
        {(str(name), int(severity)) for name, severity in zip(rows["corruption"], rows["severity"], strict=True)},
        key=lambda condition: (condition != CLEAN_CONDITION, condition),
    )
    groups = by_band(conditions, bands, OVERALL)
    table = rows.set_index(["codec", "point", "corruption", "severity"]).sort_index()
    lines = []
    for target in dict.fromkeys(point.target for point in points if point.target):
        compared = [point for point in points if point.target == target]
        compared += [point for point in points if not point.target]
        measured = {condition: _measured(table, compared, condition) for condition in conditions}
        for over, members in groups.items():
            for point in compared:
                parts = [measured[condition][point] for condition in members if point in measured[condition]]
                if parts:
                    lines.append(_line(target, over, point, parts))
    return lines


@dataclass(frozen=True, slots=True)
class Near:
    """The point of a codec that is nearest a rate on clean images, with its bpp and PSNR in dB there."""

    codec: str
    point: str
    bpp: float
    psnr: float


def nearest_to(target: float, rows: pd.DataFrame, *, within: float = 2.0) -> dict[str, Near]:
    """Return each codec's point whose mean rate on clean images is nearest `target` bpp, by ratio.

    Only the lossy points of a codec that were measured under the most conditions are considered. A codec is left out if
    all of them are further off than a factor of `within`. `rows` are of one set, as `benchmark.store.read` gives them;
    means are over its images without failures.
    """
    ok = rows[(rows["status"] == "ok") & np.isfinite(rows["psnr"])]
    conditions = ok[["codec", "point", "corruption", "severity"]].drop_duplicates().groupby(["codec", "point"]).size()
    clean = ok[ok["corruption"] == CLEAN].groupby(["codec", "point"], sort=False)[["bpp", "psnr"]].mean()
    table = clean.assign(conditions=conditions, off=np.abs(np.log(clean["bpp"] / target))).reset_index()
    nearest = {}
    for codec, points in table.groupby("codec", sort=False):
        able = points[(points["conditions"] == conditions[codec].max()) & (points["off"] <= math.log(within))]
        if len(able):
            best = able.loc[able["off"].idxmin()]
            nearest[str(codec)] = Near(str(codec), str(best["point"]), float(best["bpp"]), float(best["psnr"]))
    return nearest


def at_points(rows: pd.DataFrame, points: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Return the rows of some points, each given as (codec, point)."""
    wanted = set(points)
    return rows[np.array([point in wanted for point in zip(rows["codec"], rows["point"], strict=True)], np.bool_)]


@dataclass(frozen=True, slots=True)
class _Measured:
    """One point under one condition: its images, its failures, and its means over images."""

    n: int
    failed: int
    means: Mapping[str, float]
    inflation: float


_MEANS = ("bpp", "psnr", "psnr_clean", "ms_ssim", "ms_ssim_clean")


def _measured(
    table: pd.DataFrame, points: Iterable[MatchedPoint], condition: Condition
) -> dict[MatchedPoint, _Measured]:
    """Return the means of each point under one condition, over the images that all points have there."""
    parts = {point: _rows(table, point, condition) for point in points}
    able = {point: part[part["status"] == "ok"].set_index("image") for point, part in parts.items()}
    shared: pd.Index[str] | None = None
    for part in able.values():
        if len(part):
            shared = part.index if shared is None else shared.intersection(part.index)
    measured = {}
    for point, part in parts.items():
        if not len(part):
            continue
        images = able[point].index if shared is None else shared
        ok = able[point].reindex(images) if len(able[point]) else able[point]
        clean = _rows(table, point, CLEAN_CONDITION)
        reference = clean[clean["status"] == "ok"].set_index("image")["bpp"].reindex(ok.index)
        paired = reference.notna()
        inflation = ok["bpp"][paired].mean() / reference[paired].mean() if paired.any() else math.nan
        means = {name: finite_mean(ok[name]) for name in _MEANS}
        measured[point] = _Measured(len(ok), int((part["status"] != "ok").sum()), means, float(inflation))
    return measured


def _rows(table: pd.DataFrame, point: MatchedPoint, condition: Condition) -> pd.DataFrame:
    key = (point.codec, point.point, *condition)
    return table.loc[[key]] if key in table.index else table.iloc[:0]


def _line(target: str, over: str, point: MatchedPoint, parts: Sequence[_Measured]) -> MatchedLine:
    inflations = [math.log(measured.inflation) for measured in parts if measured.inflation > 0]
    return MatchedLine(
        target=target,
        over=over,
        codec=point.codec,
        point=point.point,
        conditions=len(parts),
        n=min(measured.n for measured in parts),
        failed=sum(measured.failed for measured in parts),
        inflation=math.exp(finite_mean(inflations)),
        **{name: finite_mean(measured.means[name] for measured in parts) for name in _MEANS},
    )
