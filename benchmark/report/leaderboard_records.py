"""A leaderboard for programs: every field of its entries, for csv, and all ratings and conditions too, for json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ...analysis.ranking import NUMBERS, Entry, Leaderboard, Lossless
from ...analysis.statistics import Interval


def record(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    """Return an entry's fields, the ends of its intervals and its worst cases."""
    drawn = board.intervals
    fields = {"set": board.set, "anchor": board.anchor, "quality": board.quality, **asdict(entry)}
    for name in NUMBERS[1:]:  # the ends of the score are fields
        interval = _interval(board, entry, name)
        fields |= {f"{name}_from": interval and interval.low, f"{name}_to": interval and interval.high}
    tail = board.tails.get(entry.codec)
    fields |= {f"score_{name}": tail and getattr(tail, name) for name in ("decile", "cvar", "cases")}
    return fields | {name: getattr(drawn, name) if drawn else None for name in ("confidence", "resamples", "seed")}


def document(board: Leaderboard, facts: Sequence[Mapping[str, Any]], lossless: Sequence[Lossless]) -> dict[str, Any]:
    """Return every field of a leaderboard, every condition by itself, the lossless codecs, and all codecs' settings."""
    drawn = board.intervals
    head = {name: getattr(board, name) for name in ("set", "anchor", "quality", "matched_bpp", "images")}
    draw = {name: getattr(drawn, name) for name in ("confidence", "images", "resamples", "seed")} if drawn else None
    entries = [_entry_document(board, entry) for entry in board.entries]
    conditions = {
        "{}@{}".format(*key): {
            "scored": key in board.scored,
            "images": board.compared[key],
            "inconsistency": fitted.inconsistency,
            "codecs": fitted.codecs,
            "log_ratios": fitted.ratios.tolist(),
            "weights": fitted.weights.tolist(),
        }
        for key, fitted in board.fits.items()
    }
    apart = [asdict(line) for line in lossless]
    return {
        **head,
        "intervals": draw,
        "entries": entries,
        "lossless": apart,
        "conditions": conditions,
        "codecs": facts,
    }


def _entry_document(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    by_condition = {
        "{}@{}".format(*key): {
            "rating": board.ratings.get((entry.codec, key)),
            "reason": board.absent.get((entry.codec, key), ""),
            "inflation": board.inflations.get((entry.codec, key)),
            "restoration": board.restorations.get((entry.codec, key)),
        }
        for key in board.conditions
    }
    tail = board.tails.get(entry.codec)
    fields = {**asdict(entry), "ratings": by_condition, "tail": tail and asdict(tail)}
    if board.intervals:
        fields["intervals"] = {name: _pair(_interval(board, entry, name)) for name in NUMBERS}
        fields["lost"] = {name: share for (codec, name), share in board.intervals.lost.items() if codec == entry.codec}
    return fields


def _interval(board: Leaderboard, entry: Entry, name: str) -> Interval | None:
    return board.intervals.numbers.get(entry.codec, {}).get(name) if board.intervals else None


def _pair(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval is not None and interval.known else None
