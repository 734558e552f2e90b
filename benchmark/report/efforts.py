"""Effort curves as a report: what each effort of a codec costs and saves, and which one the codec is set to."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from ...analysis.effort import AFFORDABLE, SAVING
from ..measure.effort import Effort
from .sheet import Column, Report, Sheet, number

COLUMNS = tuple(field.name for field in fields(Effort))
_SHOWN = (
    *(Column("codec"), Column("effort"), number("bits", "+.1f", "%"), number("encode", ".3g", " s/MP")),
    *(number("decode", ".2g", " s/MP"), Column("")),
)
_RULE = (
    "bits: BD-rate (PSNR) on clean images against the effort of the codec's ladder (chosen). Times are seconds of one "
    f"processor per megapixel. knee: the slowest effort on the convex hull that takes at most {AFFORDABLE:g} s per "
    f"megapixel or saves at least {SAVING:.0%} of the bits for each doubling of the encoding time."
)


def report(efforts: Sequence[Effort]) -> Report:
    """Return effort curves as one sheet."""
    lines = [
        (
            *(effort.codec, effort.effort, effort.bits_percent, effort.encode_s_per_mp, effort.decode_s_per_mp),
            ", ".join(word for word, applies in (("chosen", effort.chosen), ("knee", effort.knee)) if applies),
        )
        for effort in efforts
    ]
    return Report([Sheet(_SHOWN, lines, notes=[_RULE])], [_record(effort) for effort in efforts])


def table(efforts: Sequence[Effort]) -> str:
    """Return effort curves as CSV, numbers with four significant digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_record(effort) for effort in efforts)
    return text.getvalue()


def _record(effort: Effort) -> dict[str, Any]:
    return {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in asdict(effort).items()}
