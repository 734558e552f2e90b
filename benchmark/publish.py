"""What a run file is turned into for others to read: tables, leaderboards, and the published results."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ..analysis.matched import MatchedLine, MatchedPoint, under_corruption
from ..analysis.ranking import NUMBERS, TAILS, Entry, Leaderboard, NotComparable, Quality, intervals, rank
from ..analysis.statistics import MINIMUM_IMAGES, MOST_LOST, RESAMPLES, SEED, Interval, summarise
from ..corruptions.fourier import PREFIX
from ..corruptions.table import CORRUPTIONS
from . import fairness, store
from .cell import corruptions_named
from .provenance import MATCHED, conflict

RESULTS_VERSION = 1


def leaderboard(
    path: Path,
    *,
    of: str | None = None,
    anchor: str | None = None,
    quality: Quality = "psnr",
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (),
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Leaderboard:
    """Return the leaderboard of a run file, or of the set, corruptions and severities chosen from it.

    With intervals from so many resamples of the images; none of them, no intervals. Raises RunFileError, and
    NotComparable for rows that may not stand in one table: other versions of a corruption, a measure, a codec or a set.
    """
    rows = _chosen(path, of, corruptions, severities)
    bands = {name: one.band for name, one in CORRUPTIONS.items()}
    board = rank(rows, bands, anchor=anchor, quality=quality)
    return (
        replace(board, intervals=intervals(rows, bands, board, resamples=resamples, seed=seed)) if resamples else board
    )


def matched(
    path: Path, *, of: str | None = None, corruptions: Sequence[str] = (), severities: Sequence[int] = ()
) -> pd.DataFrame:
    """Return what a run file says of the operating points that were matched: the set, then the fields of MatchedLine.

    No lines where no points were matched. Raises as `leaderboard`.
    """
    runs = [run for run in store.runs(path).values() if MATCHED in run]
    lines: list[dict[str, Any]] = []
    if runs:
        rows = _chosen(path, of, corruptions, severities)
        bands = {name: one.band for name, one in CORRUPTIONS.items()}
        for name, part in rows.groupby("set", sort=True):
            held = _held(run[MATCHED] for run in runs if name in run["sets"])
            lines += [{"set": str(name)} | asdict(line) for line in under_corruption(part, bands, held)]
    return pd.DataFrame(lines, columns=["set", *(field.name for field in fields(MatchedLine))])


def _held(records: Iterable[Mapping[str, Any]]) -> list[MatchedPoint]:
    """Return the points that were matched, then those that were given, each once."""
    records = list(records)
    points = sorted((one for record in records for one in record["points"]), key=lambda one: str(one["target"]))
    fixed = [label.split(":", 1) for record in records for label in record["fixed"]]
    held = [
        *(MatchedPoint(one["target"], one["codec"], one["point"]) for one in points if one["point"]),
        *(MatchedPoint("", *one) for one in fixed),
    ]
    return list(dict.fromkeys(held))


def _is_wave(rows: pd.DataFrame) -> pd.Series[bool]:
    """Say which rows are of Fourier perturbations."""
    return rows["corruption"].str.startswith(PREFIX)


def _chosen(path: Path, of: str | None, corruptions: Sequence[str], severities: Sequence[int]) -> pd.DataFrame:
    """Return the rows of the set, corruptions and severities chosen, with the clean ones; refuse what cannot be one.

    The waves of a heatmap are hundreds of corruptions that no image suffers: they are in only where they are named.
    """
    rows = store.read(path)
    named_waves = [text for text in corruptions if text.startswith(PREFIX)]
    rows = rows[rows["corruption"].isin(named_waves) | ~_is_wave(rows)]
    held = sorted(rows["set"].unique())
    if of is not None:
        if of not in held:
            raise NotComparable(f"{path} holds no rows of {of!r}: expected one of {', '.join(held)}")
        rows = rows[rows["set"] == of]
    for column, wanted, clean in (
        ("corruption", [corruptions_named(text) for text in corruptions], "none"),
        ("severity", [(severity,) for severity in severities], 0),
    ):
        present = set(rows[column])
        for values in wanted:
            if present.isdisjoint(values):
                there = ", ".join(map(str, sorted(present)))
                raise NotComparable(f"{path} holds no rows of {column} {', '.join(map(str, values))}, only of {there}")
        if wanted:
            rows = rows[rows[column].isin([clean, *(value for values in wanted for value in values)])]
    runs = store.runs(path)
    reason = conflict(runs[run] for run in rows["run"].unique())
    if reason:
        raise NotComparable(f"the rows of {path} cannot be compared: {reason}")
    return rows


@dataclass(frozen=True, slots=True)
class Column:
    """A column shown to people: its side, how an entry fills it, and the number whose interval goes with it."""

    side: Literal["left", "right"]
    fill: Callable[[Entry], str]
    number: str = ""
    form: Callable[[float], str] = str


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.1f}%"


def _factor(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}x"


def _decibels(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f} dB"


def _number(name: str, form: Callable[[float], str]) -> Column:
    return Column("right", lambda one: form(getattr(one, name)), name, form)


COLUMNS: Mapping[str, Column] = {
    "#": Column("right", lambda one: "" if one.rank is None else str(one.rank)),
    "codec": Column("left", lambda one: one.codec),
    "BD-rate": _number("score", _percent),
    "clean": _number("clean", _percent),
    "low": _number("low", _percent),
    "medium": _number("medium", _percent),
    "high": _number("high", _percent),
    "inflation": _number("inflation", _factor),
    "PSNR clean": _number("psnr_clean", _decibels),
    "overlap": Column("right", lambda one: "-" if math.isnan(one.overlap) else f"{one.overlap:.0%}"),
    "n": Column("right", lambda one: str(one.n)),
    "failed": Column("right", lambda one: str(one.failed + one.skipped)),
}
"""The columns shown to people."""

TIED = "="
"""Stands after the rank of a codec that cannot be told apart from the one above it."""


def _cell(board: Leaderboard, entry: Entry, name: str) -> str:
    column = COLUMNS[name]
    tied = name == "#" and board.intervals is not None and board.intervals.tied(entry.codec)
    return column.fill(entry) + TIED * tied


def _interval(board: Leaderboard, entry: Entry, column: Column) -> Interval | None:
    """Return the interval of a column's number, None where there is none."""
    found = board.intervals.numbers[entry.codec].get(column.number) if board.intervals else None
    return found if found is not None and found.known else None


