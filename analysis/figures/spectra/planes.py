"""Power spectra of a codec's errors (D, G, R) as maps, and the choice of the spectra that figures show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...conditions import BANDS, CLEAN_CONDITION, Condition
from ...matched import MATCHED_BPP, Near
from ...spectrum import GRID, Power, SpectrumKey, density, luminance
from ..parts.kind import Drawing, Kind, used_spectra
from ..parts.material import AT_MATCHED_POINT, Material, NothingToDraw, labels_of, matched_points, rates_of, rows_at
from ..parts.needs import spectra
from ..parts.representatives import typical_corruptions
from ..parts.style import (
    POWER,
    SMALL,
    TINY,
    colour_bar,
    columns_of,
    label_below,
    label_beside,
    pages,
    readable,
    sheet,
    square_panel_rows,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNIT = "power density, dB re 1 (grey level)² / (cycle/pixel)²"
EXTREMES = (0.5, 99.8)  # percentiles of all cells of all maps where a colour scale ends
CODECS_A_PAGE = 5


def psd_d(material: Material) -> tuple[Drawing, ...]:
    """Return D of each codec at its matched point, one map per codec."""
    powers = luminance(material.spectra)
    points = points_with_spectra(material, [CLEAN_CONDITION])
    maps = {codec: powers["D", *CLEAN_CONDITION, codec, near.point] for codec, near in points.items()}
    width = material.chosen.width
    figure, axes = square_panel_rows(len(maps), 0.32, width)
    limits = limits_of(maps.values())
    for axis, (codec, power) in zip(axes, maps.items(), strict=True):
        image = draw_map(axis, power, limits)
        axis.set_title(
            pointed(material, points[codec], "\n", figure.get_figwidth() / columns_of(len(maps), width) - 0.2),
            fontsize=SMALL,
        )
    label_frequencies(figure)
    colour_bar(figure, image, axes, f"{UNIT} (one scale for all panels)", "both")
    choice = f"D, luminance, clean images, {labels_of(points)}"
    return (Drawing(figure, used_spectra(len(maps), material, choice), notes_on(material, points)),)


def psd_shifted(material: Material, quantity: str) -> tuple[Drawing, ...]:
    """Return G or R of each codec at its matched point under one corruption of each band, beside its D."""
    powers = luminance(material.spectra)
    severity = severity_of_spectra(material)
    able = [name for names in groups_by_band(material, severity).values() for name in names]
    names, rule = astuple(typical_corruptions(material, severity, able))
    conditions = [(name, severity) for name in names]
    points = points_with_spectra(material, [CLEAN_CONDITION, *conditions])
    keys: dict[str, list[SpectrumKey]] = {
        codec: [
            ("D", *CLEAN_CONDITION, codec, near.point),
            *((quantity, *condition, codec, near.point) for condition in conditions),
        ]
        for codec, near in points.items()
    }
    limits = limits_of(powers[key] for row in keys.values() for key in row)
    headings = ["clean: D", *(f"{readable(name)} ({material.bands[name]}): {quantity}" for name, _ in conditions)]
    rates = rates_under(material, points)
    choice = f"D and {quantity}, luminance, severity {severity}, {labels_of(points)}"
    drawings = []
    for suffix, codecs in pages(list(points), CODECS_A_PAGE):
        width = min(material.chosen.width, 1.0 + 1.55 * len(headings))
        figure = sheet(width, 0.95 + (0.17 + (width - 0.9) / len(headings)) * len(codecs))
        axes = figure.subplots(len(codecs), len(headings), squeeze=False, sharex=True, sharey=True)
        for row, codec in zip(axes, codecs, strict=True):
            for axis, key in zip(row, keys[codec], strict=True):
                image = draw_map(axis, powers[key], limits)
                axis.set_title(f"{rates.get((codec, key[1], key[2]), math.nan):.2f} bpp", fontsize=TINY, pad=2)
            row[0].set_ylabel(pointed(material, points[codec], "\n", 1.35), fontsize=SMALL)
        for axis, heading in zip(axes[0], headings, strict=True):
            shown = wrapped(heading, (width - 0.9) / len(headings), SMALL)
            axis.set_title(f"{shown}\n{axis.get_title()}", fontsize=TINY, pad=2)
        label_frequencies(figure)
        colour_bar(figure, image, axes.ravel(), f"{UNIT} (one scale for all panels)", "both")
        chosen = used_spectra(sum(map(len, keys.values())), material, choice)
        drawings.append(Drawing(figure, chosen, f"{rule} {notes_on(material, points)}", suffix))
    return tuple(drawings)


# --- which spectra


def points_with_spectra(material: Material, conditions: Iterable[tuple[str, int]]) -> dict[str, Near]:
    """Return each codec's point nearest the matched rate, among those with spectra under all the conditions."""
    wanted = set(conditions)
    measured: dict[tuple[str, str], set[Condition]] = {}
    for quantity, name, severity, codec, point in luminance(material.spectra):
        if quantity in {"D", "G"}:
            measured.setdefault((codec, point), set()).add((name, severity))
    if points := matched_points(material, [point for point, under in measured.items() if under >= wanted]):
        return points
    ask = material.command(f"--match bpp={MATCHED_BPP:g} --spectra")
    raise NothingToDraw(
        f"spectra of a codec are needed at a point within a factor of two of {MATCHED_BPP:g} bpp on clean images, both "
        f"on clean images and under the corruptions shown: {ask}"
    )


