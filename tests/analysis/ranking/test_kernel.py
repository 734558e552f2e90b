"""The compiled curves and fits against SciPy's interpolator and NumPy's least squares, one resample at a time."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from codecshift.analysis.ranking import kernel
from codecshift.analysis.rate import Curve
from scipy.interpolate import PchipInterpolator, make_interp_spline
from scipy.sparse.csgraph import connected_components

Floats = np.ndarray
LEAST = 0.5


def plain(curves: list[Curve], least: float, share: float) -> tuple[Floats, Floats]:
    """Return the log ratios and weights of all pairs of curves."""
    codecs = len(curves)
    ratios, weights = np.full((codecs, codecs), np.nan), np.zeros((codecs, codecs))
    for i, j in combinations(range(codecs), 2):
        if min(len(curves[i].bpp), len(curves[j].bpp)) < 2:
            continue
        low, high = (end(curves[i].quality[k], curves[j].quality[k]) for end, k in ((max, 0), (min, -1)))
        shorter = min(np.ptp(curves[k].quality) for k in (i, j))
        if high - low <= 0 or high - low < max(least, share * shorter):
            continue
        own, other = (integral(curves[k], low, high) for k in (i, j))
        ratios[i, j], weights[i, j] = (own - other) / (high - low), (high - low) / shorter
        ratios[j, i], weights[j, i] = -ratios[i, j], weights[i, j]
    return ratios, weights


def integral(curve: Curve, low: float, high: float) -> float:
    log_rate = np.log(curve.bpp)
    if len(curve.bpp) >= 4:
        return float(PchipInterpolator(curve.quality, log_rate).integrate(low, high))
    return float(make_interp_spline(curve.quality, log_rate, k=1).integrate(low, high))


def least_squares(ratios: Floats, weights: Floats) -> Floats:
    """Return the ratings of the largest component, of zero sum, from the overdetermined system of all pairs."""
    _, labels = connected_components(weights > 0, directed=False)
    member = labels == np.bincount(labels).argmax()
    pairs = [(i, j) for i, j in combinations(np.nonzero(member)[0], 2) if weights[i, j] > 0]
    matrix, right = np.zeros((len(pairs) + 1, len(weights))), np.zeros(len(pairs) + 1)
    for row, (i, j) in enumerate(pairs):
        root = math.sqrt(weights[i, j])
        matrix[row, [i, j]], right[row] = (root, -root), root * ratios[i, j]
    matrix[-1] = member
    return np.where(member, np.linalg.lstsq(matrix, right, rcond=None)[0], np.nan)


def drawn(random: np.random.Generator, points: list[int], wobble: float) -> tuple[Floats, Floats, Floats]:
    """Return bpp, quality and starts of ladders that cover different ranges, and rise but for the wobble."""
    bpp = np.concatenate([np.exp(np.sort(random.uniform(-3, 2, count))) for count in points])
    quality = np.concatenate([np.sort(random.uniform(20, 45, 2)[:1] + random.uniform(0, 9, n)) for n in points])
    bpp *= np.exp(wobble / 5 * random.normal(size=len(bpp)))
    return bpp, quality + wobble * random.normal(size=len(bpp)), np.cumsum([0, *points])


@pytest.mark.parametrize("share", [0.0, 0.2], ids=["decibels", "share"])
@pytest.mark.parametrize("wobble", [0.0, 0.5, 3.0])
@pytest.mark.parametrize("points", [[11, 10, 11, 6, 5], [4, 3, 2, 6, 1, 5], [2, 2], [5]], ids=str)
def test_ratings_are_those_of_scipy_and_least_squares(points: list[int], wobble: float, share: float) -> None:
    random = np.random.default_rng(len(points))
    least = LEAST if share == 0 else 0.0
    for _ in range(30):
        bpp, quality, starts = drawn(random, points, wobble)
        curves = [Curve.through(bpp[a:b], quality[a:b]) for a, b in pairwise(starts)]
        ratios, weights = plain(curves, least, share)
        actual_ratios, actual_weights = np.empty_like(ratios), np.empty_like(weights)
        kernel.compare(bpp, quality, starts, least, share, actual_ratios, actual_weights, np.empty((4, len(bpp))))
        np.testing.assert_allclose(actual_ratios, ratios, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(actual_weights, weights, rtol=1e-12)
        ratings = np.empty((1, len(points)))
        kernel.rate_all(bpp[None], quality[None], starts, least, share, ratings)
        np.testing.assert_allclose(ratings[0], least_squares(ratios, weights), rtol=1e-7, atol=1e-10)


def test_odd_points_are_left_off_the_frontier_as_they_are_off_a_curve() -> None:
    random = np.random.default_rng(5)
    odd_rates, odd_qualities = [0.0, 0.25, 0.5, -1.0, math.nan, math.inf], [30.0, 33.0, math.nan, math.inf, -math.inf]
    for _ in range(300):
        count = int(random.integers(1, 8))
        bpp = np.where(random.uniform(size=count) < 0.6, random.choice(odd_rates, count), random.uniform(0.1, 9, count))
        quality = np.where(
            random.uniform(size=count) < 0.6, random.choice(odd_qualities, count), random.uniform(20, 50, count)
        )
        x, y = np.empty(count + 1), np.empty(count + 1)
        kept = kernel.frontier(np.append(9.0, bpp), np.append(9.0, quality), 1, count + 1, x, y)
        expected = Curve.through(bpp, quality)
        np.testing.assert_array_equal(x[1 : 1 + kept], expected.quality)
        np.testing.assert_allclose(y[1 : 1 + kept], np.log(expected.bpp), rtol=1e-15)