def lines(board: Leaderboard) -> list[list[str]]:
    """Return the lines of a leaderboard as text: of each codec its numbers, and below them half their intervals."""
    shown = []
    for entry in board.entries:
        shown.append([_cell(board, entry, name) for name in COLUMNS])
        found = [(column, _interval(board, entry, column)) for column in COLUMNS.values()]
        if any(one for _, one in found):
            shown.append(["±" + column.form(one.margin).lstrip("+") if one else "" for column, one in found])
    return shown


def title(board: Leaderboard) -> str:
    """Return the heading of a leaderboard."""
    shifted = [one for one in board.conditions if one != ("none", 0)]
    severities = sorted({severity for _, severity in shifted})
    where = f"{len({name for name, _ in shifted})} corruptions" if shifted else "clean images"
    at = f", severity {' '.join(map(str, severities))}" if severities else ""
    measure = {"psnr": "PSNR", "ms_ssim": "MS-SSIM"}[board.quality]
    return f"{board.set}: {board.images} images, {where}{at}; BD-rate ({measure}) against {board.anchor}"


def notes(board: Leaderboard, width: int = 100, *, intervals: str = "±: half") -> list[str]:
    """Return what a reader must know beside the table, in lines of at most `width` columns.

    `intervals` says how they are shown.
    """
    legend = (
        "BD-rate: bits at equal quality against what the codec was given, below 0 is better; mean over corruptions, "
        "then on clean images and per band. inflation: bits on corrupted over clean images at one setting. PSNR clean: "
        f"decoded against the clean image, at the setting that takes {board.matched_bpp:g} bpp on clean images. "
        "overlap: the least part of the anchor's quality range that a BD-rate rests on."
    )
    reasons = [f"{one.codec} is not ranked: {one.reason}." for one in board.entries if one.rank is None]
    gaps = [
        f"{one.codec}: the rate estimated from likelihoods is {_percent(one.gap_clean)} off the real one on clean "
        f"images, {_percent(one.gap)} on corrupted ones."
        for one in board.entries
        if not math.isnan(one.gap_clean) or not math.isnan(one.gap)
    ]
    return [
        line for text in (legend, *_sureness(board, intervals), *reasons, *gaps) for line in textwrap.wrap(text, width)
    ]


