"""Effort curves as a report: what each effort of a codec costs and saves, and which one the codec is set to."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
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


def read(path: Path) -> list[Effort]:
    """Return the effort curves that `table` wrote to a file; raise NotEfforts if it holds something else."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        return [Effort(**{name: _KINDS[name](line[name]) for name in COLUMNS}) for line in lines]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise NotEfforts(f"{path} is not a table of efforts: expected a file of codecshift effort --out") from error


class NotEfforts(ValueError):
    """A file that does not hold effort curves."""


_KINDS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("codec", "effort"), str),
    **dict.fromkeys(("bits_percent", "encode_s_per_mp", "decode_s_per_mp"), float),
    "images": int,
    **dict.fromkeys(("knee", "chosen"), {"True": True, "False": False}.__getitem__),
}


def draw(efforts: Sequence[Effort], path: Path) -> None:
    """Draw effort curves to a file, in the format of its ending."""
    import pandas as pd  # noqa: PLC0415 - heavy

    from ...analysis.figures.parts.style import plain  # noqa: PLC0415
    from ...analysis.figures.rates import efforts as figure  # noqa: PLC0415
    from .figures import write_picture  # noqa: PLC0415

    with plain():
        drawn = figure.draw(pd.DataFrame(map(asdict, efforts)))
        write_picture(drawn, path)


def _record(effort: Effort) -> dict[str, Any]:
    return {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in asdict(effort).items()}
