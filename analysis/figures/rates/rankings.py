"""Codecs compared: bits by corruption, and how the order of codecs changes."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ...conditions import BANDS, CLEAN, by_band
from ...counted import counted
from ...measures.table import find
from ...ranking import Leaderboard, NotComparable, rank
from ...statistics import RESAMPLES
from ..parts.kind import Drawing, Kind, used
from ..parts.looks import looks
from ..parts.material import Material, NothingToDraw
from ..parts.needs import COMPARISON, SHIFTED_ROWS, two_ladders
from ..parts.style import (
    FOUR_PANELS,
    INK,
    SMALL,
    TEXT,
    TINY,
    legend,
    legend_height,
    readable,
    sheet,
    tidy,
    widest,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME_WIDTH = 1.3  # inches of a codec's name beside the ranking
OVERALL = "all"
"""The name of the mean over all corruptions, beside "clean" and the bands."""


def bits_by_corruption(material: Material) -> tuple[Drawing, ...]:
    """Return each codec's bits against the anchor with intervals: a line for clean images and for each corruption."""
    board = board_of(material)
    codecs = {codec for (codec, _), rating in board.ratings.items() if math.isfinite(rating)} - {board.anchor}
    present = dict(board.conditions)
    ordered = [CLEAN, *(name for band in (*BANDS, "extra") for name in material.in_band(band))]
    ordered = [name for name in ordered if name in present]
    styles = {codec: look for codec, look in looks(material.names()).items() if codec in codecs}
    labels = [material.label(codec) for codec in styles]
    line = min(max(0.2, 0.06 * (len(codecs) + 1)), 8 / len(ordered))
    width = material.chosen.width
    figure = sheet(width, 0.6 + line * len(ordered) + legend_height(labels, width))
    axis = figure.subplots()
    for place in range(0, len(ordered), 2):
        axis.axhspan(place - 0.5, place + 0.5, color="0.95", lw=0, zorder=0)
    for number, (codec, look) in enumerate(styles.items()):
        offset = 0.7 * ((number + 0.5) / len(styles) - 0.5)
        places = np.arange(len(ordered)) + offset
        for name, place in zip(ordered, places, strict=True):
            interval = board.intervals.by_corruption[codec, name] if board.intervals else None
            if interval is not None and interval.known:
                stroke = {"color": look["color"], "lw": 1.2, "solid_capstyle": "butt"}
                axis.plot([interval.low, interval.high], [place, place], **stroke)
        values = [_percent(board, codec, name) for name in ordered]
        axis.plot(values, places, label=material.label(codec), **{**look, "linestyle": "none", "ms": 4.0})
    axis.axvline(0, color=INK, lw=0.8)
    percent_scale(axis)
    axis.set_yticks(range(len(ordered)), [_labelled(name, material.bands) for name in ordered], fontsize=SMALL)
    axis.set_ylim(len(ordered) - 0.5, -0.5)
    label = f"bits against {board.anchor}, % (log scale; lower is better)"
    axis.set_xlabel(wrapped(label, width - 1.2, TEXT), fontsize=TEXT)
    tidy(axis)
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    legend(figure, [axis])
    rows = material.tabled()
    chosen = used(int((rows["status"] == "ok").sum()), material, "measured")
    notes = [
        "A codec that cannot be compared at every severity of a corruption has no mark there.",
        sureness(board, "Lines are"),
    ]
    if board.intervals is not None and board.intervals.known:
        notes.append(
            "A mark without a line has no interval: it can be compared on too few images or in too few resamples."
        )
    return (Drawing(figure, chosen, " ".join(notes)),)


PERCENTS = (
    -95,
    -90,
    -80,
    -70,
    -60,
    -50,
    -40,
    -30,
    -20,
    -10,
    0,
    10,
    20,
    30,
    40,
    50,
    70,
    100,
    200,
    400,
    800,
    1600,
    3200,
    6400,
)


