"""The power spectrum of what a corruption adds to clean images, as maps and as curves by band."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...spectrum import Power, grid_thirds, luminance, radial
from ..parts.kind import Drawing, Kind, used_spectra
from ..parts.material import Material
from ..parts.needs import spectra
from ..parts.style import (
    TEXT,
    TINY,
    colour_bar,
    columns_of,
    label_below,
    label_beside,
    panels_of,
    readable,
    sheet,
    square_panel_rows,
    tidy,
)
from .planes import (
    MEAN_SPECTRUM,
    UNIT,
    decibels,
    draw_map,
    groups_by_band,
    label_frequencies,
    limits_of,
    severity_of_spectra,
    windowed,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADES = ("#00204D", "#575C6D", "#A59C74", "#D8C75F")
SHIFT_LINES = tuple((colour, dashes) for dashes in ("-", (0, (4, 1.5)), (0, (1, 1))) for colour in SHADES)
"""The lines of the corruptions of one band: colours of the map cividis, which no codec has."""


def corruption_spectra(material: Material) -> tuple[Drawing, ...]:
    """Return the spectrum of corrupted minus clean images: a map for each corruption, and curves by band."""
    powers = luminance(material.spectra)
    severity = severity_of_spectra(material)
    groups = groups_by_band(material, severity, quantity="shift")
    shifts = {name: powers["shift", name, severity, "", ""] for names in groups.values() for name in names}
    centroids = {name: grid_thirds(power).centroid for name, power in shifts.items()}
    chosen = used_spectra(len(shifts), material, f"shift, luminance, severity {severity}")
    note = f"Centroids are of the luminance spectra, with frequency 0 included. {windowed(material)}".strip()
    return (
        Drawing(_shift_maps(material, shifts, centroids, severity), chosen, note, "maps"),
        Drawing(_shift_curves(material, groups, shifts, centroids, severity), chosen, note, "radial"),
    )


def _shift_maps(
    material: Material, shifts: Mapping[str, Power], centroids: Mapping[str, float], severity: int
) -> Figure:
    figure, axes = square_panel_rows(len(shifts), 0.3, material.chosen.width)
    limits = limits_of(shifts.values())
    for axis, (name, power) in zip(axes, shifts.items(), strict=True):
        image = draw_map(axis, power, limits)
        axis.set_title(
            f"{readable(name)} ({material.bands[name]})\ncentroid {centroids[name]:.3f}", fontsize=TINY, pad=3
        )
    label_frequencies(figure, f" (severity {severity})")
    colour_bar(figure, image, axes, f"{UNIT} (one scale for all panels)", "both")
    return figure


def _shift_curves(
    material: Material,
    groups: Mapping[str, Sequence[str]],
    shifts: Mapping[str, Power],
    centroids: Mapping[str, float],
    severity: int,
) -> Figure:
    width = material.chosen.width
    columns = columns_of(len(groups), width, 1.7)
    rows = -(-len(groups) // columns)
    figure = sheet(width, 0.3 + 2.8 * rows)
    axes = panels_of(figure, len(groups), rows, columns, share_y=True)
    for axis, (band, names) in zip(axes, groups.items(), strict=True):
        for name, (colour, dashes) in zip(names, SHIFT_LINES, strict=False):
            radii, values = radial(shifts[name])
            label = f"{readable(name)}, {centroids[name]:.3f}"
            axis.plot(radii, decibels(values), color=colour, ls=dashes, lw=1.1, label=label)
            axis.plot(centroids[name], np.interp(centroids[name], radii, decibels(values)), "o", color=colour, ms=4)
        axis.set_title(band, fontsize=TEXT)
        tidy(axis)
    limit_from(axes)
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, high + 0.4 * (high - low))
    for axis in axes:
        axis.legend(loc="upper right", fontsize=TINY, frameon=False, title="centroid", title_fontsize=TINY)
    label_below(figure, f"distance from frequency 0, cycles/pixel (severity {severity}; one scale for all panels)")
    label_beside(figure, UNIT)
    return figure


def limit_from(axes: Iterable[Axes], least: float = 0.0) -> None:
    """Set the range of panels on one scale to the values drawn at radii of at least `least`."""
    axes = list(axes)
    values = []
    for axis in axes:
        for line in axis.lines:
            radii, heights = (np.asarray(data, np.float64) for data in line.get_data())
            values.append(heights[(radii >= least) & np.isfinite(heights)])
    heights = np.concatenate(values)
    margin = 0.04 * float(np.ptp(heights)) + 0.5
    axes[0].set_ylim(float(heights.min()) - margin, float(heights.max()) + margin)


KINDS = (
    Kind(
        name="corruption-spectra",
        about="The power spectrum of the corrupted minus the clean images, with its centroid in cycles/pixel",
        rule=f"{MEAN_SPECTRUM}Maps mirror the half plane to fill the plane. Curves are means over rings 1/64 cycles "
        "per pixel wide; the dot is the centroid.",
        needs=(spectra("shift"),),
        plot=corruption_spectra,
    ),
)
