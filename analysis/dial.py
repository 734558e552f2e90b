"""The search for the dial value nearest a target: the codec setting for a given rate or quality."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

MOST_LOOKS = 16
"""The most values that `nearest` tries; a smooth curve needs four to eight."""

FINEST = 1e-3
"""The smallest relative step on a continuous dial; needed because an encoder may jump over the target."""


@dataclass(frozen=True, slots=True)
class Dial:
    """The parameter that sets a codec's rate: values from `low` to `high`, only whole numbers if `integer`.

    `rising` says that a larger value costs more bits. `rungs` are the values to try first, e.g. those of the
    codec's ladder.
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
    """Return the value of a dial that is nearest a target among those tried.

    `gap` measures a value: positive if it exceeds the target, negative if it falls short, NaN if it cannot be measured,
    which ends the search. Differences of dB or of log rate work well, because they are nearly linear in most dials. The
    rungs are bisected; between two rungs the search interpolates linearly, or bisects after a step that left more than
    half of the interval. On an integer dial the search ends at the nearest value, on
    a continuous one when the gap is within `tolerance` or the step below FINEST.

    If that ends outside the tolerance, the search looks for places where the curve is not monotone: at the next rungs
    on both sides, in every interval where one end falls short and the other does not, and at the values next to the
    best. A bump between rungs that were not tried stays hidden. The values tried depend only on the dial and their
    gaps, so the search can be repeated from known gaps.
    """
    gaps: dict[float, float] = {}
    reason = ""
    for value in _values(dial, gaps, tolerance):
        if len(gaps) == most:
            reason = f"the search stopped after {most} points"
            break
        gaps[value] = gap(value)
        if math.isnan(gaps[value]):
            reason = "the next point could not be measured"
            del gaps[value]
            break
        if gaps[value] == 0 or (abs(gaps[value]) <= tolerance and not dial.integer):
            break
    looks = len(gaps) + (reason.startswith("the next"))
    if not gaps:
        return Nearest(math.nan, math.nan, looks, reason)
    best = _best(gaps)
    met = abs(gaps[best]) <= tolerance
    return Nearest(best, gaps[best], looks, "" if met else reason or _why(dial, gaps, best))


def _best(gaps: Mapping[float, float]) -> float:
    return min(gaps, key=lambda value: abs(gaps[value]))


def _why(dial: Dial, gaps: Mapping[float, float], best: float) -> str:
    """Return why a completed search found no value within the tolerance, as far as the gaps prove it."""
    if best in {dial.low, dial.high} and len({measured < 0 for measured in gaps.values()}) == 1:
        return "the scale ends there"
    if not dial.integer:
        apart = f"settings {100 * FINEST:g} % apart lie on both sides of the target"
        return apart if _crossings(dial, gaps) else f"none of the {len(gaps)} points tried is nearer"
    if len(gaps) == dial.high - dial.low + 1:
        return "there is no nearer value on its scale"
    return "the neighbouring settings are further off"


def _values(dial: Dial, gaps: Mapping[float, float], tolerance: float) -> Iterator[float]:
    """Yield the values to try; the caller adds the gap of each to `gaps` before asking for the next."""
    rungs = sorted({dial.low, *dial.rungs, dial.high}, reverse=not dial.rising)
    left = rungs
    while left:
        place = len(left) // 2
        yield left[place]
        left = left[place + 1 :] if gaps[left[place]] < 0 else left[:place]
    yield from _narrowing(dial, gaps)
    if abs(gaps[_best(gaps)]) <= tolerance:
        return
    while True:
        met = abs(gaps[_best(gaps)]) <= tolerance
        beyond = () if met else (*_beyond(rungs, gaps), *_beyond(rungs[::-1], gaps, dearer=False))
        around = [*beyond, *_beside(dial, gaps)]
        if not around:
            return
        yield around[0]
        yield from _narrowing(dial, gaps)


def _crossings(dial: Dial, gaps: Mapping[float, float]) -> list[tuple[float, float]]:
    """Return neighbouring tried values, as (short, over), of which one falls short of the target and the other not."""
    tried = sorted(gaps, reverse=not dial.rising)
    pairs = [(a, b) if gaps[a] < 0 else (b, a) for a, b in pairwise(tried) if (gaps[a] < 0) != (gaps[b] < 0)]
    return sorted(pairs, key=lambda pair: min(abs(gaps[value]) for value in pair))


def _narrowing(dial: Dial, gaps: Mapping[float, float]) -> Iterator[float]:
    """Yield the values that narrow every interval with a crossing to the finest step, nearest crossing first."""
    while wide := [pair for pair in _crossings(dial, gaps) if _between(dial, gaps, *pair, halve=False) is not None]:
        short, over = wide[0]
        halve = False
        while (value := _between(dial, gaps, short, over, halve=halve)) is not None:
            yield value
            width = abs(over - short)
            short, over = (value, over) if gaps[value] < 0 else (short, value)
            halve = abs(over - short) > width / 2


def _beyond(rungs: Sequence[float], gaps: Mapping[float, float], *, dearer: bool = True) -> Iterator[float]:
    """Yield the untried rungs beyond the best value, until two neighbouring rungs show the gap growing.

    `rungs` are ordered away from the best value: upwards in cost if `dearer`, else downwards.
    """
    best = _best(gaps)
    ahead = [rung for rung in rungs if (rung >= best if rungs[-1] > rungs[0] else rung <= best)]
    for rung, following in zip(ahead, [*ahead[1:], None], strict=True):
        if rung not in gaps:
            yield rung
        elif following is not None and following in gaps:
            near, far = gaps[rung], gaps[following]
            if (near < 0) == (far < 0) != dearer and abs(far) >= abs(near):
                return


def _beside(dial: Dial, gaps: Mapping[float, float]) -> list[float]:
    """Return the whole values next to the best that were not tried."""
    best = _best(gaps)
    beside = (best - 1, best + 1) if dial.integer else ()
    return [value for value in beside if dial.low <= value <= dial.high and value not in gaps]


def _between(dial: Dial, gaps: Mapping[float, float], start: float, end: float, *, halve: bool) -> float | None:
    """Return the next value to try between two, on the line through their gaps or in the middle, or None."""
    gap, excess = gaps[start], gaps[end]
    line = gap / (gap - excess) if math.isfinite(gap) and math.isfinite(excess) else 0.5
    low, high = sorted((start, end))
    if dial.integer:
        value = start + (0.5 if halve else line) * (end - start)
        return min(max(round(value), low + 1), high - 1) if high - low >= 2 else None
    # A continuous dial is a rate, a Lagrangian or a distance, so steps are ratios.
    if high - low < FINEST * (high if low > 0 else dial.high - dial.low):
        return None
    for share in (0.5 if halve else line, 0.5):
        value = start * (end / start) ** share if low > 0 else start + share * (end - start)
        value = float(f"{value:.6g}")  # the precision of point names
        if low < value < high:
            return value
    return None
