"""The records that claims are judged by: the rows and spectra of a run file, and the rows that can decide a claim."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..commands import Asked, Measured, measured
from ..conditions import CLEAN
from ..counted import counted
from ..distortion import mean_squared_error
from ..matched import MATCHED_BPP, Near, nearest_to
from ..statistics import Interval, Resampled, bootstrap

Floats = NDArray[np.float64]
Point = tuple[str, str]
"""A codec and the name of one of its points."""

THEORETICAL = ("linear",)
"""Codecs that no claim is about."""
NO_INTERVAL = Interval(math.nan, math.nan, math.nan)


class Lacking(Exception):
    """Rows or spectra that a claim needs are missing: what they are, and the command that measures them, if any."""

    def __init__(self, missing: str, command: str = "") -> None:
        super().__init__(f"{missing}: {command}" if command else missing)
        self.missing = missing
        self.command = command


@dataclass(frozen=True, slots=True)
class Records:
    """All rows, shifts and radial profiles of a run file, as `benchmark.store` reads them.

    `shifts` gives the PSNR in dB of each corrupted image against the clean one; `profiles` gives the power density of
    each spectrum of each image by ring. `bands` maps a corruption to "low", "medium", "high" or "extra"; `kinds` maps a
    codec to "classical" or "neural", and `settings` to the settings that its runs state, e.g. "checkpoint, N=48, M=192,
    trained for MSE"; `file` is the name of the run file in commands; `asked` holds the options of its runs, which those
    commands repeat.
    """

    rows: pd.DataFrame
    bands: Mapping[str, str]
    shifts: pd.DataFrame
    profiles: pd.DataFrame
    kinds: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    file: str = "FILE"
    asked: tuple[Asked, ...] = ()

    def measured(self) -> Measured:
        """Return how the rows that decide claims were measured, for commands that add rows."""
        rows = self.rows
        return measured(rows[rows["set"] == main_set(rows)], self.bands, self.file, self.asked)

    def command(self, *options: str) -> str:
        """Return the command that adds missing rows to the set whose rows decide claims."""
        return self.measured().run(*options)

    def noises(self) -> list[str]:
        """Return the corruptions of the high band."""
        return [name for name, band in self.bands.items() if band == "high"]

    def is_neural(self, codec: str) -> bool:
        """Return whether a codec is neural, as its runs state it."""
        return self.kinds.get(codec) == "neural"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that can decide a claim: measured, lossy, not of estimated rates, from the set with the most images.

    `table` adds columns to those of the rows. D, G, R and `shift` are mean squared errors of an image: D of the codec
    on the clean image, G against the image shown, R against the clean image, `shift` of the image shown against the
    clean one. `uncompressed` is the PSNR of the image shown against the clean one in dB, `bpp_clean` the rate on the
    clean image. Unknown values are NaN. `near` holds each codec's point nearest MATCHED_BPP.
    """

    set: str
    table: pd.DataFrame
    near: Mapping[str, Near]

    @property
    def clean(self) -> pd.DataFrame:
        """The rows on clean images."""
        return self.table[self.table["corruption"] == CLEAN]

    def under(self, corruptions: Iterable[str]) -> pd.DataFrame:
        """Return the rows under some corruptions."""
        return self.table[self.table["corruption"].isin(list(corruptions))]

    def codecs(self) -> list[str]:
        """Return the codecs in the order of their rows."""
        return list(dict.fromkeys(self.table["codec"]))

    def used(self, table: pd.DataFrame) -> str:
        """Return in words which of the rows a finding rests on."""
        shifted = table[table["corruption"] != CLEAN]
        points = table.groupby("codec", sort=False)["point"].unique()
        codecs = ", ".join(f"{codec}:{'|'.join(names)}" for codec, names in points.items())
        corruptions = list(dict.fromkeys(shifted["corruption"]))
        severities = "|".join(map(str, sorted(set(shifted["severity"].astype(int)))))
        names = "|".join(corruptions) if len(corruptions) <= 15 else counted(len(corruptions), "corruption")
        under = f", {names}@{severities}" if corruptions else ""
        return f"{self.set}, {counted(table['image'].nunique(), 'image')}{under}, {codecs}"


