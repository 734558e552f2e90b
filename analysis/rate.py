"""Rate curves: what two of them say of each other, and where one codec meets a rate or a quality."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

MINIMUM_POINTS = 4
MINIMUM_OVERLAP = 0.3

Method = Literal["pchip", "akima"]
"""How a curve goes between its points: Fritsch and Butland's monotone cubic, which adds no bump, or Akima's."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Quality over rate, both rising: `bpp` and `quality` (dB) of the points worth having, cheapest first."""

    bpp: NDArray[np.float64]
    quality: NDArray[np.float64]

    @classmethod
    def through(cls, bpp: ArrayLike, quality: ArrayLike) -> Curve:
        """Return the curve through measured points: a point no better than a cheaper one is left out.

        This is the rule for curves that are not monotone. Of an encoder that spends more bits for a worse picture, no
        one would use that setting: what is compared is the frontier of the points, the best that can be had up to each
        rate. Of two points of one rate the better stays, of two of one quality the cheaper. Points whose rate or
        quality is not finite are left out too (a lossless point has no place on a rate curve).
        """
        rate, value = np.asarray(bpp, np.float64), np.asarray(quality, np.float64)
        finite = np.isfinite(rate) & np.isfinite(value) & (rate > 0)
        rate, value = rate[finite], value[finite]
        order = np.lexsort((-value, rate))
        rate, value = rate[order], value[order]
        best_before = np.maximum.accumulate(np.concatenate([[-np.inf], value[:-1]])) if len(value) else value
        worth = value > best_before
        return cls(rate[worth], value[worth])


@dataclass(frozen=True, slots=True)
class BdRate:
    """The mean difference in rate at equal quality, in percent: negative means fewer bits than the anchor.

    `overlap` is the share of the anchor's quality range that the other curve covers too: the one base on which the
    BD-rates of several codecs can be set side by side. Where the two cannot be compared, `percent` is NaN and `reason`
    says why.
    """

    percent: float
    overlap: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BdPsnr:
    """The mean difference in quality at equal rate, in dB: positive means better than the anchor.

    `overlap` is the share of the anchor's range of log rate that the other curve covers too. Where the two cannot be
    compared, `decibels` is NaN and `reason` says why.
    """

    decibels: float
    overlap: float
    reason: str = ""


def bd_rate(
    anchor: Curve, test: Curve, *, method: Method = "pchip", minimum_overlap: float = MINIMUM_OVERLAP
) -> BdRate:
    """Return the BD-rate of `test` against `anchor` over the qualities both reach, with no extrapolation.

    Bjontegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001, computed by the library
    `bjontegaard`: log rate interpolated over quality, piecewise cubic. Not comparable, with a reason, where a curve has
    fewer than four points or the overlap is below `minimum_overlap`.
    """
    overlap, reason = _overlap(anchor, test, "quality", minimum_overlap)
    return BdRate(math.nan if reason else _bjontegaard("bd_rate", anchor, test, method), overlap, reason)


def bd_psnr(
    anchor: Curve, test: Curve, *, method: Method = "pchip", minimum_overlap: float = MINIMUM_OVERLAP
) -> BdPsnr:
    """Return the BD-PSNR of `test` against `anchor` over the rates both reach, with no extrapolation.

    As `bd_rate` with the axes exchanged: quality interpolated over log rate. It is of whatever the curves are of: over
    curves of MS-SSIM in dB it is the difference of that.
    """
    overlap, reason = _overlap(anchor, test, "rate", minimum_overlap)
    return BdPsnr(math.nan if reason else _bjontegaard("bd_psnr", anchor, test, method), overlap, reason)


def _overlap(anchor: Curve, test: Curve, axis: Literal["rate", "quality"], minimum: float) -> tuple[float, str]:
    """Return the share of the anchor's range of log rate or quality that both cover, and why that will not do."""
    for name, curve in (("the anchor's", anchor), ("its own", test)):
        if len(curve.bpp) < MINIMUM_POINTS:
            return math.nan, f"{name} curve has {len(curve.bpp)} points, at least {MINIMUM_POINTS} are needed"
    base, own = (curve.quality if axis == "quality" else np.log(curve.bpp) for curve in (anchor, test))
    shared = min(base[-1], own[-1]) - max(base[0], own[0])
    overlap = float(max(0.0, shared) / (base[-1] - base[0]))
    if overlap < minimum or overlap == 0:
        wanted = f"at least {minimum:.0%}" if minimum > 0 else "some"
        return overlap, f"it shares {overlap:.0%} of the anchor's {axis} range, {wanted} is needed"
    return overlap, ""


def _bjontegaard(name: Literal["bd_rate", "bd_psnr"], anchor: Curve, test: Curve, method: Method) -> float:
    import bjontegaard  # noqa: PLC0415 - it imports matplotlib

    points = (anchor.bpp, anchor.quality, test.bpp, test.quality)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an overlap under 75 %; ours is checked above, and reported
        return float(getattr(bjontegaard, name)(*points, method, require_matching_points=False, min_overlap=0))


def shift_penalty(clean: BdRate, shifted: BdRate) -> float:
    """Return how much worse a codec compares under corruption than on clean images, in percentage points of BD-rate.

    Both against the same anchor. Positive means that the codec loses more to the corruption than the anchor does; NaN
    where either is not comparable.
    """
    return shifted.percent - clean.percent


def inflation(clean_bpp: ArrayLike, bpp: ArrayLike) -> float:
    """Return the rate on corrupted over that on clean images at one setting, the geometric mean over operating points.

    The two hold one rate per operating point; a point without both is left out. NaN where no point has both.
    """
    clean, shifted = np.asarray(clean_bpp, np.float64), np.asarray(bpp, np.float64)
    known = np.isfinite(clean) & np.isfinite(shifted) & (clean > 0) & (shifted > 0)
    return math.exp(np.log(shifted[known] / clean[known]).mean()) if known.any() else math.nan


def at_rate(target: float, clean_bpp: ArrayLike, values: ArrayLike) -> float:
    """Return `values`, one per operating point, at the setting whose rate on clean images is `target` bpp.

    Between two points of the ladder both the log of the rate and the value are taken as linear in the setting. NaN
    where the target is outside what the points span.
    """
    rate = np.asarray(clean_bpp, np.float64)
    return _at(target, np.where(rate > 0, rate, math.nan), values, np.log)


def at_quality(target: float, clean_quality: ArrayLike, values: ArrayLike) -> float:
    """Return `values`, one per operating point, at the setting whose quality on clean images is `target` dB.

    Between two points of the ladder both the quality and the value are taken as linear in the setting. NaN where the
    target is outside what the points span; a lossless point, of infinite quality, spans nothing.
    """
    return _at(target, np.asarray(clean_quality, np.float64), values, np.asarray)


def _at(
    target: float, places: NDArray[np.float64], values: ArrayLike, scale: Callable[[ArrayLike], NDArray[np.float64]]
) -> float:
    """Return the value at `target`, linear in `scale` between the points where place and value are finite."""
    value = np.asarray(values, np.float64)
    known = np.isfinite(places) & np.isfinite(value)
    order = np.argsort(places[known])
    places, value = places[known][order], value[known][order]
    if not len(places) or not places[0] <= target <= places[-1]:
        return math.nan
    return float(np.interp(scale(target), scale(places), value))
