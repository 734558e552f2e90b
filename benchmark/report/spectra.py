"""The spectra of a run file: the power of each mean spectrum, and how it is distributed over frequencies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ...analysis.counted import counted
from ...analysis.spectrum import grid_thirds, radial
from ...corruptions.corruption import CLEAN
from .. import store
from ..store import Key
from .evidence import Evidence, NothingChosen, chosen
from .sheet import Column, Report, Sheet, number

COLUMNS = (
    *("set", "corruption", "severity", "codec", "point", "quantity", "channel", "n", "mse", "share_low"),
    *("share_medium", "share_high", "centroid", "residual"),
)
"""The columns of `table` that hold a single number or word."""

_SHEET_COLUMNS = (
    *(Column("condition"), Column("codec"), Column("quantity"), number("n"), number("MSE", ".2f")),
    number("low %", ".1f"),
    *(number("medium %", ".1f"), number("high %", ".1f"), number("centroid", ".3f"), number("off %", "+.1f")),
)
_NOTES = (
    "image: the image that the codec was shown. D: decoded - clean, for clean images. For corrupted images, G: decoded "
    "- shown, R: decoded - clean, shift: shown - clean. Each line is a power spectrum averaged over n images. MSE: its "
    "total, in squared grey levels; low, medium, high: its shares below 1/6, from 1/6 to 1/3, and above 1/3 cycles per "
    "pixel; centroid: its mean radius in cycles per pixel. off: relative difference of G + R from 2 D + shift, 0 for a "
    "fixed linear projector and a shift that is independent of the image.",
)


def table(evidence: Evidence) -> pd.DataFrame:
    """Return one line per chosen mean spectrum, with the columns COLUMNS and `power`, the spectrum itself.

    `mse` is in squared grey levels per sample, shares are from 0 to 1, `centroid` is in cycles per pixel. Lines with
    quantity R have `residual` = (G + R - 2 D - shift) / (2 D + shift), where each term is the total of its spectrum;
    it is NaN if the terms are not over the same images. Raises NothingChosen if the file has no spectra or none of
    those chosen.
    """
    whole = store.spectra(evidence.path)
    if whole.empty:
        raise NothingChosen(
            f"{evidence.path} holds no spectra; a run with --spectra adds them: {evidence.measured().run('--spectra')}"
        )
    ladder = whole["point"].str.extract(r"(\d+\.?\d*)", expand=False).astype(float)  # q9 comes before q40
    order = ["set", "corruption", "severity", "codec", "ladder", "point", "quantity", "channel"]
    whole = whole.assign(ladder=ladder).sort_values(order, ignore_index=True)
    split = [grid_thirds(power) for power in whole["power"]]
    whole["mse"] = [parts.mse for parts in split]
    for third in ("low", "medium", "high"):
        whole[f"share_{third}"] = [parts.share(third) for parts in split]
    whole["centroid"] = [parts.centroid for parts in split]
    whole["residual"] = _residuals(whole, store.with_spectra(evidence.path))
    return chosen(whole, evidence.choice, evidence.path, "spectra")[[*COLUMNS, "power"]].reset_index(drop=True)


def _residuals(whole: pd.DataFrame, keys: set[Key]) -> list[float]:
    """Return the residual of each spectrum, NaN if it is not an R or its terms are over different images."""
    images: dict[tuple[Any, ...], set[str]] = {}
    for key in keys:
        images.setdefault(key[:-1], set()).add(key.image)
        images.setdefault((*key[:3], "", ""), set()).add(key.image)
    places: list[tuple[Any, ...]] = list(whole[list(COLUMNS[:7])].itertuples(index=False, name=None))
    power = dict(zip(places, whole["mse"], strict=True))

    def residual(place: tuple[Any, ...]) -> float:
        *cell, quantity, channel = place
        image_set, corruption, severity, codec, point = cell
        clean, shots = (image_set, CLEAN, 0, codec, point), (image_set, corruption, severity, "", "")
        if quantity != "R" or len({frozenset(images.get(terms, ())) for terms in (tuple(cell), clean, shots)}) > 1:
            return math.nan
        expected: float = 2 * power[*clean, "D", channel] + power[*shots, "shift", channel]
        total = power[*cell, "G", channel] + power[*cell, "R", channel]
        return (total - expected) / expected if expected else math.nan

    return [residual(place) for place in places]


def report(table: pd.DataFrame, settings: Mapping[str, Any], notes: Sequence[str] = ()) -> Report:
    """Return a table of spectra as a report with one sheet per set; the JSON adds each spectrum's radial profile."""
    parts = [part for _, part in table.groupby("set", sort=True)]
    sheets = [_sheet(part, settings, (*_NOTES, *notes) if part is parts[-1] else ()) for part in parts]
    records = table[list(COLUMNS)].to_dict("records")
    profiles = [radial(power) for power in table["power"]]
    document = {
        "settings": dict(settings),
        "radii": profiles[0][0].tolist() if profiles else [],
        "spectra": [
            {**record, "density": density.tolist()} for record, (_, density) in zip(records, profiles, strict=True)
        ],
    }
    return Report(sheets, records, document)


def _sheet(part: pd.DataFrame, settings: Mapping[str, Any], notes: tuple[str, ...]) -> Sheet:
    several_channels = part["channel"].nunique() > 1
    lines = [
        (
            *(f"{line['corruption']}@{line['severity']}", f"{line['codec']}:{line['point']}" if line["codec"] else "-"),
            *(f"{line['quantity']} {line['channel']}" if several_channels else line["quantity"], line["n"]),
            *(line["mse"], 100 * line["share_low"], 100 * line["share_medium"], 100 * line["share_high"]),
            *(line["centroid"], 100 * line["residual"]),
        )
        for line in part.to_dict("records")
    ]
    return Sheet(_SHEET_COLUMNS, lines, _title(part, settings), notes)


def _title(part: pd.DataFrame, settings: Mapping[str, Any]) -> str:
    window = settings.get("window", "none")
    through = f", {window.capitalize()} window" if window != "none" else ""
    channels = "luminance" if set(part["channel"]) == {"Y"} else "luminance (Y), R, G and B"
    return f"{part['set'].iloc[0]}: mean power spectra of {counted(part['n'].max(), 'image')}, {channels}{through}"
