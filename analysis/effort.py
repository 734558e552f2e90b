"""Effort curves: what an encoder's slower settings save, and the setting at which more time stops paying."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

AFFORDABLE = 1.0
"""Seconds per megapixel that any setting may take."""
SAVING = 0.02
"""The share of the bits that a slower setting must save for each doubling of the encoding time."""


def knee(seconds: Sequence[float], rates: Sequence[float]) -> int:
    """Return which setting is the knee of an effort curve.

    `seconds` are the encoding times per megapixel of each setting, and `rates` its rates at equal quality, in any unit.
    The candidates are the corners of the lower convex hull of log rate over log time, from the fastest setting to the
    one of the lowest rate. The knee is the slowest of them that takes at most AFFORDABLE seconds or saves at least
    SAVING for each doubling of the time since the corner before it. On the hull savings only diminish, so no setting
    behind the knee qualifies. Raises ValueError without a setting.
    """
    corners = _hull([math.log2(second) for second in seconds], [math.log(rate) for rate in rates])
    chosen = corners[0]
    for before, corner in pairwise(corners):
        doublings = math.log2(seconds[corner] / seconds[before])
        saving = 1 - (rates[corner] / rates[before]) ** (1 / doublings)
        if seconds[corner] <= AFFORDABLE or saving >= SAVING:
            chosen = corner
    return chosen


def _hull(times: Sequence[float], rates: Sequence[float]) -> list[int]:
    """Return the corners of the lower left convex hull, by rising time and falling rate (Andrew's monotone chain)."""
    if not times:
        raise ValueError("expected at least one setting, got none")
    corners: list[int] = []
    for place in sorted(range(len(times)), key=lambda place: (times[place], rates[place])):
        if corners and rates[place] >= rates[corners[-1]]:
            continue
        while len(corners) > 1 and _slope(times, rates, corners[-2], corners[-1]) >= _slope(
            times, rates, corners[-2], place
        ):
            corners.pop()
        corners.append(place)
    return corners


def _slope(times: Sequence[float], rates: Sequence[float], first: int, second: int) -> float:
    return (rates[second] - rates[first]) / (times[second] - times[first])
