"""Power spectra of a codec's errors over the distance from frequency 0, and by thirds of the band over rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...conditions import CLEAN_CONDITION
from ...counted import counted
from ...matched import Near
from ...spectrum import GRID, Power, SpectrumKey, grid_thirds, luminance, radial
from ..parts.kind import Drawing, Kind, used_spectra
from ..parts.looks import BAND_COLOURS, looks
from ..parts.material import Material, NothingToDraw, labels_of
from ..parts.needs import CLEAN_ROWS, spectra
from ..parts.style import (
    FOUR_PANELS,
    INK,
    SMALL,
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
    wrapped,
)
from .planes import (
    AT_POINTS,
    MEAN_SPECTRUM,
    UNIT,
    decibels,
    groups_by_band,
    notes_on,
    pointed,
    points_with_spectra,
    rates_under,
    severity_of_spectra,
    windowed,
)
from .shifts import limit_from

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Spectra = Mapping[SpectrumKey, Power]
LEAST_RADIUS = 2 / GRID[0]
RATIO = "R over the shift, dB"
SHIFT_LABEL = "the shift itself: corrupted minus clean"
CLEAR: Mapping[str, Any] = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.8}
REMOVED = 0.0  # dB of R over the shift where a codec neither removed nor added anything


def psd_radial(material: Material) -> tuple[Drawing, ...]:
    """Return D, G in each band, and R over the shift, over the distance from frequency 0, and the rates spent."""
    powers = luminance(material.spectra)
    severity = severity_of_spectra(material)
    groups = groups_by_band(material, severity)
    conditions = [(name, severity) for names in groups.values() for name in names]
    points = points_with_spectra(material, [CLEAN_CONDITION, *conditions])
    styles = _lines(material, points)
    labels = [pointed(material, near, ", ") for near in points.values()]
    width = max(material.chosen.width, FOUR_PANELS)
    strip = 0.1 + 0.09 * len(points)
    heights = (1.75, 1.75, strip)
    figure = sheet(width, sum(heights) + 0.75 + legend_height([*labels, SHIFT_LABEL], width))
    axes = figure.subplots(3, 1 + len(groups), squeeze=False, height_ratios=heights)
    panel_width = (width - 0.5) / (1 + len(groups))

    for codec, label in zip(styles, labels, strict=True):
        _curve(axes[0, 0], powers["D", *CLEAN_CONDITION, codec, points[codec].point], label=label, **styles[codec])
    axes[0, 0].set_title("clean images: D", fontsize=SMALL)
    _sources(axes[1, 0], powers, groups, severity)
    for (band, names), column in zip(groups.items(), axes[:, 1:].T, strict=True):
        shift = _mean(powers, [("shift", name, severity, "", "") for name in names])
        _curve(column[0], shift, color=INK, ls=(0, (4, 2)), lw=0.9, label=SHIFT_LABEL)
        for codec, look in styles.items():
            point = points[codec].point
            g, r = (_mean(powers, [(quantity, name, severity, codec, point) for name in names]) for quantity in "GR")
            _curve(column[0], g, **look)
            _ratio(column[1], r, shift, **look)
        column[1].axhline(REMOVED, color=INK, lw=0.7, zorder=0)
        title = f"{band} ({counted(len(names), 'corruption')}): G"
        column[0].set_title(wrapped(title, panel_width - 0.2, SMALL), fontsize=SMALL)
        column[1].set_title(wrapped("R over the shift", panel_width - 0.2, SMALL), fontsize=SMALL)
    under = rates_under(material, points)
    spent = {
        condition: {codec: under.get((codec, *condition), math.nan) for codec in points}
        for condition in [CLEAN_CONDITION, *conditions]
    }
    _rates(axes[2, 0], {codec: [rate] for codec, rate in spent[CLEAN_CONDITION].items()}, material)
    for axis, names in zip(axes[2, 1:], groups.values(), strict=True):
        _rates(axis, {codec: [spent[name, severity][codec] for name in names] for codec in points}, material)
    _limit_all([*axes[0], axes[1, 0]], list(axes[1, 1:]))
    rate_scale_all(axes[2])
    for axis in axes.ravel():
        tidy(axis)
    for axis in axes[:2].ravel():
        axis.set_xlim(0, None)
    axes[0, 0].set_ylabel(wrapped(UNIT, 1.7, SMALL), fontsize=SMALL)
    axes[1, 0].set_ylabel(wrapped(UNIT, 1.7, SMALL), fontsize=SMALL)
    axes[1, 1].set_ylabel(f"{RATIO} (scales differ)", fontsize=SMALL)
    for axis in axes[1]:
        axis.set_xlabel("cycles/pixel", fontsize=SMALL)
    for axis in axes[2]:
        axis.set_xlabel("rate, bpp", fontsize=SMALL)
        axis.grid(visible=False, axis="y")
    legend(figure, axes[0])
    count = len(points) * (1 + 2 * len(conditions)) + len(conditions) + 1
    choice = f"D, G, R, shift and image, luminance, severity {severity}, {labels_of(points)}"
    return (Drawing(figure, used_spectra(count, material, choice), notes_on(material, points)),)


def psd_by_corruption(material: Material) -> tuple[Drawing, ...]:
    """Return G, and R over the shift, over the distance from frequency 0, a panel for each corruption."""
    powers = luminance(material.spectra)
    severity = severity_of_spectra(material)
    names = [name for members in groups_by_band(material, severity).values() for name in members]
    points = points_with_spectra(material, [CLEAN_CONDITION, *((name, severity) for name in names)])
    styles, under = _lines(material, points), rates_under(material, points)
    labels = [pointed(material, near, ", ") for near in points.values()]
    drawings = []
    for quantity in "GR":
        is_ratio = quantity == "R"
        width = material.chosen.width
        margin = legend_height([*labels, SHIFT_LABEL], width) + 0.25
        figure, axes = panel_rows(len(names), 1.35, margin, width, share_y=not is_ratio)
        for axis, name in zip(axes, names, strict=True):
            shift = powers["shift", name, severity, "", ""]
            if is_ratio:
                axis.axhline(REMOVED, color=INK, lw=0.7, zorder=0)
            else:
                _curve(axis, shift, color=INK, ls=(0, (4, 2)), lw=0.9, label=SHIFT_LABEL)
            for (codec, look), label in zip(styles.items(), labels, strict=True):
                power = powers[quantity, name, severity, codec, points[codec].point]
                if is_ratio:
                    _ratio(axis, power, shift, label=label, **look)
                else:
                    _curve(axis, power, label=label, **look)
            rates = [under.get((codec, name, severity), math.nan) for codec in points]
            headed(axis, name, material.bands[name])
            axis.set_title(f"{axis.get_title()}\n{_span(rates)} bpp", fontsize=axis.title.get_fontsize(), pad=3)
            tidy(axis)
        for panels in [[axis] for axis in axes] if is_ratio else [axes]:
            limit_from(panels, LEAST_RADIUS)
        scales = "vertical scales differ" if is_ratio else "one scale for all panels"
        label_below(figure, f"cycles/pixel (severity {severity}; {scales})")
        label_beside(figure, RATIO if is_ratio else f"{quantity}: {UNIT}")
        legend(figure, axes)
        choice = f"{quantity} and shift, luminance, severity {severity}, {labels_of(points)}"
        chosen = used_spectra(len(names) * (len(points) + 1), material, choice)
        what = "R over the shift" if is_ratio else "G, and the spectrum of the shift"
        about = f"{what}, over the distance from frequency 0 under each corruption"
        drawings.append(Drawing(figure, chosen, notes_on(material, points), quantity.lower(), about))
    return tuple(drawings)


def d_over_rate(material: Material) -> tuple[Drawing, ...]:
    """Return the power of D in each third of the band over the rate on clean images."""
    powers = {key: power for key, power in luminance(material.spectra).items() if key[0] == "D"}
    rows = material.tabled()
    clean = rows[(rows["status"] == "ok") & (rows["corruption"] == CLEAN_CONDITION[0])]
    rates = clean.groupby(["codec", "point"])["bpp"].mean()
    thirds = {
        key[3:]: grid_thirds(power) for key, power in powers.items() if key[3:] in rates.index and power.sum() > 0
    }
    if not thirds:
        raise NothingToDraw(f"D is needed at settings with rows on clean images: {material.command('--spectra')}")
    codecs = [name for name in material.names() if any(codec == name for codec, _ in thirds)]
    labels = [material.label(codec) for codec in codecs]
    width = material.chosen.width
    columns = columns_of(3, width, 2.0)
    lines = -(-3 // columns)
    figure = sheet(width, 0.3 + 2.2 * lines + legend_height(labels, width))
    axes = panels_of(figure, 3, lines, columns, share_y=True)
    spans = {"low": "below 1/6 cycles/pixel", "medium": "1/6 to 1/3", "high": "above 1/3"}
    for axis, (third, span) in zip(axes, spans.items(), strict=True):
        for codec, look in looks(material.names()).items():
            points = sorted((rates[key], getattr(value, third)) for key, value in thirds.items() if key[0] == codec)
            if points:
                axis.plot(*zip(*points, strict=True), label=material.label(codec), ms=3.5, lw=1.1, **look)
        axis.set_title(f"{third} third: {span}", fontsize=SMALL)
        tidy(axis)
    rate_scale(axes[0], [rates[key] for key in thirds])
    rate_scale(axes[0], [getattr(value, third) for value in thirds.values() for third in spans], "y")
    label_below(figure, "rate on clean images, bpp")
    label_beside(figure, "power of D, (grey level)²")
    legend(figure, axes)
    choice = "D, luminance, clean images, every lossy setting with rows on clean images"
    return (Drawing(figure, used_spectra(len(thirds), material, choice), windowed(material)),)


# --- lines


def _lines(material: Material, points: Mapping[str, Near]) -> dict[str, dict[str, Any]]:
    styles = looks(material.names())
    return {codec: {**styles[codec], "marker": "", "lw": 1.1} for codec in points}


def _mean(powers: Spectra, keys: Sequence[SpectrumKey]) -> Power:
    return np.asarray(np.mean([powers[key] for key in keys], axis=0), np.float64)


def _curve(axis: Axes, power: Power, **look: Any) -> None:
    radii, values = radial(power)
    axis.plot(radii, decibels(values), **look)


def _ratio(axis: Axes, power: Power, reference: Power, **look: Any) -> None:
    radii, values = radial(power)
    _, others = radial(reference)
    axis.plot(radii, decibels(values) - decibels(others), **look)


def _sources(axis: Axes, powers: Spectra, groups: Mapping[str, Sequence[str]], severity: int) -> None:
    """Draw the spectra of the clean images and of the shifts, labelled in their colours, one below the other."""
    image: SpectrumKey = ("image", *CLEAN_CONDITION, "", "")
    lines = {"image": (INK, [image])} | {
        f"shift, {band}": (BAND_COLOURS[band], [("shift", name, severity, "", "") for name in names])
        for band, names in groups.items()
    }
    for place, (label, (colour, keys)) in enumerate(lines.items()):
        _curve(axis, _mean(powers, keys), color=colour, lw=1.4, label=f"_{label}")
        where = (0.97, 0.95 - 0.1 * place)
        axis.text(
            *where, label, color=colour, fontsize=SMALL, ha="right", va="top", transform=axis.transAxes, bbox=CLEAR
        )
    axis.set_title("images, and shifts", fontsize=SMALL)


def _rates(axis: Axes, rates: Mapping[str, Sequence[float]], material: Material) -> None:
    """Draw the mean rate of each codec, a row for each, and a line over the corruptions' rates."""
    styles = looks(material.names())
    for row, (codec, values) in enumerate(rates.items()):
        look = styles[codec]
        axis.plot([min(values), max(values)], [row, row], color=look["color"], lw=0.8, label="_span")
        axis.plot([float(np.mean(values))], [row], ms=3.5, label=f"_{codec}", **{**look, "linestyle": "none"})
    axis.set_ylim(len(rates) - 0.4, -0.6)
    axis.set_yticks([])


