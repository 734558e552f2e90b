"""The figure of Fourier heatmaps: what a wave of each frequency costs a codec, over the whole plane of frequencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..heatmap import RULE, Heatmap, NoHeatmap, Quantity, Values, heatmaps, plane, windows
from .material import Drawing, Evidence, Kind, Need, NothingToDraw, used
from .needs import require
from .style import pages

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

ABOUT = "What a wave of each frequency changes of the PSNR and of the rate of a codec"
WIDTH = 7.16  # inches: two columns
MISSING = "0.82"
# Red is worse in all three: fewer decibels, more bits.
PANELS: tuple[tuple[Quantity, str, str, str], ...] = (
    ("psnr", "PSNR against the image given", "change of PSNR, dB", "RdBu"),
    ("psnr_clean", "PSNR against the clean image", "change of PSNR, dB", "RdBu"),
    ("bpp", "rate", "change of rate, bpp", "RdBu_r"),
)


def draw(heatmaps: Sequence[Heatmap]) -> Figure:
    """Return heatmaps of one set, strength and window as a figure: a row per codec point, a column per quantity.

    Colours are differences to clean images, about 0, on one scale per column for all codecs. Frequency 0 is in the
    middle. What is missing is hatched; an infinite difference is drawn as the end of the scale, and said.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - heavy; and not pyplot, which keeps every figure alive

    first = heatmaps[0]
    lacking = any(one.missing.any() for one in heatmaps)
    height = 0.95 + 2.05 * len(heatmaps) + 0.25 * lacking
    figure = Figure(figsize=(WIDTH, height), dpi=200, layout="constrained")
    grid = figure.subplots(len(heatmaps), len(PANELS), squeeze=False, sharex=True, sharey=True)
    for column, (quantity, title, unit, colours) in enumerate(PANELS):
        changes = [plane(one.window, one.change(quantity)) for one in heatmaps]
        end = _end(changes)
        for row, (heatmap, change) in enumerate(zip(heatmaps, changes, strict=True)):
            axis = grid[row, column]
            image = _panel(axis, heatmap, change, end, colours)
            heading = _heading(heatmap, quantity, change)
            axis.set_title(f"{title}\n{heading}" if row == 0 else heading, fontsize=7)
            if column == 0:
                axis.set_ylabel(f"{heatmap.codec}:{heatmap.point}\n{_axis(heatmap, 'down')}", fontsize=7)
            if row == len(heatmaps) - 1:
                axis.set_xlabel(_axis(heatmap, "across"), fontsize=7)
        bar = figure.colorbar(image, ax=grid[:, column], location="bottom", shrink=0.9, aspect=30, pad=0.02)
        bar.set_label(f"{unit} (one scale for all codecs)" if len(heatmaps) > 1 else unit, fontsize=7)
        bar.ax.set_xlim(*_range(changes))
        bar.ax.tick_params(labelsize=6)
        bar.outline.set_linewidth(0.4)
    images = {len(one.images) for one in heatmaps}
    count = f"{min(images)} to {max(images)}" if len(images) > 1 else str(*images)
    count += " image" if images == {1} else " images"
    figure.suptitle(f"{first.set}, {count}: a wave of RMS {first.rms:g} grey levels at each frequency", fontsize=8)
    if lacking:
        _legend(figure)
    return figure


def _heading(heatmap: Heatmap, quantity: Quantity, change: Values) -> str:
    """Return what the differences of one map are to."""
    clean = heatmap.clean(quantity)
    if math.isnan(clean):
        return "no clean rows"
    if quantity == "bpp":
        return f"clean: {clean:.3f} bpp"
    beyond = ", changes beyond the scale: infinite" if np.isinf(change).any() else ""
    return (f"clean: {clean:.2f} dB" if math.isfinite(clean) else "clean: exact") + beyond


def _end(changes: Sequence[Values]) -> float:
    """Return how far from 0 the colours reach: to the greatest finite difference."""
    return max(map(abs, _range(changes)))


def _range(changes: Sequence[Values]) -> tuple[float, float]:
    """Return the least and the greatest finite difference, and 0 between them: the colours there are."""
    finite = np.concatenate([[0.0], *(change[np.isfinite(change)] for change in changes)])
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (-1.0, 1.0)


