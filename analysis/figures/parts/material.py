"""The material that figures are drawn from, and the choice of the codec points and corruptions that they show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...commands import Asked, Measured, measured
from ...conditions import CLEAN
from ...matched import MATCHED_BPP, Near, at_points, nearest_to
from ...ranking import on_curve
from .style import TWO_COLUMNS

Image = NDArray[np.uint8]
"""Pixels, shape (H, W, 3), RGB, 0..255."""

SPECTRA_COLUMNS = ("set", "corruption", "severity", "codec", "point", "quantity", "channel", "n", "power")
SHIFT_COLUMNS = ("set", "corruption", "severity", "image", "psnr", "ms_ssim")


class NothingToDraw(ValueError):
    """The material lacks what a figure needs; the message says what, and the command that measures it."""


class Pictures(Protocol):
    """The pixels behind the rows of one set, recomputed from their names and checked against the rows.

    Each method raises NothingToDraw if the pixels cannot be made, or differ from those that the rows were measured on.
    """

    def missing(self) -> str:
        """Return why the images of the set are not available, with a command that helps; "" if they are available."""

    def clean(self, image: str) -> Image:
        """Return a clean image of the set."""

    def shown(self, image: str, corruption: str, severity: int) -> Image:
        """Return the corrupted image that the codecs were given."""

    def decoded(self, image: str, corruption: str, severity: int, codec: str, point: str) -> Image:
        """Return the decoded image, with the bytes and squared errors of the stored row."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was asked to be shown in place of the defaults.

    `corruptions` were named one by one and are all shown where a figure shows one of each band. `points` are settings
    given as (codec, point), used whatever their rate. `image` is shown where a figure shows one image, "" for the
    typical one. `width` is that of a page of figures in inches. `quality` is the measure of rate curves and rankings.
    """

    corruptions: tuple[str, ...] = ()
    points: tuple[tuple[str, str], ...] = ()
    image: str = ""
    width: float = TWO_COLUMNS
    quality: str = "psnr"


@dataclass(frozen=True, slots=True)
class Material:
    """Everything a run file contains about one set.

    `rows` has the columns of `benchmark.store.read`; `bands` maps a corruption to "low", "medium", "high" or "extra".
    `spectra` has the columns SPECTRA_COLUMNS, `power` being a (64, 33) grid as in `analysis.spectrum`. `shifts` has the
    columns SHIFT_COLUMNS: the distortion of the corrupted images themselves, `psnr` in dB. `codecs` holds what the runs
    state about each codec, e.g. its `kind` and `chroma`. `runs` are the ids of the runs, `window` is the
    window of the spectra, and `file` is the name of the run file in commands; these repeat the options of the runs,
    `asked`. `anchor` is the codec that others are compared with, None for the default of `rank`.
    """

    rows: pd.DataFrame
    bands: Mapping[str, str]
    spectra: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SPECTRA_COLUMNS)))
    shifts: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SHIFT_COLUMNS)))
    pictures: Pictures | None = None
    runs: tuple[str, ...] = ()
    codecs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    window: str = "none"
    file: str = "FILE"
    asked: tuple[Asked, ...] = ()
    anchor: str | None = None
    chosen: Chosen = Chosen()

    def label(self, codec: str) -> str:
        """Return a codec's name for a legend, with its chroma subsampling if it has any."""
        chroma = self.codecs.get(codec, {}).get("chroma")
        return codec if chroma in {"4:4:4", "?", None} else f"{codec} {chroma}"

    def names(self) -> list[str]:
        """Return the codecs in the order of the rows, which decides their looks in all figures."""
        return list(dict.fromkeys(self.rows["codec"]))

    def tabled(self) -> pd.DataFrame:
        """Return the rows that are on curves, on clean images and under the corruptions of `bands`: see `on_curve`.

        Rows of single frequencies are left out, and points on fewer images than their codec's curve has.
        """
        rows = self.rows[self.rows["corruption"].isin({CLEAN, *self.bands})]
        return rows[on_curve(rows)]

    def corruptions(self) -> list[str]:
        """Return the corruptions of the rows, in the order of `bands`."""
        present = set(self.rows["corruption"])
        return [name for name in self.bands if name in present]

    def in_band(self, band: str) -> list[str]:
        """Return the corruptions of the rows that are of a band."""
        return [name for name in self.corruptions() if self.bands[name] == band]

    def severity(self) -> int:
        """Return the severity that a figure of one severity shows: the middle one of the rows, 0 if they have none."""
        return _middle_severity(self.rows, self.bands)

    def spectra_severity(self) -> int:
        """Return the severity that a figure of spectra at one severity shows: the middle one, 0 if they have none."""
        return _middle_severity(self.spectra, self.bands)

    def measured(self) -> Measured:
        """Return how the rows were measured, for commands that add to them."""
        return measured(self.rows, self.bands, self.file, self.asked)

    def command(self, *options: str) -> str:
        """Return the command that adds missing rows to the run file."""
        return self.measured().run(*options)

    def lossy(self) -> list[str]:
        """Return the codecs whose rows are not all lossless, in the order of the rows."""
        rows = self.rows[(self.rows["status"] == "ok") & np.isfinite(self.rows["psnr"])]
        return list(dict.fromkeys(rows["codec"]))


def _middle_severity(table: pd.DataFrame, bands: Mapping[str, str]) -> int:
    severities = sorted(set(table.loc[table["corruption"].isin(list(bands)), "severity"].astype(int)))
    return severities[len(severities) // 2] if severities else 0


AT_MATCHED_POINT = (
    f"Each codec is used at the setting whose mean rate on clean images is nearest {MATCHED_BPP:g} bpp, unless one was "
    "named. "
)
"""The rule by which figures choose matched points, for their captions."""


def matched_points(material: Material, able: Iterable[tuple[str, str]] | None = None) -> dict[str, Near]:
    """Return each codec's named point, or else its point nearest the matched rate on clean images.

    Codecs with no point near the rate are left out. Only the points in `able` are considered, by default all.
    """
    rows = material.tabled() if able is None else at_points(material.tabled(), able)
    named = nearest_to(MATCHED_BPP, at_points(rows, material.chosen.points), within=math.inf)
    near = {**nearest_to(MATCHED_BPP, rows), **named}
    return {codec: near[codec] for codec in material.names() if codec in near}


def rates_of(points: Mapping[str, Near]) -> str:
    """Return by how much the rates of points on clean images differ from the matched rate, as a sentence."""
    rates = [near.bpp for near in points.values()]
    off = max(abs(rate / MATCHED_BPP - 1) for rate in rates)
    text = f"{min(rates):.2f}" if len(rates) == 1 else f"{min(rates):.2f} to {max(rates):.2f}"
    return f"Rates on clean images: {text} bpp, at most {100 * off:.1f} % from {MATCHED_BPP:g}."


def rows_at(rows: pd.DataFrame, points: Mapping[str, Near]) -> pd.DataFrame:
    """Return the rows of matched points."""
    return at_points(rows, ((near.codec, near.point) for near in points.values()))


def labels_of(points: Mapping[str, Near]) -> str:
    """Return the labels of matched points, "jpeg:q75, webp:q80"."""
    return ", ".join(f"{codec}:{near.point}" for codec, near in points.items())
