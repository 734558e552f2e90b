"""The leaderboard of a run file: the ranking of its codecs as a report, or its points if they are too few to rank."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ...analysis.counted import counted
from ...analysis.ranking import NUMBERS, TAILS, Entry, Leaderboard, Quality, intervals, rank
from ...analysis.rate import MINIMUM_POINTS
from ...analysis.statistics import MINIMUM_IMAGES, MOST_LOST, RESAMPLES, SEED, Interval, summarise
from ...corruptions.corruption import CLEAN
from ..store.facts import FACTS
from .evidence import BANDS, Evidence
from .sheet import Column, Report, Sheet, Value, number

_PERCENT = {"form": "+.1f", "unit": "%"}
_FACTOR = {"form": ".2f", "unit": "x"}
_DECIBELS = {"form": ".2f", "unit": " dB"}

_NUMBERS: Mapping[str, Column] = {
    "score": number("BD-rate", **_PERCENT),
    "clean": number("clean", **_PERCENT),
    "low": number("low", **_PERCENT),
    "medium": number("medium", **_PERCENT),
    "high": number("high", **_PERCENT),
    "inflation": number("inflation", **_FACTOR),
    "psnr_clean": number("PSNR clean", **_DECIBELS),
}
"""The columns of an entry's numbers, by the name of the field."""

COLUMNS = (
    *(number("#"), Column("codec"), *_NUMBERS.values()),
    *(number("overlap", ".0%"), number("n"), number("failed")),
)

TIED = "="
"""Follows the rank of a codec that does not differ significantly from the one above it."""

_TAIL_NUMBERS = ("score", "inflation", "psnr_clean")
_TAIL_COLUMNS = (
    *(Column("codec"), Column("number"), number("mean"), number("worst decile"), number("CVaR")),
    *(number("cases"), number("lacking")),
)
_TAIL_NOTES = (
    "A case is one image under one corruption. Each image is compared on its own, so these means differ from those "
    "above. worst decile: the value that the worst tenth of the cases reach or exceed; CVaR: the mean of that tenth. "
    "lacking: cases that cannot be compared.",
)

MOST_NAMES = 8
"""The most points or conditions that a note names."""

MOST_POINTS = 40
"""The most lines that are shown of a table of points."""

_POINT_COLUMNS = (
    *(Column("condition"), Column("codec"), number("n"), number("failed"), number("bpp", ".3f")),
    *(number("PSNR dB", ".2f"), number("PSNR clean dB", ".2f"), number("MS-SSIM", ".4f")),
)


