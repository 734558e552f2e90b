"""Power spectra as maps and as curves: of a codec's errors (D, G, R), and of the change by a corruption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..conditions import BANDS, CLEAN_CONDITION, Condition
from ..counted import counted
from ..matched import MATCHED_BPP, Near, at_points, nearest_to
from ..spectrum import GRID, Power, SpectrumKey, density, grid_thirds, luminance, radial
from .kind import Drawing, Kind, used_spectra
from .looks import BAND_COLOURS, looks
from .material import Material, NothingToDraw, labels_of, most_frequent
from .needs import spectra
from .style import (
    INK,
    POWER,
    SMALL,
    TEXT,
    TINY,
    TWO_COLUMNS,
    colour_bar,
    columns_of,
    legend,
    legend_height,
    pages,
    readable,
    sheet,
    square_panel_rows,
    tidy,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNIT = "power density, dB re 1 (grey level)² / (cycle/pixel)²"
EXTREMES = (0.5, 99.8)  # percentiles of all cells of all maps where a colour scale ends
CODECS_A_PAGE = 6
SHIFT_LINES = (("#00204D", "-"), ("#31446B", "--"), ("#666970", ":"), ("#958F78", "-."), ("#CBBA69", "-"))
"""The lines of the corruptions of one band: colours of the map cividis, which no codec has."""


def psd_d(material: Material) -> tuple[Drawing, ...]:
    """Return D of each codec at its matched point, one map per codec."""
    powers = luminance(material.spectra)
    points = _points(material, [CLEAN_CONDITION])
    maps = {codec: powers["D", *CLEAN_CONDITION, codec, near.point] for codec, near in points.items()}
    figure, axes = square_panel_rows(len(maps), 0.32)
    limits = _limits(maps.values())
    for axis, (codec, power) in zip(axes, maps.items(), strict=True):
        image = _map(axis, power, limits)
        axis.set_title(
            _pointed(material, points[codec], "\n", figure.get_figwidth() / columns_of(len(maps)) - 0.2), fontsize=SMALL
        )
    _frequencies(figure)
    colour_bar(figure, image, axes, f"{UNIT} (one scale for all panels)", "both")
    choice = f"D, luminance, clean images, {labels_of(points)}"
    return (Drawing(figure, used_spectra(len(maps), material, choice), _notes(material, points)),)


def psd_shifted(material: Material, quantity: str) -> tuple[Drawing, ...]:
    """Return G or R of each codec at its matched point under one corruption of each band, beside its D."""
    powers = luminance(material.spectra)
    severity = _severity(material)
    conditions = [(name, severity) for name in _representatives(material, severity)]
    points = _points(material, [CLEAN_CONDITION, *conditions])
    keys: dict[str, list[SpectrumKey]] = {
        codec: [
            ("D", *CLEAN_CONDITION, codec, near.point),
            *((quantity, *condition, codec, near.point) for condition in conditions),
        ]
        for codec, near in points.items()
    }
    limits = _limits(powers[key] for row in keys.values() for key in row)
    headings = ["clean: D", *(f"{readable(name)} ({material.bands[name]}): {quantity}" for name, _ in conditions)]
    choice = f"D and {quantity}, luminance, severity {severity}, {labels_of(points)}"
    drawings = []
    for suffix, codecs in pages(list(points), CODECS_A_PAGE):
        figure = sheet(min(TWO_COLUMNS, 1.0 + 1.55 * len(headings)), 0.95 + 1.42 * len(codecs))
        axes = figure.subplots(len(codecs), len(headings), squeeze=False, sharex=True, sharey=True)
        for row, codec in zip(axes, codecs, strict=True):
            for axis, key in zip(row, keys[codec], strict=True):
                image = _map(axis, powers[key], limits)
            row[0].set_ylabel(_pointed(material, points[codec], "\n", 1.35), fontsize=SMALL)
        for axis, heading in zip(axes[0], headings, strict=True):
            axis.set_title(heading, fontsize=SMALL)
        _frequencies(figure)
        colour_bar(figure, image, axes.ravel(), f"{UNIT} (one scale for all panels)", "both")
        chosen = used_spectra(sum(map(len, keys.values())), material, choice)
        drawings.append(Drawing(figure, chosen, _notes(material, points), suffix))
    return tuple(drawings)


def psd_radial(material: Material) -> tuple[Drawing, ...]:
    """Return D, and G and R in each band, over the distance from frequency 0, each codec at its matched point."""
    powers = luminance(material.spectra)
    severity = _severity(material)
    groups = _groups(material, severity)
    points = _points(material, [CLEAN_CONDITION, *((name, severity) for names in groups.values() for name in names)])
    labels = [_pointed(material, near, ", ") for near in points.values()]
    shift_label = "the shift itself: corrupted minus clean"
    figure = sheet(TWO_COLUMNS, 4.0 + legend_height([*labels, shift_label], TWO_COLUMNS))
    axes = figure.subplots(2, 1 + len(groups), squeeze=False, sharex=True, sharey=True)
    styles = {codec: {**look, "marker": ""} for codec, look in looks(material.names()).items() if codec in points}

    def curve(axis: Axes, spectra: Sequence[Power], **look: Any) -> None:
        radii, values = radial(np.mean(spectra, axis=0))
        axis.plot(radii, _decibels(values), **{"lw": 1.1, **look})

    for codec, label in zip(styles, labels, strict=True):
        curve(axes[0, 0], [powers["D", *CLEAN_CONDITION, codec, points[codec].point]], label=label, **styles[codec])
    axes[0, 0].set_title("clean images: D", fontsize=SMALL)
    curve(axes[1, 0], [powers["image", *CLEAN_CONDITION, "", ""]], color=INK, ls="-", label="_image")
    axes[1, 0].set_title("clean images, and shifts", fontsize=SMALL)
    for place, (band, names) in enumerate(groups.items(), start=1):
        shifts = [powers["shift", name, severity, "", ""] for name in names]
        curve(axes[1, 0], shifts, color=BAND_COLOURS[band], label=f"_{band}")
        for row, quantity in enumerate("GR"):
            axis = axes[row, place]
            curve(axis, shifts, color=INK, ls=(0, (4, 2)), lw=0.9, label=shift_label)
            for codec, look in styles.items():
                own = [powers[quantity, name, severity, codec, points[codec].point] for name in names]
                curve(axis, own, **look)
            axis.set_title(f"{band} ({counted(len(names), 'corruption')}): {quantity}", fontsize=SMALL)
    panel = axes[1, 0]  # its lines are labelled inside the panel, in their colours, one below the other
    for place, (name, colour) in enumerate({"image": INK, **{band: BAND_COLOURS[band] for band in groups}}.items()):
        panel.text(0.04, 0.04 + 0.1 * place, name, color=colour, fontsize=SMALL, transform=panel.transAxes)
    for axis in axes.ravel():
        tidy(axis)
    _limit_from(axes.ravel(), 2 / GRID[0])
    figure.supxlabel("distance from frequency 0, cycles/pixel (one scale for all panels)", fontsize=TEXT)
    figure.supylabel(UNIT, fontsize=TEXT)
    legend(figure, axes.ravel())
    count = len(points) * (1 + 2 * sum(map(len, groups.values()))) + sum(map(len, groups.values())) + 1
    choice = f"D, G, R, shift and image, luminance, severity {severity}, {labels_of(points)}"
    return (Drawing(figure, used_spectra(count, material, choice), _notes(material, points)),)


def corruption_spectra(material: Material) -> tuple[Drawing, ...]:
    """Return the spectrum of corrupted minus clean images: a map for each corruption, and curves by band."""
    powers = luminance(material.spectra)
    severity = _severity(material)
    groups = _groups(material, severity, quantity="shift")
    shifts = {name: powers["shift", name, severity, "", ""] for names in groups.values() for name in names}
    centroids = {name: grid_thirds(power).centroid for name, power in shifts.items()}
    chosen = used_spectra(len(shifts), material, f"shift, luminance, severity {severity}")
    note = f"Centroids are of the luminance spectra, with frequency 0 included. {_windowed(material)}".strip()
    return (
        Drawing(_shift_maps(material, shifts, centroids, severity), chosen, note, "maps"),
        Drawing(_shift_curves(groups, shifts, centroids, severity), chosen, note, "radial"),
    )


def _shift_maps(
    material: Material, shifts: Mapping[str, Power], centroids: Mapping[str, float], severity: int
) -> Figure:
    figure, axes = square_panel_rows(len(shifts), 0.3)
    limits = _limits(shifts.values())
    for axis, (name, power) in zip(axes, shifts.items(), strict=True):
        image = _map(axis, power, limits)
        axis.set_title(
            f"{readable(name)} ({material.bands[name]})\ncentroid {centroids[name]:.3f}", fontsize=TINY, pad=3
        )
    _frequencies(figure, f" (severity {severity})")
    colour_bar(figure, image, axes, f"{UNIT} (one scale for all panels)", "both")
    return figure


def _shift_curves(
    groups: Mapping[str, Sequence[str]],
    shifts: Mapping[str, Power],
    centroids: Mapping[str, float],
    severity: int,
) -> Figure:
    figure = sheet(TWO_COLUMNS, 3.1)
    axes = figure.subplots(1, len(groups), squeeze=False, sharex=True, sharey=True)[0]
    for axis, (band, names) in zip(axes, groups.items(), strict=True):
        for name, (colour, dashes) in zip(names, SHIFT_LINES, strict=False):
            radii, values = radial(shifts[name])
            label = f"{readable(name)}, {centroids[name]:.3f}"
            axis.plot(radii, _decibels(values), color=colour, ls=dashes, lw=1.1, label=label)
            axis.plot(centroids[name], np.interp(centroids[name], radii, _decibels(values)), "o", color=colour, ms=4)
        axis.set_title(band, fontsize=TEXT)
        tidy(axis)
    _limit_from(axes)
    low, high = axes[0].get_ylim()
    axes[0].set_ylim(low, high + 0.4 * (high - low))
    for axis in axes:
        axis.legend(loc="upper right", fontsize=TINY, frameon=False, title="centroid", title_fontsize=TINY)
    figure.supxlabel(
        f"distance from frequency 0, cycles/pixel (severity {severity}; one scale for all panels)", fontsize=TEXT
    )
    figure.supylabel(UNIT.replace(" re ", "\nre "), fontsize=TEXT, multialignment="center")
    return figure


# --- which spectra


def _points(material: Material, conditions: Iterable[tuple[str, int]]) -> dict[str, Near]:
    """Return each codec's point nearest the matched rate, among those with spectra under all the conditions."""
    wanted = set(conditions)
    measured: dict[tuple[str, str], set[Condition]] = {}
    for quantity, name, severity, codec, point in luminance(material.spectra):
        if quantity in {"D", "G"}:
            measured.setdefault((codec, point), set()).add((name, severity))
    able = [point for point, under in measured.items() if under >= wanted]
    if points := nearest_to(MATCHED_BPP, at_points(material.tabled(), able)):
        return points
    ask = material.command(f"--match bpp={MATCHED_BPP:g} --spectra")
    raise NothingToDraw(
        f"spectra of a codec are needed at a point within a factor of two of {MATCHED_BPP:g} bpp on clean images, both "
        f"on clean images and under the corruptions shown: {ask}"
    )


