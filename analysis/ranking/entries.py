"""The entry of one codec in a leaderboard."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..conditions import CLEAN_CONDITION, Condition
from ..counted import counted
from ..rate import Curve, bd_rate
from ..statistics import finite_mean
from .contest import LOSSLESS, NO_CURVE, Contest, coverages
from .groups import Groups, mean_over
from .ladders import MOST_FAILED, Floats, Ladders, estimate_of, is_estimate
from .leaderboard import EQUAL, FITTED, Entry, Leaderboard
from .shift import ShiftEffects

MOST_NAMES = 8
"""The most conditions that a reason names."""


def entry_of(
    codec: str,
    board: Leaderboard,
    ladders: Ladders,
    contests: Mapping[Condition, Contest],
    groups: Groups,
    effects: ShiftEffects,
    logs: Mapping[str, Mapping[str, float]],
    scores: Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]],
) -> Entry:
    """Return the entry of a codec; `board` lacks its entries, and `effects` are those of the codec.

    By codec: `logs` are the numbers in log rate, `scores` the scores before an anchor is taken, and `bounds` the scores
    with the best and with the worst rating of any codec where the codec has none.
    """
    covered = [share[codec] for share in map(coverages, contests.values()) if codec in share]
    return Entry(
        **_rank_of(codec, board, scores, bounds),
        codec=codec,
        **_numbers_of(codec, board, logs, scores),
        **_at_settings(effects),
        on_front=False,
        coverage=min(covered, default=math.nan),
        bd_rate=_bd_rate(contests, groups["score"], board.anchor, codec),
        **_counts(codec, board, ladders),
        reason=_reason(codec, board, ladders),
        gap_clean=_gap(ladders, codec, CLEAN_CONDITION),
        gap=finite_mean(_gap(ladders, codec, condition) for condition in board.conditions if condition[1]),
    )


def _rank_of(
    codec: str, board: Leaderboard, scores: Mapping[str, float], bounds: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    """Return the rank and its interval, or the range of ranks of a codec that cannot be compared everywhere."""
    known = [score for score in scores.values() if math.isfinite(score)]

    def place(score: float) -> int:
        return 1 + sum(other < score - EQUAL for other in known)

    if codec not in scores:
        return {"rank": None, "rank_low": None, "rank_high": None}
    if math.isnan(scores[codec]):
        low, high = bounds[codec]
        if math.isnan(low):
            return {"rank": None, "rank_low": None, "rank_high": None}
        return {"rank": None, "rank_low": place(low), "rank_high": place(high)}
    ends: dict[str, Any] = {"rank_low": None, "rank_high": None}
    if board.intervals is not None and board.intervals.known:
        better = sum(pair[1] == codec for pair in board.intervals.apart)
        worse = sum(pair[0] == codec for pair in board.intervals.apart)
        ends = {"rank_low": 1 + better, "rank_high": len(known) - worse}
    return {"rank": place(scores[codec]), **ends}


def _numbers_of(
    codec: str, board: Leaderboard, logs: Mapping[str, Mapping[str, float]], scores: Mapping[str, float]
) -> dict[str, Any]:
    values = {name: 100 * math.expm1(logs[name].get(codec, math.nan)) for name in FITTED}
    score = board.intervals.numbers[codec]["score"] if board.intervals and codec in scores else None
    return values | {"score_low": score.low if score else math.nan, "score_high": score.high if score else math.nan}


def _at_settings(effects: ShiftEffects) -> dict[str, Any]:
    return {name: float(number.values[0]) for name, number in effects.by_band.items()}


def _bd_rate(contests: Mapping[Condition, Contest], scored: Sequence[Condition], anchor: str, codec: str) -> float:
    """Return the mean BD-rate in percent over conditions, NaN if one of them has none."""
    percents: dict[Condition, Floats] = {}
    for condition in scored:
        compared = contests[condition]
        curves = [
            Curve.through(*(values[compared.points(name)].mean(axis=1) for values in (compared.bpp, compared.quality)))
            for name in (anchor, codec)
            if name in compared.codecs
        ]
        percents[condition] = np.asarray(bd_rate(*curves).percent if len(curves) == 2 else math.nan)
    return float(mean_over(percents, scored))


def _counts(codec: str, board: Leaderboard, ladders: Ladders) -> dict[str, Any]:
    status = ladders.rows.loc[ladders.rows["codec"] == codec, "status"]
    rated = [key for key in board.scored if math.isfinite(board.ratings.get((codec, key), math.nan))]
    return {
        "conditions": len(rated),
        "n": min((board.compared[key] for key in rated), default=0),
        "failed": int((status == "failed").sum()),
        "skipped": int((status == "skipped").sum()),
    }


def _reason(codec: str, board: Leaderboard, ladders: Ladders) -> str:
    """Return why a codec has no rank, "" if it has one."""
    failures = ladders.failures[codec]
    if is_estimate(codec):
        return "its rate is an estimate"
    if failures.share > MOST_FAILED:
        conditions = counted(failures.of, "condition")
        return f"failed on {failures.share:.0%} of its rows, in {failures.conditions} of {conditions}"
    if (codec, board.conditions[0]) not in board.ratings:
        return LOSSLESS if codec in ladders.lossless else NO_CURVE
    return gaps_of(codec, board, board.scored)


def gaps_of(codec: str, board: Leaderboard, conditions: Sequence[Condition]) -> str:
    """Return under which of some conditions a codec has no rating and why, "" if it has one under all of them."""
    phrases = []
    reasons = {key: board.absent[codec, key] for key in conditions if (codec, key) in board.absent}
    for reason in dict.fromkeys(reasons.values()):
        names = ["{}@{}".format(*key) for key, value in reasons.items() if value == reason]
        phrase = f"{reason} under {len(names)} of {counted(len(conditions), 'condition')}"
        if len(names) < len(conditions) or len(names) == 1:
            more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            phrase += f": {', '.join(names[:MOST_NAMES])}{more}"
        phrases.append(phrase)
    return "; ".join(phrases)


def _gap(ladders: Ladders, codec: str, condition: Condition) -> float:
    """Return by how many percent the estimated rate exceeds the real one, NaN where either is missing."""
    real, estimated = (ladders.of(name, condition) for name in (codec, estimate_of(codec)))
    by_point = dict(zip(estimated.points, estimated.bpp, strict=True))
    ratios = []
    for point, row in zip(real.points, real.bpp, strict=True):
        other = by_point.get(point, np.full(len(row), np.nan))
        both = ~np.isnan(row) & ~np.isnan(other)
        if both.any():
            ratios.append(other[both].mean() / row[both].mean())
    return 100 * (finite_mean(ratios) - 1)


def with_front(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries with the Pareto set of score and restoration under the high band marked."""
    entries = list(entries)
    able = [each for each in entries if each.rank is not None and math.isfinite(each.restoration_high)]

    def is_beaten(entry: Entry) -> bool:
        return any(
            other.score <= entry.score
            and other.restoration_high >= entry.restoration_high
            and (other.score < entry.score or other.restoration_high > entry.restoration_high)
            for other in able
        )

    return [replace(each, on_front=each in able and not is_beaten(each)) for each in entries]


def ordered(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the entries by rank; codecs with a range of ranks come next, then those without any."""

    def key(entry: Entry) -> tuple[bool, bool, int]:
        return entry.rank is None, entry.rank_low is None, entry.rank or entry.rank_low or 0

    return tuple(sorted(entries, key=key))
