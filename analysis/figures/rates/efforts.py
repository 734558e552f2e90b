"""The figure of effort curves: what an encoder's slower settings save, over the time they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ..parts.looks import looks
from ..parts.style import SMALL, TWO_COLUMNS, legend, rate_scale, sheet, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(efforts: pd.DataFrame) -> Figure:
    """Return a figure of the curves, with a ring around the effort that each codec is set to and a cross at its knee.

    `efforts` has the columns codec, effort, bits_percent, encode_s_per_mp, knee and chosen.
    """
    figure = sheet(TWO_COLUMNS, 3.2)
    axis = figure.subplots()
    styles = looks(efforts["codec"].unique())
    for codec, unsorted in efforts.groupby("codec", sort=False):
        style = styles[str(codec)]
        curve = unsorted.sort_values("encode_s_per_mp", kind="stable")
        chosen = ", ".join(curve["effort"][curve["chosen"]])
        axis.plot(curve["encode_s_per_mp"], curve["bits_percent"], label=f"{codec}: {chosen}", lw=1, ms=3, **style)
        for which, mark in (("chosen", "o"), ("knee", "x")):
            place = curve[curve[which]]
            look = {"ms": 9, "mec": style["color"], "mfc": "none", "mew": 0.9, "ls": ""}
            axis.plot(place["encode_s_per_mp"], place["bits_percent"], marker=mark, **look)
    rate_scale(axis, efforts["encode_s_per_mp"])
    axis.set_xlabel("encoding time, seconds per megapixel", fontsize=SMALL)
    axis.set_title("ring: the setting in use, named above; cross: the knee", fontsize=SMALL)
    axis.set_ylabel("bits against the setting in use, %", fontsize=SMALL)
    axis.margins(y=0.12)
    tidy(axis)
    legend(figure, [axis])
    return figure