def leaderboard(
    evidence: Evidence,
    *,
    anchor: str | None = None,
    quality: Quality = "psnr",
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Leaderboard:
    """Return the ranking of the codecs on one set, with confidence intervals unless `resamples` is 0.

    Raises NotComparable if the rows are of several sets, or if no codec has a rate curve.
    """
    rows = evidence.without_waves().rows
    board = rank(rows, BANDS, anchor=anchor, quality=quality)
    if not resamples:
        return board
    return replace(board, intervals=intervals(rows, BANDS, board, resamples=resamples, seed=seed))


def report(board: Leaderboard, evidence: Evidence, *, tails: bool = False, settings: bool = False) -> Report:
    """Return a leaderboard as a report; `tails` adds the worst cases, `settings` the settings of the codecs."""
    ranked = [entry.codec for entry in board.entries]
    facts = [line for line in evidence.facts() if line["codec"] in ranked]
    sheets = [sheet(board, [*evidence.chroma_notes(ranked), *evidence.image_notes()])]
    if tails:
        sheets.append(tail_sheet(board))
    if settings and facts:
        sheets.append(_settings_sheet(facts))
    return Report(sheets, [_record(board, entry) for entry in board.entries], _document(board, facts))


def sheet(board: Leaderboard, more_notes: Iterable[str] = ()) -> Sheet:
    """Return the ranking as a sheet with one line per codec."""
    return Sheet(COLUMNS, [_line(board, entry) for entry in board.entries], title(board), [*notes(board), *more_notes])


def _line(board: Leaderboard, entry: Entry) -> list[Value]:
    tied = board.intervals is not None and board.intervals.tied(entry.codec)
    rank_shown = "" if entry.rank is None else f"{entry.rank}{TIED if tied else ''}"
    known = board.intervals.numbers[entry.codec] if board.intervals else {}
    numbers = [known.get(name, getattr(entry, name)) for name in _NUMBERS]
    return [rank_shown, entry.codec, *numbers, entry.overlap, entry.n, entry.failed + entry.skipped]


def title(board: Leaderboard) -> str:
    """Return the heading of a leaderboard."""
    shifted = [condition for condition in board.conditions if condition[0] != CLEAN]
    severities = sorted({severity for _, severity in shifted})
    where = counted(len({name for name, _ in shifted}), "corruption") if shifted else "clean images"
    at = f", severity {' '.join(map(str, severities))}" if severities else ""
    measure = {"psnr": "PSNR", "ms_ssim": "MS-SSIM"}[board.quality]
    return f"{board.set}: {counted(board.images, 'image')}, {where}{at}; BD-rate ({measure}) against {board.anchor}"


def notes(board: Leaderboard) -> list[str]:
    """Return the notes that a reader needs to understand the ranking."""
    percent = _NUMBERS["score"].show
    legend = [
        f"BD-rate: difference in bits from {board.anchor} at the same quality, negative is better: the mean over all "
        "corruptions, then on clean images and over each band of corruptions."
    ]
    if any(math.isfinite(entry.inflation) for entry in board.entries):
        legend.append(
            "inflation: bits on corrupted images divided by bits on clean images, each setting against itself, the "
            "mean over settings."
        )
    if any(math.isfinite(entry.psnr_clean) for entry in board.entries):
        legend.append(
            f"PSNR clean: the decoded image against the clean image, at {board.matched_bpp:g} bpp on clean images, "
            "between settings."
        )
    legend.append(
        f"overlap: the smallest share of {board.anchor}'s quality range that both curves cover, under any corruption."
    )
    unranked = [_unranked(board, entry) for entry in board.entries if entry.rank is None]
    estimated = [
        f"{entry.codec}: the rate estimated from likelihoods differs from the real rate by {percent(entry.gap_clean)} "
        f"on clean images and by {percent(entry.gap)} on corrupted images."
        for entry in board.entries
        if not math.isnan(entry.gap_clean) or not math.isnan(entry.gap)
    ]
    return [" ".join(legend), *_interval_notes(board), *unranked, *estimated, *_aside_notes(board)]


def _unranked(board: Leaderboard, entry: Entry) -> str:
    """Return why a codec has no rank, and over which part of the board its number is a mean."""
    scored = [condition for condition in board.conditions if condition[0] != CLEAN] or list(board.conditions)
    partial = (
        f" Its BD-rate is the mean over {entry.conditions} of {counted(len(scored), 'condition')}: do not compare it "
        "with the others."
        if 0 < entry.conditions < len(scored)
        else ""
    )
    hint = " (try another --anchor)" if "quality range" in entry.reason else ""
    return f"{entry.codec} is not ranked: {entry.reason}{hint}.{partial}"


def _aside_notes(board: Leaderboard) -> Iterator[str]:
    """Yield which points and conditions of the rows the leaderboard leaves out, and why."""
    if board.aside.points:
        labels = list(dict.fromkeys(f"{codec}:{point}" for codec, _, point in board.aside.points))
        yield (
            f"Not on a curve: {_first(labels)}. A curve uses the largest set of images that {MINIMUM_POINTS} points "
            "of its codec share; points that lack one of these images are left out."
        )
    if board.aside.conditions:
        names = [f"{corruption}@{severity}" for corruption, severity in board.aside.conditions]
        yield f"Not on this board, because no codec has {MINIMUM_POINTS} points there: {_first(names)}."


def _first(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _interval_notes(board: Leaderboard) -> Iterator[str]:
    drawn = board.intervals
    if drawn is None:
        return
    if drawn.images < MINIMUM_IMAGES:
        yield f"Confidence intervals need at least {MINIMUM_IMAGES} images; this run has {drawn.images}."
        return
    yield (
        f"±: half the width of the {drawn.confidence:.0%} confidence interval, from {drawn.resamples} paired resamples "
        f"of the {drawn.images} images. {TIED} after a rank: no significant difference from the codec above."
    )
    without = {
        codec for codec, numbers in drawn.numbers.items() if not any(interval.known for interval in numbers.values())
    }
    few = [entry.codec for entry in board.entries if entry.n < MINIMUM_IMAGES and entry.codec in without]
    if few:
        yield f"No intervals for {', '.join(few)}: they need at least {MINIMUM_IMAGES} images."
    for codec in (entry.codec for entry in board.entries if entry.codec not in few):
        shares = {name: drawn.lost[codec, name] for name in NUMBERS if (codec, name) in drawn.lost}
        for too_many, outcome in ((True, "too many for an interval"), (False, "which the interval leaves out")):
            names = [name for name, share in shares.items() if (share > MOST_LOST) == too_many]
            if names:
                most = _share(max(shares[name] for name in names))
                yield f"{codec}: up to {most} of the resamples give no value of {', '.join(names)}, {outcome}."


def _share(share: float) -> str:
    """Return a share above 0 in percent, at least "0.1%"."""
    return f"{max(share, 0.001):.1%}"


def tail_sheet(board: Leaderboard) -> Sheet:
    """Return the worst cases as a sheet with one line per codec and number."""
    lines: list[list[Value]] = []
    for entry in board.entries:
        for name in _TAIL_NUMBERS:
            tail, column = board.tails[entry.codec, name], _NUMBERS[name]
            if tail.cases:
                numbers = [column.show(value) for value in (tail.mean, tail.decile, tail.cvar)]
                lines.append([entry.codec, column.name, *numbers, tail.cases, tail.lacking])
    return Sheet(_TAIL_COLUMNS, lines, notes=_TAIL_NOTES)


def _settings_sheet(facts: Iterable[Mapping[str, Any]]) -> Sheet:
    """Return the settings of each codec; runs that agree on a codec share a line."""
    lines = dict.fromkeys(tuple(_stated(line[name]) for name in ("codec", *FACTS)) for line in facts)
    return Sheet([Column(name.replace("_", " ")) for name in ("codec", *FACTS)], list(lines))


def _stated(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def points_report(evidence: Evidence) -> Report:
    """Return the report of a run with too few points to rank: one line per codec point and condition.

    At most MOST_POINTS lines are shown.
    """
    table = summarise(evidence.rows)
    lines = [
        (
            *(f"{line['corruption']}@{line['severity']}", f"{line['codec']}:{line['point']}", line["n"]),
            *(line["n_failed"], line["bpp_mean"], line["psnr_mean"], line["psnr_clean_mean"], line["ms_ssim_mean"]),
        )
        for line in table.to_dict("records")
    ]
    more = f"... and {len(lines) - MOST_POINTS} more: codecshift rows {shlex.quote(str(evidence.path))}"
    notes = [more] if len(lines) > MOST_POINTS else []
    return Report([Sheet(_POINT_COLUMNS, lines[:MOST_POINTS], notes=[*notes, *evidence.image_notes()])])


# --- every digit


def _record(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    """Return an entry's fields, the ends of its intervals, its differences from other codecs and its worst cases."""
    drawn = board.intervals
    record = {"set": board.set, "anchor": board.anchor, "quality": board.quality, **asdict(entry)}
    for name in NUMBERS:
        record |= _named_ends(name, drawn.numbers[entry.codec][name] if drawn else None)
    for name, differences in (("to_above", drawn and drawn.above), ("to_best", drawn and drawn.best)):
        difference = differences.get(entry.codec) if differences else None
        record |= {name: difference.estimate if difference else None, **_named_ends(name, difference)}
    for name in TAILS:
        tail = board.tails[entry.codec, name]
        record |= {f"{name}_decile": tail.decile, f"{name}_cvar": tail.cvar, f"{name}_cases": tail.cases}
    return record | {name: getattr(drawn, name) if drawn else None for name in ("confidence", "resamples", "seed")}


def _named_ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    return {f"{name}_from": interval.low if interval else None, f"{name}_to": interval.high if interval else None}


def _document(board: Leaderboard, facts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return every field of a leaderboard, every condition by itself, and the settings of each codec."""
    drawn = board.intervals
    head = {name: getattr(board, name) for name in ("set", "anchor", "quality", "matched_bpp", "images")}
    draw = {name: getattr(drawn, name) for name in ("confidence", "images", "resamples", "seed")} if drawn else None
    entries = [_entry_document(board, entry) for entry in board.entries]
    return {**head, "intervals": draw, "entries": entries, "codecs": facts}


def _entry_document(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    drawn = board.intervals
    conditions = {}
    for condition in board.conditions:
        key = (entry.codec, condition)
        conditions["{}@{}".format(*condition)] = {
            **asdict(board.bd_rates[key]),
            "interval": _pair(drawn.bd_rates[key] if drawn else None),
            "inflation": board.inflations.get(key),
            "psnr_clean": board.psnr_clean.get(key),
        }
    document = {
        **asdict(entry),
        "bd_rates": conditions,
        "tails": {name: asdict(board.tails[entry.codec, name]) for name in TAILS},
    }
    if drawn:
        document["intervals"] = {name: _pair(interval) for name, interval in drawn.numbers[entry.codec].items()}
        document["lost"] = {name: share for (codec, name), share in drawn.lost.items() if codec == entry.codec}
        for name, differences in (("to_above", drawn.above), ("to_best", drawn.best)):
            difference = differences.get(entry.codec)
            document[name] = difference and {"difference": difference.estimate, "interval": _pair(difference)}
    return document


def _pair(interval: Interval | None) -> list[float] | None:
    return [interval.low, interval.high] if interval is not None and interval.known else None