def _span(rates: Sequence[float]) -> str:
    low, high = f"{min(rates):.2f}", f"{max(rates):.2f}"
    return low if low == high else f"{low} to {high}"


def _limit_all(spectra: Sequence[Axes], ratios: Sequence[Axes]) -> None:
    """Put the panels of spectra on one scale, each of the ratios on its own, from the radius LEAST_RADIUS on."""
    for axis in spectra[1:]:
        axis.sharey(spectra[0])
    limit_from(spectra, LEAST_RADIUS)
    for axis in ratios:
        limit_from([axis], LEAST_RADIUS)


def rate_scale_all(axes: Iterable[Axes]) -> None:
    """Put the rates of several panels on one log scale."""
    axes = list(axes)
    for axis in axes[1:]:
        axis.sharex(axes[0])
    drawn = [float(value) for axis in axes for line in axis.lines for value in np.asarray(line.get_xdata())]
    rate_scale(axes[0], drawn)


_RINGS = "Curves average rings 1/64 cycles per pixel wide. Below 1/32 cycles per pixel they may leave the panel. "

PSD_RADIAL = Kind(
    name="psd-radial",
    about="D, G and R over the shift, over the distance from frequency 0, by band of corruptions, and the rates spent",
    rule=f"{AT_POINTS}{MEAN_SPECTRUM}{_RINGS}Curves average the corruptions of a band. R over the shift is 0 dB where "
    "a codec leaves the shift as it is, negative where it removes it. The lowest row shows the rate of each codec: the "
    "mark is the mean over the corruptions of the band, the line goes from the lowest to the highest.",
    needs=(spectra("D", "G", "R", "shift", "image"),),
    plot=psd_radial,
)

KINDS = (
    PSD_RADIAL,
    Kind(
        name="d-over-rate",
        about="The power of D, the codec's error on clean images, in each third of the band, over the rate",
        rule=f"{MEAN_SPECTRUM}Each mark is one setting. Thirds of the range of 0 to 1/2 cycles per pixel; the corners "
        "of the frequency plane belong to the high third.",
        needs=(CLEAN_ROWS, spectra("D")),
        plot=d_over_rate,
    ),
    Kind(
        name="psd-by-corruption",
        about="G, and R over the shift, over the distance from frequency 0 under each corruption",
        rule=f"{AT_POINTS}{MEAN_SPECTRUM}{_RINGS}The title of a panel tells the rates of the codecs under the "
        "corruption.",
        needs=(spectra("D", "G", "R", "shift"),),
        plot=psd_by_corruption,
    ),
)
