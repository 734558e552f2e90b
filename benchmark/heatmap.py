"""Fourier heatmaps of a run file: which rows they need, how they are read, told in words, tabulated and drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import pandas as pd

from ..analysis import heatmap as analysis
from ..analysis.figures import heatmap as maps
from ..analysis.heatmap import RULE, Heatmap, NoHeatmap, Quantity, Window, full_window, low_window
from ..corruptions.corruption import Corruption
from ..corruptions.fourier import RMS, every_wave, lowest_waves
from . import store
from .cell import CLEAN, Plan, UnknownName, named
from .matching import Target
from .provenance import conflict
from .publish import file_name
from .run import Job

MEASURES = ("bpp", "psnr")
"""What a heatmap shows, and all that is measured for it."""

MOST_STEPS = 256
TARGET = "bpp=0.5"
CODECS = ("jpeg", "jpeg2000")


@dataclass(frozen=True, slots=True)
class Band:
    """A choice of frequencies: `waves(of)` are its corruptions, `window(of)` shows them; `of` if none is given."""

    waves: Callable[[int], tuple[Corruption, ...]]
    window: Callable[[int], Window]
    of: int


BANDS: Mapping[str, Band] = {"full": Band(every_wave, full_window, 32), "low": Band(lowest_waves, low_window, 64)}

NAMES: Mapping[Quantity, tuple[str, int]] = {"bpp": ("bpp", 3), "psnr": ("PSNR", 2), "psnr_clean": ("PSNR clean", 2)}
"""What a quantity is called in words, and how many digits it is told with."""

HEADINGS = ("codec", "quantity", "n", "waves", "clean", "low", "medium", "high", "worst", "at i,j")
NOTES = (
    "clean: without a wave. low, medium, high: the mean difference to that with the waves of each third of the band. "
    "worst: the greatest loss, and the frequency that causes it. PSNR: in dB, against the image given; PSNR clean: "
    "against the clean image."
)


def band(name: str, of: int | None) -> Band:
    """Return the band of that name with that many steps; raise UnknownName for a name or a number that is wrong."""
    chosen = named("band", name, BANDS)
    if of is not None and not 2 <= of <= MOST_STEPS:
        raise UnknownName(f"expected from 2 to {MOST_STEPS} steps of frequency, got {of}")
    return replace(chosen, of=of or chosen.of)


def severity(rms: float) -> int:
    """Return the severity of a wave of that root mean square; raise UnknownName if there is none."""
    if rms not in RMS:
        raise UnknownName(f"expected an RMS of {', '.join(f'{one:g}' for one in RMS)} grey levels, got {rms:g}")
    return RMS.index(rms) + 1


def plan(band: Band, severities: Sequence[int]) -> Plan:
    """Return the plan of a heatmap: clean images and every wave of the band, of the sample set, without MS-SSIM."""
    corruptions = (CLEAN, *(wave.name for wave in band.waves(band.of)))
    strengths = tuple(sorted(set(severities)))
    return Plan("heatmap", "a wave of every frequency", ("sample",), CODECS, corruptions, strengths, measures=MEASURES)


def targets(job: Job, asked: Sequence[str] | None) -> list[Target]:
    """Return what codecs that a job names without a point are brought to: what was asked for, else 0.5 bpp."""
    if asked is None and not any(label in job.specs and not job.specs[label].lossless for label in job.plan.codecs):
        return []
    return [Target.parse(text) for text in asked or (TARGET,)]


def read(
    path: Path,
    *,
    images: Mapping[str, Collection[str] | None] | None = None,
    codecs: Collection[str] = (),
    severities: Collection[int] = (),
    shown: Window | None = None,
) -> list[Heatmap]:
    """Return the heatmaps that a run file holds rows of, or those chosen: by set, then strength, codec and point.

    Sets are chosen together with their images, none for all; a codec by its name, or with its point. Raises
    RunFileError, and NoHeatmap for rows that hold none, or not what was chosen, or may not stand in one.
    """
    rows = store.read(path)
    reason = conflict(store.runs(path).values())
    if reason:
        raise NoHeatmap(f"the rows of {path} cannot be drawn in one heatmap: {reason}")
    rows = rows.assign(label=rows["codec"] + ":" + rows["point"])
    for asked, held in ((images or (), rows["set"]), (codecs, pd.concat([rows["codec"], rows["label"]]))):
        for name in asked:
            if name not in set(held):
                raise NoHeatmap(f"{path} holds no rows of {name!r}: expected one of {', '.join(sorted(set(held)))}")
    if codecs:
        rows = rows[rows["codec"].isin(codecs) | rows["label"].isin(codecs)]
    if severities:
        rows = rows[(rows["corruption"] == CLEAN) | rows["severity"].isin(severities)]
    found: list[Heatmap] = []
    reasons = ["it has no rows"]
    for name in sorted(images or set(rows["set"])):
        part = rows[rows["set"] == name]
        if images and (wanted := images[name]):
            part = part[part["image"].isin(list(wanted))]
        try:
            found += analysis.heatmaps(part, shown)
        except NoHeatmap as error:
            reasons.append(str(error))
    if not found:
        raise NoHeatmap(f"{path} holds no heatmap: {reasons[-1]}")
    return found


def table(heatmaps: Sequence[Heatmap]) -> pd.DataFrame:
    """Return heatmaps as lines, one after another; see `analysis.heatmap.table`."""
    return pd.concat([analysis.table(one) for one in heatmaps], ignore_index=True)


def grouped(heatmaps: Sequence[Heatmap]) -> list[tuple[str, list[Heatmap]]]:
    """Return the heatmaps that stand together, of one set and strength, each time with their heading."""
    return [
        (f"{of}, RMS {rms:g} grey levels, {held[0].window}", held)
        for (of, rms), some in groupby(heatmaps, key=lambda one: (one.set, one.rms))
        for held in [list(some)]
    ]


def words(heatmap: Heatmap) -> list[list[str]]:
    """Return a heatmap as lines of text under HEADINGS, one for each quantity."""
    lines = []
    for quantity, (name, digits) in NAMES.items():
        told = analysis.summarise(heatmap, quantity)
        known = sum(not heatmap.missing[place] for place in heatmap.places())
        head = [f"{heatmap.codec}:{heatmap.point}", name, str(len(heatmap.images)), str(known)]
        if told is None:
            lines.append([*head, *"------"])
            continue
        changes = [_signed(value, digits) for value in (told.low, told.medium, told.high, told.worst)]
        lines.append([*head, f"{told.clean:.{digits}f}", *changes, f"{told.i},{told.j}"])
    return lines


def _signed(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:+.{digits}f}"


def notes(heatmaps: Sequence[Heatmap]) -> list[str]:
    """Return what a reader must know beside the words, and what is missing."""
    lines = [NOTES]
    for one in heatmaps:
        label = f"{one.codec}:{one.point}"
        if one.failed:
            lines.append(f"{label}: {one.failed} rows failed or were skipped.")
        if missing := sum(bool(one.missing[place]) for place in one.places()):
            lines.append(f"{label}: {missing} frequencies are missing.")
    return lines


def draw(heatmaps: Sequence[Heatmap], folder: Path) -> list[Path]:
    """Draw heatmaps into a folder, one figure for each set and strength, as PNG, PDF and a caption; return the files.

    The same heatmaps give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for heading, some in grouped(heatmaps):
        figure = maps.draw(some)
        stem = f"fourier-heatmap-{file_name(some[0].set)}-rms{some[0].rms:g}"
        for suffix, metadata in ((".png", {"Software": None}), (".pdf", {"CreationDate": None, "Producer": None})):
            target = folder / f"{stem}{suffix}"
            figure.savefig(target, metadata=metadata)
            written.append(target)
        caption = folder / f"{stem}.txt"
        codecs = ", ".join(f"{one.codec}:{one.point} ({len(one.images)} images)" for one in some)
        caption.write_text(f"{maps.ABOUT}. Set {heading}; {codecs}. {RULE}\n", encoding="utf-8")
        written.append(caption)
    return written
