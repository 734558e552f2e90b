"""Rows as tables of operating points x images, for means over any choice or weighting of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..distortion import ms_ssim_db

CLEAN = ("none", 0)

Quality = Literal["psnr", "ms_ssim"]
Condition = tuple[str, int]
"""A corruption and a severity."""
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_VALUES = ("bpp", "quality", "psnr_clean")


@dataclass(frozen=True, slots=True)
class Cell:
    """One codec under one condition: bpp, quality and PSNR against clean in dB, each of shape (points, images).

    NaN where there is no row. `complete` are the images with a row at every point that any image has.
    """

    bpp: Floats
    quality: Floats
    psnr_clean: Floats
    complete: Mask


class Grid:
    """Everything that was measured of one set's rows (columns as `benchmark.store.read` gives them).

    `images` are in the order of their names, so that the order of the rows changes nothing; `conditions` and `codecs`
    in that of the rows, clean images first. MS-SSIM is in dB, image by image.
    """

    def __init__(self, rows: pd.DataFrame, quality: Quality) -> None:
        pairs = dict.fromkeys(zip(rows["corruption"], rows["severity"].astype(int), strict=True))
        self.conditions: tuple[Condition, ...] = tuple(sorted(pairs, key=lambda pair: pair != CLEAN))
        self.codecs: tuple[str, ...] = tuple(map(str, rows["codec"].unique()))
        ok = rows[rows["status"] == "ok"]
        self.images: tuple[str, ...] = tuple(sorted(ok["image"].unique()))
        number = {condition: place for place, condition in enumerate(self.conditions)}
        which = pd.Series(zip(ok["corruption"], ok["severity"].astype(int), strict=True), index=ok.index, dtype=object)
        ok = ok.assign(
            quality=ok["psnr"] if quality == "psnr" else ms_ssim_db(ok["ms_ssim"]),
            condition=which.map(number),
            image=pd.Categorical(ok["image"], self.images).codes,
        )
        parts = dict(iter(ok.groupby("codec", sort=False)))
        self._points: dict[str, tuple[str, ...]] = {}
        self._cells: dict[tuple[str, Condition], Cell] = {}
        for codec in self.codecs:
            part = parts.get(codec, ok.iloc[:0])
            place, names = pd.factorize(part["point"], sort=True)
            self._points[codec] = tuple(names)
            shape = (len(self.conditions), len(names), len(self.images))
            values = {name: np.full(shape, np.nan) for name in _VALUES}
            at = (part["condition"].to_numpy(np.intp), place, part["image"].to_numpy(np.intp))
            for name, table in values.items():
                table[at] = part[name].to_numpy(np.float64)
            there = ~np.isnan(values["bpp"])
            wanted = there.any(axis=2, keepdims=True)
            complete = (there | ~wanted).all(axis=1) & wanted.any(axis=1)
            for index, condition in enumerate(self.conditions):
                bpp, decibels, against_clean = (values[name][index] for name in _VALUES)
                self._cells[codec, condition] = Cell(bpp, decibels, against_clean, complete[index])

    def cell(self, codec: str, condition: Condition) -> Cell:
        """Return what was measured of one codec under one condition."""
        return self._cells[codec, condition]

    def rates(self, codec: str, condition: Condition, points: Iterable[str]) -> Floats:
        """Return the bpp of the points named, shape (points, images), NaN where there is no row."""
        held = dict(zip(self._points[codec], self._cells[codec, condition].bpp, strict=True))
        absent = np.full(len(self.images), np.nan)
        return np.array([held.get(name, absent) for name in points]).reshape(-1, len(self.images))

    def points(self, codec: str) -> Sequence[str]:
        """Return the names of a codec's points, those of the tables' rows."""
        return self._points[codec]


def shares(weights: Floats) -> Floats:
    """Return weights of shape (images, resamples) as shares of their resample, NaN in a resample without any weight."""
    with np.errstate(invalid="ignore"):
        return np.asarray(weights / weights.sum(axis=0))


def means(table: Floats, shares: Floats) -> Floats:
    """Return the means of each row of (points, images) over images, by (images, resamples): (points, resamples).

    A value that is NaN is in no mean, and a mean over nothing is NaN. One that is infinite makes the mean infinite,
    where it has a share.
    """
    finite = np.isfinite(table)
    if finite.all():
        return np.asarray(table @ shares)
    infinite = np.isposinf(table) @ shares > 0
    with np.errstate(invalid="ignore"):
        found = np.where(finite, table, 0) @ shares / (~np.isnan(table) @ shares)
    return np.where(infinite, np.inf, found)
