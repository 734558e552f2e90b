"""What claims are held against, what a finding is, and how an effect and its threshold make a decision."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..distortion import PEAK
from ..matched import Near, nearest_to
from ..ranking.point_tables import CLEAN
from ..statistics import MINIMUM_IMAGES, Interval, bootstrap, interval

Decision = Literal["supported", "refuted", "undecided"]
Floats = NDArray[np.float64]
Point = tuple[str, str]
"""A codec and the name of one of its points."""

MATCHED_BPP = 0.5
"""The rate on clean images near which codecs are compared."""
THEORETICAL = ("linear",)
"""Codecs that no claim is about."""
NO_INTERVAL = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All rows and spectra of a run file, with the columns that `benchmark.store` reads them with.

    `bands` maps a corruption to "low", "medium", "high" or "extra", `kinds` a codec to "classical" or "neural"; `file`
    is what commands call the run file.
    """

    rows: pd.DataFrame
    bands: Mapping[str, str]
    spectra: pd.DataFrame
    kinds: Mapping[str, str] = field(default_factory=dict)
    file: str = "FILE"

    def command(self, *more: str) -> str:
        """Return the command that adds what lacks to the run file."""
        of = next(iter(self.rows["set"]), "SET")
        return " ".join(["codecshift run", f"--set {of}", *more, f"--out {self.file}"])

    def noises(self) -> list[str]:
        """Return the corruptions of the high band."""
        return [name for name, band in self.bands.items() if band == "high"]

    def is_neural(self, codec: str) -> bool:
        """Return whether a codec's rows say that it is neural."""
        return self.kinds.get(codec) == "neural"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a claim: `effect` in `unit`, how many rows or spectra it rests on, which those are, and why."""

    decision: Decision
    effect: Interval
    unit: str
    count: int
    used: str
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A hypothesis, and the function that judges it, whose docstring is the rule it is judged by.

    `rests_on` says what its finding counts.
    """

    name: str
    statement: str
    judge: Callable[[Evidence], Finding]
    rests_on: Literal["rows", "spectra"] = "rows"

    @property
    def rule(self) -> str:
        """The rule of decision, declared where it is carried out."""
        return " ".join((inspect.getdoc(self.judge) or "").split())


class Lacking(Exception):
    """The evidence for a claim is not there; the message says what lacks, and the command that would make it."""


# --- decisions


def above(effect: Interval, threshold: float) -> Decision:
    """Decide that an effect is above a threshold by where its interval lies; without one nothing is decided."""
    if effect.low > threshold:
        return "supported"
    return "refuted" if effect.high < threshold else "undecided"


def below(effect: Interval, threshold: float) -> Decision:
    """Decide that an effect is below a threshold by where its interval lies."""
    return above(Interval(-effect.estimate, -effect.high, -effect.low), -threshold)


def by_size(effect: float, support: float, refutation: float) -> Decision:
    """Decide by an effect that has no interval: supported from one threshold up, refuted from another down."""
    return "supported" if effect >= support else "refuted" if effect <= refutation else "undecided"


def together(decisions: Iterable[Decision]) -> Decision:
    """Return what becomes of a claim that has several parts: one that is refuted refutes it."""
    decisions = list(decisions)
    if "refuted" in decisions:
        return "refuted"
    return "undecided" if "undecided" in decisions else "supported"


def because(images: int, decision: Decision, told: str) -> str:
    """Return what was found, with why it decides nothing where that is so."""
    if images < MINIMUM_IMAGES:
        return f"{told}; no intervals over {images} images, at least {MINIMUM_IMAGES} are needed"
    return f"{told}; an interval holds its threshold" if decision == "undecided" else told


def between(decision: Decision, told: str) -> str:
    """Return what was found of an effect that has no interval, with why it decides nothing where that is so."""
    return f"{told}; between what supports and what refutes" if decision == "undecided" else told


def spoken(effect: Interval, form: str = "+.1f") -> str:
    """Return an effect with its interval in words, e.g. "+1.2 (+0.8 to +1.5)"."""
    if not effect.known:
        return f"{effect.estimate:{form}}"
    return f"{effect.estimate:{form}} ({effect.low:{form}} to {effect.high:{form}})"


