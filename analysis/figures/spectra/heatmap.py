"""The figure of Fourier heatmaps: what a wave of each frequency costs a codec, over the frequency plane."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...conditions import CLEAN
from ...heatmap import RULE, Heatmap, NoHeatmap, Quantity, Values, heatmaps, plane, windows
from ...matched import at_points
from ..parts.kind import Drawing, Kind, Need, used
from ..parts.material import Material, NothingToDraw
from ..parts.style import FOUR_PANELS, SMALL, TEXT, TINY, TWO_COLUMNS, pages, sheet, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

ABOUT = "How a wave of each frequency changes the PSNR and the rate of a codec"
MISSING: Mapping[str, Any] = {"facecolor": "0.82", "hatch": "xxxxxx", "edgecolor": "0.55", "linewidth": 0}
# Red is worse in all three: fewer decibels, more bits.
PANELS: tuple[tuple[Quantity, str, str, str], ...] = (
    ("psnr", "PSNR against the image given", "change of PSNR, dB", "RdBu"),
    ("psnr_clean", "PSNR against the clean image", "change of PSNR, dB", "RdBu"),
    ("bpp", "rate", "change of rate, bpp", "RdBu_r"),
)


def draw(heatmaps: Sequence[Heatmap], width: float = TWO_COLUMNS) -> Figure:
    """Return a figure of the heatmaps of one set, strength and window: a row per codec point, a column per quantity.

    Colours are differences to clean images, centred on 0, on one scale per column for all codecs. Frequency 0 is in the
    middle. Missing values are hatched; infinite differences are drawn as the end of the scale, with a note.
    """
    first = heatmaps[0]
    cycles = "cycles/image" if first.window.steps is None else "cycles/pixel"
    incomplete = any(heatmap.missing.any() for heatmap in heatmaps)
    height = 0.95 + (0.1 + 0.27 * width) * len(heatmaps) + 0.25 * incomplete
    figure = sheet(width, height)
    panels = figure.subplots(len(heatmaps), len(PANELS), squeeze=False, sharex=True, sharey=True)
    for column, (quantity, title, unit, colours) in enumerate(PANELS):
        changes = [plane(heatmap.window, heatmap.change(quantity)) for heatmap in heatmaps]
        low, high = _range(changes)
        end = max(-low, high)
        for row, (heatmap, change) in enumerate(zip(heatmaps, changes, strict=True)):
            axis = panels[row, column]
            image = _panel(axis, heatmap, change, end, colours)
            heading = _heading(heatmap, quantity, change)
            room = width / len(PANELS) - 0.3
            lines = [wrapped(text, room, SMALL) for text in ([title, heading] if row == 0 else [heading])]
            axis.set_title("\n".join(lines), fontsize=SMALL)
            if column == 0:
                axis.set_ylabel(f"{heatmap.codec}:{heatmap.point}\nfrequency down, {cycles}", fontsize=SMALL)
            if row == len(heatmaps) - 1:
                axis.set_xlabel(f"frequency across, {cycles}", fontsize=SMALL)
        bar = figure.colorbar(image, ax=panels[:, column], location="bottom", shrink=0.9, aspect=30, pad=0.02)
        label = f"{unit} (one scale for all codecs)" if len(heatmaps) > 1 else unit
        bar.set_label(wrapped(label, width / len(PANELS), SMALL), fontsize=SMALL)
        bar.ax.set_xlim(low, high)
        bar.ax.tick_params(labelsize=TINY)
        bar.outline.set_linewidth(0.4)
    images = {len(heatmap.images) for heatmap in heatmaps}
    count = f"{min(images)} to {max(images)}" if len(images) > 1 else str(*images)
    count += " image" if images == {1} else " images"
    title = f"{first.set}, {count}: a wave of RMS {first.rms:g} grey levels at each frequency"
    figure.suptitle(wrapped(title, width, TEXT), fontsize=TEXT)
    if incomplete:
        from matplotlib.patches import Patch  # noqa: PLC0415 - heavy

        patch = Patch(label="missing: not measured, or failed", **MISSING)
        figure.legend(handles=[patch], loc="outside lower left", frameon=False, fontsize=SMALL)
    return figure


def _heading(heatmap: Heatmap, quantity: Quantity, change: Values) -> str:
    """Return the clean value that the differences of one map refer to."""
    clean = heatmap.clean(quantity)
    if math.isnan(clean):
        return "no clean rows"
    if quantity == "bpp":
        return f"clean: {clean:.3f} bpp"
    beyond = ", changes beyond the scale: infinite" if np.isinf(change).any() else ""
    return (f"clean: {clean:.2f} dB" if math.isfinite(clean) else "clean: exact") + beyond


def _range(changes: Sequence[Values]) -> tuple[float, float]:
    """Return the range of the finite differences and 0, which the colour bar shows."""
    finite = np.concatenate([[0.0], *(change[np.isfinite(change)] for change in changes)])
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (-1.0, 1.0)


def _panel(axis: Axes, heatmap: Heatmap, change: Values, end: float, colours: str) -> AxesImage:
    """Draw one map of the plane and return it."""
    i, j = heatmap.window.i, heatmap.window.j
    steps = heatmap.window.steps or 1
    edges = [(ends[0] - 0.5, ends[-1] + 0.5) for ends in (i, j if j[0] < 0 else (-j[-1], *j))]
    (top, bottom), (left, right) = ((low / steps, high / steps) for low, high in edges)
    image = axis.imshow(
        np.clip(change, -end, end),  # NaN stays NaN and is not drawn
        cmap=colours,
        vmin=-end,
        vmax=end,
        extent=(left, right, bottom, top),
        interpolation="nearest",
        aspect="equal",
    )
    axis.patch.set(**MISSING)
    axis.tick_params(labelsize=TINY, width=0.4, length=2)
    if heatmap.window.steps is not None:
        ticks, names = [-0.5, -0.25, 0, 0.25, 0.5], ["-½", "-¼", "0", "¼", "½"]
        axis.set_xticks(ticks, names)
        axis.set_yticks(ticks, names)
    for spine in axis.spines.values():
        spine.set_linewidth(0.4)
    return image


# --- heatmaps among the figures

CODECS_A_PAGE = 4


def _command(material: Material) -> str:
    return material.measured().heatmap(*([] if material.lossy() else ["--codec jpeg"]))


def _waves(material: Material) -> str:
    return "" if windows(material.rows) else f"rows of waves of many frequencies are needed: {_command(material)}"


WAVES = Need("rows of waves (codecshift heatmap)", _waves)


def fourier_heatmap(material: Material) -> tuple[Drawing, ...]:
    """Return the heatmaps of the rows, a drawing for each strength of the waves."""
    try:
        maps = [heatmap for heatmap in heatmaps(material.rows) if heatmap.images]
    except NoHeatmap as error:
        raise NothingToDraw(str(error)) from error
    if not maps:
        raise NothingToDraw(
            f"rows of waves and of clean images are needed for the same codec point: {_command(material)}"
        )
    drawings = []
    by_strength: dict[float, list[Heatmap]] = {}
    for heatmap in maps:
        by_strength.setdefault(heatmap.rms, []).append(heatmap)
    for rms, same_strength in by_strength.items():
        strength = f"rms{rms:g}" if len(by_strength) > 1 else ""
        labelled = {f"{heatmap.codec}:{heatmap.point}": heatmap for heatmap in same_strength}
        for page, labels in pages(list(labelled), CODECS_A_PAGE):
            on_page = [labelled[label] for label in labels]
            suffix = "-".join(part for part in (strength, page) if part)
            chosen = used(_count(material, on_page), material, f"waves of RMS {rms:g}, and clean images")
            drawings.append(
                Drawing(draw(on_page, max(material.chosen.width, FOUR_PANELS)), chosen, f"{on_page[0].window}.", suffix)
            )
    return tuple(drawings)


def _count(material: Material, maps: list[Heatmap]) -> int:
    """Return how many rows the heatmaps are made of."""
    rows = at_points(material.rows, ((heatmap.codec, heatmap.point) for heatmap in maps))
    images = {image for heatmap in maps for image in heatmap.images}
    rows = rows[(rows["status"] == "ok") & rows["image"].isin(images)]
    waves = ~rows["corruption"].isin({CLEAN, *material.bands}) & (rows["severity"] == maps[0].severity)
    return int((waves | (rows["corruption"] == CLEAN)).sum())


KINDS = (
    Kind(
        name="fourier-heatmap",
        about=ABOUT,
        rule=RULE,
        needs=(WAVES,),
        plot=fourier_heatmap,
    ),
)