def _sureness(board: Leaderboard, shown: str) -> list[str]:
    """Return what a reader must know of the intervals, and how they are shown."""
    found = board.intervals
    if found is None:
        return []
    if found.images < MINIMUM_IMAGES:
        return [f"No intervals: {found.images} images say too little of others, it takes at least {MINIMUM_IMAGES}."]
    said = [
        f"{shown} the {found.confidence:.0%} interval, from {found.resamples} paired resamples of the {found.images} "
        f"images. {TIED} after a rank: cannot be told apart from the codec above."
    ]
    without = [codec for codec, numbers in found.numbers.items() if not any(one.known for one in numbers.values())]
    few = [one.codec for one in board.entries if one.n < MINIMUM_IMAGES and one.codec in without]
    if few:
        said.append(f"No intervals of {', '.join(few)}: it takes at least {MINIMUM_IMAGES} images.")
    for codec in (one.codec for one in board.entries if one.codec not in few):
        shares = {name: found.lost[codec, name] for name in NUMBERS if (codec, name) in found.lost}
        for much, outcome in ((True, "too many for an interval"), (False, "left out of the interval")):
            names = [name for name, share in shares.items() if (share > MOST_LOST) == much]
            if names:
                most = max(shares[name] for name in names)
                said.append(
                    f"{codec}: up to {most:.1%} of the resamples have no value of {', '.join(names)}, {outcome}."
                )
    return said


TAIL_HEADINGS = ("codec", "number", "mean", "worst decile", "CVaR", "cases", "lacking")
TAIL_SIDES = ("left", "left", "right", "right", "right", "right", "right")
TAIL_NOTES = (
    "Worst cases over images x corruptions, each image compared by itself, so the means are not those above. worst "
    "decile: the worst tenth of the cases reach it or go beyond; CVaR: the mean of that tenth. lacking: cases that "
    "cannot be compared."
)
_TAIL_FORMS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "score": ("BD-rate", _percent),
    "inflation": ("inflation", _factor),
    "psnr_clean": ("PSNR clean", _decibels),
}


def tail_lines(board: Leaderboard) -> list[list[str]]:
    """Return the worst cases of a leaderboard, a line per codec and number, as TAIL_HEADINGS has them."""
    shown = []
    for entry in board.entries:
        for number, (name, form) in _TAIL_FORMS.items():
            one = board.tails[entry.codec, number]
            if one.cases:
                figures = [form(one.mean), form(one.decile), form(one.cvar), str(one.cases), str(one.lacking)]
                shown.append([entry.codec, name, *figures])
    return shown


MATCHED_COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "over": ("left", lambda one: str(one.over)),
    "codec": ("left", lambda one: f"{one.codec}:{one.point}"),
    "n": ("right", lambda one: str(one.n)),
    "failed": ("right", lambda one: str(one.failed)),
    "bpp": ("right", lambda one: _digits(one.bpp, ".3f")),
    "inflation": ("right", lambda one: _digits(one.inflation, ".2f", "x")),
    "PSNR": ("right", lambda one: _digits(one.psnr, ".2f", " dB")),
    "PSNR clean": ("right", lambda one: _digits(one.psnr_clean, ".2f", " dB")),
    "MS-SSIM": ("right", lambda one: _digits(one.ms_ssim, ".4f")),
    "clean": ("right", lambda one: _digits(one.ms_ssim_clean, ".4f")),
}
"""The columns of matched points shown to people, their side, and how a line fills them."""

MATCHED_NOTES = (
    "over: clean images, the corruptions of a band, or all of them (corrupted), all at one and the same point. "
    "inflation: bits on corrupted over clean images. PSNR and MS-SSIM: against what the codec was given, then against "
    "the clean image. n: the images that all codecs of the table have, in the condition with the fewest."
)


def _digits(value: float, form: str, unit: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:{form}}{unit}"


