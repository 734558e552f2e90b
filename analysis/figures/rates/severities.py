"""Curves over severity, each codec at one setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...conditions import BANDS, CLEAN
from ...matched import MATCHED_BPP, Near
from ..parts.kind import Drawing, Kind, used
from ..parts.looks import looks
from ..parts.material import AT_MATCHED_POINT, Material, labels_of, matched_points, rates_of, rows_at
from ..parts.needs import MATCHED_POINTS, SEVERITIES
from ..parts.style import (
    FOUR_PANELS,
    TEXT,
    headed,
    label_below,
    label_beside,
    legend,
    legend_height,
    panel_rows,
    rate_scale,
    sheet,
    tidy,
    wrapped,
)
from .curves import LINE, REFERENCES, SMALL_LINE, band_title, lossy_means

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def psnr_vs_severity(material: Material) -> tuple[Drawing, ...]:
    """Return PSNR and rate over severity in each band, each codec at its point matched on clean images."""
    points, table = _matched(material)
    whole = _whole(material)
    panels = [band for band in (*BANDS, "extra") if any(material.bands[name] == band for name in whole)]
    styles = _styles(material, points)
    labels = [look["label"] for look in styles.values()]
    width = max(material.chosen.width, FOUR_PANELS)
    figure = sheet(width, 5.4 + legend_height(labels, width))
    axes = figure.subplots(3, len(panels), squeeze=False, sharex=True, sharey="row")
    rows = {column: f"PSNR against\n{reference}, dB" for column, reference in REFERENCES.values()}
    for row, (column, title) in zip(axes, (rows | {"bpp_mean": "rate, bpp"}).items(), strict=True):
        for axis, band in zip(row, panels, strict=True):
            names = [name for name in whole if material.bands[name] == band]
            for codec, look in styles.items():
                means = _over_severity(table, codec, names, column)
                axis.plot(means.index, means, **LINE, **look)
            tidy(axis)
            axis.set_xticks(sorted({0, *table["severity"]}))
        row[0].set_ylabel(title, fontsize=TEXT)
    rate_scale(axes[2, 0], _drawn(axes[2]), "y")
    for axis, band in zip(axes[0], panels, strict=True):
        names = [name for name in whole if material.bands[name] == band]
        axis.set_title(wrapped(band_title(band, len(names)), (width - 0.6) / len(panels), TEXT), fontsize=TEXT)
    label_below(figure, "severity (0: clean images)")
    legend(figure, axes[0])
    count = int(table.loc[table["corruption"].isin([CLEAN, *whole]), "n"].sum())
    return (Drawing(figure, used(count, material, _choice(points)), _left_out(material, points, whole)),)


def bpp_vs_severity(material: Material) -> tuple[Drawing, ...]:
    """Return the rate over severity under each corruption, each codec at its point matched on clean images."""
    points, table = _matched(material)
    whole = _whole(material)
    styles = _styles(material, points)
    labels = [look["label"] for look in styles.values()]
    width = material.chosen.width
    figure, axes = panel_rows(len(whole), 1.25, legend_height(labels, width) + 0.25, width)
    for axis, name in zip(axes, whole, strict=True):
        for codec, look in styles.items():
            means = _over_severity(table, codec, [name], "bpp_mean")
            axis.plot(means.index, means, **SMALL_LINE, **look)
        tidy(axis)
        headed(axis, name, material.bands[name])
    part = table[table["corruption"].isin([CLEAN, *whole])]
    rate_scale(axes[0], part["bpp_mean"], "y")
    axes[0].set_xticks(sorted({0, *table["severity"]}))
    label_below(figure, "severity (0: clean images; one scale for all panels)")
    label_beside(figure, "rate, bpp")
    legend(figure, axes)
    count = int(part["n"].sum())
    return (Drawing(figure, used(count, material, _choice(points)), _left_out(material, points, whole)),)


def _matched(material: Material) -> tuple[dict[str, Near], pd.DataFrame]:
    """Return each codec's matched point, and the means of the cells at those points."""
    points = matched_points(material)
    return points, rows_at(lossy_means(material), points)


def _drawn(axes: Iterable[Axes]) -> list[float]:
    return [float(value) for axis in axes for line in axis.lines for value in np.asarray(line.get_ydata())]


def _whole(material: Material) -> list[str]:
    """Return the corruptions that have rows at every severity of the material."""
    rows = material.tabled()
    every = rows.loc[rows["corruption"] != CLEAN, "severity"].nunique()
    counts = rows.groupby("corruption")["severity"].nunique()
    return [name for name in material.corruptions() if counts[name] == every]


def _styles(material: Material, points: Mapping[str, Near]) -> dict[str, dict[str, Any]]:
    """Return the look of each codec at its matched point, with its label."""
    look = looks(material.names())
    return {
        codec: {"label": f"{material.label(codec)} {near.point}, {near.bpp:.2f} bpp", **look[codec]}
        for codec, near in points.items()
    }


def _over_severity(table: pd.DataFrame, codec: str, names: Sequence[str], column: str) -> pd.Series[float]:
    """Return the mean over corruptions at each severity, 0 for clean images; NaN where a corruption is missing."""
    part = table[(table["codec"] == codec) & table["corruption"].isin([CLEAN, *names])]
    values = part.groupby("severity")[column]
    wanted = [len(names) if severity else 1 for severity in values.size().index]
    return values.mean().where(values.size() == wanted)


def _choice(points: Mapping[str, Near]) -> str:
    return f"of the points nearest {MATCHED_BPP:g} bpp on clean images: {labels_of(points)}"


def _left_out(material: Material, points: Mapping[str, Near], whole: Sequence[str]) -> str:
    codecs = [codec for codec in material.names() if codec not in points]
    names = [name for name in material.corruptions() if name not in whole]
    left = " ".join(
        f"Left out {reason}: {', '.join(left_out)}."
        for left_out, reason in (
            (codecs, f"because no point is within a factor of two of {MATCHED_BPP:g} bpp"),
            (names, "because severities are missing"),
        )
        if left_out
    )
    return f"{rates_of(points)} {left}".strip()


KINDS = (
    Kind(
        name="psnr-vs-severity",
        about="PSNR against the image given and against the clean image, and rate, over severity in each band",
        rule=f"{AT_MATCHED_POINT}Each mark is the mean over the images that all settings share, then over the "
        "corruptions of the band; severity 0 is the clean images.",
        needs=(SEVERITIES, MATCHED_POINTS),
        plot=psnr_vs_severity,
    ),
    Kind(
        name="bpp-vs-severity",
        about="bpp over severity under each corruption",
        rule=f"{AT_MATCHED_POINT}Each mark is the mean over the images that all settings share; severity 0 is the "
        "clean images.",
        needs=(SEVERITIES, MATCHED_POINTS),
        plot=bpp_vs_severity,
    ),
)
