"""Rate curves: what two of them say of each other, and where one codec meets a rate or a quality."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

MINIMUM_POINTS = 4
MINIMUM_OVERLAP = 0.3


@dataclass(frozen=True, slots=True)
class Curve:
    """Quality over rate, both rising: `bpp` and `quality` (dB) of the points worth having, cheapest first."""

    bpp: NDArray[np.float64]
    quality: NDArray[np.float64]

    @classmethod
    def through(cls, bpp: ArrayLike, quality: ArrayLike) -> Curve:
        """Return the curve through measured points: a point no better than a cheaper one is left out.

        So are points whose rate or quality is not finite (a lossless point has no place on a rate curve).
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


def bd_rate(
    anchor: Curve,
    test: Curve,
    *,
    method: Literal["pchip", "akima"] = "pchip",
    minimum_overlap: float = MINIMUM_OVERLAP,
) -> BdRate:
    """Return the BD-rate of `test` against `anchor` over the qualities both reach, with no extrapolation.

    Bjontegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001, computed by the library
    `bjontegaard`: log rate interpolated over quality, piecewise cubic. Not comparable, with a reason, where a curve has
    fewer than four points or the overlap is below `minimum_overlap`.
    """
    for name, curve in (("the anchor's", anchor), ("its own", test)):
        if len(curve.bpp) < MINIMUM_POINTS:
            reason = f"{name} curve has {len(curve.bpp)} points, at least {MINIMUM_POINTS} are needed"
            return BdRate(math.nan, math.nan, reason)
    shared = min(anchor.quality[-1], test.quality[-1]) - max(anchor.quality[0], test.quality[0])
    overlap = float(max(0.0, shared) / (anchor.quality[-1] - anchor.quality[0]))
    if overlap < minimum_overlap or overlap == 0:
        wanted = f"at least {minimum_overlap:.0%}" if minimum_overlap > 0 else "some"
        reason = f"it shares {overlap:.0%} of the anchor's quality range, {wanted} is needed"
        return BdRate(math.nan, overlap, reason)
    import bjontegaard  # noqa: PLC0415 - it imports matplotlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of an overlap under 75 %; ours is checked above, and reported
        percent = bjontegaard.bd_rate(
            anchor.bpp, anchor.quality, test.bpp, test.quality, method, require_matching_points=False, min_overlap=0
        )
    return BdRate(float(percent), overlap)


def at_rate(target: float, clean_bpp: ArrayLike, values: ArrayLike) -> float:
    """Return `values`, one per operating point, at the setting whose rate on clean images is `target` bpp.

    Between two points of the ladder both the log of the rate and the value are taken as linear in the setting. NaN
    where the target is outside what the points span.
    """
    rate, value = np.asarray(clean_bpp, np.float64), np.asarray(values, np.float64)
    known = np.isfinite(rate) & np.isfinite(value) & (rate > 0)
    order = np.argsort(rate[known])
    rate, value = rate[known][order], value[known][order]
    if not len(rate) or not rate[0] <= target <= rate[-1]:
        return math.nan
    return float(np.interp(math.log(target), np.log(rate), value))
