"""The search for the value of a dial nearest a target: the codec setting for a given rate or quality."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_LOOKS = 16
"""The most values that `nearest` tries; on a smooth curve it needs four to seven."""

FINEST = 1e-3
"""The smallest relative step on a continuous dial: an encoder may jump over the target."""


@dataclass(frozen=True, slots=True)
class Dial:
    """The parameter that sets a codec's rate: values from `low` to `high`, only whole ones if `integer`.

    `rising` says that a larger value costs more bits. `rungs` are values to try first, e.g. those of its ladder.
    """

    low: float
    high: float
    integer: bool = True
    rising: bool = True
    rungs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Nearest:
    """The result of a search: a value of the dial, its gap to the target, and how many values were tried.

    `value` and `gap` are NaN if nothing could be measured. `reason` says why the gap exceeds the tolerance, and is
    empty if it does not.
    """

    value: float
    gap: float
    looks: int
    reason: str


def nearest(dial: Dial, gap: Callable[[float], float], tolerance: float, *, most: int = MOST_LOOKS) -> Nearest:
    """Return the value of a dial that is nearest a target, of those tried.

    `gap` measures a value: positive if it exceeds the target, negative if it falls short, NaN if it cannot be measured,
    which ends the search. Differences of dB or of log rate work well, because they are nearly linear in most dials. The
    rungs are bisected; between two rungs the search interpolates linearly, or bisects after a step that left more than
    half of the interval. Whole values are searched to the nearest one, others until the gap is within `tolerance` or
    the step below FINEST.

    If the gap is not monotone, the best value tried is returned. The values tried depend only on the dial and their
    gaps, so the search can be repeated from known gaps.
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
    known = [value for value in gaps if not math.isnan(gaps[value])]
    best = min(known, key=lambda value: abs(gaps[value]), default=math.nan)
    left = gaps.get(best, math.nan)
    return Nearest(best, left, len(gaps), "" if abs(left) <= tolerance else reason)


def _between(dial: Dial, short: tuple[float, float], over: tuple[float, float], halve: bool) -> float | None:
    """Return the next value to try between two with their gaps: on the line through them, or in the middle."""
    (start, gap), (end, excess) = short, over
    line = gap / (gap - excess) if math.isfinite(gap) and math.isfinite(excess) else 0.5
    low, high = sorted((start, end))
    if dial.integer:
        value = start + (0.5 if halve else line) * (end - start)
        return min(max(round(value), low + 1), high - 1) if high - low >= 2 else None
    # A continuous dial is a rate, a Lagrangian or a distance: its ratio counts.
    if high - low < FINEST * (high if low > 0 else dial.high - dial.low):
        return None
    for share in (0.5 if halve else line, 0.5):
        value = start * (end / start) ** share if low > 0 else start + share * (end - start)
        value = float(f"{value:.6g}")  # as points are named
        if low < value < high:
            return value
    return None