def _severity(material: Material) -> int:
    severity = material.spectra_severity()
    if not severity:
        raise NothingToDraw(f"spectra under corruptions are needed: {material.command('--spectra')}")
    return severity


def _groups(material: Material, severity: int, quantity: str = "G") -> dict[str, list[str]]:
    """Return the corruptions of each band that have spectra at a severity."""
    table = material.spectra
    table = table[(table["severity"] == severity) & (table["quantity"] == quantity)]
    present = set(table["corruption"])
    groups = {
        group: [name for name, band in material.bands.items() if band == group and name in present]
        for group in (*BANDS, "extra")
    }
    return {group: names for group, names in groups.items() if names}


def _representatives(material: Material, severity: int) -> list[str]:
    """Return one corruption of each band: the one with the most spectra, the first in case of a tie."""
    counts = material.spectra[material.spectra["quantity"] == "G"]["corruption"].value_counts()
    groups = _groups(material, severity)
    return most_frequent((names for band, names in groups.items() if band != "extra"), counts)


# --- how they are drawn


def whole_plane(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a grid of the half plane, (64, 33), as the whole plane, (65, 65), from -1/2 to 1/2 both ways.

    The spectrum of real values is the same at a frequency and at its negative. Half a cycle up and half a cycle down
    are the same frequency, which appears at both ends.
    """
    upright = np.vstack([power, power[:1]])
    return np.hstack([upright[::-1, :0:-1], upright])


def _decibels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10 * np.log10(np.maximum(values, 1e-12)), np.float64)


def _limits(powers: Iterable[Power]) -> tuple[float, float]:
    """Return the ends of one colour scale for all maps; a few of the lowest and highest cells lie outside.

    Frequency 0 alone may lie tens of dB above the other cells.
    """
    low, high = np.percentile(_decibels(np.stack([density(power) for power in powers])), EXTREMES)
    return float(low), float(high)


def _map(axis: Axes, power: Power, limits: tuple[float, float]) -> Any:
    """Draw a spectrum over the whole plane, oriented as the image: vertical frequencies rise downwards."""
    edge = 0.5 + 1 / (2 * GRID[0])
    image = axis.imshow(
        _decibels(whole_plane(density(power))),
        cmap=POWER,
        vmin=limits[0],
        vmax=limits[1],
        extent=(-edge, edge, edge, -edge),
        interpolation="nearest",
    )
    axis.set_xlim(-0.5, 0.5)
    axis.set_ylim(0.5, -0.5)
    axis.set_xticks([-0.4, 0, 0.4])
    axis.set_yticks([-0.4, 0, 0.4])
    axis.tick_params(labelsize=SMALL, length=2)
    return image


def _frequencies(figure: Figure, more: str = "") -> None:
    figure.supxlabel(f"horizontal frequency, cycles/pixel{more}", fontsize=TEXT)
    figure.supylabel("vertical frequency, cycles/pixel", fontsize=TEXT)


def _limit_from(axes: Iterable[Axes], least: float = 0.0) -> None:
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


def _pointed(material: Material, near: Near, after: str, inches: float = 7.0) -> str:
    name = wrapped(f"{material.label(near.codec)} {near.point}", inches, SMALL)
    return f"{name}{after}{near.bpp:.2f} bpp, {near.psnr:.1f} dB"


def _windowed(material: Material) -> str:
    return "" if material.window == "none" else f"Spectra were computed with a window ({material.window})."


def _notes(material: Material, points: Mapping[str, Near]) -> str:
    lacking = [codec for codec in material.names() if codec not in points]
    reason = f"because no spectra are at a point within a factor of two of {MATCHED_BPP:g} bpp"
    left = f"Left out {reason}: {', '.join(lacking)}."
    return " ".join(part for part in (left * bool(lacking), _windowed(material)) if part)


_AT_POINTS = (
    f"Each codec is used at the setting whose mean rate on clean images is nearest {MATCHED_BPP:g} bpp; the bpp and "
    "PSNR shown are its means on clean images. "
)
_MEAN = "Each spectrum is the power of luminance differences, a mean over images, per area of the frequency plane. "

PSD_RADIAL = Kind(
    name="psd-radial",
    about="D, G and R over the distance from frequency 0, by band of corruptions, with the spectrum of the shift",
    rule=f"{_AT_POINTS}{_MEAN}Curves average the corruptions of a band and rings 1/64 cycles per pixel wide. Below "
    "1/32 cycles per pixel they may leave the panel at the top.",
    needs=(spectra("D", "G", "R", "shift", "image"),),
    plot=psd_radial,
)

KINDS = (
    Kind(
        name="psd-d",
        about="D, the power spectrum of each codec's error on clean images",
        rule=f"{_AT_POINTS}{_MEAN}The half plane is mirrored to fill the plane.",
        needs=(spectra("D"),),
        plot=psd_d,
    ),
    *(
        Kind(
            name=f"psd-{quantity.lower()}",
            about=f"{quantity}, the power spectrum of the decoded minus the {reference} images, under one corruption "
            "of each band, beside D",
            rule=f"{_AT_POINTS}{_MEAN}The half plane is mirrored to fill the plane. Each band is represented by the "
            "corruption with the most spectra.",
            needs=(spectra("D", quantity),),
            plot=partial(psd_shifted, quantity=quantity),
        )
        for quantity, reference in (("G", "given"), ("R", "clean"))
    ),
    PSD_RADIAL,
    Kind(
        name="corruption-spectra",
        about="The power spectrum of the corrupted minus the clean images, with its centroid in cycles/pixel",
        rule=f"{_MEAN}Maps mirror the half plane to fill the plane. Curves are means over rings 1/64 cycles per pixel "
        "wide; the dot is the centroid.",
        needs=(spectra("shift"),),
        plot=corruption_spectra,
    ),
)
