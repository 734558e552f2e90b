"""Figures for papers and pages: each a pure function of rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from .grid import CLEAN
from .leaderboard import rank
from .statistics import summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.16  # inches: the widths of the field's conferences and journals
BANDS = ("low", "medium", "high")
# Okabe & Ito's colours, which the colour-blind can tell apart, each with a marker of its own for print in black.
STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#56B4E9", "P"),
    ("#000000", "X"),
    ("#999999", "*"),
)
LINES = ("-", "--", ":")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of figure: what it shows, the rule of aggregation, and the function that draws it.

    `draw` takes the rows of one set and the bands, a mapping of corruption to "low", "medium" or "high". It raises
    NothingToDraw.
    """

    name: str
    about: str
    rule: str
    draw: Callable[[pd.DataFrame, Mapping[str, str]], Figure]


class NothingToDraw(ValueError):
    """The rows lack what a figure needs; the message says what, and the command that would make it."""


def rate_curves(rows: pd.DataFrame, bands: Mapping[str, str]) -> Figure:
    """Return the rate curves on clean images and in each band, a panel each."""
    table = summarise(rows)
    table = table[table["n_lossless"] == 0]
    table["panel"] = table["corruption"].map({CLEAN[0]: "clean", **bands})
    panels = [name for name in ("clean", *BANDS) if (table["panel"] == name).any()]
    if not panels:
        raise NothingToDraw("rate curves need rows of at least one codec that is not lossless: codecshift run")
    codecs = list(dict.fromkeys(rows["codec"]))
    width = TWO_COLUMNS if len(panels) > 1 else ONE_COLUMN
    figure = _figure(width, 2.6 + _legend_height(codecs, width))
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    for place, name in zip(axes, panels, strict=True):
        part = table[table["panel"] == name]
        for codec, style in _styled(codecs):
            means = part[part["codec"] == codec].groupby("point")[["bpp_mean", "psnr_mean"]].mean()
            means = means.dropna().sort_values("bpp_mean")
            if len(means):
                place.plot(means["bpp_mean"], means["psnr_mean"], label=codec, ms=3.5, lw=1.1, **style)
        corruptions = part["corruption"].nunique()
        place.set_title("clean" if name == "clean" else f"{name} band ({corruptions} corruptions)", fontsize=8)
        place.set_xscale("log")
        place.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
        place.minorticks_off()
        _tidy(place)
        place.set_xlabel("rate, bpp", fontsize=8)
    axes[0].set_ylabel("PSNR, dB" if len(panels) == 1 else "PSNR, dB (scales differ)", fontsize=8)
    _legend(figure, axes[0])
    return figure


def bd_rate_by_corruption(rows: pd.DataFrame, bands: Mapping[str, str]) -> Figure:
    """Return each codec's BD-rate on clean images and under each corruption, a line each."""
    board = rank(rows, bands)
    codecs = [entry.codec for entry in board.entries if entry.codec != board.anchor]
    ordered = ["none", *(name for band in BANDS for name in dict(board.conditions) if bands.get(name) == band)]
    ordered = [name for name in ordered if name in dict(board.conditions)]
    if not codecs:
        raise NothingToDraw("BD-rates need an anchor and another codec with a rate curve: codecshift run --codec LABEL")
    figure = _figure(TWO_COLUMNS, 1.1 + 0.2 * len(ordered) + _legend_height(codecs, TWO_COLUMNS))
    axis = figure.subplots()
    for codec, style in _styled(list(dict.fromkeys(rows["codec"]))):
        if codec not in codecs:
            continue
        values = []
        for name in ordered:
            results = [board.bd_rates[codec, one].percent for one in board.conditions if one[0] == name]
            finite = [value for value in results if math.isfinite(value)]
            values.append(sum(finite) / len(finite) if finite else math.nan)
        axis.plot(values, range(len(ordered)), label=codec, ms=4.5, **{**style, "linestyle": "none"})
    axis.axvline(0, color="0.3", lw=0.8)
    axis.set_yticks(range(len(ordered)), [_labelled(name, bands) for name in ordered], fontsize=7)
    axis.invert_yaxis()
    axis.set_xlabel(f"BD-rate against {board.anchor}, % (less is better)", fontsize=8)
    _tidy(axis)
    _legend(figure, axis)
    return figure


def _labelled(name: str, bands: Mapping[str, str]) -> str:
    return "clean" if name == CLEAN[0] else f"{name.replace('_', ' ')} ({bands[name]})"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy; and not pyplot, which keeps every figure alive

    return Figure(figsize=(width, height), dpi=200, layout="constrained")


def _styled(codecs: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return each codec with its look; past the last colour they come again, dashed and with hollow marks."""
    looks = []
    for place, codec in enumerate(codecs):
        colour, marker = STYLES[place % len(STYLES)]
        again = place // len(STYLES)
        mark = {"markerfacecolor": "white", "mew": 0.8} if again else {"mew": 0.0}
        looks.append((codec, {"color": colour, "marker": marker, "linestyle": LINES[again % len(LINES)], **mark}))
    return looks


def _tidy(axis: Axes) -> None:
    axis.grid(visible=True, lw=0.4, color="0.85")
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=7)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _legend(figure: Figure, axis: Axes) -> None:
    handles, labels = axis.get_legend_handles_labels()
    columns = _legend_columns(labels, figure.get_figwidth())
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False, fontsize=7)


def _legend_columns(labels: list[str], width: float) -> int:
    """Return how many entries of a legend fit beside each other in `width` inches."""
    widest = max(map(len, labels), default=1)
    return max(1, min(len(labels), int(72 * width / (4.2 * widest + 38))))


def _legend_height(labels: list[str], width: float) -> float:
    """Return the inches that the rows of a legend take after its first."""
    return 0.16 * (-(-len(labels) // _legend_columns(labels, width)) - 1)


FIGURES: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind(
                name="rate-curves",
                about="PSNR against the image given, over bpp, on clean images and in each band of corruptions",
                rule="A mark is one setting of a codec: the mean over images, then over the corruptions and severities "
                "of the band. A setting that is lossless under one of them is left out.",
                draw=rate_curves,
            ),
            Kind(
                name="bd-rate-by-corruption",
                about="BD-rate against the anchor on clean images and under each corruption",
                rule="Curves of means over the images that codec and anchor share; BD-rate by piecewise cubic "
                "interpolation of log rate over PSNR, without extrapolation; the mean over severities. What cannot be "
                "compared has no mark.",
                draw=bd_rate_by_corruption,
            ),
        )
    }
)
"""Every kind of figure by name."""
