"""Rate curves: the BD-rate between two of them, rate inflation, and values at a matched rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MINIMUM_POINTS = 4
MINIMUM_OVERLAP = 0.3


@dataclass(frozen=True, slots=True)
class Curve:
    """Quality over rate, both rising: `bpp` and `quality` (dB) of the points on the frontier, cheapest first."""

    bpp: NDArray[np.float64]
    quality: NDArray[np.float64]

    @classmethod
    def through(cls, bpp: ArrayLike, quality: ArrayLike) -> Curve:
        """Return the curve through measured points: a point no better than a cheaper one is left out.

        This makes every curve monotone: no one would use a setting that spends more bits on a worse picture, so the
        curve is the frontier of the points, the best quality up to each rate. Of two points with the same rate the
        better one is kept, of two points with the same quality the cheaper one. Points whose rate or quality is not
        finite are left out too, so a lossless point is never on a rate curve.
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

    `overlap` is the share of the anchor's quality range that the other curve covers too; BD-rates of several codecs
    are comparable only if their overlaps are similar. If the two curves cannot be compared, `percent` is NaN and
    `reason` says why.
    """

    percent: float
    overlap: float
    reason: str = ""


def bd_rate(anchor: Curve, test: Curve, *, minimum_overlap: float = MINIMUM_OVERLAP) -> BdRate:
    """Return the BD-rate of `test` against `anchor` over the qualities that both reach, without extrapolation.

    Bjontegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001, with log rate interpolated
    over quality by Fritsch and Butland's monotone cubics (PCHIP). The library `bjontegaard` gives the same values, but
    imports Matplotlib. Curves are not comparable, and `reason` is set, if one has fewer than four points or the overlap
    is below `minimum_overlap`.
    """
    overlap, reason = _overlap(anchor, test, minimum_overlap)
    if reason:
        return BdRate(math.nan, overlap, reason)
    low, high = max(anchor.quality[0], test.quality[0]), min(anchor.quality[-1], test.quality[-1])
    difference = _integral(test, low, high) - _integral(anchor, low, high)
    return BdRate(100 * math.expm1(difference / (high - low)), overlap)


def _overlap(anchor: Curve, test: Curve, minimum: float) -> tuple[float, str]:
    """Return the share of the anchor's quality range that both cover, and why it is too little, "" if it suffices."""
    for name, curve in (("the anchor's", anchor), ("its own", test)):
        if len(curve.bpp) < MINIMUM_POINTS:
            return math.nan, f"{name} curve has {len(curve.bpp)} points, at least {MINIMUM_POINTS} are needed"
    base, own = anchor.quality, test.quality
    shared = min(base[-1], own[-1]) - max(base[0], own[0])
    overlap = float(max(0.0, shared) / (base[-1] - base[0]))
    if overlap < minimum or overlap == 0:
        wanted = f"at least {minimum:.0%}" if minimum > 0 else "some"
        return overlap, f"it shares {overlap:.0%} of the anchor's quality range, {wanted} is needed"
    return overlap, ""


def _integral(curve: Curve, low: float, high: float) -> float:
    """Return the integral of log rate over quality between two qualities on a curve."""
    from scipy.interpolate import PchipInterpolator  # noqa: PLC0415 - importing a room is free

    return float(PchipInterpolator(curve.quality, np.log(curve.bpp)).integrate(low, high))


def inflation(clean_bpp: ArrayLike, bpp: ArrayLike) -> NDArray[np.float64]:
    """Return the rate on corrupted images divided by that on clean images, the geometric mean over operating points.

    Both arguments have shape (..., points); a point that lacks one of its rates is left out. NaN if no point has both.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(np.asarray(bpp, np.float64) / np.asarray(clean_bpp, np.float64))
        known = np.isfinite(logs)
        return np.asarray(np.exp(np.where(known, logs, 0).sum(axis=-1) / known.sum(axis=-1)), np.float64)


def at_rate(target: float, bpp: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` at the setting whose rate is `target` bpp; `bpp` and `values` have shape (..., points).

    Between two points of the ladder, the log of the rate and the value are taken as linear in the setting. Points whose
    rate or value is not finite are left out. NaN if the target is outside the range of the points.
    """
    rate, value = np.asarray(bpp, np.float64), np.asarray(values, np.float64)
    known = np.isfinite(rate) & np.isfinite(value) & (rate > 0)
    if not rate.shape[-1]:
        return np.full(rate.shape[:-1], np.nan)
    below = np.where(known & (rate < target), rate, -np.inf)
    above = np.where(known & (rate >= target), rate, np.inf)
    lower, upper = below.argmax(axis=-1)[..., np.newaxis], above.argmin(axis=-1)[..., np.newaxis]
    low, high, first, second = (
        np.take_along_axis(table, place, axis=-1)[..., 0]
        for table, place in ((below, lower), (above, upper), (value, lower), (value, upper))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        between = first + np.log(target / low) / np.log(high / low) * (second - first)
    return np.where(high == target, second, np.where(np.isfinite(low) & np.isfinite(high), between, np.nan))
