"""What figures are drawn from, what they need of it, and what a kind of figure is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..ranking.point_tables import CLEAN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Image = NDArray[np.uint8]
"""Pixels, shape (H, W, 3), RGB, 0..255."""

BANDS = ("low", "medium", "high")

SPECTRA_COLUMNS = ("set", "corruption", "severity", "codec", "point", "quantity", "channel", "n", "power")


class NothingToDraw(ValueError):
    """The evidence lacks what a figure needs; the message says what, and the command that would make it."""


class Pictures(Protocol):
    """The pixels behind the rows of one set, made again from their names and held against the rows.

    Each method raises NothingToDraw where they cannot be had, or are not those that the rows were measured on.
    """

    def missing(self) -> str:
        """Return why no image of the set can be had, with the command that would help, "" if they can."""

    def clean(self, image: str) -> Image:
        """Return a clean image of the set."""

    def shown(self, image: str, corruption: str, severity: int) -> Image:
        """Return what the codecs were given of an image."""

    def decoded(self, image: str, corruption: str, severity: int, codec: str, point: str) -> Image:
        """Return what a codec made of an image: of the stored row's bytes and squared errors."""


def _no_spectra() -> pd.DataFrame:
    return pd.DataFrame(columns=list(SPECTRA_COLUMNS))


@dataclass(frozen=True, slots=True)
class Evidence:
    """All there is of one set of a run file.

    `rows` has the columns of `benchmark.store.read`; `bands` maps a corruption to "low", "medium", "high" or "extra".
    `spectra` has the columns SPECTRA_COLUMNS, `power` being a (64, 33) grid as in `analysis.spectrum`. `codecs` holds
    what the runs state of each codec, e.g. its `kind` and `chroma`, `runs` their ids, `window` that of the spectra, and
    `file` what commands call the run file.
    """

    rows: pd.DataFrame
    bands: Mapping[str, str]
    spectra: pd.DataFrame = field(default_factory=_no_spectra)
    pictures: Pictures | None = None
    runs: tuple[str, ...] = ()
    codecs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    window: str = "none"
    file: str = "FILE"

    def label(self, codec: str) -> str:
        """Return a codec's name for a legend, with its chroma subsampling where colour is at a disadvantage."""
        chroma = self.codecs.get(codec, {}).get("chroma")
        return codec if chroma in {"4:4:4", "?", None} else f"{codec} {chroma}"

    def names(self) -> list[str]:
        """Return the codecs in the order of the rows: the one order of looks in all figures."""
        return list(dict.fromkeys(self.rows["codec"]))

    def tabled(self) -> pd.DataFrame:
        """Return the rows on clean images and under the corruptions of the table, not those of single frequencies."""
        return self.rows[self.rows["corruption"].isin({CLEAN[0], *self.bands})]

    def corruptions(self) -> list[str]:
        """Return the corruptions of the rows, in the order of `bands`."""
        there = set(self.rows["corruption"])
        return [name for name in self.bands if name in there]

    def in_band(self, band: str) -> list[str]:
        """Return the corruptions of the rows that are of a band."""
        return [name for name in self.corruptions() if self.bands[name] == band]

    def severity(self, corruptions: Iterable[str] = ()) -> int:
        """Return the severity that a figure of one severity shows: the middle one of those there are, 0 for none."""
        wanted = set(corruptions or self.bands)
        there = sorted(set(self.rows.loc[self.rows["corruption"].isin(wanted), "severity"].astype(int)))
        return there[len(there) // 2] if there else 0


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure with what its caption says of it: how many rows or spectra of how many, chosen how.

    `note` is what a reader must know beside the kind's rule. `suffix` tells the drawings of one kind apart, and `about`
    then says what this one shows.
    """

    figure: Figure
    used: str
    note: str = ""
    suffix: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a kind of figure needs: its name, and a function that says what lacks, "" where nothing does."""

    about: str
    missing: Callable[[Evidence], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of figure: what it shows, the rule of aggregation, what it needs, and the function that draws it.

    `draw` is a pure function of the evidence. It raises NothingToDraw where more lacks than the needs can tell.
    """

    name: str
    about: str
    rule: str
    needs: tuple[Need, ...]
    draw: Callable[[Evidence], tuple[Drawing, ...]]

    def missing(self, evidence: Evidence) -> str:
        """Return what the evidence lacks for this figure, with the command that would make it, "" for nothing."""
        return next((lacking for need in self.needs if (lacking := need.missing(evidence))), "")


def used(count: int, evidence: Evidence, choice: str) -> str:
    """Return how many rows of the run file's set went into a drawing, and how they were chosen, in words."""
    return f"{count} of {len(evidence.rows)} rows ({choice})"


def used_spectra(count: int, evidence: Evidence, choice: str) -> str:
    """Return how many spectra of the run file's set went into a drawing, and how they were chosen, in words."""
    return f"{count} of {len(evidence.spectra)} spectra ({choice})"
