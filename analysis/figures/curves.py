"""Curves over rate and over severity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..distortion import ms_ssim_db
from ..matched import Near, nearest_to
from ..ranking.point_tables import CLEAN
from ..statistics import summarise
from .material import BANDS, Drawing, Evidence, Kind, NothingToDraw, used
from .needs import CLEAN_ROWS, MATCHED_POINTS, ROWS, SEVERITIES, SHIFTED_ROWS, TARGET_BPP, command, require
from .style import (
    INK,
    ONE_COLUMN,
    TEXT,
    TWO_COLUMNS,
    grid,
    headed,
    legend,
    legend_height,
    looks,
    rate_scale,
    sheet,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE: Mapping[str, Any] = {"ms": 3.5, "lw": 1.1}
LITTLE: Mapping[str, Any] = {"ms": 2.5, "lw": 0.9}
LEAST_SPAN = 4.0  # dB, of a panel whose scale is its own
REFERENCES = {"shown": ("psnr_mean", "the image given"), "clean": ("psnr_clean_mean", "the clean image")}


def rate_curves(evidence: Evidence) -> tuple[Drawing, ...]:
    """Return the rate curves on clean images and in each band, a panel each."""
    require(evidence, ROWS)
    table = lossy(evidence)
    table = table.assign(panel=table["corruption"].map({CLEAN[0]: "clean", **evidence.bands}))
    panels = [name for name in ("clean", *BANDS) if (table["panel"] == name).any()]
    labels = [evidence.label(codec) for codec in evidence.names()]
    width = TWO_COLUMNS if len(panels) > 1 else ONE_COLUMN
    figure = sheet(width, 2.4 + legend_height(labels, width))
    axes = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    for axis, name in zip(axes, panels, strict=True):
        part = table[table["panel"] == name]
        _curves(axis, part, evidence, "bpp_mean", "psnr_mean", LINE)
        count = part["corruption"].nunique()
        title = "clean" if name == "clean" else _band_title(name, count)
        axis.set_title(title, fontsize=TEXT)
        axis.set_xlabel("rate, bpp", fontsize=TEXT)
    rate_scale(axes[0], _drawn_rates(axes))
    axes[0].set_ylabel("PSNR, dB" if len(panels) == 1 else "PSNR, dB (scales differ)", fontsize=TEXT)
    legend(figure, axes)
    chosen = table[table["panel"].isin(panels)]
    return (Drawing(figure, used(int(chosen["n"].sum()), evidence, "measured, of settings that are not lossless")),)


def rd_clean(evidence: Evidence) -> tuple[Drawing, ...]:
    """Return the rate curves on clean images, in PSNR and in MS-SSIM."""
    require(evidence, CLEAN_ROWS)
    table = lossy(evidence)
    table = table[table["corruption"] == CLEAN[0]]
    table = table.assign(ms_ssim_db=ms_ssim_db(table["ms_ssim_mean"]))
    measures = {"psnr_mean": "PSNR, dB", "ms_ssim_db": "MS-SSIM, dB: $-10\\,\\log_{10}(1-\\mathrm{MS\\text{-}SSIM})$"}
    measures = {column: name for column, name in measures.items() if np.isfinite(table[column]).any()}
    labels = [evidence.label(codec) for codec in table["codec"].unique()]
    width = TWO_COLUMNS if len(measures) > 1 else ONE_COLUMN
    figure = sheet(width, 2.7 + legend_height(labels, width))
    axes = figure.subplots(1, len(measures), squeeze=False)[0]
    for axis, (column, name) in zip(axes, measures.items(), strict=True):
        _curves(axis, table, evidence, "bpp_mean", column, LINE)
        rate_scale(axis, table["bpp_mean"])
        axis.set_xlabel("rate, bpp", fontsize=TEXT)
        axis.set_ylabel(name, fontsize=TEXT)
    legend(figure, axes)
    choice = "clean images, measured, of settings that are not lossless"
    return (Drawing(figure, used(int(table["n"].sum()), evidence, choice)),)


def rd_ood(evidence: Evidence) -> tuple[Drawing, ...]:
    """Return the rate curves under each corruption at one severity, against the image given and against the clean."""
    require(evidence, SHIFTED_ROWS)
    severity = evidence.severity()
    table = lossy(evidence)
    table = table[(table["severity"] == severity) & (table["corruption"] != CLEAN[0])]
    names = [name for name in evidence.corruptions() if (table["corruption"] == name).any()]
    if not names:
        raise NothingToDraw(
            f"rows of a codec that is not lossless are needed at severity {severity}: "
            f"{command(evidence, f'--severity {severity}')}"
        )
    untouched = _uncompressed(evidence, severity)
    drawings = []
    for suffix, (column, reference) in REFERENCES.items():
        labels = [evidence.label(codec) for codec in table["codec"].unique()]
        figure, axes = grid(len(names), 1.25, legend_height(labels, TWO_COLUMNS) + 0.25, share_y=suffix == "shown")
        for axis, name in zip(axes, names, strict=True):
            part = table[table["corruption"] == name]
            if suffix == "clean" and name in untouched:
                axis.axhline(untouched[name], color=INK, lw=0.9, ls=(0, (4, 2)), label="not compressed at all")
            _curves(axis, part, evidence, "bpp_mean", column, LITTLE)
            headed(axis, name, evidence.bands[name])
            if suffix == "clean":
                _open(axis, LEAST_SPAN)
        rate_scale(axes[0], table["bpp_mean"])
        scales = "one scale for all panels" if suffix == "shown" else "scales of PSNR differ"
        figure.supxlabel(f"rate, bpp (severity {severity}; {scales})", fontsize=TEXT)
        figure.supylabel(f"PSNR against {reference}, dB", fontsize=TEXT)
        legend(figure, axes)
        note = ""
        if suffix == "clean":
            note = "The dashed line is the PSNR of the corrupted images before any codec, the mean over images."
        if suffix == "clean" and not untouched:
            note = "The PSNR of the corrupted images themselves is not in the file: --codec identity adds it."
        choice = f"severity {severity}, measured, of settings that are not lossless"
        about = f"PSNR against {reference}, over bpp, under each corruption at severity {severity}"
        drawings.append(Drawing(figure, used(int(table["n"].sum()), evidence, choice), note, suffix, about))
    return tuple(drawings)


def psnr_vs_severity(evidence: Evidence) -> tuple[Drawing, ...]:
    """Return PSNR over severity in each band, each codec at its point matched on clean images."""
    require(evidence, SEVERITIES, MATCHED_POINTS)
    points, table = _matched(evidence)
    whole = _whole(evidence)
    panels = [band for band in (*BANDS, "extra") if any(evidence.bands[name] == band for name in whole)]
    labels = [f"{evidence.label(codec)} {one.point}, {one.bpp:.2f} bpp" for codec, one in points.items()]
    figure = sheet(TWO_COLUMNS, 3.9 + legend_height(labels, TWO_COLUMNS))
    axes = figure.subplots(2, len(panels), squeeze=False, sharex=True, sharey="row")
    for row, (column, reference) in zip(axes, REFERENCES.values(), strict=True):
        for axis, band in zip(row, panels, strict=True):
            names = [name for name in whole if evidence.bands[name] == band]
            for (codec, look), label in zip(_chosen_looks(evidence, points), labels, strict=True):
                means = _over_severity(table, codec, names, column)
                axis.plot(means.index, means, label=label, **LINE, **look)
            tidy(axis)
            axis.set_title(_band_title(band, len(names)), fontsize=TEXT)
            axis.set_xticks(sorted({0, *table["severity"]}))
        row[0].set_ylabel(f"PSNR against\n{reference}, dB", fontsize=TEXT)
    for axis in axes[1]:
        axis.set_title("")
        axis.set_xlabel("severity (0: clean images)", fontsize=TEXT)
    legend(figure, axes[0])
    count = int(table.loc[table["corruption"].isin([CLEAN[0], *whole]), "n"].sum())
    return (Drawing(figure, used(count, evidence, _points_told(points)), _left_out(evidence, points, whole)),)


def bpp_vs_severity(evidence: Evidence) -> tuple[Drawing, ...]:
    """Return the rate over severity under each corruption, each codec at its point matched on clean images."""
    require(evidence, SEVERITIES, MATCHED_POINTS)
    points, table = _matched(evidence)
    whole = _whole(evidence)
    labels = [f"{evidence.label(codec)} {one.point}, {one.bpp:.2f} bpp" for codec, one in points.items()]
    figure, axes = grid(len(whole), 1.25, legend_height(labels, TWO_COLUMNS) + 0.25)
    for axis, name in zip(axes, whole, strict=True):
        for (codec, look), label in zip(_chosen_looks(evidence, points), labels, strict=True):
            means = _over_severity(table, codec, [name], "bpp_mean")
            axis.plot(means.index, means, label=label, **LITTLE, **look)
        tidy(axis)
        headed(axis, name, evidence.bands[name])
    part = table[table["corruption"].isin([CLEAN[0], *whole])]
    rate_scale(axes[0], part["bpp_mean"], "y")
    axes[0].set_xticks(sorted({0, *table["severity"]}))
    figure.supxlabel("severity (0: clean images; one scale for all panels)", fontsize=TEXT)
    figure.supylabel("rate, bpp", fontsize=TEXT)
    legend(figure, axes)
    count = int(part["n"].sum())
    return (Drawing(figure, used(count, evidence, _points_told(points)), _left_out(evidence, points, whole)),)


def lossy(evidence: Evidence) -> pd.DataFrame:
    """Return the means of each cell (as `summarise` gives them), without those where an image came back unchanged."""
    table = summarise(_of_the_same_images(evidence.tabled()))
    return table[(table["n"] > 0) & (table["n_lossless"] == 0)]


def _of_the_same_images(rows: pd.DataFrame) -> pd.DataFrame:
    """Return, in each condition, the rows of the images that every setting there has; all where they share none."""
    ok = rows[rows["status"] == "ok"]
    condition = ["corruption", "severity"]
    settings = ok.drop_duplicates([*condition, "codec", "point"]).groupby(condition).size()
    held = ok.groupby([*condition, "image"]).size().reset_index(name="held")
    held = held.merge(settings.reset_index(name="settings"))
    whole = held["held"] == held["settings"]
    shared = whole.groupby([held[name] for name in condition]).transform("any")
    return rows.merge(held.loc[whole | ~shared, [*condition, "image"]])


def _curves(
    axis: Axes, part: pd.DataFrame, evidence: Evidence, rate: str, quality: str, line: Mapping[str, Any]
) -> None:
    """Draw each codec's curve: the mean over the cells of a point."""
    for codec, look in looks(evidence.names()).items():
        means = part[part["codec"] == codec].groupby("point")[[rate, quality]].mean().dropna().sort_values(rate)
        if len(means):
            axis.plot(means[rate], means[quality], label=evidence.label(codec), **line, **look)
    tidy(axis)
    axis.locator_params(axis="y", nbins=6, steps=[1, 2, 5, 10])


