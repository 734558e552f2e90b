"""Curves over rate and over severity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..conditions import BANDS, CLEAN
from ..counted import counted
from ..distortion import on_axis
from ..matched import MATCHED_BPP, Near
from ..ranking import largest_shared
from ..rate import MINIMUM_POINTS
from ..statistics import summarise
from .kind import Drawing, Kind, used
from .looks import looks
from .material import AT_MATCHED_POINT, Material, NothingToDraw, labels_of, matched_points, rows_at
from .needs import CLEAN_ROWS, MATCHED_POINTS, ROWS, SEVERITIES, SHIFTED_ROWS
from .style import (
    INK,
    ONE_COLUMN,
    TEXT,
    TWO_COLUMNS,
    headed,
    legend,
    legend_height,
    panel_rows,
    rate_scale,
    sheet,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE: Mapping[str, Any] = {"ms": 3.5, "lw": 1.1}
SMALL_LINE: Mapping[str, Any] = {"ms": 2.5, "lw": 0.9}
LEAST_SPAN = 4.0  # dB, of a panel with its own scale
REFERENCES = {"shown": ("psnr_mean", "the image given"), "clean": ("psnr_clean_mean", "the clean image")}


def rate_curves(material: Material) -> tuple[Drawing, ...]:
    """Return the rate curves on clean images and in each band, one panel each."""
    table = lossy_means(material)
    table = table.assign(panel=table["corruption"].map({CLEAN: "clean", **material.bands}))
    panels = [name for name in ("clean", *BANDS) if (table["panel"] == name).any()]
    drawn = {name: under_all_conditions(table[table["panel"] == name]) for name in panels}
    labels = [material.label(codec) for codec in material.names()]
    width = TWO_COLUMNS if len(panels) > 1 else ONE_COLUMN
    figure = sheet(width, 2.4 + legend_height(labels, width))
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    for axis, name in zip(axes, panels, strict=True):
        part = drawn[name]
        _curves(axis, part, material, "bpp_mean", "psnr_mean", LINE)
        count = part["corruption"].nunique()
        title = "clean" if name == "clean" else _band_title(name, count)
        axis.set_title(title, fontsize=TEXT)
        axis.set_xlabel("rate, bpp", fontsize=TEXT)
    rate_scale(axes[0], _drawn_rates(axes))
    axes[0].set_ylabel("PSNR, dB" if len(panels) == 1 else "PSNR, dB (scales differ)", fontsize=TEXT)
    legend(figure, axes)
    count = int(sum(part["n"].sum() for part in drawn.values()))
    left_out = {
        f"{codec} ({name})"
        for name, part in drawn.items()
        for codec in set(table.loc[table["panel"] == name, "codec"]) - set(part["codec"])
    }
    note = f"Not measured under every condition of a panel: {', '.join(sorted(left_out))}." if left_out else ""
    return (Drawing(figure, used(count, material, "measured, lossy settings only"), note),)


def rd_clean(material: Material) -> tuple[Drawing, ...]:
    """Return the rate curves on clean images, in PSNR and in MS-SSIM."""
    table = lossy_means(material)
    table = table[table["corruption"] == CLEAN]
    measures = {
        "psnr_mean": "PSNR, dB",
        "ms_ssim_db_mean": "MS-SSIM, dB: $-10\\,\\log_{10}(1-\\mathrm{MS\\text{-}SSIM})$",
    }
    measures = {column: name for column, name in measures.items() if np.isfinite(table[column]).any()}
    labels = [material.label(codec) for codec in table["codec"].unique()]
    width = TWO_COLUMNS if len(measures) > 1 else ONE_COLUMN
    figure = sheet(width, 2.7 + legend_height(labels, width))
    axes = figure.subplots(1, len(measures), squeeze=False)[0]
    for axis, (column, name) in zip(axes, measures.items(), strict=True):
        _curves(axis, table, material, "bpp_mean", column, LINE)
        rate_scale(axis, table["bpp_mean"])
        axis.set_xlabel("rate, bpp", fontsize=TEXT)
        axis.set_ylabel(name, fontsize=TEXT)
    legend(figure, axes)
    choice = "clean images, measured, lossy settings only"
    return (Drawing(figure, used(int(table["n"].sum()), material, choice)),)


def rd_ood(material: Material) -> tuple[Drawing, ...]:
    """Return the rate curves under each corruption at one severity, against the image given and against the clean."""
    severity = material.severity()
    table = lossy_means(material)
    table = table[(table["severity"] == severity) & (table["corruption"] != CLEAN)]
    names = [name for name in material.corruptions() if (table["corruption"] == name).any()]
    if not names:
        raise NothingToDraw(
            f"rows of a lossy codec are needed at severity {severity}: {material.command(f'--severity {severity}')}"
        )
    untouched = _uncompressed(material, severity)
    drawings = []
    for suffix, (column, reference) in REFERENCES.items():
        labels = [material.label(codec) for codec in table["codec"].unique()]
        figure, axes = panel_rows(
            len(names), 1.25, legend_height(labels, TWO_COLUMNS) + 0.25, share_y=suffix == "shown"
        )
        for axis, name in zip(axes, names, strict=True):
            part = table[table["corruption"] == name]
            if suffix == "clean" and name in untouched:
                axis.axhline(untouched[name], color=INK, lw=0.9, ls=(0, (4, 2)), label="uncompressed")
            _curves(axis, part, material, "bpp_mean", column, SMALL_LINE)
            headed(axis, name, material.bands[name])
            if suffix == "clean":
                _open(axis)
        rate_scale(axes[0], table["bpp_mean"])
        scales = "one scale for all panels" if suffix == "shown" else "scales of PSNR differ"
        figure.supxlabel(f"rate, bpp (severity {severity}; {scales})", fontsize=TEXT)
        figure.supylabel(f"PSNR against {reference}, dB", fontsize=TEXT)
        legend(figure, axes)
        note = ""
        if suffix == "clean" and untouched:
            note = "The dashed line is the mean PSNR of the corrupted images before any codec."
        elif suffix == "clean":
            note = "The file lacks the PSNR of the corrupted images themselves; measuring --codec identity adds it."
        choice = f"severity {severity}, measured, lossy settings only"
        about = f"PSNR against {reference}, over bpp, under each corruption at severity {severity}"
        drawings.append(Drawing(figure, used(int(table["n"].sum()), material, choice), note, suffix, about))
    return tuple(drawings)


def psnr_vs_severity(material: Material) -> tuple[Drawing, ...]:
    """Return PSNR over severity in each band, each codec at its point matched on clean images."""
    points, table = _matched(material)
    whole = _whole(material)
    panels = [band for band in (*BANDS, "extra") if any(material.bands[name] == band for name in whole)]
    styles = _styles(material, points)
    labels = [look["label"] for look in styles.values()]
    figure = sheet(TWO_COLUMNS, 3.9 + legend_height(labels, TWO_COLUMNS))
    axes = figure.subplots(2, len(panels), squeeze=False, sharex=True, sharey="row")
    for row, (column, reference) in zip(axes, REFERENCES.values(), strict=True):
        for axis, band in zip(row, panels, strict=True):
            names = [name for name in whole if material.bands[name] == band]
            for codec, look in styles.items():
                means = _over_severity(table, codec, names, column)
                axis.plot(means.index, means, **LINE, **look)
            tidy(axis)
            axis.set_title(_band_title(band, len(names)), fontsize=TEXT)
            axis.set_xticks(sorted({0, *table["severity"]}))
        row[0].set_ylabel(f"PSNR against\n{reference}, dB", fontsize=TEXT)
    for axis in axes[1]:
        axis.set_title("")
        axis.set_xlabel("severity (0: clean images)", fontsize=TEXT)
    legend(figure, axes[0])
    count = int(table.loc[table["corruption"].isin([CLEAN, *whole]), "n"].sum())
    return (Drawing(figure, used(count, material, _choice(points)), _left_out(material, points, whole)),)


def bpp_vs_severity(material: Material) -> tuple[Drawing, ...]:
    """Return the rate over severity under each corruption, each codec at its point matched on clean images."""
    points, table = _matched(material)
    whole = _whole(material)
    styles = _styles(material, points)
    labels = [look["label"] for look in styles.values()]
    figure, axes = panel_rows(len(whole), 1.25, legend_height(labels, TWO_COLUMNS) + 0.25)
    for axis, name in zip(axes, whole, strict=True):
        for codec, look in styles.items():
            means = _over_severity(table, codec, [name], "bpp_mean")
            axis.plot(means.index, means, **SMALL_LINE, **look)
        tidy(axis)
        headed(axis, name, material.bands[name])
    part = table[table["corruption"].isin([CLEAN, *whole])]
    rate_scale(axes[0], part["bpp_mean"], "y")
    axes[0].set_xticks(sorted({0, *table["severity"]}))
    figure.supxlabel("severity (0: clean images; one scale for all panels)", fontsize=TEXT)
    figure.supylabel("rate, bpp", fontsize=TEXT)
    legend(figure, axes)
    count = int(part["n"].sum())
    return (Drawing(figure, used(count, material, _choice(points)), _left_out(material, points, whole)),)


def lossy_means(material: Material) -> pd.DataFrame:
    """Return the means of each cell, as `summarise` gives them, without cells that contain a lossless image.

    `ms_ssim_db_mean` is the mean of MS-SSIM on the axis of curves.
    """
    rows = _on_shared_images(material.tabled())
    cell = ["corruption", "severity", "codec", "point"]
    decibels = rows.assign(ms_ssim_db_mean=on_axis(rows["ms_ssim"], "ms_ssim")).groupby(cell)["ms_ssim_db_mean"].mean()
    table = summarise(rows).join(decibels, on=cell)
    return table[(table["n"] > 0) & (table["n_lossless"] == 0)]


def under_all_conditions(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of the settings that have one under every condition of a panel, one line per cell.

    The conditions are the largest set that MINIMUM_POINTS settings share, chosen as the images of a curve are. So every
    mark of a panel is a mean over the same conditions. A setting that is lossless under one of them has no mark.
    """
    setting = table.groupby(["codec", "point"], sort=False).ngroup().to_numpy()
    condition = table.groupby(["corruption", "severity"]).ngroup().to_numpy()
    measured = np.zeros((setting.max() + 1, condition.max() + 1), np.bool_)
    measured[setting, condition] = True
    shared = largest_shared(measured, MINIMUM_POINTS)
    whole = (measured | ~shared).all(axis=1)
    kept: pd.DataFrame = table[whole[setting] & shared[condition]]
    return kept


