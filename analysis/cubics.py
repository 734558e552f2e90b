"""Monotone cubics of log rate over quality, which BD-rates integrate, for many curves at once.

The first axis of arrays is operating points, the second curves, so that each step works on contiguous memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cubics:
    """Curves with the same number of points, and the cubics between the points; `which` selects their resamples.

    Quality, log rate, its slope over quality, and its integral from the first point all have shape (points, curves).
    """

    which: NDArray[np.intp] | slice
    quality: Floats
    log_rate: Floats
    slope: Floats
    integral: Floats

    def up_to(self, quality: Floats) -> Floats:
        """Return the integral of log rate from the first point of each curve to a quality on it."""
        curves = self.quality.shape[1]
        if np.array_equal(quality, self.quality[0]):
            return np.zeros(curves)
        if np.array_equal(quality, self.quality[-1]):
            return np.asarray(self.integral[-1])
        piece = np.zeros(curves, np.intp)
        for inner in self.quality[1:-1]:
            piece += quality >= inner
        start = piece * curves + np.arange(curves)
        end = start + curves
        x0, x1 = self.quality.take(start), self.quality.take(end)
        y0, y1 = self.log_rate.take(start), self.log_rate.take(end)
        d0, d1 = self.slope.take(start), self.slope.take(end)
        width, step = x1 - x0, quality - x0
        secant = (y1 - y0) / width
        second, third = (3 * secant - 2 * d0 - d1) / width, (d0 + d1 - 2 * secant) / width**2
        within = step * (y0 + step * (d0 / 2 + step * (second / 3 + step * (third / 4))))
        return np.asarray(self.integral.take(start) + within)


def cubics(which: NDArray[np.intp] | slice, bpp: Floats, quality: Floats) -> Cubics:
    """Return the monotone cubics through at least four points that rise in both bpp and quality."""
    log_rate = np.log(bpp)
    width, rise = np.diff(quality, axis=0), np.diff(log_rate, axis=0)
    # The slope is the harmonic mean of the two secants, weighted towards the nearer: 1 / secant is width / rise.
    inverse = width / rise
    both = width[1:] + width[:-1]
    slope = np.empty_like(quality)
    slope[1:-1] = 3 * both / ((both + width[1:]) * inverse[:-1] + (both + width[:-1]) * inverse[1:])
    for end, near, far in ((0, 0, 1), (-1, -1, -2)):
        # The slope at an end is one-sided, through three points, and flat if it would be negative.
        secant, next_secant = 1 / inverse[near], 1 / inverse[far]
        one_sided = ((2 * width[near] + width[far]) * secant - width[near] * next_secant) / (width[near] + width[far])
        slope[end] = np.maximum(one_sided, 0)
    piece = width * ((log_rate[1:] + log_rate[:-1]) / 2 + width * (slope[:-1] - slope[1:]) / 12)
    integral = np.zeros_like(quality)
    np.cumsum(piece, axis=0, out=integral[1:])
    return Cubics(which, quality, log_rate, slope, integral)