def percent_scale(axis: Axes, most: int = 14) -> None:
    """Put percentages of bits on a log scale of ratios, with about `most` ticks at most.

    So half and twice the bits are equally far from 0.
    """
    bounds = np.log1p(np.maximum([axis.dataLim.x0, axis.dataLim.x1], -99) / 100)
    margin = 0.05 * max(float(np.ptp(bounds)), 0.1)
    low, high = (float(end) for end in 100 * np.expm1(np.add(bounds, (-margin, margin))))
    axis.set_xscale("function", functions=(lambda x: np.log1p(np.maximum(x, -99.9) / 100), lambda y: 100 * np.expm1(y)))
    axis.set_xlim(low, high)
    apart = (math.log1p(high / 100) - math.log1p(low / 100)) / most
    ticks: list[int] = [0]
    for percent in sorted(PERCENTS, key=abs):
        place = math.log1p(percent / 100)
        if low <= percent <= high and all(abs(place - math.log1p(tick / 100)) >= apart for tick in ticks):
            ticks.append(percent)
    axis.set_xticks(sorted(ticks), [f"{tick:+d}" if tick else "0" for tick in sorted(ticks)])
    axis.minorticks_off()


def ranking(material: Material) -> tuple[Drawing, ...]:
    """Return the order of codecs by bits on clean images, in each band and over all corruptions, joined by lines."""
    board = board_of(material)
    columns = _columns(material, board)
    if len(columns) < 2:
        if len({name for name, _ in board.conditions}) > 1 and len(board.entries) > 1:
            ask = f"codecshift figures {shlex.quote(material.file)} --only ranking --anchor CODEC"
            raise NothingToDraw(f"too few codecs can be compared with {board.anchor} under every condition: {ask}")
        ask = material.command("--corruption none --corruption low --corruption medium --corruption high")
        raise NothingToDraw(f"rows on clean images and under corruptions are needed: {ask}")
    codecs = [codec for codec in material.names() if any(codec in column.places for column in columns)]
    most = max(len(column.places) for column in columns)
    width = max(material.chosen.width, FOUR_PANELS)
    figure = sheet(width, 0.75 + 0.3 * max(most, 4))
    axis = figure.subplots()
    for codec, look in looks(material.names()).items():
        if codec not in codecs:
            continue
        places = [column.places.get(codec, math.nan) for column in columns]
        axis.plot(range(len(columns)), places, ms=5, lw=1.3, label=material.label(codec), **look)
        for x, column in enumerate(columns):
            if codec in column.places:
                value = f"{column.values[codec]:+.0f} %"
                axis.annotate(
                    value, (x, column.places[codec]), (0, 4.5), textcoords="offset points", ha="center", fontsize=TINY
                )
        for aside, x, ha in ((-13, 0, "right"), (13, len(columns) - 1, "left")):
            if codec in columns[x].places:
                at = (x, columns[x].places[codec])
                axis.annotate(
                    wrapped(material.label(codec), NAME_WIDTH, SMALL), at, (aside, 0), textcoords="offset points",
                    ha=ha, va="center", fontsize=SMALL, color=look["color"],
                )  # fmt: skip
    last = columns[-1]
    by_place = sorted(last.places, key=lambda codec: last.places[codec])
    drawn = board.intervals if last.name == OVERALL and board.intervals is not None and board.intervals.known else None
    tied = [codec for before, codec in pairwise(by_place) if drawn and (before, codec) not in drawn.apart]
    for codec in tied:
        place = last.places[codec]
        axis.plot([len(columns) - 1] * 2, [place - 1, place], color="0.8", lw=6, zorder=0, label="_tied")
    axis.set_xticks(range(len(columns)), [column.title for column in columns], fontsize=TEXT)
    names = widest((wrapped(material.label(codec), NAME_WIDTH, SMALL) for codec in codecs), SMALL) + 0.3
    margin = names * (len(columns) - 1) / (width - 0.6 - 2 * names)
    axis.set_xlim(-margin, len(columns) - 1 + margin)
    axis.set_ylim(most + 0.4, 0.4)
    axis.set_yticks(range(1, most + 1))
    axis.set_ylabel("rank", fontsize=TEXT)
    axis.set_xlabel(f"numbers: bits against {board.anchor}", fontsize=SMALL)
    axis.tick_params(labelsize=SMALL)
    for side in ("top", "right", "bottom"):
        axis.spines[side].set_visible(False)
    axis.tick_params(axis="x", length=0)
    rows = material.tabled()
    chosen = used(int((rows["status"] == "ok").sum()), material, "measured")
    left = [entry.codec for entry in board.entries if entry.codec not in codecs]
    gaps = {
        codec: ", ".join(column.name for column in columns if codec not in column.places)
        for codec in codecs
        if any(codec not in column.places for column in columns)
    }
    notes = [
        "A condition is a corruption at a severity. As on the leaderboard, a codec that cannot be compared under every "
        "condition of a column has no rank in it.",
        f"Not ranked in any column: {', '.join(left)}." * bool(left),
        f"Not ranked in some columns: {'; '.join(f'{codec} ({names})' for codec, names in gaps.items())}." * bool(gaps),
        sureness(
            board, "A grey bar joins neighbours that do not differ significantly over all corruptions, according to"
        )
        * bool(tied),
    ]
    return (Drawing(figure, chosen, " ".join(note for note in notes if note)),)


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the ranking: the numbers and places of the codecs that have a place in it."""

    name: str
    title: str
    values: Mapping[str, float]
    places: Mapping[str, int]


_FIELDS = {"clean": "clean", **dict(zip(BANDS, BANDS, strict=True)), OVERALL: "score"}
"""The number of a leaderboard's entry that each column shows."""


