"""Rows as tables of operating points x images, one for each codec and condition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..conditions import CLEAN_CONDITION, Condition
from ..measures.axis import axis
from .on_curve import set_aside, with_curves

Quality = str
"""The name of a measure that the rows have a column of."""
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_FAILED = 0.05
"""The largest share of its rows that a ranked codec may have failed on."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """One codec under one condition: bpp, quality and PSNR against clean in dB, each of shape (points, images).

    A value is NaN where there is no row, or the row failed. `measured` marks the images that have a row, failed or not.
    """

    points: tuple[str, ...]
    bpp: Floats
    quality: Floats
    psnr_clean: Floats
    measured: Mask

    @property
    def curve(self) -> Mask:
        """The points on the curve: those with a row that are lossless on no image."""
        return np.asarray(~np.isnan(self.bpp).all(axis=1) & ~np.isinf(self.quality).any(axis=1), np.bool_)

    def complete(self, points: Mask) -> Mask:
        """Return the images that were coded at all of these points."""
        return np.asarray(~np.isnan(self.bpp[points]).any(axis=0), np.bool_) & points.any()


@dataclass(frozen=True, slots=True)
class Failures:
    """How much of a codec failed: the share of its rows, and the conditions with a failed row among all it has."""

    share: float
    conditions: int
    of: int


class Ladders:
    """The ladders of one set's rows (columns as `benchmark.store.read` gives them), by codec and condition.

    Rows that were coded but have no value of the measure are left out: it was not asked for, or the image is too small.
    Of the others, only rows on a curve count, under conditions with curves: they are `rows`, and `aside` describes the
    rest (see `on_curve`). `images` are sorted by name, so that the order of the rows changes nothing; `conditions` and
    `codecs` are in the order of the rows, clean images first; `lossless` are the codecs without loss. Quality is on the
    axis of its measure, and infinite for an image that came back unchanged.
    """

    def __init__(self, rows: pd.DataFrame, quality: Quality) -> None:
        self.codecs: tuple[str, ...] = tuple(map(str, rows["codec"].unique()))
        self.lossless = lossless_codecs(rows)
        valued = rows[(rows["status"] != "ok") | rows[quality].notna()]
        rows = with_curves(valued)
        self.rows, self.aside = rows, set_aside(valued, rows)
        pairs = dict.fromkeys(zip(rows["corruption"], rows["severity"].astype(int), strict=True))
        self.conditions: tuple[Condition, ...] = tuple(sorted(pairs, key=lambda pair: pair != CLEAN_CONDITION))
        self.images: tuple[str, ...] = tuple(sorted(rows["image"].unique()))
        rows = rows.assign(
            quality=_on_axis(rows, quality),
            bpp=rows["bpp"].where(rows["status"] == "ok"),
            image=pd.Categorical(rows["image"], self.images).codes,
        )
        self._ladders: dict[tuple[str, Condition], Ladder] = {}
        for (codec, corruption, severity), part in rows.groupby(["codec", "corruption", "severity"], sort=False):
            self._ladders[str(codec), (str(corruption), int(str(severity)))] = _ladder(part, len(self.images))
        nothing = np.empty((0, len(self.images)))
        self._nothing = Ladder((), nothing, nothing, nothing, np.zeros(len(self.images), np.bool_))
        self.failures: dict[str, Failures] = {codec: _failures(rows[rows["codec"] == codec]) for codec in self.codecs}

    def of(self, codec: str, condition: Condition) -> Ladder:
        """Return the ladder of one codec under one condition, without points if there are no rows."""
        return self._ladders.get((codec, condition), self._nothing)


def _on_axis(rows: pd.DataFrame, quality: Quality) -> Floats:
    """Return the quality of rows on the axis of the measure, infinite where nothing was lost, NaN where unknown."""
    values = np.where(rows["status"] == "ok", axis(quality, rows[quality]), np.nan)
    return np.where(np.isposinf(rows["psnr"]) & ~np.isnan(values), np.inf, values)


def _ladder(rows: pd.DataFrame, images: int) -> Ladder:
    place, names = pd.factorize(rows["point"], sort=True)
    image = rows["image"].to_numpy(np.intp)
    bpp, quality, psnr_clean = (np.full((len(names), images), np.nan) for _ in range(3))
    for name, table in (("bpp", bpp), ("quality", quality), ("psnr_clean", psnr_clean)):
        table[place, image] = rows[name].to_numpy(np.float64)
    measured = np.zeros(images, np.bool_)
    measured[image] = True
    return Ladder(tuple(map(str, names)), bpp, quality, psnr_clean, measured)


def _failures(rows: pd.DataFrame) -> Failures:
    failed = rows["status"] != "ok"
    by_condition = failed.groupby([rows["corruption"], rows["severity"]]).any()
    return Failures(float(failed.mean()) if len(rows) else 0.0, int(by_condition.sum()), len(by_condition))


def lossless_codecs(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the codecs that returned every image unchanged (columns as `benchmark.store.read` gives them)."""
    ok = rows[rows["status"] == "ok"]
    unchanged = ok["psnr"].eq(np.inf).groupby(ok["codec"], sort=False).all()
    return tuple(map(str, unchanged.index[unchanged]))


def estimate_of(codec: str) -> str:
    """Return the name of the codec's rows with estimated rates: "NAME-est" or "ARCH-est@FILE"."""
    base, at, weights = codec.partition("@")
    return f"{base}-est{at}{weights}"


def is_estimate(codec: str) -> bool:
    """Return whether a codec's rates are estimated from likelihoods instead of measured."""
    return codec.partition("@")[0].endswith("-est")
