"""Rows as tables of operating points x images, for means over any choice or weighting of images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..conditions import CLEAN_CONDITION, Condition
from ..distortion import on_axis
from ..rate import MINIMUM_POINTS
from .on_curve import set_aside, with_curves

Quality = Literal["psnr", "ms_ssim"]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_VALUES = ("bpp", "quality", "psnr_clean")


@dataclass(frozen=True, slots=True)
class PointTable:
    """One codec under one condition: bpp, quality and PSNR against clean in dB, each of shape (points, images).

    NaN where there is no row. `complete` marks the images with a row at every point that any image has.
    """

    bpp: Floats
    quality: Floats
    psnr_clean: Floats
    complete: Mask


class PointTables:
    """The tables of every codec and condition of one set's rows (columns as `benchmark.store.read` gives them).

    Only rows on a curve count, under conditions with curves: they are `rows`, and `aside` describes the others (see
    `on_curve`). `images` are sorted by name, so that the order of the rows changes nothing;
    `conditions` and `codecs` are in the order of the rows, clean images first; `points` are the names of a codec's
    points, the rows of its tables. Quality is on the axis of `on_axis`.
    """

    def __init__(self, rows: pd.DataFrame, quality: Quality) -> None:
        self.codecs: tuple[str, ...] = tuple(map(str, rows["codec"].unique()))
        every, rows = rows, with_curves(rows)
        self.rows, self.aside = rows, set_aside(every, rows)
        pairs = dict.fromkeys(zip(rows["corruption"], rows["severity"].astype(int), strict=True))
        self.conditions: tuple[Condition, ...] = tuple(sorted(pairs, key=lambda pair: pair != CLEAN_CONDITION))
        ok = rows[rows["status"] == "ok"]
        self.images: tuple[str, ...] = tuple(sorted(ok["image"].unique()))
        number = {condition: index for index, condition in enumerate(self.conditions)}
        pair_of = pd.Series(
            zip(ok["corruption"], ok["severity"].astype(int), strict=True), index=ok.index, dtype=object
        )
        ok = ok.assign(
            quality=on_axis(ok[quality], quality),
            condition=pair_of.map(number),
            image=pd.Categorical(ok["image"], self.images).codes,
        )
        parts = dict(iter(ok.groupby("codec", sort=False)))
        self.points: dict[str, tuple[str, ...]] = {}
        self._tables: dict[tuple[str, Condition], PointTable] = {}
        for codec in self.codecs:
            part = parts.get(codec, ok.iloc[:0])
            place, names = pd.factorize(part["point"], sort=True)
            self.points[codec] = tuple(names)
            shape = (len(self.conditions), len(names), len(self.images))
            values = {name: np.full(shape, np.nan) for name in _VALUES}
            at = (part["condition"].to_numpy(np.intp), place, part["image"].to_numpy(np.intp))
            for name, array in values.items():
                array[at] = part[name].to_numpy(np.float64)
            known = ~np.isnan(values["bpp"])
            wanted = known.any(axis=2, keepdims=True)
            complete = (known | ~wanted).all(axis=1) & wanted.any(axis=1)
            for index, condition in enumerate(self.conditions):
                bpp, decibels, against_clean = (values[name][index] for name in _VALUES)
                self._tables[codec, condition] = PointTable(bpp, decibels, against_clean, complete[index])

    def table(self, codec: str, condition: Condition) -> PointTable:
        """Return the table of one codec under one condition."""
        return self._tables[codec, condition]

    def has_curve(self, codec: str, condition: Condition) -> bool:
        """Return whether a codec was measured at enough points for a curve under a condition."""
        known = ~np.isnan(self.table(codec, condition).bpp)
        return bool(known.any(axis=1).sum() >= MINIMUM_POINTS)

    def shared_images(self, anchor: str, codec: str, condition: Condition) -> Mask:
        """Return the images that codec and anchor both have at all of their points."""
        return self.table(codec, condition).complete & self.table(anchor, condition).complete

    def paired_images(self, codec: str, condition: Condition) -> Mask:
        """Return the images that a codec has at all its points, corrupted and clean; none if `condition` is clean."""
        if condition == CLEAN_CONDITION or CLEAN_CONDITION not in self.conditions:
            return np.zeros(len(self.images), np.bool_)
        return self.table(codec, condition).complete & self.table(codec, CLEAN_CONDITION).complete

    def rates(self, codec: str, condition: Condition, points: Iterable[str]) -> Floats:
        """Return the bpp of the points named, shape (points, images), NaN where there is no row."""
        by_point = dict(zip(self.points[codec], self._tables[codec, condition].bpp, strict=True))
        absent = np.full(len(self.images), np.nan)
        return np.array([by_point.get(name, absent) for name in points]).reshape(-1, len(self.images))


def shares(weights: Floats) -> Floats:
    """Return weights of shape (images, resamples) as shares of their resample, NaN in a resample without any weight."""
    with np.errstate(invalid="ignore"):
        return np.asarray(weights / weights.sum(axis=0))


def means(values: Floats, shares: Floats) -> Floats:
    """Return the weighted means of each row of (points, images), by shares (images, resamples): (points, resamples).

    NaN values are left out, and a mean over nothing is NaN. An infinite value with a share makes the mean infinite.
    """
    finite = np.isfinite(values)
    if finite.all():
        return np.asarray(values @ shares)
    infinite = np.isposinf(values) @ shares > 0
    with np.errstate(invalid="ignore"):
        weighted = np.where(finite, values, 0) @ shares / (~np.isnan(values) @ shares)
    return np.where(infinite, np.inf, weighted)