def _columns(material: Material, board: Leaderboard) -> list[_Column]:
    """Return the columns: a leaderboard's numbers, without codecs that lack a condition of the column."""
    columns = []
    groups = by_band(board.conditions, material.bands, OVERALL) | {OVERALL: list(board.scored)}
    for name, conditions in groups.items():
        values = {
            entry.codec: float(getattr(entry, _FIELDS[name]))
            for entry in board.entries
            if conditions and math.isfinite(getattr(entry, _FIELDS[name]))
        }
        if len(values) < 2:
            continue
        ordered = sorted(values, key=lambda codec: values[codec])
        title = name if name == "clean" else f"{name}\n{counted(len(conditions), 'condition')}"
        columns.append(_Column(name, title, values, {codec: place for place, codec in enumerate(ordered, 1)}))
    return columns


def board_of(material: Material) -> Leaderboard:
    """Return the leaderboard of the rows with intervals; raise NothingToDraw if they cannot be ranked."""
    try:
        quality = material.chosen.quality
        return rank(material.tabled(), material.bands, anchor=material.anchor, quality=quality, resamples=RESAMPLES)
    except NotComparable as error:
        raise NothingToDraw(f"{error}: {material.command(*two_ladders(material))}") from error


def _percent(board: Leaderboard, codec: str, name: str) -> float:
    """Return the bits of a codec against the anchor under a corruption, a geometric mean over severities."""
    ratings = [board.ratings[codec, condition] for condition in board.conditions if condition[0] == name]
    return 100 * math.expm1(np.mean(ratings))


def sureness(board: Leaderboard, subject: str) -> str:
    """Return the measure of a ranking, what its intervals show and where they come from, or that there are none."""
    sure, measure = board.intervals, f"Quality is {find(board.quality).title}."
    if sure is None or not sure.known:
        return f"{measure} There are too few images for confidence intervals."
    return (
        f"{measure} {subject} {sure.confidence:.0%} confidence intervals from a paired bootstrap over images "
        f"({sure.resamples} resamples, seed {sure.seed})."
    )


def _labelled(name: str, bands: Mapping[str, str]) -> str:
    return readable(name) if name == CLEAN else f"{readable(name)} ({bands[name]})"


_BITS = (
    "Curves are means over the images that all codecs coded, log rate over quality by piecewise cubics, without "
    "extrapolation. Ratings fitted to the differences of all pairs of codecs are averaged over "
)

KINDS = (
    Kind(
        name="bits-by-corruption",
        about="Bits against the anchor at equal quality, on clean images and under each corruption",
        rule=f"{_BITS}severities.",
        needs=(COMPARISON,),
        plot=bits_by_corruption,
    ),
    Kind(
        name="ranking",
        about="The order of codecs by bits at equal quality, on clean images, in each band and over all corruptions",
        rule=f"{_BITS}severities, then over the corruptions of a column.",
        needs=(COMPARISON, SHIFTED_ROWS),
        plot=ranking,
    ),
)