def _open(axis: Axes, span: float) -> None:
    """Give a panel a y axis of `span` at least: what differs by less than the eye should care for stays flat."""
    low, high = axis.get_ylim()
    more = max(0.0, span - (high - low)) / 2
    axis.set_ylim(low - more, high + more)


def _drawn_rates(axes: Iterable[Axes]) -> list[float]:
    return [float(value) for axis in axes for line in axis.lines for value in np.asarray(line.get_xdata())]


def _band_title(band: str, count: int) -> str:
    return f"{band} ({count} corruption{'s' * (count > 1)})"


def _uncompressed(evidence: Evidence, severity: int) -> dict[str, float]:
    """Return the mean PSNR of the corrupted against the clean images, as rows that lost nothing tell it."""
    rows = evidence.tabled()
    rows = rows[np.isposinf(rows["psnr"]) & (rows["severity"] == severity) & np.isfinite(rows["psnr_clean"])]
    each = rows.drop_duplicates(["corruption", "image"])
    images = evidence.rows["image"].nunique()
    means = each.groupby("corruption")["psnr_clean"].agg(["mean", "size"])
    return {str(name): float(mean) for name, mean, size in means.itertuples() if size == images}


def _matched(evidence: Evidence) -> tuple[dict[str, Near], pd.DataFrame]:
    """Return each codec's matched point, and the means of the cells at those."""
    points = nearest_to(TARGET_BPP, evidence.tabled())
    table = lossy(evidence)
    held = {(one.codec, one.point) for one in points.values()}
    mine = [pair in held for pair in zip(table["codec"], table["point"], strict=True)]
    return points, table[mine]


