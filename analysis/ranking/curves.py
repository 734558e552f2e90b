"""Rate curves in bulk: the computations of `rate` for all resamples of a bootstrap at once.

The first axis of arrays is operating points, the second resamples, so that each step works on contiguous memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..cubics import Cubics, cubics
from ..rate import MINIMUM_POINTS
from .point_tables import Floats


@dataclass(frozen=True, slots=True)
class Curves:
    """The rate curves of one codec in every resample: `lowest` and `highest` quality, NaN where there is no curve."""

    lowest: Floats
    highest: Floats
    parts: tuple[Cubics, ...]

    @classmethod
    def through(cls, bpp: Floats, quality: Floats) -> Curves:
        """Return the curves through measured points, both of shape (points, resamples).

        Each curve is the frontier of its points, as in `rate.Curve.through`, with the cubics of PCHIP between them:
        Fritsch and Butland, "A method for constructing local monotone piecewise cubic interpolants", SIAM Journal on
        Scientific and Statistical Computing 5(2), 1984. A resample of fewer than four points has no curve. Points in
        the order of their rate are fastest.
        """
        points, resamples = bpp.shape
        if points >= MINIMUM_POINTS and _rising(bpp, quality):
            return cls(quality[0], quality[-1], (cubics(slice(None), bpp, quality),))
        bpp, quality, worth = _frontiers(bpp, quality)
        lowest, highest = np.full(resamples, math.nan), np.full(resamples, math.nan)
        parts = []
        # Resamples that leave out the same points are computed together: there are few such patterns.
        pattern_of = 2.0 ** np.arange(points) @ worth
        patterns, firsts = np.unique(pattern_of, return_index=True)
        for pattern, first in zip(patterns, firsts, strict=True):
            on_curve = worth[:, first]
            if on_curve.sum() >= MINIMUM_POINTS:
                which = slice(None) if len(patterns) == 1 else np.nonzero(pattern_of == pattern)[0]
                part = cubics(which, bpp[on_curve][:, which], quality[on_curve][:, which])
                lowest[which], highest[which] = part.quality[0], part.quality[-1]
                parts.append(part)
        return cls(lowest, highest, tuple(parts))

    def between(self, low: Floats, high: Floats) -> Floats:
        """Return the integral of log rate over quality between bounds on each curve, NaN where there is no curve."""
        integral = np.full(low.shape, math.nan)
        for part in self.parts:
            integral[part.which] = part.up_to(high[part.which]) - part.up_to(low[part.which])
        return integral


def bd_rates(anchor: Curves, test: Curves, *, minimum_overlap: float = 0.0) -> Floats:
    """Return the BD-rate in percent in every resample, as `rate.bd_rate` does by PCHIP; NaN where not comparable.

    Two curves are not comparable if one has fewer than four points, or if they share no quality, or less than
    `minimum_overlap` of the anchor's range.
    """
    low, high = np.maximum(anchor.lowest, test.lowest), np.minimum(anchor.highest, test.highest)
    shared = high - low
    able = (shared > 0) & (shared >= minimum_overlap * (anchor.highest - anchor.lowest))
    # Resamples that are not comparable get arbitrary bounds on their curves: their result is not used.
    if able.all():
        difference = test.between(low, high) - anchor.between(low, high)
    else:
        difference = test.between(*(np.where(able, bound, test.lowest) for bound in (low, high)))
        difference -= anchor.between(*(np.where(able, bound, anchor.lowest) for bound in (low, high)))
        shared = np.where(able, shared, math.nan)
    return np.asarray(100 * np.expm1(difference / shared))


def at_rates(target: float, clean_bpp: Floats, values: Floats) -> Floats:
    """Return `values` at the setting of `target` bpp on clean images in every resample, as `rate.at_rate` does.

    Both arrays have shape (points, resamples); NaN where the target is outside the range of the points.
    """
    known = np.isfinite(clean_bpp) & np.isfinite(values) & (clean_bpp > 0)
    if not known.all() or (np.diff(clean_bpp, axis=0) < 0).any():
        clean_bpp = np.where(known, clean_bpp, math.inf)
        order = np.argsort(clean_bpp, axis=0)
        clean_bpp, values = (np.take_along_axis(array, order, axis=0) for array in (clean_bpp, values))
    columns = np.arange(clean_bpp.shape[1])
    last = known.sum(axis=0) - 1
    able = (last >= 0) & (clean_bpp[0] <= target) & (clean_bpp[np.maximum(last, 0), columns] >= target)
    after = np.minimum(np.maximum((clean_bpp < target).sum(axis=0), 1), np.maximum(last, 0))
    before = np.maximum(after - 1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        (x0, x1), (y0, y1) = ((array[before, columns], array[after, columns]) for array in (clean_bpp, values))
        width = np.log(x1 / x0)
        share = np.where(width > 0, np.log(target / x0) / width, 0.0)
        return np.where(able, y0 + share * (y1 - y0), math.nan)


def _rising(bpp: Floats, quality: Floats) -> bool:
    """Return whether every point of every resample is on its curve and in order. NaN compares as not rising."""
    return bool(
        (bpp[1:] > bpp[:-1]).all()
        and (quality[1:] > quality[:-1]).all()
        and (bpp[0] > 0).all()
        and (quality[0] > -math.inf).all()
        and (bpp[-1] < math.inf).all()
        and (quality[-1] < math.inf).all()
    )


def _frontiers(bpp: Floats, quality: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return the points of each resample by rising rate, and which of them are better than all cheaper ones."""
    sound = np.isfinite(bpp) & np.isfinite(quality) & (bpp > 0)
    bpp, quality = np.where(sound, bpp, math.inf), np.where(sound, quality, -math.inf)
    if not (bpp[1:] > bpp[:-1]).all():
        # Among points of one rate, the better comes first. Unsound points come last, and are never better.
        order = np.lexsort((-quality, bpp), axis=0)
        bpp, quality = (np.take_along_axis(array, order, axis=0) for array in (bpp, quality))
    before = np.full(quality.shape, -math.inf)
    np.maximum.accumulate(quality[:-1], axis=0, out=before[1:])
    return bpp, quality, quality > before
