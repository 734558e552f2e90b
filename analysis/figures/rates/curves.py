"""Curves over rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...conditions import BANDS, CLEAN
from ...counted import counted
from ...measures.axis import axis as on_axis
from ...measures.axis import title
from ...measures.table import find, known
from ...ranking import largest_shared
from ...rate import MINIMUM_POINTS
from ...statistics import summarise
from ..parts.kind import Drawing, Kind, used
from ..parts.looks import looks
from ..parts.material import Material, NothingToDraw
from ..parts.needs import CLEAN_ROWS, ROWS, SHIFTED_ROWS
from ..parts.style import (
    INK,
    ONE_COLUMN,
    TEXT,
    columns_of,
    headed,
    label_below,
    label_beside,
    legend,
    legend_height,
    panel_rows,
    panels_of,
    rate_scale,
    sheet,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE: Mapping[str, Any] = {"ms": 3.5, "lw": 1.1}
SMALL_LINE: Mapping[str, Any] = {"ms": 2.5, "lw": 0.9}
LEAST_SPAN = 4.0  # dB, of a panel with its own scale
LEAST_FILLED = 0.5  # the share of one scale for all panels that each of them has to cover, or each has its own
CURVES_OVER = "the image given, over bpp, on clean images and in each band of corruptions"
REFERENCES = {"shown": ("psnr_mean", "the image given"), "clean": ("psnr_clean_mean", "the clean image")}


def rate_curves(material: Material) -> tuple[Drawing, ...]:
    """Return the rate curves on clean images and in each band, one panel each."""
    quality = material.chosen.quality
    table = lossy_means(material)
    table = table.assign(panel=table["corruption"].map({CLEAN: "clean", **material.bands}))
    panels = [name for name in ("clean", *BANDS) if (table["panel"] == name).any()]
    drawn = {name: under_all_conditions(table[table["panel"] == name]) for name in panels}
    labels = [material.label(codec) for codec in material.names()]
    width = material.chosen.width if len(panels) > 1 else min(ONE_COLUMN, material.chosen.width)
    columns = columns_of(len(panels), width, 1.6)
    rows = -(-len(panels) // columns)
    figure = sheet(width, 0.3 + 2.1 * rows + legend_height(labels, width))
    axes = panels_of(figure, len(panels), rows, columns, share_y=False)
    for axis, name in zip(axes, panels, strict=True):
        part = drawn[name]
        _curves(axis, part, material, "bpp_mean", f"{quality}_axis_mean", LINE)
        count = part["corruption"].nunique()
        axis.set_title("clean" if name == "clean" else band_title(name, count), fontsize=TEXT)
    rate_scale(axes[0], _drawn_rates(axes))
    label_below(figure, "rate, bpp")
    label_beside(figure, title(quality) if len(panels) == 1 else f"{title(quality)} (scales differ)")
    legend(figure, axes)
    count = int(sum(part["n"].sum() for part in drawn.values()))
    left_out = {
        f"{codec} ({name})"
        for name, part in drawn.items()
        for codec in set(table.loc[table["panel"] == name, "codec"]) - set(part["codec"])
    }
    note = f"Not measured under every condition of a panel: {', '.join(sorted(left_out))}." if left_out else ""
    about = f"{find(quality).title} against {CURVES_OVER}"
    return (Drawing(figure, used(count, material, "measured, lossy settings only"), note, about=about),)


def rd_clean(material: Material) -> tuple[Drawing, ...]:
    """Return the rate curves on clean images, a panel for each measure that the rows have."""
    table = lossy_means(material)
    table = table[table["corruption"] == CLEAN]
    measures = {f"{name}_axis_mean": title(name) for name in known() if f"{name}_axis_mean" in table}
    measures = {column: name for column, name in measures.items() if np.isfinite(table[column]).any()}
    labels = [material.label(codec) for codec in table["codec"].unique()]
    width = material.chosen.width if len(measures) > 1 else min(ONE_COLUMN, material.chosen.width)
    columns = columns_of(len(measures), width, 2.6)
    figure = sheet(width, 2.7 * -(-len(measures) // columns) + legend_height(labels, width))
    axes = figure.subplots(-(-len(measures) // columns), columns, squeeze=False).ravel()
    for axis, (column, name) in zip(axes, measures.items(), strict=True):
        _curves(axis, table, material, "bpp_mean", column, LINE)
        rate_scale(axis, table["bpp_mean"])
        axis.set_xlabel("rate, bpp", fontsize=TEXT)
        axis.set_ylabel(name, fontsize=TEXT)
    legend(figure, axes)
    choice = "clean images, measured, lossy settings only"
    return (Drawing(figure, used(int(table["n"].sum()), material, choice)),)


def rd_corrupted(material: Material) -> tuple[Drawing, ...]:
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
        width = material.chosen.width
        shared = suffix == "shown" and _fills_one_scale(table, column)
        figure, axes = panel_rows(len(names), 1.25, legend_height(labels, width) + 0.25, width, share_y=shared)
        for axis, name in zip(axes, names, strict=True):
            part = table[table["corruption"] == name]
            if suffix == "clean" and name in untouched:
                axis.axhline(untouched[name], color=INK, lw=0.9, ls=(0, (4, 2)), label="uncompressed")
            _curves(axis, part, material, "bpp_mean", column, SMALL_LINE)
            headed(axis, name, material.bands[name])
            if not shared:
                _open(axis)
        rate_scale(axes[0], table["bpp_mean"])
        scales = "one scale for all panels" if shared else "scales of PSNR differ"
        label_below(figure, f"rate, bpp (severity {severity}; {scales})")
        label_beside(figure, f"PSNR against {reference}, dB")
        legend(figure, axes)
        note = ""
        if suffix == "clean" and untouched:
            note = "The dashed line is the mean PSNR of the corrupted images before any codec."
        elif suffix == "clean":
            note = "The file lacks the PSNR of the corrupted images themselves, which any further run adds."
        choice = f"severity {severity}, measured, lossy settings only"
        about = f"PSNR against {reference}, over bpp, under each corruption at severity {severity}"
        drawings.append(Drawing(figure, used(int(table["n"].sum()), material, choice), note, suffix, about))
    return tuple(drawings)


def lossy_means(material: Material) -> pd.DataFrame:
    """Return the means of each cell, as `summarise` gives them, without cells that contain a lossless image.

    For each measure that the rows have, `NAME_axis_mean` is its mean on the axis of curves.
    """
    rows = _on_shared_images(material.tabled())
    cell = ["corruption", "severity", "codec", "point"]
    columns = {f"{name}_axis_mean": on_axis(name, rows[name]) for name in known() if name in rows}
    means = rows[cell].assign(**columns).groupby(cell).mean()
    table = summarise(rows).join(means, on=cell)
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


def _fills_one_scale(table: pd.DataFrame, column: str) -> bool:
    """Return whether the curves of every corruption cover enough of one scale to be read on it."""
    values = table.groupby("corruption")[column]
    spans = values.max() - values.min()
    return bool((spans >= LEAST_FILLED * (table[column].max() - table[column].min())).all())


def _open(axis: Axes) -> None:
    """Widen the y axis of a panel to at least LEAST_SPAN, so that irrelevant differences look flat."""
    low, high = axis.get_ylim()
    more = max(0.0, LEAST_SPAN - (high - low)) / 2
    axis.set_ylim(low - more, high + more)


def _drawn_rates(axes: Iterable[Axes]) -> list[float]:
    return [float(value) for axis in axes for line in axis.lines for value in np.asarray(line.get_xdata())]


def band_title(band: str, count: int) -> str:
    """Return the title of a panel of a band."""
    return f"{band} ({counted(count, 'corruption')})"


def _uncompressed(material: Material, severity: int) -> dict[str, float]:
    """Return the mean PSNR of the corrupted against the clean images, where it is known for every image and finite."""
    shifts = material.shifts[material.shifts["severity"] == severity]
    images = material.rows["image"].nunique()
    means = shifts[np.isfinite(shifts["psnr"].astype(float))].groupby("corruption")["psnr"].agg(["mean", "size"])
    return {str(name): float(mean) for name, mean, size in means.itertuples() if size == images}


RATE_CURVES = Kind(
    name="rate-curves",
    about=f"Quality against {CURVES_OVER}",
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
        about="Quality over bpp on clean images, by each measure of the run",
        rule="Each mark is one setting of a codec: the mean over the images that all settings share, taken over the dB "
        "of each image. A setting that is lossless on any image is left out.",
        needs=(CLEAN_ROWS,),
        plot=rd_clean,
    ),
    Kind(
        name="rd-corrupted",
        about="PSNR over bpp under each corruption, against the image given or against the clean image",
        rule="Each mark is one setting of a codec: the mean over the images that all settings share. A setting that is "
        "lossless on any image is left out. ",
        needs=(SHIFTED_ROWS,),
        plot=rd_corrupted,
    ),
)
