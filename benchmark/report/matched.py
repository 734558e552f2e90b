"""The table of matched points: codecs with equal rate or quality on clean images, compared under corruption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

import pandas as pd

from ...analysis.matched import MatchedLine, MatchedPoint, under_corruption
from ..plan.targets import Match
from ..store.provenance import MATCHED
from .evidence import BANDS, Evidence
from .sheet import Column, Report, Sheet, Value, number

_COLUMNS = (
    *(Column("over"), Column("codec"), number("n"), number("failed"), number("bpp", ".3f")),
    *(number("inflation", ".2f", "x"), number("PSNR", ".2f", " dB"), number("PSNR clean", ".2f", " dB")),
    *(number("MS-SSIM", ".4f"), number("clean", ".4f")),
)
_FIELDS = ("over", "label", "n", "failed", "bpp", "inflation", "psnr", "psnr_clean", "ms_ssim", "ms_ssim_clean")
_NOTES = (
    "over: what each line averages: clean images, the corruptions of a band, or all corruptions (corrupted); the codec "
    "stays at the same point. inflation: bits on corrupted images divided by bits on clean images. PSNR, MS-SSIM: "
    "against the image that the codec was given; PSNR clean, clean: against the clean image. n: the images that all "
    "codecs of the table share, in the condition with the fewest.",
)


def matched(evidence: Evidence) -> pd.DataFrame:
    """Return one line per set, target, point and group of conditions: the set, then the fields of MatchedLine.

    The table is empty if no points were matched.
    """
    lines: list[dict[str, Any]] = []
    for part in evidence.without_waves().by_set():
        image_set = str(part.rows["set"].iloc[0])
        searches = [run[MATCHED] for run in part.runs.values() if MATCHED in run and image_set in run["sets"]]
        if searches:
            set_lines = under_corruption(part.rows, BANDS, _points(searches))
            lines += [{"set": image_set} | asdict(line) for line in set_lines]
    return pd.DataFrame(lines, columns=["set", *(field.name for field in fields(MatchedLine))])


def _points(searches: Iterable[Mapping[str, Any]]) -> list[MatchedPoint]:
    """Return the points that searches found, then the points that the user named, without duplicates."""
    searches = list(searches)
    records = sorted(
        (record for search in searches for record in search["points"]), key=lambda record: str(record["target"])
    )
    fixed = [label.split(":", 1) for search in searches for label in search["fixed"]]
    points = [
        *(MatchedPoint(record["target"], record["codec"], record["point"]) for record in records if record["point"]),
        *(MatchedPoint("", *label) for label in fixed),
    ]
    return list(dict.fromkeys(points))


def report(table: pd.DataFrame, evidence: Evidence) -> Report:
    """Return the table of `matched` as a report with one sheet per set and target."""
    sheets = []
    labelled = table.assign(label=table["codec"] + ":" + table["point"])
    for (image_set, target), part in labelled.groupby(["set", "target"], sort=False):
        lines = list(part[list(_FIELDS)].itertuples(index=False, name=None))
        sheets.append(Sheet(_COLUMNS, lines, f"{image_set}: matched at {target} on clean images"))
    if sheets:
        last = sheets[-1]
        notes = [*_NOTES, *evidence.chroma_notes(table["codec"]), *evidence.image_notes()]
        sheets[-1] = Sheet(last.columns, last.lines, last.title, notes)
    records = table.to_dict("records")
    return Report(sheets, records, records)


_SEARCH_COLUMNS = (
    *(Column("target"), Column("codec"), Column("point"), number("bpp", ".3f"), number("PSNR dB", ".2f")),
    *(number("MS-SSIM", ".4f"), number("off"), number("n"), number("points tried")),
)


def search_report(matches: Iterable[Match]) -> Report:
    """Return the points that searches found, with their means on clean images."""
    lines: list[tuple[Value, ...]] = []
    for match in matches:
        means, head = match.achieved, (str(match.target), match.codec)
        if match.point:
            shown: tuple[Value, ...] = (match.point.name, means.bpp, means.of("psnr"), means.of("ms_ssim"), match.off)
        else:
            shown = ("-",) * 5
        lines.append((*head, *shown, means.images, match.looks))
    return Report([Sheet(_SEARCH_COLUMNS, lines)])