def _whole(evidence: Evidence) -> list[str]:
    """Return the corruptions that have rows at every severity there is."""
    rows = evidence.tabled()
    every = rows.loc[rows["corruption"] != CLEAN[0], "severity"].nunique()
    counts = rows.groupby("corruption")["severity"].nunique()
    return [name for name in evidence.corruptions() if counts[name] == every]


def _chosen_looks(evidence: Evidence, points: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    points = set(points)
    return [(codec, look) for codec, look in looks(evidence.names()).items() if codec in points]


def _over_severity(table: pd.DataFrame, codec: str, names: Sequence[str], column: str) -> pd.Series[float]:
    """Return the mean over corruptions at each severity, severity 0 being the clean images."""
    part = table[(table["codec"] == codec) & table["corruption"].isin([CLEAN[0], *names])]
    return part.groupby("severity")[column].mean().sort_index()


def _points_told(points: Mapping[str, Near]) -> str:
    told = ", ".join(f"{codec}:{one.point}" for codec, one in points.items())
    return f"of the points nearest {TARGET_BPP:g} bpp on clean images: {told}"


def _left_out(evidence: Evidence, points: Mapping[str, Near], whole: Sequence[str]) -> str:
    codecs = [codec for codec in evidence.names() if codec not in points]
    names = [name for name in evidence.corruptions() if name not in whole]
    return " ".join(
        f"Left out, {reason}: {', '.join(these)}."
        for these, reason in (
            (codecs, f"for having no point within a factor of two of {TARGET_BPP:g} bpp"),
            (names, "for lacking a severity"),
        )
        if these
    )


KINDS = (
    Kind(
        name="rate-curves",
        about="PSNR against the image given, over bpp, on clean images and in each band of corruptions",
        rule="A mark is one setting of a codec: the mean over the images that all settings have, then over the "
        "corruptions and severities of the band. A setting that is lossless under one of them is left out.",
        needs=(ROWS,),
        draw=rate_curves,
    ),
    Kind(
        name="rd-clean",
        about="PSNR and MS-SSIM over bpp on clean images",
        rule="A mark is one setting of a codec: the mean over the images that all settings have; MS-SSIM is averaged "
        "before it is put into dB. A setting that is lossless on an image is left out.",
        needs=(CLEAN_ROWS,),
        draw=rd_clean,
    ),
    Kind(
        name="rd-ood",
        about="PSNR over bpp under each corruption, against the image given or against the clean image",
        rule="A mark is one setting of a codec: the mean over the images that all settings have. A setting that is "
        "lossless on an image is left out. ",
        needs=(SHIFTED_ROWS,),
        draw=rd_ood,
    ),
    Kind(
        name="psnr-vs-severity",
        about="PSNR over severity in each band of corruptions, against the image given and against the clean image",
        rule=f"Each codec is held at the setting whose mean rate on clean images is nearest {TARGET_BPP:g} bpp. A mark "
        "is the mean over the images that all settings have, then over the corruptions of the band; severity 0 is the "
        "clean images.",
        needs=(SEVERITIES, MATCHED_POINTS),
        draw=psnr_vs_severity,
    ),
    Kind(
        name="bpp-vs-severity",
        about="bpp over severity under each corruption",
        rule=f"Each codec is held at the setting whose mean rate on clean images is nearest {TARGET_BPP:g} bpp. A mark "
        "is the mean over the images that all settings have; severity 0 is the clean images.",
        needs=(SEVERITIES, MATCHED_POINTS),
        draw=bpp_vs_severity,
    ),
)
