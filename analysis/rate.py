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


MOST_LOOKS = 16
"""How many values `nearest` looks at before it takes the best of them; on a smooth curve it needs four to seven."""

FINEST = 1e-3
"""The part of a value that is not divided further, on a dial without steps: an encoder may jump over the target."""


@dataclass(frozen=True, slots=True)
class Dial:
    """What a codec is set by: the values from `low` to `high`, whole ones alone where `integer`.

    `rising` says that a larger value costs more bits. `rungs` are values to look at first, e.g. those of its ladder.
    """

    low: float
    high: float
    integer: bool = True
    rising: bool = True
    rungs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Nearest:
    """Where a search ended: a value of the dial, how far it is from the target, and how many values were looked at.

    `value` and `gap` are NaN where nothing could be measured. `reason` says why the gap is more than the tolerance, and
    is empty where it is not.
    """

    value: float
    gap: float
    looks: int
    reason: str


def nearest(dial: Dial, gap: Callable[[float], float], tolerance: float, *, most: int = MOST_LOOKS) -> Nearest:
    """Return the value of a dial that is nearest a target, of those looked at.

    `gap` measures a value: above 0 where it exceeds the target, below where it falls short, NaN where it cannot be
    measured, which ends the search. Differences of dB or of log rate suit it: they are nearly linear in most dials. The
    rungs are bisected, and between two of them a straight line is followed, or the middle taken after a line that left
    more than half of the way. Whole values are searched to the nearest, others until the gap is within `tolerance`
    or the value within FINEST.
    Where the gap does not rise all along, what is returned is the best that was met. Which values are looked at depends
    on the dial and their gaps alone: the same search can be made again from what is known.
    """
    gaps: dict[float, float] = {}
    rungs = sorted({dial.low, *dial.rungs, dial.high}, reverse=not dial.rising)
    short: float | None = None
    over: float | None = None
    halve = False
    reason = f"{most} points were looked at, and no more are"
    while len(gaps) < most:
        width = math.inf
        if rungs:
            value = rungs[len(rungs) // 2]
        elif short is None or over is None:
            reason = "the scale ends there"
            break
        else:
            width = abs(over - short)
            between = _between(dial, (short, gaps[short]), (over, gaps[over]), halve)
            if between is None:
                reason = "there is no nearer value on its scale"
                break
            value = between
        gaps[value] = measured = gap(value)
        if math.isnan(measured):
            reason = "the next point could not be measured"
            break
        if measured == 0 or (abs(measured) <= tolerance and not dial.integer):
            break
        place = len(rungs) // 2
        short, over = (value, over) if measured < 0 else (short, value)
        rungs = rungs[place + 1 :] if measured < 0 else rungs[:place]
        halve = short is not None and over is not None and abs(over - short) > width / 2
    best = min((one for one in gaps if not math.isnan(gaps[one])), key=lambda one: abs(gaps[one]), default=math.nan)
    left = gaps.get(best, math.nan)
    return Nearest(best, left, len(gaps), "" if abs(left) <= tolerance else reason)


def _between(dial: Dial, short: tuple[float, float], over: tuple[float, float], halve: bool) -> float | None:
    """Return the value to look at between two with their gaps: on the line through them, or in the middle."""
    (start, gap), (end, excess) = short, over
    line = gap / (gap - excess) if math.isfinite(gap) and math.isfinite(excess) else 0.5
    low, high = sorted((start, end))
    if dial.integer:
        value = start + (0.5 if halve else line) * (end - start)
        return min(max(round(value), low + 1), high - 1) if high - low >= 2 else None
    # A dial without steps is a rate, a Lagrangian or a distance: what counts is its ratio.
    if high - low < FINEST * (high if low > 0 else dial.high - dial.low):
        return None
    for share in (0.5 if halve else line, 0.5):
        value = start * (end / start) ** share if low > 0 else start + share * (end - start)
        value = float(f"{value:.6g}")  # as points are named
        if low < value < high:
            return value
    return None
