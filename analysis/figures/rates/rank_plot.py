"""Where each codec stands: its rank and its bits against the anchor, both with confidence intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...ranking import Entry
from ..parts.kind import Drawing, Kind, used
from ..parts.looks import looks
from ..parts.material import Material, NothingToDraw
from ..parts.needs import COMPARISON
from ..parts.style import FOUR_PANELS, INK, SMALL, TEXT, sheet, tidy
from .rankings import board_of, percent_scale, sureness

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rank_intervals(material: Material) -> tuple[Drawing, ...]:
    """Return the codecs in order, with their ranks on the left and their bits against the anchor on the right."""
    board = board_of(material)
    entries = [entry for entry in board.entries if entry.rank_low is not None or entry.rank is not None]
    if not entries:
        raise NothingToDraw(f"no codec can be ranked: {material.command()}")
    width = max(material.chosen.width, FOUR_PANELS)
    figure = sheet(width, 0.75 + 0.24 * max(len(entries), 3))
    names = [material.label(entry.codec) for entry in entries]
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.5))
    styles = looks(material.names())
    for row, entry in enumerate(entries):
        look = {**styles[entry.codec], "linestyle": "none", "ms": 5}
        _interval(left, row, entry.rank, entry.rank_low, entry.rank_high, look)
        _interval(right, row, entry.score, entry.score_low, entry.score_high, look)
    left.set_yticks(range(len(entries)), names, fontsize=SMALL)
    left.set_ylim(len(entries) - 0.5, -0.5)
    left.set_xlim(0.5, max(entry.rank_high or entry.rank or 1 for entry in entries) + 0.5)
    left.xaxis.get_major_locator().set_params(integer=True)
    right.axvline(0, color=INK, lw=0.8, zorder=0)
    percent_scale(right, 9)
    for axis in (left, right):
        tidy(axis)
        axis.tick_params(axis="y", length=0)
    left.set_xlabel("rank", fontsize=TEXT)
    right.set_xlabel(f"bits against {board.anchor}, % (log scale)", fontsize=TEXT)
    absent = [entry.codec for entry in board.entries if entry not in entries]
    notes = [
        sureness(board, "Lines are"),
        "Intervals of ranks are simultaneous over all pairs of codecs."
        * bool(board.intervals and board.intervals.known),
        _ranges(entries),
        f"Not ranked: {', '.join(absent)}." * bool(absent),
    ]
    rows = material.tabled()
    chosen = used(int((rows["status"] == "ok").sum()), material, "measured")
    return (Drawing(figure, chosen, " ".join(note for note in notes if note)),)


def _interval(
    axis: Axes, row: int, value: float | None, low: float | None, high: float | None, look: dict[str, Any]
) -> None:
    """Draw a line from low to high, and a mark at the value, as far as they are known."""
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        axis.plot([low, high], [row, row], color=look["color"], lw=1.4, solid_capstyle="butt", label="_interval")
    if value is not None and math.isfinite(value):
        axis.plot([value], [row], label="_value", **look)


def _ranges(entries: list[Entry]) -> str:
    names = [entry.codec for entry in entries if entry.rank is None]
    if not names:
        return ""
    return f"A line without a mark is the range of ranks of a codec that lacks some conditions: {', '.join(names)}."


KINDS = (
    Kind(
        name="rank-intervals",
        about="The rank of each codec and its bits against the anchor at equal quality, with confidence intervals",
        rule="Ranks and bits are those of the leaderboard: ratings fitted to the differences of all pairs of codecs, a "
        "mean over severities, then over corruptions.",
        needs=(COMPARISON,),
        plot=rank_intervals,
    ),
)
