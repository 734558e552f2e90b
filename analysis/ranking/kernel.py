"""The compiled core of the ranking: rate curves, their pairwise log ratios, and the least-squares fit of ratings.

Numba compiles these functions on their first use and caches the result on disk. Import this module inside functions.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@compiled
def frontier(bpp: Floats, quality: Floats, start: int, end: int, x: Floats, y: Floats) -> int:
    """Write the frontier of the points `start:end` to `x` (quality) and `y` (log rate) from `start` on.

    Returns its length. The frontier is that of `rate.Curve.through`: points that are not finite, or no better than a
    cheaper one, are left out.
    """
    stop = start
    for point in range(start, end):
        if not (math.isfinite(bpp[point]) and math.isfinite(quality[point]) and bpp[point] > 0):
            continue
        place = stop
        # Insertion sort: the points of a ladder are in the order of their rate in nearly every resample.
        while place > start and (
            y[place - 1] > bpp[point] or (y[place - 1] == bpp[point] and x[place - 1] < quality[point])
        ):
            x[place], y[place] = x[place - 1], y[place - 1]
            place -= 1
        x[place], y[place] = quality[point], bpp[point]
        stop += 1
    kept = start
    for place in range(start, stop):
        if kept == start or x[place] > x[kept - 1]:
            x[kept], y[kept] = x[place], math.log(y[place])
            kept += 1
    return kept - start


@compiled
def slopes(x: Floats, y: Floats, start: int, last: int, slope: Floats) -> None:
    """Write the slopes of the piecewise cubic (PCHIP) at its knots `start` to `last`, of which there are at least four.

    Fritsch and Butland, "A method for constructing local monotone piecewise cubic interpolants", SIAM Journal on
    Scientific and Statistical Computing 5(2), 1984, with the three-point ends of SciPy's PchipInterpolator. All secants
    must be positive.
    """
    for knot in range(start + 1, last):
        before, after = x[knot] - x[knot - 1], x[knot + 1] - x[knot]
        rise, next_rise = y[knot] - y[knot - 1], y[knot + 1] - y[knot]
        both = before + after
        slope[knot] = 3 * both / ((both + after) * before / rise + (both + before) * after / next_rise)
    for end, near, far in ((start, start + 1, start + 2), (last, last - 1, last - 2)):
        width, next_width = abs(x[near] - x[end]), abs(x[far] - x[near])
        secant, next_secant = abs(y[near] - y[end]) / width, abs(y[far] - y[near]) / next_width
        one_sided = ((2 * width + next_width) * secant - width * next_secant) / (width + next_width)
        slope[end] = max(one_sided, 0.0)


@compiled
def accumulate(x: Floats, y: Floats, start: int, count: int, slope: Floats, integral: Floats) -> None:
    """Write the integral of log rate over quality from the first knot to each of `count` knots.

    The curve is a piecewise cubic through four or more knots, and piecewise linear through two or three.
    """
    if count >= 4:
        slopes(x, y, start, start + count - 1, slope)
    integral[start] = 0.0
    for knot in range(start + 1, start + count):
        width = x[knot] - x[knot - 1]
        bend = width * (slope[knot - 1] - slope[knot]) / 12 if count >= 4 else 0.0
        integral[knot] = integral[knot - 1] + width * ((y[knot] + y[knot - 1]) / 2 + bend)


@compiled
def between(
    x: Floats, y: Floats, start: int, count: int, slope: Floats, integral: Floats, low: float, high: float
) -> float:
    """Return the integral of log rate between two qualities on the curve."""
    total = 0.0
    last = start + count - 1
    for sign, quality in ((-1.0, low), (1.0, high)):
        if quality >= x[last]:
            total += sign * integral[last]
        elif quality > x[start]:
            knot = start
            while quality >= x[knot + 1]:
                knot += 1
            width, step = x[knot + 1] - x[knot], quality - x[knot]
            secant = (y[knot + 1] - y[knot]) / width
            first, second, third = secant, 0.0, 0.0
            if count >= 4:
                first = slope[knot]
                second = (3 * secant - 2 * first - slope[knot + 1]) / width
                third = (first + slope[knot + 1] - 2 * secant) / (width * width)
            within = step * (y[knot] + step * (first / 2 + step * (second / 3 + step * (third / 4))))
            total += sign * (integral[knot] + within)
    return total


@compiled
def compare(
    bpp: Floats,
    quality: Floats,
    starts: Places,
    least: float,
    share: float,
    ratios: Floats,
    weights: Floats,
    knots: Floats,
) -> None:
    """Write the log ratio of rates and the weight of every pair of codecs, both of shape (codecs, codecs).

    `bpp` and `quality` hold the points of all codecs, those of codec k at `starts[k]:starts[k + 1]`. The ratio of i and
    j is the mean of log rate i - log rate j over the qualities that both curves reach. Its weight is the length of that
    range over the length of the shorter curve. If the shared range is shorter than `least`, or than `share` of the
    shorter curve, or if a curve has fewer than two points, the weight is 0 and the ratio NaN. `knots`, of shape
    (4, points), is working memory.
    """
    codecs = len(starts) - 1
    x, y, slope, integral = knots[0], knots[1], knots[2], knots[3]
    counts = np.empty(codecs, np.intp)
    for k in range(codecs):
        counts[k] = frontier(bpp, quality, starts[k], starts[k + 1], x, y)
        if counts[k] >= 2:
            accumulate(x, y, starts[k], counts[k], slope, integral)
    ratios[:] = math.nan
    weights[:] = 0.0
    for i in range(codecs):
        for j in range(i):
            if counts[i] < 2 or counts[j] < 2:
                continue
            own_low, own_high = x[starts[i]], x[starts[i] + counts[i] - 1]
            other_low, other_high = x[starts[j]], x[starts[j] + counts[j] - 1]
            low, high = max(own_low, other_low), min(own_high, other_high)
            shared, shorter = high - low, min(own_high - own_low, other_high - other_low)
            if shared <= 0 or shared < least or shared < share * shorter:
                continue
            own = between(x, y, starts[i], counts[i], slope, integral, low, high)
            other = between(x, y, starts[j], counts[j], slope, integral, low, high)
            ratio = (own - other) / shared
            ratios[i, j], ratios[j, i] = ratio, -ratio
            weights[i, j] = weights[j, i] = shared / shorter


@compiled
def component(weights: Floats, member: NDArray[np.bool_]) -> None:
    """Mark the members of the largest set of codecs that positive weights connect, the first of several."""
    codecs = len(weights)
    label = np.full(codecs, -1)
    stack = np.empty(codecs, np.intp)
    best, most = -1, 0
    for start in range(codecs):
        if label[start] >= 0:
            continue
        label[start], stack[0] = start, start
        top, size = 1, 1
        while top:
            top -= 1
            i = stack[top]
            for j in range(codecs):
                if label[j] < 0 and weights[i, j] > 0:
                    label[j], stack[top] = start, j
                    top += 1
                    size += 1
        if size > most:
            best, most = start, size
    for k in range(codecs):
        member[k] = label[k] == best


@compiled
def solve(ratios: Floats, weights: Floats, member: NDArray[np.bool_], ratings: Floats) -> None:
    """Write the ratings that minimise the sum of w_ij (d_ij - r_i + r_j)^2 over the members' pairs; NaN for others.

    Their sum is 0. HodgeRank: Jiang, Lim, Yao and Ye, "Statistical ranking and combinatorial Hodge theory",
    Mathematical Programming 127, 2011, section 4. The normal equations are those of the graph Laplacian, with the first
    member held at 0, solved by Cholesky factorisation.
    """
    places = np.nonzero(member)[0]
    size = len(places) - 1
    ratings[:] = math.nan
    matrix, right = np.zeros((size, size)), np.zeros(size)
    for row in range(size):
        i = places[row + 1]
        for j in places:
            if weights[i, j] > 0:
                matrix[row, row] += weights[i, j]
                right[row] += weights[i, j] * ratios[i, j]
        for column in range(row):
            matrix[row, column] = -weights[i, places[column + 1]]
    for row in range(size):
        for column in range(row + 1):
            total = matrix[row, column]
            for k in range(column):
                total -= matrix[row, k] * matrix[column, k]
            matrix[row, column] = math.sqrt(total) if row == column else total / matrix[column, column]
    for row in range(size):
        for k in range(row):
            right[row] -= matrix[row, k] * right[k]
        right[row] /= matrix[row, row]
    for row in range(size - 1, -1, -1):
        for k in range(row + 1, size):
            right[row] -= matrix[k, row] * right[k]
        right[row] /= matrix[row, row]
    mean = right.sum() / (size + 1)
    for row in range(size + 1):
        ratings[places[row]] = (right[row - 1] if row else 0.0) - mean


@compiled
def rate_all(bpp: Floats, quality: Floats, starts: Places, least: float, share: float, ratings: Floats) -> None:
    """Write the ratings of every resample, shape (resamples, codecs); `bpp` and `quality` are (resamples, points)."""
    codecs = len(starts) - 1
    ratios, weights = np.empty((codecs, codecs)), np.empty((codecs, codecs))
    member, knots = np.empty(codecs, np.bool_), np.empty((4, bpp.shape[1]))
    for resample in range(len(bpp)):
        compare(bpp[resample], quality[resample], starts, least, share, ratios, weights, knots)
        component(weights, member)
        solve(ratios, weights, member, ratings[resample])