def severity_of_spectra(material: Material) -> int:
    """Return the severity that is shown; raise NothingToDraw if there are no spectra under corruptions."""
    severity = material.spectra_severity()
    if not severity:
        raise NothingToDraw(f"spectra under corruptions are needed: {material.command('--spectra')}")
    return severity


def groups_by_band(material: Material, severity: int, quantity: str = "G") -> dict[str, list[str]]:
    """Return the corruptions of each band that have spectra at a severity."""
    table = material.spectra
    table = table[(table["severity"] == severity) & (table["quantity"] == quantity)]
    present = set(table["corruption"])
    groups = {
        group: [name for name, band in material.bands.items() if band == group and name in present]
        for group in (*BANDS, "extra")
    }
    return {group: names for group, names in groups.items() if names}


def rates_under(material: Material, points: Mapping[str, Near]) -> dict[tuple[str, str, int], float]:
    """Return the mean bpp of each codec at its point, by (codec, corruption, severity)."""
    rows = rows_at(material.tabled(), points)
    means = rows[rows["status"] == "ok"].groupby(["codec", "corruption", "severity"], as_index=False)["bpp"].mean()
    return {
        (str(codec), str(name), int(severity)): float(bpp)
        for codec, name, severity, bpp in means.itertuples(index=False)
    }


# --- how they are drawn


def whole_plane(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a grid of the half plane, (64, 33), as the whole plane, (65, 65), from -1/2 to 1/2 both ways.

    The spectrum of real values is the same at a frequency and at its negative. Half a cycle up and half a cycle down
    are the same frequency, which appears at both ends.
    """
    upright = np.vstack([power, power[:1]])
    return np.hstack([upright[::-1, :0:-1], upright])


def decibels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return powers in dB; none is below -120 dB."""
    return np.asarray(10 * np.log10(np.maximum(values, 1e-12)), np.float64)


def limits_of(powers: Iterable[Power]) -> tuple[float, float]:
    """Return the ends of one colour scale for all maps; a few of the lowest and highest cells lie outside.

    Frequency 0 alone may lie tens of dB above the other cells.
    """
    low, high = np.percentile(decibels(np.stack([density(power) for power in powers])), EXTREMES)
    return float(low), float(high)


def draw_map(axis: Axes, power: Power, limits: tuple[float, float]) -> Any:
    """Draw a spectrum over the whole plane, oriented as the image: vertical frequencies rise downwards."""
    edge = 0.5 + 1 / (2 * GRID[0])
    image = axis.imshow(
        decibels(whole_plane(density(power))),
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


def label_frequencies(figure: Figure, more: str = "") -> None:
    """Label both axes of the frequency plane once for all maps."""
    label_below(figure, f"horizontal frequency, cycles/pixel{more}")
    label_beside(figure, "vertical frequency, cycles/pixel")


def pointed(material: Material, near: Near, after: str, inches: float = 7.0) -> str:
    """Return a codec, its point and, after a separator, its mean rate and PSNR on clean images."""
    name = wrapped(f"{material.label(near.codec)} {near.point}", inches, SMALL)
    return f"{name}{after}{near.bpp:.2f} bpp, {near.psnr:.1f} dB"


def windowed(material: Material) -> str:
    """Return a sentence on the window of the spectra, "" without one."""
    return "" if material.window == "none" else f"Spectra were computed with a window ({material.window})."


def notes_on(material: Material, points: Mapping[str, Near]) -> str:
    """Return how near the matched rate the points are, the codecs left out, and the window, for a caption."""
    lacking = [codec for codec in material.names() if codec not in points]
    reason = f"because no spectra are at a point within a factor of two of {MATCHED_BPP:g} bpp"
    left = f"Left out {reason}: {', '.join(lacking)}."
    return " ".join(part for part in (rates_of(points), left * bool(lacking), windowed(material)) if part)


AT_POINTS = f"{AT_MATCHED_POINT}The bpp and PSNR beside its name are means on clean images. "
MEAN_SPECTRUM = (
    "Each spectrum is the power of luminance differences, a mean over images, per area of the frequency plane. "
)

KINDS = (
    Kind(
        name="psd-d",
        about="D, the power spectrum of each codec's error on clean images",
        rule=f"{AT_POINTS}{MEAN_SPECTRUM}The half plane is mirrored to fill the plane.",
        needs=(spectra("D"),),
        plot=psd_d,
    ),
    *(
        Kind(
            name=f"psd-{quantity.lower()}",
            about=f"{quantity}, the power spectrum of the decoded minus the {reference} images, under one corruption "
            "of each band, beside D",
            rule=f"{AT_POINTS}{MEAN_SPECTRUM}The half plane is mirrored to fill the plane. Above each map is the "
            "mean rate under that corruption.",
            needs=(spectra("D", quantity),),
            plot=partial(psd_shifted, quantity=quantity),
        )
        for quantity, reference in (("G", "given"), ("R", "clean"))
    ),
)
