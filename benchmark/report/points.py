"""A line per codec point and condition: what a run has to show where there are too few points for a ranking."""

from __future__ import annotations

from ...analysis.statistics import summarise
from .evidence import Evidence
from .sheet import Column, Report, Sheet, number

MOST = 40
"""The lines that are shown of a longer table."""

_COLUMNS = (
    *(Column("condition"), Column("codec"), number("n"), number("failed"), number("bpp", ".3f")),
    *(number("PSNR dB", ".2f"), number("PSNR clean dB", ".2f"), number("MS-SSIM", ".4f")),
)


def report(evidence: Evidence) -> Report:
    """Return the first MOST lines as a report, which says how many more there are."""
    table = summarise(evidence.rows)
    lines = [
        (
            *(f"{line['corruption']}@{line['severity']}", f"{line['codec']}:{line['point']}", line["n"]),
            *(line["n_failed"], line["bpp_mean"], line["psnr_mean"], line["psnr_clean_mean"], line["ms_ssim_mean"]),
        )
        for line in table.to_dict("records")
    ]
    more = [f"... and {len(lines) - MOST} more: codecshift rows FILE"] if len(lines) > MOST else []
    return Report([Sheet(_COLUMNS, lines[:MOST], notes=more)])