def main_set(rows: pd.DataFrame) -> str:
    """Return the set with the most images, whose rows decide claims, "" for no rows."""
    images = rows.groupby("set")["image"].nunique().sort_index()
    return str(images.idxmax()) if len(images) else ""


def rows_of(records: Records) -> Rows:
    """Return the rows that can decide a claim; raise Lacking if there is none."""
    ok = records.rows[records.rows["status"] == "ok"]
    if ok.empty:
        raise Lacking("rows", records.command())
    image_set = main_set(ok)
    ok = ok[ok["set"] == image_set]
    ok = ok.assign(G=mean_squared_error(ok["psnr"]), R=mean_squared_error(ok["psnr_clean"]))
    condition, cell = ["corruption", "severity", "image"], ["codec", "point", "image"]
    uncompressed = records.shifts[records.shifts["set"] == image_set].set_index(condition)["psnr"].astype(np.float64)
    clean = ok[ok["corruption"] == CLEAN].set_index(cell)[["G", "bpp"]]
    table = ok[np.isfinite(ok["psnr"]) & subjects(ok)]
    table = table.join(clean.set_axis(["D", "bpp_clean"], axis=1), on=cell)
    table = table.join(uncompressed.rename("uncompressed"), on=condition)
    table["shift"] = mean_squared_error(table["uncompressed"])
    return Rows(image_set, table, nearest_to(MATCHED_BPP, table[table["corruption"].isin([CLEAN, *records.bands])]))


def distinct(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are of codecs that decode other pixels than each other.

    Two codecs decode the same pixels if their PSNR, against the image shown and against the clean one, is equal at all
    points of the same name on every image and under every condition that both have. The one that takes more bits is
    left out, e.g. the same quantiser with a weaker entropy coder.
    """
    cell = ["set", "corruption", "severity", "image", "point"]
    ok = rows[rows["status"] == "ok"]
    by_codec = {str(codec): part.set_index(cell)[["psnr", "psnr_clean", "bpp"]] for codec, part in ok.groupby("codec")}
    left_out: set[str] = set()
    for codecs in itertools.combinations(dict.fromkeys(map(str, ok["codec"])), 2):
        first, second = (by_codec[codec] for codec in codecs)
        shared = first.index.intersection(second.index)
        first, second = first.loc[shared], second.loc[shared]
        if len(shared) and all(first[name].equals(second[name]) for name in ("psnr", "psnr_clean")):
            left_out.add(codecs[0] if first["bpp"].mean() > second["bpp"].mean() else codecs[1])
    return np.asarray(~rows["codec"].isin(left_out), np.bool_)


def rows_of_distinct(records: Records) -> Rows:
    """Return the rows that can decide a claim in which every codec counts: those of `rows_of` that are `distinct`."""
    rows = rows_of(records)
    table = rows.table[distinct(rows.table)]
    codecs = set(table["codec"])
    return replace(rows, table=table, near={codec: near for codec, near in rows.near.items() if codec in codecs})


def is_subject(codec: str) -> bool:
    """Return whether claims are about a codec; theoretical codecs and estimated rates are excluded."""
    return codec not in THEORETICAL and not codec.partition("@")[0].endswith("-est")


def subjects(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows are of codecs that claims are about."""
    return np.array([is_subject(codec) for codec in rows["codec"]], np.bool_)


def per_image(table: pd.DataFrame, column: str) -> pd.Series[float]:
    """Return the mean over cells of each image; an image without a finite value in every cell is left out."""
    cells = table.pivot_table(index="image", columns=["codec", "point", "corruption", "severity"], values=column)
    values: pd.Series[float] = cells[np.isfinite(cells).all(axis=1)].mean(axis=1)
    return values


def mean(values: pd.Series[float]) -> Resampled:
    """Return the mean over images; images without a value are left out."""
    known = values.dropna().to_numpy(np.float64)
    if not len(known):
        return Resampled(np.full(1, math.nan), 0)
    return Resampled(np.append(known.mean(), bootstrap(len(known)) @ known / len(known)), len(known))