def _panel(axis: Axes, heatmap: Heatmap, change: Values, end: float, colours: str) -> AxesImage:
    """Draw one map of the plane and return it."""
    i, j = heatmap.window.i, heatmap.window.j
    of = heatmap.window.of or 1
    edges = [(ends[0] - 0.5, ends[-1] + 0.5) for ends in (i, j if j[0] < 0 else (-j[-1], *j))]
    (top, bottom), (left, right) = ((low / of, high / of) for low, high in edges)
    image = axis.imshow(
        np.clip(change, -end, end),  # which leaves NaN, and those are not drawn
        cmap=_map(colours),
        vmin=-end,
        vmax=end,
        extent=(left, right, bottom, top),
        interpolation="nearest",
        aspect="equal",
    )
    axis.patch.set(facecolor=MISSING, hatch="xxxxxx", edgecolor="0.55", linewidth=0)
    axis.tick_params(labelsize=6, width=0.4, length=2)
    if heatmap.window.of is not None:
        ticks, names = [-0.5, -0.25, 0, 0.25, 0.5], ["-½", "-¼", "0", "¼", "½"]
        axis.set_xticks(ticks, names)
        axis.set_yticks(ticks, names)
    for spine in axis.spines.values():
        spine.set_linewidth(0.4)
    return image


def _map(name: str) -> Colormap:
    import matplotlib as mpl  # noqa: PLC0415 - heavy

    return mpl.colormaps[name]


def _axis(heatmap: Heatmap, way: str) -> str:
    unit = "image" if heatmap.window.of is None else "pixel"
    return f"frequency {way}, cycles/{unit}"


def _legend(figure: Figure) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415 - heavy

    patch = Patch(
        facecolor=MISSING, hatch="xxxxxx", edgecolor="0.55", linewidth=0, label="missing: not measured, or failed"
    )
    figure.legend(handles=[patch], loc="outside lower left", frameon=False, fontsize=7)


# --- heatmaps among the figures

CODECS_A_PAGE = 4


def _command(evidence: Evidence) -> str:
    of = next(iter(evidence.rows["set"]), "SET")
    return f"codecshift heatmap --set {of} --codec LABEL --out {evidence.file}"


def _waves(evidence: Evidence) -> str:
    return "" if windows(evidence.rows) else f"rows of waves of many frequencies are needed: {_command(evidence)}"


WAVES = Need("rows of waves (codecshift heatmap)", _waves)


def fourier_heatmap(evidence: Evidence) -> tuple[Drawing, ...]:
    """Return the heatmaps of the rows, a drawing for each strength of the waves."""
    require(evidence, WAVES)
    try:
        found = [one for one in heatmaps(evidence.rows) if one.images]
    except NoHeatmap as error:
        raise NothingToDraw(str(error)) from error
    if not found:
        raise NothingToDraw(f"waves and clean images of the same codec point are needed: {_command(evidence)}")
    drawings = []
    by_strength: dict[float, list[Heatmap]] = {}
    for one in found:
        by_strength.setdefault(one.rms, []).append(one)
    for rms, several in by_strength.items():
        strength = f"rms{rms:g}" if len(by_strength) > 1 else ""
        labelled = {f"{one.codec}:{one.point}": one for one in several}
        for page, labels in pages(list(labelled), CODECS_A_PAGE):
            some = [labelled[label] for label in labels]
            suffix = "-".join(part for part in (strength, page) if part)
            told = used(_count(evidence, some), evidence, f"waves of RMS {rms:g}, and clean images")
            drawings.append(Drawing(draw(some), told, f"{some[0].window}.", suffix))
    return tuple(drawings)


def _count(evidence: Evidence, several: list[Heatmap]) -> int:
    """Return how many rows the heatmaps are made of."""
    rows = evidence.rows
    points = {(one.codec, one.point) for one in several}
    mine = rows[[pair in points for pair in zip(rows["codec"], rows["point"], strict=True)]]
    mine = mine[(mine["status"] == "ok") & mine["image"].isin({image for one in several for image in one.images})]
    waves = ~mine["corruption"].isin({"none", *evidence.bands}) & (mine["severity"] == several[0].severity)
    return int((waves | (mine["corruption"] == "none")).sum())


KINDS = (
    Kind(
        name="fourier-heatmap",
        about=ABOUT,
        rule=RULE,
        needs=(WAVES,),
        draw=fourier_heatmap,
    ),
)
