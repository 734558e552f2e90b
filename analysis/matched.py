"""Codecs at matched operating points: what each takes and keeps at one point once the images shift."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

CLEAN = ("none", 0)
OVERALL = "corrupted"
"""The name of the mean over all corrupted conditions, beside "clean" and the bands."""


@dataclass(frozen=True, slots=True)
class Held:
    """A codec's point that is held under corruption; `target` says what it was chosen for, "" that it was not."""

    target: str
    codec: str
    point: str


@dataclass(frozen=True, slots=True)
class Line:
    """One codec at one point, over clean images, the corruptions of a band, or all of them; NaN is not known.

    `bpp`, `psnr` (dB) and `ms_ssim` are means over images, then over conditions; a lossless image is in no mean of
    decibels. `psnr` and `ms_ssim` compare with the image the codec was given, the others with the clean one.
    `inflation` is mean bpp on corrupted over mean bpp on clean images, the geometric mean over conditions. `n` is the
    number of images in the condition with the fewest: those that every codec of the target has there.
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


def under_corruption(rows: pd.DataFrame, bands: Mapping[str, str], held: Sequence[Held]) -> list[Line]:
    """Return the lines of one set's rows (columns as `benchmark.store.read` gives them), target by target.

    Points held for no target stand beside those of every target. Within a target and a condition, codecs are compared
    on the images that all of them have there; a codec with none has no line. `bands` maps a corruption to "low",
    "medium" or "high"; others count in the mean over all of them only.
    """
    conditions = sorted(
        {(str(name), int(severity)) for name, severity in zip(rows["corruption"], rows["severity"], strict=True)},
        key=lambda one: (one != CLEAN, one),
    )
    shifted = [one for one in conditions if one != CLEAN]
    groups = {"clean": [one for one in conditions if one == CLEAN]}
    groups |= {band: [one for one in shifted if bands.get(one[0]) == band] for band in ("low", "medium", "high")}
    groups |= {OVERALL: shifted}
    table = rows.set_index(["codec", "point", "corruption", "severity"]).sort_index()
    lines = []
    for target in dict.fromkeys(one.target for one in held if one.target):
        side_by_side = [one for one in held if one.target == target] + [one for one in held if not one.target]
        cells = {condition: _cells(table, side_by_side, condition) for condition in conditions}
        for over, wanted in groups.items():
            for one in side_by_side:
                found = [cells[condition][one] for condition in wanted if one in cells[condition]]
                if found:
                    lines.append(_line(target, over, one, found))
    return lines


@dataclass(frozen=True, slots=True)
class Near:
    """The point of a codec that is nearest a rate on clean images: what it takes there, and the PSNR in dB it gives."""

    codec: str
    point: str
    bpp: float
    psnr: float


def nearest_to(target: float, rows: pd.DataFrame, *, within: float = 2.0) -> dict[str, Near]:
    """Return each codec's point whose mean rate on clean images is nearest `target` bpp, by ratio.

    Of a codec's points, those that were measured under the most conditions are looked at, without lossless ones. A
    codec has none where all are further off than a factor of `within`. Means are over the images of one set that came
    through, `rows` as `benchmark.store.read` gives them.
    """
    ok = rows[(rows["status"] == "ok") & np.isfinite(rows["psnr"])]
    conditions = ok[["codec", "point", "corruption", "severity"]].drop_duplicates().groupby(["codec", "point"]).size()
    clean = ok[ok["corruption"] == CLEAN[0]].groupby(["codec", "point"], sort=False)[["bpp", "psnr"]].mean()
    table = clean.assign(conditions=conditions, off=np.abs(np.log(clean["bpp"] / target))).reset_index()
    found = {}
    for codec, points in table.groupby("codec", sort=False):
        able = points[(points["conditions"] == conditions[codec].max()) & (points["off"] <= math.log(within))]
        if len(able):
            best = able.loc[able["off"].idxmin()]
            found[str(codec)] = Near(str(codec), str(best["point"]), float(best["bpp"]), float(best["psnr"]))
    return found


@dataclass(frozen=True, slots=True)
class _Cell:
    n: int
    failed: int
    means: Mapping[str, float]
    inflation: float


_MEANS = ("bpp", "psnr", "psnr_clean", "ms_ssim", "ms_ssim_clean")


def _cells(table: pd.DataFrame, held: Iterable[Held], condition: tuple[str, int]) -> dict[Held, _Cell]:
    """Return the means of each codec under one condition, over the images that all of them have there."""
    found = {one: _rows(table, one, condition) for one in held}
    able = {one: part[part["status"] == "ok"].set_index("image") for one, part in found.items()}
    shared: pd.Index[str] | None = None
    for part in able.values():
        if len(part):
            shared = part.index if shared is None else shared.intersection(part.index)
    cells = {}
    for one, part in found.items():
        if not len(part):
            continue
        images = able[one].index if shared is None else shared
        ok = able[one].reindex(images) if len(able[one]) else able[one]
        clean = _rows(table, one, CLEAN)
        reference = clean[clean["status"] == "ok"].set_index("image")["bpp"].reindex(ok.index)
        paired = reference.notna()
        inflation = ok["bpp"][paired].mean() / reference[paired].mean() if paired.any() else math.nan
        means = {name: _mean(ok[name]) for name in _MEANS}
        cells[one] = _Cell(len(ok), int((part["status"] != "ok").sum()), means, float(inflation))
    return cells


def _rows(table: pd.DataFrame, held: Held, condition: tuple[str, int]) -> pd.DataFrame:
    place = (held.codec, held.point, *condition)
    return table.loc[[place]] if place in table.index else table.iloc[:0]


def _line(target: str, over: str, held: Held, cells: Sequence[_Cell]) -> Line:
    inflations = [math.log(cell.inflation) for cell in cells if cell.inflation > 0]
    return Line(
        target=target,
        over=over,
        codec=held.codec,
        point=held.point,
        conditions=len(cells),
        n=min(cell.n for cell in cells),
        failed=sum(cell.failed for cell in cells),
        inflation=math.exp(_mean(inflations)),
        **{name: _mean([cell.means[name] for cell in cells]) for name in _MEANS},
    )


def _mean(values: Iterable[float]) -> float:
    """Return the mean of the finite values, NaN if there is none."""
    finite = np.asarray(list(values), np.float64)
    finite = finite[np.isfinite(finite)]
    return math.fsum(finite) / len(finite) if len(finite) else math.nan
