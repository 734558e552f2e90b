"""The leaderboard of a run file: the ranking of its codecs as a report, or its points if they are too few to rank."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...analysis.counted import counted
from ...analysis.measures.table import find
from ...analysis.ranking import LOSSLESS, Entry, Leaderboard, Lossless, Quality, lossless, rank
from ...analysis.statistics import RESAMPLES, SEED, summarise
from ...corruptions.corruption import CLEAN
from ...corruptions.table import FIFTEEN
from ..plan.names import named
from ..plan.plans import corruptions_named
from ..store.facts import FACTS
from .evidence import BANDS, Evidence
from .leaderboard_notes import FRONT, notes
from .leaderboard_records import document, record
from .sheet import Column, Report, Sheet, Value, number

_PERCENT = {"form": "+z.1f", "unit": "%"}  # "z": never "-0.0"
_FACTOR = {"form": ".2f", "unit": "x"}
_DECIBELS = {"form": "+z.2f", "unit": " dB"}

COLUMNS: Mapping[str, Column] = {
    "rank": number("rank"),
    "codec": Column("codec"),
    "score": number("bits", **_PERCENT),
    "clean": number("clean", **_PERCENT),
    "low": number("low", **_PERCENT),
    "medium": number("medium", **_PERCENT),
    "high": number("high", **_PERCENT),
    "extra": number("extra", **_PERCENT),
    "penalty": number("penalty", **_PERCENT),
    **{f"penalty_{band}": number(f"penalty\n{band}", **_PERCENT) for band in ("low", "medium", "high")},
    **{f"restoration_{band}": number(f"restoration\n{band}", **_DECIBELS) for band in ("low", "medium", "high")},
    **{f"inflation_{band}": number(f"inflation\n{band}", **_FACTOR) for band in ("low", "medium", "high")},
    "coverage": number("coverage", ".0%"),
    "bd_rate": number("BD-rate", **_PERCENT),
    "n": number("n"),
    "failed": number("failed"),
    "skipped": number("skipped"),
    "conditions": number("conditions"),
}
"""The columns that can be chosen, by the name of the field of an entry."""

SHOWN = (
    *("rank", "codec", "score", "clean", "low", "medium", "high", "extra"),
    *("restoration_high", "inflation_high", "coverage", "n"),
)
"""The columns shown by default."""

_TAIL_COLUMNS = (
    *(Column("codec"), number("mean", **_PERCENT), number("worst decile", **_PERCENT), number("CVaR", **_PERCENT)),
    *(number("cases"), number("lacking")),
)
_TAIL_NOTES = (
    "A case is one image under one corruption, in percent of bits against the anchor. Each image is compared on its "
    "own, so these means differ from those above. worst decile: the value that the worst tenth of the cases reach or "
    "exceed; CVaR: the mean of that tenth. lacking: cases that cannot be compared.",
)

_LOSSLESS_COLUMNS = (
    *(Column("codec"), *(number(name, ".3f", " bpp") for name in ("clean", "low", "medium", "high"))),
    *(number("encode", ".3f", " s"), number("decode", ".3f", " s"), number("n")),
)
_LOSSLESS_NOTE = (
    "Bits per pixel are means over the images that all lossless codecs coded, on clean images and over each band of "
    "corruptions. encode, decode: the median time for a clean image."
)

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

    Extra corruptions and the waves of heatmaps are left out, unless they are chosen by name or there are no others.
    Raises NotComparable if the rows are of several sets or lack the measure, or if no codec has a rate curve.
    """
    rows = evidence.without_waves().rows
    evidence.require(quality)
    asked = {name for text in evidence.choice.corruptions for name in corruptions_named(text)}
    if rows["corruption"].isin(FIFTEEN).any():
        rows = rows[rows["corruption"].isin([CLEAN, *FIFTEEN, *asked])]
    shifts = evidence.shifts()
    return rank(rows, BANDS, anchor=anchor, quality=quality, shifts=shifts, resamples=resamples, seed=seed)


