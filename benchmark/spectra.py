"""The spectra of a run file as a table: how much power each mean spectrum has, and where in the band it lies."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..analysis.spectrum import grid_thirds, radial
from . import store
from .cell import CLEAN, corruptions_named
from .provenance import SPECTRA
from .store import Key, RunFileError

COLUMNS = (
    *("set", "corruption", "severity", "codec", "point", "quantity", "channel", "n", "mse", "share_low"),
    *("share_medium", "share_high", "centroid", "residual"),
)
"""The columns of `table` that hold one number or word."""

NOTES = (
    "D: decoded - clean, where nothing was corrupted. Under a corruption G: decoded - shown, R: decoded - clean, "
    "shift: shown - clean. image: what was shown. Mean over n images of the power spectrum, in squared grey levels: "
    "all (MSE), and its shares below 1/6, to 1/3 and above, in cycles per pixel; centroid: its mean radius. off: how "
    "far G + R is from 2 D + shift, its value for a fixed linear projector and a shift independent of the image."
)


class NoSpectra(RunFileError):
    """A run file that holds no spectra, or none of what was asked for."""


def table(
    path: Path,
    *,
    of: str | None = None,
    codecs: Sequence[str] = (),
    corruptions: Sequence[str] = (),
    severities: Sequence[int] = (),
) -> pd.DataFrame:
    """Return a line per mean spectrum of a run file, with the columns COLUMNS and `power`, the spectrum itself.

    `mse` is in squared grey levels per sample, shares are from 0 to 1, `centroid` is in cycles per pixel. `residual`,
    in lines of R, is (G + R - 2 D - shift) / (2 D + shift) of their sums, NaN where these are not of the same images.
    The set, codecs ("jpeg" or "jpeg:q75"), corruptions or bands, and severities chosen, with clean images; all where
    none is. Raises RunFileError, of which NoSpectra, and UnknownName.
    """
    whole = store.spectra(path)
    if whole.empty:
        raise NoSpectra(f"{path} holds no spectra: codecshift run ... --spectra --out {path} adds them")
    ladder = whole["point"].str.extract(r"(\d+\.?\d*)", expand=False).astype(float)  # q9 comes before q40
    order = ["set", "corruption", "severity", "codec", "ladder", "point", "quantity", "channel"]
    whole = whole.assign(ladder=ladder).sort_values(order, ignore_index=True).drop(columns="ladder")
    whole["label"] = whole["codec"] + ":" + whole["point"]
    is_wanted = np.ones(len(whole), bool)
    names = [name for text in corruptions for name in corruptions_named(text)]
    for column, wanted, always in (
        ("set", [of] if of is not None else [], ()),
        ("corruption", names, (CLEAN,)),
        ("severity", list(severities), (0,)),
    ):
        if wanted:
            if whole[column].isin(wanted).sum() == 0:
                raise NoSpectra(_nothing(path, column, wanted, whole[column]))
            is_wanted &= whole[column].isin([*wanted, *always])
    for label in codecs:
        if not (whole["codec"].eq(label) | whole["label"].eq(label)).any():
            points = whole.loc[whole["codec"] == label.partition(":")[0], "label"]
            held = whole.loc[whole["codec"] != "", "codec"] if points.empty else points
            raise NoSpectra(_nothing(path, "codec", [label], held))
    if codecs:
        is_wanted &= whole["codec"].isin([*codecs, ""]) | whole["label"].isin(codecs)
    numbers = [grid_thirds(power) for power in whole["power"]]
    whole["mse"] = [one.mse for one in numbers]
    for band in ("low", "medium", "high"):
        whole[f"share_{band}"] = [one.share(band) for one in numbers]
    whole["centroid"] = [one.centroid for one in numbers]
    whole["residual"] = _residuals(whole, store.with_spectra(path))
    return whole.loc[is_wanted, [*COLUMNS, "power"]].reset_index(drop=True)


def _nothing(path: Path, column: str, wanted: Sequence[object], held: pd.Series[Any]) -> str:
    there = ", ".join(map(str, sorted(held.unique())))
    return f"{path} holds no spectra of {column} {', '.join(map(str, wanted))}, only of {there}"


def _residuals(whole: pd.DataFrame, rows: set[Key]) -> list[float]:
    images: dict[tuple[Any, ...], set[str]] = {}
    for key in rows:
        images.setdefault(key[:-1], set()).add(key.image)
        images.setdefault((*key[:3], "", ""), set()).add(key.image)
    places: list[tuple[Any, ...]] = list(whole[list(COLUMNS[:7])].itertuples(index=False, name=None))
    sums = dict(zip(places, whole["mse"], strict=True))

    def residual(of: str, corruption: str, severity: int, codec: str, point: str, quantity: str, channel: str) -> float:
        cell, clean = (of, corruption, severity, codec, point), (of, CLEAN, 0, codec, point)
        shots = (of, corruption, severity, "", "")
        if quantity != "R" or len({frozenset(images.get(place, ())) for place in (cell, clean, shots)}) > 1:
            return math.nan
        expected = 2 * sums[*clean, "D", channel] + sums[*shots, "shift", channel]
        return (sums[*cell, "G", channel] + sums[*cell, "R", channel] - expected) / expected if expected else math.nan

    return [residual(*place) for place in places]


def settings(path: Path) -> Mapping[str, Any]:
    """Return how the spectra of a run file were taken: version of the grid, channels and window."""
    return next((one[SPECTRA] for one in store.runs(path).values() if SPECTRA in one), {})


def title(of: str, part: pd.DataFrame, how: Mapping[str, Any]) -> str:
    """Return the heading of the spectra of one set."""
    window = how.get("window", "none")
    through = f", {window.capitalize()} window" if window != "none" else ""
    channels = "luminance" if set(part["channel"]) == {"Y"} else "luminance (Y), R, G and B"
    return f"{of}: mean power spectra of {part['n'].max()} images, {channels}{through}"


def lines(part: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of what people are shown of a table."""
    columns = ["condition", "codec", "of", "n", "MSE", "low %", "medium %", "high %", "centroid", "off %"]
    several = part["channel"].nunique() > 1
    filled = []
    records: list[dict[str, Any]] = part.to_dict("records")  # type: ignore[assignment]
    for one in records:
        label = f"{one['codec']}:{one['point']}" if one["codec"] else "-"
        quantity = f"{one['quantity']} {one['channel']}" if several else one["quantity"]
        thirds = [_number(100 * one[f"share_{band}"], ".1f") for band in ("low", "medium", "high")]
        off = _number(100 * one["residual"], "+.1f")
        figures = [_number(one["mse"], ".2f"), *thirds, _number(one["centroid"], ".3f"), off]
        filled.append([f"{one['corruption']}@{one['severity']}", label, quantity, str(one["n"]), *figures])
    return columns, filled


def notes(width: int = 100) -> list[str]:
    """Return what a reader must know beside the table, in lines of at most `width` columns."""
    return textwrap.wrap(NOTES, width)


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else f"{value:{form}}"


def as_json(found: pd.DataFrame, how: Mapping[str, Any]) -> str:
    """Return a table as JSON, each spectrum with its radial profile: mean density at each radius.

    Radii are in cycles per pixel, density in squared grey levels per (cycles/pixel)^2.
    """
    radii = None
    spectra = []
    for one in found.to_dict("records"):
        radii, density = radial(one.pop("power"))
        numbers = {str(name): None if value != value else value for name, value in one.items()}  # noqa: PLR0124 - NaN
        spectra.append({**numbers, "density": density.tolist()})
    head = {"settings": dict(how), "radii": [] if radii is None else radii.tolist()}
    return json.dumps({**head, "spectra": spectra}, indent=2) + "\n"