def _on_shared_images(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, for each condition, the rows of the images that all its settings share; all rows if they share none."""
    ok = rows[rows["status"] == "ok"]
    condition = ["corruption", "severity"]
    settings = ok.drop_duplicates([*condition, "codec", "point"]).groupby(condition).size()
    counts = ok.groupby([*condition, "image"]).size().reset_index(name="rows")
    counts = counts.merge(settings.reset_index(name="settings"))
    whole = counts["rows"] == counts["settings"]
    shared = whole.groupby([counts[name] for name in condition]).transform("any")
    return rows.merge(counts.loc[whole | ~shared, [*condition, "image"]])


def _curves(
    axis: Axes, part: pd.DataFrame, material: Material, rate: str, quality: str, line: Mapping[str, Any]
) -> None:
    """Draw each codec's curve: the mean over the cells of a point."""
    for codec, look in looks(material.names()).items():
        means = part[part["codec"] == codec].groupby("point")[[rate, quality]].mean().dropna().sort_values(rate)
        if len(means):
            axis.plot(means[rate], means[quality], label=material.label(codec), **line, **look)
    tidy(axis)
    axis.locator_params(axis="y", nbins=6, steps=[1, 2, 5, 10])


def _open(axis: Axes) -> None:
    """Widen the y axis of a panel to at least LEAST_SPAN, so that irrelevant differences look flat."""
    low, high = axis.get_ylim()
    more = max(0.0, LEAST_SPAN - (high - low)) / 2
    axis.set_ylim(low - more, high + more)


def _drawn_rates(axes: Iterable[Axes]) -> list[float]:
    return [float(value) for axis in axes for line in axis.lines for value in np.asarray(line.get_xdata())]


def _band_title(band: str, count: int) -> str:
    return f"{band} ({counted(count, 'corruption')})"


def _uncompressed(material: Material, severity: int) -> dict[str, float]:
    """Return the mean PSNR of the corrupted against the clean images, from lossless rows."""
    rows = material.tabled()
    rows = rows[np.isposinf(rows["psnr"]) & (rows["severity"] == severity) & np.isfinite(rows["psnr_clean"])]
    shown = rows.drop_duplicates(["corruption", "image"])
    images = material.rows["image"].nunique()
    means = shown.groupby("corruption")["psnr_clean"].agg(["mean", "size"])
    return {str(name): float(mean) for name, mean, size in means.itertuples() if size == images}


def _matched(material: Material) -> tuple[dict[str, Near], pd.DataFrame]:
    """Return each codec's matched point, and the means of the cells at those points."""
    points = matched_points(material)
    return points, rows_at(lossy_means(material), points)


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
    return " ".join(
        f"Left out {reason}: {', '.join(left_out)}."
        for left_out, reason in (
            (codecs, f"because no point is within a factor of two of {MATCHED_BPP:g} bpp"),
            (names, "because severities are missing"),
        )
        if left_out
    )


RATE_CURVES = Kind(
    name="rate-curves",
    about="PSNR against the image given, over bpp, on clean images and in each band of corruptions",
    rule="Each mark is one setting of a codec: the mean over the images that all settings share, then over the "
    "corruptions and severities of the band. A setting that is lossless, or was not measured, under any of them is "
    "left out of the panel.",
    needs=(ROWS,),
    plot=rate_curves,
)

KINDS = (
    RATE_CURVES,
    Kind(
        name="rd-clean",
        about="PSNR and MS-SSIM over bpp on clean images",
        rule="Each mark is one setting of a codec: the mean over the images that all settings share, taken over the dB "
        "of each image. A setting that is lossless on any image is left out.",
        needs=(CLEAN_ROWS,),
        plot=rd_clean,
    ),
    Kind(
        name="rd-ood",
        about="PSNR over bpp under each corruption, against the image given or against the clean image",
        rule="Each mark is one setting of a codec: the mean over the images that all settings share. A setting that is "
        "lossless on any image is left out. ",
        needs=(SHIFTED_ROWS,),
        plot=rd_ood,
    ),
    Kind(
        name="psnr-vs-severity",
        about="PSNR over severity in each band of corruptions, against the image given and against the clean image",
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
