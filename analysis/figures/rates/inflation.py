"""What corruptions do to the rate: bits on corrupted over bits on clean images, each setting against itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ...conditions import BANDS, CLEAN
from ...rate import inflation
from ..parts.kind import Drawing, Kind, used
from ..parts.looks import looks
from ..parts.material import Material, NothingToDraw
from ..parts.needs import CLEAN_ROWS, SHIFTED_ROWS
from ..parts.style import (
    INK,
    ONE_COLUMN,
    SIGNED,
    SMALL,
    TINY,
    headed,
    label_below,
    label_beside,
    legend,
    legend_height,
    panel_rows,
    rate_scale,
    readable,
    sheet,
    tidy,
    widest,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rate_inflation(material: Material) -> tuple[Drawing, ...]:
    """Return a table of codecs and corruptions: bpp on corrupted over bpp on clean images, in numbers and colours."""
    pairs = _pairs(material)
    codecs = [codec for codec in material.names() if codec in set(pairs["codec"])]
    ordered = _ordered(material, pairs)
    table = _inflations(pairs).reindex(index=ordered, columns=codecs).to_numpy(np.float64)
    labels = [material.label(codec) for codec in codecs]
    page = material.chosen.width
    width = min(page, ONE_COLUMN if len(codecs) <= 4 else 1.6 + 0.5 * len(codecs))
    figure = sheet(width, 1.2 + 0.19 * len(ordered))
    axis = figure.subplots()
    span = max(1.0, float(np.nanmax(np.abs(np.log2(table)))))
    image = axis.imshow(np.log2(table), cmap=SIGNED, vmin=-span, vmax=span, aspect="auto", interpolation="nearest")
    for (line, column), value in np.ndenumerate(table):
        _number(axis, column, line, float(value), span)
    names = [f"{readable(name)} ({material.bands[name]})" for name in ordered]
    axis.set_yticks(range(len(ordered)), names, fontsize=SMALL)
    stacked = [label.replace(" ", "\n") for label in labels]
    fits = widest(stacked, TINY) < (width - 1.5) / len(codecs)
    figure.set_figheight(figure.get_figheight() + (0.1 if fits else widest(labels, TINY)))
    axis.set_xticks(range(len(codecs)), stacked if fits else labels, fontsize=TINY, rotation=0 if fits else 90)
    axis.tick_params(length=0)
    bands = [material.bands[name] for name in ordered]
    for line in range(1, len(ordered)):
        if bands[line] != bands[line - 1]:
            axis.axhline(line - 0.5, color="black", lw=0.8)
    bar = figure.colorbar(image, ax=axis, location="top", aspect=40, pad=0.02)
    whole = range(-math.floor(span), math.floor(span) + 1, max(1, math.floor(span) // 3))
    bar.set_ticks(list(whole), labels=[f"{2.0**power:g}" for power in whole])
    bar.ax.tick_params(labelsize=SMALL, length=2)
    bar.set_label("bpp, corrupted over clean (log scale)", fontsize=SMALL)
    chosen = used(int(pairs["rows"].sum()), material, "measured on corrupted images, with clean rows of their settings")
    return (Drawing(figure, chosen),)


def rate_by_corruption(material: Material) -> tuple[Drawing, ...]:
    """Return bpp on corrupted over bpp on clean images of each setting over its rate, a panel for each corruption."""
    severity = material.severity()
    pairs = _pairs(material)
    pairs = pairs[pairs["severity"] == severity]
    if pairs.empty:
        raise NothingToDraw(
            "the same settings are needed on clean and on corrupted images: "
            f"{material.command('--corruption none', f'--severity {severity}')}"
        )
    ordered = _ordered(material, pairs)
    styles = {codec: look for codec, look in looks(material.names()).items() if codec in set(pairs["codec"])}
    labels = [material.label(codec) for codec in styles]
    width = material.chosen.width
    figure, axes = panel_rows(len(ordered), 1.25, legend_height(labels, width) + 0.25, width)
    for axis, name in zip(axes, ordered, strict=True):
        axis.axhline(1, color=INK, lw=0.7, zorder=0)
        for codec, look in styles.items():
            part = pairs[(pairs["corruption"] == name) & (pairs["codec"] == codec)].sort_values("clean")
            if len(part):
                axis.plot(part["clean"], part["ratio"], label=material.label(codec), ms=2.5, lw=0.9, **look)
        headed(axis, name, material.bands[name])
        tidy(axis)
    rate_scale(axes[0], pairs["clean"])
    rate_scale(axes[0], [*pairs["ratio"], 1.0], "y")
    label_below(figure, f"rate on clean images, bpp (severity {severity}; one scale for all panels)")
    label_beside(figure, "rate, corrupted over clean")
    legend(figure, axes)
    chosen = used(int(pairs["rows"].sum()), material, f"severity {severity}, with clean rows of their settings")
    return (Drawing(figure, chosen),)


def _pairs(material: Material) -> pd.DataFrame:
    """Return a line per corruption, severity, codec and point: `clean` and `shifted`, mean bpp, and their `ratio`.

    Means are over the images that the setting coded both times; `rows` is their number.
    """
    rows = material.tabled()
    ok = rows[(rows["status"] == "ok") & rows["codec"].isin(material.lossy())]
    clean = ok[ok["corruption"] == CLEAN].set_index(["codec", "point", "image"])["bpp"].rename("clean")
    shifted = ok[ok["corruption"] != CLEAN].join(clean, on=["codec", "point", "image"]).dropna(subset=["clean"])
    cells = shifted.groupby(["corruption", "severity", "codec", "point"], as_index=False)
    pairs = cells.agg(shifted=("bpp", "mean"), clean=("clean", "mean"), rows=("bpp", "size"))
    return pairs.assign(ratio=pairs["shifted"] / pairs["clean"])


def _inflations(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the inflation of each corruption and codec: geometric means over points, then over severities."""
    over_points = pairs.groupby(["corruption", "severity", "codec"])[["clean", "shifted"]].apply(
        lambda part: math.log(inflation(part["clean"], part["shifted"]))
    )
    return over_points.groupby(["corruption", "codec"]).mean().map(math.exp).unstack("codec")


def _ordered(material: Material, pairs: pd.DataFrame) -> list[str]:
    present = set(pairs["corruption"])
    return [name for band in (*BANDS, "extra") for name in material.in_band(band) if name in present]


def _number(axis: Axes, column: int, line: int, value: float, span: float) -> None:
    text = "-" if not math.isfinite(value) else f"{value:.2f}" if value < 9.995 else f"{value:.1f}"
    dark = math.isfinite(value) and abs(math.log2(value)) > 0.62 * span
    axis.text(column, line, text, ha="center", va="center", fontsize=TINY, color="white" if dark else "black")


KINDS = (
    Kind(
        name="rate-inflation",
        about="bpp on corrupted over bpp on clean images, by codec and corruption",
        rule="Each setting against itself, mean bpp over the images that it coded both times; then the geometric mean "
        "over the settings of a codec, and over severities, as on the leaderboard.",
        needs=(CLEAN_ROWS, SHIFTED_ROWS),
        plot=rate_inflation,
    ),
    Kind(
        name="rate-by-corruption",
        about="bpp on corrupted over bpp on clean images of each setting, over its rate on clean images",
        rule="Each mark is one setting against itself, mean bpp over the images that it coded both times. Above 1 the "
        "corruption costs bits.",
        needs=(CLEAN_ROWS, SHIFTED_ROWS),
        plot=rate_by_corruption,
    ),
)