# --- rows


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of the set with the most images that can decide a claim: measured, lossy, of codecs and not estimates.

    `table` has beside the columns of the rows D, G, R and `shift`, mean squared errors of an image: what the codec gets
    wrong on the clean image, against the image shown and against the clean one, and shown against clean; the PSNR of
    the image shown against the clean one in dB, `uncompressed`; and `bpp_clean`. NaN is what is not known.
    `near` holds each codec's point nearest MATCHED_BPP.
    """

    set: str
    table: pd.DataFrame
    near: Mapping[str, Near]

    @property
    def clean(self) -> pd.DataFrame:
        """The rows on clean images."""
        return self.table[self.table["corruption"] == CLEAN[0]]

    def under(self, corruptions: Iterable[str]) -> pd.DataFrame:
        """Return the rows under some corruptions."""
        return self.table[self.table["corruption"].isin(list(corruptions))]

    def codecs(self) -> list[str]:
        """Return the codecs in the order of their rows."""
        return list(dict.fromkeys(self.table["codec"]))

    def used(self, table: pd.DataFrame) -> str:
        """Return in words which of the rows a finding rests on."""
        shifted = table[table["corruption"] != CLEAN[0]]
        points = table.groupby("codec", sort=False)["point"].unique()
        codecs = ", ".join(f"{codec}:{'|'.join(of)}" for codec, of in points.items())
        names = list(dict.fromkeys(shifted["corruption"]))
        severities = "|".join(map(str, sorted(set(shifted["severity"].astype(int)))))
        under = f"{'|'.join(names) if len(names) <= 15 else f'{len(names)} corruptions'}@{severities}"
        return f"{self.set}, {table['image'].nunique()} images{f', {under}' if names else ''}, {codecs}"


def rows_of(evidence: Evidence) -> Rows:
    """Return the rows that can decide a claim; raise Lacking where there is none."""
    ok = evidence.rows[evidence.rows["status"] == "ok"]
    if ok.empty:
        raise Lacking(f"rows are needed: {evidence.command()}")
    of = str(ok.groupby("set")["image"].nunique().sort_index().idxmax())
    ok = ok[ok["set"] == of]
    ok = ok.assign(G=_mean_squared_error(ok["psnr"]), R=_mean_squared_error(ok["psnr_clean"]))
    condition, cell = ["corruption", "severity", "image"], ["codec", "point", "image"]
    shown = ok[ok["G"] == 0].drop_duplicates(condition).set_index(condition)[["R", "psnr_clean"]]
    clean = ok[ok["corruption"] == CLEAN[0]].set_index(cell)[["G", "bpp"]]
    table = ok[np.isfinite(ok["psnr"]) & subjects(ok)]
    table = table.join(clean.set_axis(["D", "bpp_clean"], axis=1), on=cell)
    table = table.join(shown.set_axis(["shift", "uncompressed"], axis=1), on=condition)
    return Rows(of, table, nearest_to(MATCHED_BPP, table[table["corruption"].isin([CLEAN[0], *evidence.bands])]))


def is_subject(codec: str) -> bool:
    """Return whether claims are about a codec: no theoretical one, and none whose rates are estimates."""
    return codec not in THEORETICAL and not codec.partition("@")[0].endswith("-est")


def subjects(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are of codecs that claims are about."""
    return np.array([is_subject(codec) for codec in rows["codec"]], np.bool_)


def _mean_squared_error(psnr: pd.Series[float]) -> Floats:
    return np.asarray(PEAK**2 * 10 ** (-psnr / 10), np.float64)


def at(table: pd.DataFrame, points: Iterable[Point]) -> pd.DataFrame:
    """Return the rows of some points."""
    wanted = set(points)
    return table[np.array([point in wanted for point in zip(table["codec"], table["point"], strict=True)], np.bool_)]


def per_image(table: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return the mean over cells of each image that has a finite value in all of them."""
    cells = table.pivot_table(index="image", columns=["codec", "point", "corruption", "severity"], values=column)
    values: pd.Series[float] = cells[np.isfinite(cells).all(axis=1)].mean(axis=1)
    return values


def mean(values: pd.Series[float]) -> Interval:
    """Return the mean over images with its interval, images without a value left out."""
    found = values.dropna().to_numpy(np.float64)
    if not len(found):
        return NO_INTERVAL
    return interval(float(found.mean()), bootstrap(len(found)) @ found / len(found), len(found))