def columns_named(text: str) -> list[str]:
    """Return the names of columns in a list separated by commas; raise UnknownName for an unknown one."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        named("column", name, COLUMNS)
    return names


def report(
    board: Leaderboard,
    evidence: Evidence,
    *,
    columns: Sequence[str] = SHOWN,
    tails: bool = False,
    settings: bool = False,
) -> Report:
    """Return a leaderboard as a report; `tails` adds the worst cases, `settings` the settings of the codecs.

    `columns` are names of COLUMNS; the records and the document have every field. Lossless codecs have a sheet of their
    own.
    """
    ranked = [entry.codec for entry in board.entries]
    lossless_lines = lossless(evidence.rows, board.conditions, BANDS)
    facts = [line for line in evidence.facts() if line["codec"] in ranked]
    more_notes = [*evidence.chroma_notes(ranked), *evidence.image_notes()]
    lines = [[_value(board, entry, name) for name in columns] for entry in board.entries if entry.reason != LOSSLESS]
    sheets = [Sheet([COLUMNS[name] for name in columns], lines, title(board), [*notes(board, columns), *more_notes])]
    if lossless_lines:
        sheets.append(_lossless_sheet(lossless_lines))
    if tails:
        sheets.append(tail_sheet(board))
    if settings and facts:
        sheets.append(_settings_sheet(facts))
    return Report(sheets, [record(board, entry) for entry in board.entries], document(board, facts, lossless_lines))


def _value(board: Leaderboard, entry: Entry, name: str) -> Value:
    """Return what a cell shows: an unknown number is empty, and a note gives the reason."""
    if name == "rank":
        return _rank_shown(entry)
    if name == "codec":
        return f"{entry.codec} {FRONT}" if entry.on_front else entry.codec
    value: Value = getattr(entry, name)
    if isinstance(value, float) and math.isnan(value):
        return None
    known = board.intervals.numbers.get(entry.codec, {}) if board.intervals else {}
    return known.get(name, value)


def _rank_shown(entry: Entry) -> str:
    """Return a rank with its interval, "2 (1-3)", or the range of ranks of a codec without a rank, "(1-3)"."""
    shown = "" if entry.rank is None else str(entry.rank)
    if entry.rank_low is None or (entry.rank is not None and entry.rank_low == entry.rank_high):
        return shown
    return f"{shown} ({entry.rank_low}-{entry.rank_high})".strip()


def title(board: Leaderboard) -> str:
    """Return the heading of a leaderboard."""
    shifted = [condition for condition in board.conditions if condition[0] != CLEAN]
    severities = sorted({severity for _, severity in shifted})
    where = counted(len({name for name, _ in shifted}), "corruption") if shifted else "clean images"
    at = f", severity {' '.join(map(str, severities))}" if severities else ""
    measure = find(board.quality).title
    images = counted(board.images, "image")
    return f"{board.set}: {images}, {where}{at}; bits at equal {measure} against {board.anchor}"


def tail_sheet(board: Leaderboard) -> Sheet:
    """Return the worst cases as a sheet with one line per codec."""
    lines: list[list[Value]] = [
        [entry.codec, tail.mean, tail.decile, tail.cvar, tail.cases, tail.lacking]
        for entry in board.entries
        if (tail := board.tails.get(entry.codec)) is not None and tail.cases
    ]
    return Sheet(_TAIL_COLUMNS, lines, notes=_TAIL_NOTES)


def _lossless_sheet(lines: Sequence[Lossless]) -> Sheet:
    """Return the lossless codecs as a sheet with one line per setting."""
    points = Counter(line.codec for line in lines)
    body: list[list[Value]] = [
        [
            *(line.codec if points[line.codec] == 1 else f"{line.codec}:{line.point}", line.clean, line.low),
            *(line.medium, line.high, line.encode_s, line.decode_s, line.n),
        ]
        for line in lines
    ]
    return Sheet(_LOSSLESS_COLUMNS, body, "lossless codecs, apart from the ranking", [_LOSSLESS_NOTE])


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
