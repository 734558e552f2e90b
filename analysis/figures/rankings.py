"""Codecs against each other: BD-rates by corruption."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..grid import CLEAN
from ..leaderboard import rank
from .evidence import BANDS, Drawing, Evidence, Kind, used
from .needs import COMPARISON, require
from .style import INK, SMALL, TEXT, TWO_COLUMNS, legend, legend_height, looks, sheet, spoken, tidy


def bd_rate_by_corruption(evidence: Evidence) -> tuple[Drawing, ...]:
    """Return each codec's BD-rate on clean images and under each corruption, a line each."""
    require(evidence, COMPARISON)
    rows = evidence.tabled()
    board = rank(rows, evidence.bands)
    codecs = [entry.codec for entry in board.entries if entry.codec != board.anchor]
    there = dict(board.conditions)
    ordered = [CLEAN[0], *(name for band in (*BANDS, "extra") for name in evidence.in_band(band))]
    ordered = [name for name in ordered if name in there]
    labels = [evidence.label(codec) for codec in codecs]
    figure = sheet(TWO_COLUMNS, 0.9 + 0.2 * len(ordered) + legend_height(labels, TWO_COLUMNS))
    axis = figure.subplots()
    for codec, look in looks(evidence.names()).items():
        if codec not in codecs:
            continue
        values = []
        for name in ordered:
            results = [board.bd_rates[codec, one].percent for one in board.conditions if one[0] == name]
            finite = [value for value in results if math.isfinite(value)]
            values.append(sum(finite) / len(finite) if finite else math.nan)
        axis.plot(values, range(len(ordered)), label=evidence.label(codec), ms=4.5, **{**look, "linestyle": "none"})
    axis.axvline(0, color=INK, lw=0.8)
    axis.set_yticks(range(len(ordered)), [_labelled(name, evidence.bands) for name in ordered], fontsize=SMALL)
    axis.invert_yaxis()
    axis.set_xlabel(f"BD-rate against {board.anchor}, % (less is better)", fontsize=TEXT)
    tidy(axis)
    legend(figure, [axis])
    return (Drawing(figure, used(int((rows["status"] == "ok").sum()), evidence, "measured")),)


def _labelled(name: str, bands: Mapping[str, str]) -> str:
    return spoken(name) if name == CLEAN[0] else f"{spoken(name)} ({bands[name]})"


KINDS = (
    Kind(
        name="bd-rate-by-corruption",
        about="BD-rate against the anchor on clean images and under each corruption",
        rule="Curves of means over the images that codec and anchor share; BD-rate by piecewise cubic "
        "interpolation of log rate over PSNR, without extrapolation; the mean over severities. What cannot be "
        "compared has no mark.",
        needs=(COMPARISON,),
        draw=bd_rate_by_corruption,
    ),
)