def matched_tables(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return what `matched` gave as one table per set and target, each with its heading."""
    return [
        (f"{of}: matched at {target} on clean images", part)
        for (of, target), part in table.groupby(["set", "target"], sort=False)
    ]


def matched_as_markdown(table: pd.DataFrame) -> str:
    """Return what `matched` gave as Markdown tables with their headings and notes."""
    rules = _rules(side for side, _ in MATCHED_COLUMNS.values())
    lines = []
    for heading, part in matched_tables(table):
        lines += [f"**{heading}**", "", _bar(MATCHED_COLUMNS), _bar(rules)]
        lines += [_bar([fill(one) for _, fill in MATCHED_COLUMNS.values()]) for one in part.itertuples()]
        lines.append("")
    return "\n".join([*lines, *textwrap.wrap(MATCHED_NOTES, 100)]) + "\n"


def facts_behind(path: Path, board: Leaderboard) -> list[dict[str, Any]]:
    """Return what the runs of a leaderboard's set say of its codecs, as `facts` does."""
    runs = {run: one for run, one in store.runs(path).items() if board.set in one["sets"]}
    ranked = {entry.codec for entry in board.entries}
    return [line for line in facts(runs) if line["codec"] in ranked]


def as_markdown(board: Leaderboard, codecs: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the leaderboard as a Markdown table with its heading and notes, then what each codec was set to.

    Intervals stand in brackets after their numbers.
    """
    table = [list(COLUMNS), _rules(column.side for column in COLUMNS.values())]
    for entry in board.entries:
        cells = [_cell(board, entry, name) for name in COLUMNS]
        for place, column in enumerate(COLUMNS.values()):
            if one := _interval(board, entry, column):
                cells[place] += f" [{column.form(one.low)}, {column.form(one.high)}]"
        table.append(cells)
    lines = [f"**{title(board)}**", "", *map(_bar, table), "", *notes(board, intervals="In brackets:")]
    # Several runs of one leaderboard mostly say the same; where they do not, each is told.
    if settings := dict.fromkeys(tuple(_told(line[name]) for name in ("codec", *fairness.COLUMNS)) for line in codecs):
        headings = ["codec", *(name.replace("_", " ") for name in fairness.COLUMNS)]
        lines += ["", _bar(headings), _bar([":---"] * len(headings)), *map(_bar, settings)]
    return "\n".join(lines) + "\n"


def tails_as_markdown(board: Leaderboard) -> str:
    """Return the worst cases of a leaderboard as a Markdown table with its notes."""
    table = [TAIL_HEADINGS, _rules(TAIL_SIDES), *tail_lines(board)]
    return "\n".join([*map(_bar, table), "", *textwrap.wrap(TAIL_NOTES, 100)]) + "\n"


def _rules(sides: Iterable[str]) -> list[str]:
    return ["---:" if side == "right" else ":---" for side in sides]


def _told(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _bar(cells: Any) -> str:
    return "| " + " | ".join(cells) + " |"


def as_csv(board: Leaderboard) -> str:
    """Return the leaderboard as CSV: every field of every entry, its intervals and worst cases, unrounded."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    told = [_flat(board, entry) for entry in board.entries]
    writer.writerow(["set", "anchor", "quality", *told[0]])
    for line in told:
        values = (None if _missing(value) else value for value in line.values())
        writer.writerow([board.set, board.anchor, board.quality, *values])
    return buffer.getvalue()


def _flat(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    """Return a line of the CSV: an entry's fields, the ends of its intervals, differences and worst cases."""
    found = board.intervals
    line = asdict(entry)
    for name in NUMBERS:
        line |= _ends(name, found.numbers[entry.codec][name] if found else None)
    for name, differences in (("to_above", found and found.above), ("to_best", found and found.best)):
        one = differences.get(entry.codec) if differences else None
        line |= {name: one.estimate if one else None, **_ends(name, one)}
    for name in TAILS:
        worst = board.tails[entry.codec, name]
        line |= {f"{name}_decile": worst.decile, f"{name}_cvar": worst.cvar, f"{name}_cases": worst.cases}
    return line | {name: getattr(found, name) if found else None for name in ("confidence", "resamples", "seed")}


def _ends(name: str, one: Interval | None) -> dict[str, float | None]:
    return {f"{name}_from": one.low if one else None, f"{name}_to": one.high if one else None}


def as_json(board: Leaderboard, codecs: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the leaderboard as JSON: every field, its intervals and worst cases, and every condition by itself.

    An interval is a pair, null where there is none. `codecs` is what each codec was set to, as `facts_behind` gives it.
    """
    found = board.intervals
    entries = []
    for entry in board.entries:
        per_condition = {}
        for condition in board.conditions:
            key = (entry.codec, condition)
            per_condition["{}@{}".format(*condition)] = {
                **_nulled(asdict(board.bd_rates[key])),
                "interval": _pair(found.bd_rates[key] if found else None),
                **_nulled({"inflation": board.inflations.get(key), "psnr_clean": board.psnr_clean.get(key)}),
            }
        one = {**_nulled(asdict(entry)), "bd_rates": per_condition}
        one["tails"] = {name: _nulled(asdict(board.tails[entry.codec, name])) for name in TAILS}
        if found:
            one["intervals"] = {name: _pair(number) for name, number in found.numbers[entry.codec].items()}
            one["lost"] = {name: share for (codec, name), share in found.lost.items() if codec == entry.codec}
            for name, differences in (("to_above", found.above), ("to_best", found.best)):
                difference = differences.get(entry.codec)
                one[name] = difference and {"difference": difference.estimate, "interval": _pair(difference)}
        entries.append(one)
    head = {name: getattr(board, name) for name in ("set", "anchor", "quality", "matched_bpp", "images")}
    names = ("confidence", "images", "resamples", "seed")
    drawn = {name: getattr(found, name) for name in names} if found else None
    return json.dumps({**head, "intervals": drawn, "entries": entries, "codecs": list(codecs)}, indent=2) + "\n"


def _pair(one: Interval | None) -> list[float] | None:
    return [one.low, one.high] if one is not None and one.known else None


def _missing(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _nulled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: None if _missing(value) else value for name, value in values.items()}


def points(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one line per codec point, over all conditions of each set: what there is to show without a rate curve."""
    table = summarise(rows)
    columns = ["set", "corruption", "severity", "codec", "point", "n", "n_failed", "n_lossless"]
    return table[[*columns, "bpp_mean", "psnr_mean", "psnr_clean_mean", "ms_ssim_mean"]]


def export(path: Path, folder: Path) -> list[Path]:
    """Write the published tables of a run file below `folder` and return the files, e.g. v1/kodak/jpeg.csv.

    One line per (corruption, severity, point) in `<set>/<codec>.csv`, the provenance of each run in `runs/<run>.json`,
    and in `codecs.csv` what each codec was set to, of every run that lies there. The same run file gives the same
    bytes. Raises RunFileError, and NotComparable as `leaderboard`.
    """
    rows = store.read(path)
    provenances = store.runs(path)
    if rows.empty:
        raise NotComparable(f"{path} holds no rows")
    # A search whose points were all measured before it was recorded has a run of its own, without rows.
    searched = (run for run, provenance in provenances.items() if MATCHED in provenance)
    runs = sorted({*rows["run"], *searched})
    reason = conflict(provenances[run] for run in runs)
    if reason:
        raise NotComparable(f"the rows of {path} cannot be published as one: {reason}")
    root = folder / f"v{RESULTS_VERSION}"
    tables: dict[Path, pd.DataFrame] = {}
    for (of, codec), table in summarise(rows).groupby(["set", "codec"], sort=True):
        target = root / file_name(str(of)) / f"{file_name(str(codec))}.csv"
        if target in tables:
            raise NotComparable(f"two sets or codecs of {path} would both be written to {target}: export them apart")
        tables[target] = table.drop(columns=["set", "codec"])
    published = _published(root / "runs") | {run: provenances[run] for run in runs}
    for target, table in tables.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(target, index=False, float_format="%.6g", lineterminator="\n")
    written = list(tables)
    for run in runs:
        target = root / "runs" / f"{run}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(provenances[run], indent=2, sort_keys=True) + "\n", encoding="utf-8")
        written.append(target)
    target = root / "codecs.csv"
    target.write_text(fairness.as_csv(facts(published), ["codec", "run", *fairness.COLUMNS]), encoding="utf-8")
    return [*written, target]


def _published(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of every run published in a folder."""
    found = {}
    for path in folder.glob("*.json"):
        try:
            provenance = json.loads(path.read_text(encoding="utf-8"))
            found[path.stem] = {"codecs": {str(name): dict(one) for name, one in provenance["codecs"].items()}}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotComparable(f"{path} is not the provenance of a run: move it elsewhere") from error
    return found


def facts(provenances: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what runs, by id, say of their codecs, for a fair comparison: a line per codec and run."""
    return [
        {"codec": name, "run": run, **{column: one.get(column) for column in fairness.COLUMNS}}
        for name, run, one in sorted(
            ((name, run, one) for run, provenance in provenances.items() for name, one in provenance["codecs"].items()),
            key=lambda line: line[:2],
        )
    ]


def subsampled(path: Path) -> dict[str, str]:
    """Return the codecs of a run file that do not code colour at full resolution, with their chroma subsampling."""
    told = {line["codec"]: line["chroma"] for line in facts(store.runs(path))}
    return {codec: chroma for codec, chroma in told.items() if chroma not in {"4:4:4", "?", None}}


def chroma_note(path: Path, codecs: Iterable[str]) -> str:
    """Return a sentence that names those of the codecs that are at a disadvantage in colour, "" if none is."""
    less = subsampled(path)
    named = [f"{codec} ({less[codec]})" for codec in dict.fromkeys(codecs) if codec in less]
    return f"Colour at a lower resolution, so a lower ceiling of PSNR: {', '.join(named)}." if named else ""


def file_name(name: str) -> str:
    """Return a set's or codec's name fit for a path, e.g. "folder-screen"."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)
