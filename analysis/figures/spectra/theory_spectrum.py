"""The spectra of the linear codec's errors, predicted against measured."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import numpy as np

from ...conditions import CLEAN_CONDITION, Condition
from ...spectrum import GRID, Power, luminance, radial
from ...theory import predict_spectra, principal, stationary
from ..parts.kind import Drawing, Kind, used_spectra
from ..parts.material import Material, NothingToDraw
from ..parts.representatives import typical_corruptions
from ..parts.style import (
    INK,
    SMALL,
    columns_of,
    label_below,
    label_beside,
    legend,
    legend_height,
    panels_of,
    readable,
    sheet,
    tidy,
    wrapped,
)
from .planes import MEAN_SPECTRUM, UNIT, decibels, groups_by_band, severity_of_spectra
from .shifts import SHADES, limit_from
from .theory import CODEC, SPECTRA_OF_LINEAR, spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RANKS = 3
LEAST_RADIUS = 2 / GRID[0]
PREDICTED: dict[str, Any] = {"ls": (0, (3, 1.5)), "lw": 1.1}
MEASURED: dict[str, Any] = {"ls": "-", "lw": 1.1}


def theory_spectrum(material: Material) -> tuple[Drawing, ...]:
    """Return D, and G and R under one corruption of each band, over the distance from frequency 0, in both ways."""
    powers = luminance(material.spectra)
    severity = severity_of_spectra(material)
    ranks = sorted({int(point.removeprefix("r")) for *_, codec, point in powers if codec == CODEC})
    able = [
        name
        for names in groups_by_band(material, severity).values()
        for name in names
        if any((quantity, name, severity, CODEC, f"r{rank}") in powers for quantity in "GR" for rank in ranks)
    ]
    names, rule = astuple(typical_corruptions(material, severity, able))
    panels: list[tuple[str, Condition]] = [("D", CLEAN_CONDITION)]
    panels += [(quantity, (name, severity)) for name in names for quantity in "GR"]
    whole = [
        rank
        for rank in ranks
        if all((quantity, *condition, CODEC, f"r{rank}") in powers for quantity, condition in panels)
    ]
    if not whole:
        raise NothingToDraw(
            "spectra of the linear codec are needed at one rank, clean and under the same corruptions: "
            f"{material.command('--codec linear:r3 --codec linear:r10 --codec linear:r36 --spectra')}"
        )
    colours = dict(zip(spread(whole, MOST_RANKS), SHADES, strict=False))
    labels = [*(f"rank {rank}" for rank in colours), "measured", "predicted"]
    image = powers["image", *CLEAN_CONDITION, "", ""]
    components = principal(stationary(image))
    predicted = {
        (condition, rank): predict_spectra(
            components[:rank],
            image,
            powers.get(("shift", *condition, "", ""), np.zeros(GRID)),
            powers.get(("image", *condition, "", "")),
        )
        for condition in dict.fromkeys(condition for _, condition in panels)
        for rank in colours
    }
    width = material.chosen.width
    columns = columns_of(len(panels), width, 1.7)
    rows = -(-len(panels) // columns)
    figure = sheet(width, 0.4 + 1.9 * rows + legend_height(labels, width))
    axes = panels_of(figure, len(panels), rows, columns, share_y=True)
    for axis, (quantity, condition) in zip(axes, panels, strict=True):
        for rank, colour in colours.items():
            _curve(axis, powers[quantity, *condition, CODEC, f"r{rank}"], color=colour, **MEASURED)
    limit_from(axes, LEAST_RADIUS)  # predictions may fall far below, where rounding is all that is measured
    for axis, (quantity, condition) in zip(axes, panels, strict=True):
        for rank, colour in colours.items():
            _curve(axis, getattr(predicted[condition, rank], quantity), color=colour, **PREDICTED)
        band = f" ({material.bands[condition[0]]})" if condition != CLEAN_CONDITION else " images"
        title = f"{readable(condition[0])}{band}: {quantity}"
        axis.set_title(wrapped(title, (width - 0.4) / columns - 0.1, SMALL), fontsize=SMALL)
        tidy(axis)
    for rank, colour in colours.items():
        axes[0].plot([], [], color=colour, lw=2, label=f"rank {rank}")
    axes[0].plot([], [], color=INK, label="measured", **MEASURED)
    axes[0].plot([], [], color=INK, label="predicted", **PREDICTED)
    label_below(figure, f"cycles/pixel (severity {severity}; one scale for all panels)")
    label_beside(figure, UNIT)
    legend(figure, axes[:1])
    count = len(panels) * len(colours) + 1 + 2 * len(names)
    linear = ", ".join(f"linear:r{rank}" for rank in colours)
    chosen = used_spectra(count, material, f"luminance, severity {severity}, {linear}")
    return (Drawing(figure, chosen, rule),)


def _curve(axis: Axes, power: Power, **look: Any) -> None:
    radii, values = radial(power)
    axis.plot(radii, decibels(np.asarray(values, np.float64)), **look)


KINDS = (
    Kind(
        name="theory-spectrum",
        about="D, G and R of the linear codec over the distance from frequency 0, predicted against measured",
        rule=f"{MEAN_SPECTRUM}Curves average rings 1/64 cycles per pixel wide. Predictions come from the principal "
        "components of patches and the mean spectra of the clean images, of the shift and, where there are any, of "
        "the images shown, taken as stationary; rounding is not predicted. The codec was fitted to other photographs.",
        needs=(SPECTRA_OF_LINEAR,),
        plot=theory_spectrum,
    ),
)
