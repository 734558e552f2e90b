"""Each image by itself: what a codec costs on it clean and corrupted, with the images named that stand apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...conditions import CLEAN_CONDITION, Condition
from ...rate import Curve, bd_rate
from ..parts.kind import Drawing, Kind, used
from ..parts.looks import looks
from ..parts.material import Material, NothingToDraw
from ..parts.needs import CLEAN_ROWS, COMPARISON, SHIFTED_ROWS, two_ladders
from ..parts.representatives import DEFAULT_ANCHORS
from ..parts.style import INK, SMALL, TINY, columns_of, label_below, label_beside, sheet, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

APART = 3.0
"""Robust standard deviations (1.4826 times the median absolute deviation) from which an image stands apart."""

FEWEST_IMAGES = 6
"""Images from which on one can stand apart: a median deviation of fewer says little."""

LogRatios = Mapping[Condition, Mapping[str, float]]
"""The log of the bits ratio against the anchor, by condition and image."""


def per_image(material: Material) -> tuple[Drawing, ...]:
    """Return a panel per codec with a mark per image: bits against the anchor, corrupted over clean."""
    rows = material.tabled()
    rows = rows[rows["status"] == "ok"]
    anchor = _anchor(material, rows)
    cells = rows.groupby(["codec", "corruption", "severity", "image"], sort=False)
    curves: dict[Any, Curve] = {key: Curve.through(part["bpp"], part["psnr"]) for key, part in cells}
    drawn: dict[str, pd.DataFrame] = {}
    lacking: dict[str, int] = {}
    for codec in material.names():
        if codec != anchor:
            ratios = _log_ratios(curves, anchor, codec)
            table, lacking[codec] = _clean_and_corrupted(ratios)
            if len(table):
                drawn[codec] = table
    if not drawn:
        raise NothingToDraw(
            f"rate curves of {anchor} and of another codec are needed that share qualities on single images: "
            f"{material.command(*two_ladders(material))}"
        )
    width = material.chosen.width
    columns = columns_of(len(drawn), width, 1.7)
    lines = -(-len(drawn) // columns)
    width = min(width, 0.5 + 2.4 * columns)
    side = (width - 0.4) / columns
    figure = sheet(width, 0.4 + lines * (side + 0.15))
    axes = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for axis in axes[len(drawn) :]:
        axis.remove()
    styles = looks(material.names())
    for axis, (codec, table) in zip(axes, drawn.items(), strict=False):
        clean, corrupted = (100 * np.expm1(table[name]) for name in ("clean", "corrupted"))
        axis.plot(clean, corrupted, ms=3.5, **{**styles[codec], "linestyle": "none"})
        for image in standing_apart(table):
            axis.annotate(
                image, (clean[image], corrupted[image]), (3, 2), textcoords="offset points", fontsize=TINY, color=INK
            )
        axis.set_title(material.label(codec), fontsize=SMALL)
        tidy(axis)
        _same_scale(axis)
    label_below(figure, f"clean images: bits against {anchor}, % (scales of panels differ)")
    label_beside(figure, f"corrupted images: bits against {anchor}, %")
    partial = [f"{codec} {count}" for codec, count in lacking.items() if count and codec in drawn]
    absent = [codec for codec in lacking if codec not in drawn]
    note = " ".join(
        sentence
        for sentence in (
            f"Conditions left out because the curves of some image share too little: {', '.join(partial)}."
            * bool(partial),
            f"Not comparable on single images: {', '.join(absent)}." * bool(absent),
        )
        if sentence
    )
    return (Drawing(figure, used(len(rows), material, f"measured, each image against {anchor}"), note),)


def standing_apart(table: pd.DataFrame) -> list[str]:
    """Return the images that are apart in the columns `clean` or `corrupted`, log ratios, or in their difference."""
    columns = (table["clean"], table["corrupted"], table["corrupted"] - table["clean"])
    return list(dict.fromkeys(image for values in columns for image in apart(values)))


def apart(values: pd.Series[float]) -> list[str]:
    """Return the images whose value is APART robust standard deviations or more from the median."""
    off = (values - values.median()).abs()
    scale = 1.4826 * float(off.median())
    enough = len(off) >= FEWEST_IMAGES and scale > 0
    return [str(image) for image in off.index[off >= APART * scale]] if enough else []


def _anchor(material: Material, rows: pd.DataFrame) -> str:
    present = list(dict.fromkeys(rows.loc[np.isfinite(rows["psnr"]), "codec"]))
    return next(str(codec) for codec in (material.anchor, *DEFAULT_ANCHORS, *present) if codec in present)


def _log_ratios(curves: Mapping[tuple[str, str, int, str], Curve], anchor: str, codec: str) -> LogRatios:
    """Return the log bits ratios of a codec on each image; NaN where its curve and the anchor's share too little."""
    ratios: dict[Condition, dict[str, float]] = {}
    for (name, corruption, severity, image), curve in curves.items():
        base = curves.get((anchor, corruption, severity, image))
        if name == codec and base is not None:
            ratios.setdefault((corruption, severity), {})[image] = float(np.log1p(bd_rate(base, curve).percent / 100))
    return ratios


def _clean_and_corrupted(ratios: LogRatios) -> tuple[pd.DataFrame, int]:
    """Return the clean log ratio and the mean corrupted one of each image, and how many conditions are left out.

    A condition is left out if some image has no ratio under it, so that all means are over the same conditions.
    """
    table = pd.DataFrame({condition: pd.Series(values, dtype=float) for condition, values in ratios.items()})
    if CLEAN_CONDITION not in ratios:
        return table.iloc[:0], 0
    table = table[table[CLEAN_CONDITION].notna()]
    shifted = table.drop(columns=[CLEAN_CONDITION])
    whole = shifted.loc[:, shifted.notna().all()]
    pair = pd.DataFrame({"clean": table[CLEAN_CONDITION], "corrupted": whole.mean(axis=1)}).dropna()
    return pair, shifted.shape[1] - whole.shape[1]


def _same_scale(axis: Axes) -> None:
    """Give both axes one scale, and draw the line on which an image costs the same clean and corrupted."""
    values = np.concatenate([np.asarray(line.get_data(), np.float64).ravel() for line in axis.lines])
    margin = 0.12 * max(float(np.ptp(values)), 5.0)
    ends = [float(values.min()) - margin, float(values.max()) + margin]
    axis.plot(ends, ends, color=INK, lw=0.7, zorder=0, label="_same")
    axis.set_xlim(*ends)
    axis.set_ylim(*ends)
    axis.set_box_aspect(1)
    axis.locator_params(nbins=5)


KINDS = (
    Kind(
        name="per-image",
        about="Bits against the anchor at equal PSNR on each image, corrupted over clean",
        rule="Each mark is one image: the BD-rate on it clean, and the geometric mean of its BD-rates over "
        "corruptions and severities. On the line both are the same. Images are named whose clean or corrupted log "
        f"ratio, or the difference of the two, is at least {APART:g} robust standard deviations (1.4826 median "
        f"absolute deviations) from the codec's median, if there are at least {FEWEST_IMAGES} images.",
        needs=(CLEAN_ROWS, SHIFTED_ROWS, COMPARISON),
        plot=per_image,
    ),
)
