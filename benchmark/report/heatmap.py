"""Fourier heatmaps of a run file: the rows they need, and how they are read, reported and drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import pandas as pd

from ...analysis import heatmap as analysis
from ...analysis.counted import counted
from ...analysis.figures.spectra import heatmap as maps
from ...analysis.heatmap import RULE, Heatmap, NoHeatmap, Quantity, Window, full_window, low_window
from ...corruptions.corruption import CLEAN, Corruption
from ...corruptions.fourier import RMS, every_wave, lowest_waves
from ..plan.names import UnknownName, file_name, named
from ..plan.plans import Plan
from .evidence import Evidence
from .figures import save
from .sheet import Column, Report, Sheet, number

MEASURES = ("bpp", "psnr")
"""The measures that a heatmap shows; no others are taken for it."""

TARGET = "bpp=0.5"
"""The target that codecs named without a point are matched to."""

_MOST_STEPS = 256
_CODECS = ("jpeg", "jpeg2000")


@dataclass(frozen=True, slots=True)
class Frequencies:
    """A choice of frequencies: `waves(steps)` returns its corruptions, `window(steps)` the part that is shown."""

    waves: Callable[[int], tuple[Corruption, ...]]
    window: Callable[[int], Window]
    steps: int


_FREQUENCIES: Mapping[str, Frequencies] = {
    "full": Frequencies(every_wave, full_window, 32),
    "low": Frequencies(lowest_waves, low_window, 64),
}

_QUANTITIES: Mapping[Quantity, tuple[str, int]] = {
    "bpp": ("bpp", 3),
    "psnr": ("PSNR", 2),
    "psnr_clean": ("PSNR clean", 2),
}
"""The displayed name of each quantity and its number of decimals."""

_COLUMNS = (
    *(Column("codec"), Column("quantity"), number("n"), number("waves"), number("clean")),
    *(number("low"), number("medium"), number("high"), number("worst"), number("at i,j")),
)
_NOTES = (
    "clean: the value without a wave. low, medium, high: the mean change from that value over the waves in each third "
    "of the frequency band. worst: the greatest loss; at i,j: the frequency that causes it. PSNR: in dB, against the "
    "image that the codec was given; PSNR clean: against the clean image."
)


def frequencies(name: str, steps: int | None) -> Frequencies:
    """Return the frequencies called `name` with `steps` steps; raise UnknownName for an unknown name or number."""
    chosen = named("band", name, _FREQUENCIES)
    if steps is not None and not 2 <= steps <= _MOST_STEPS:
        raise UnknownName(f"expected 2 to {_MOST_STEPS} frequency steps, got {steps}")
    return replace(chosen, steps=steps or chosen.steps)


def severity(rms: float) -> int:
    """Return the severity of a wave with root mean square `rms` in grey levels; raise UnknownName if there is none."""
    if rms not in RMS:
        raise UnknownName(f"expected an RMS of {', '.join(f'{known:g}' for known in RMS)} grey levels, got {rms:g}")
    return RMS.index(rms) + 1


def plan(chosen: Frequencies, severities: Sequence[int]) -> Plan:
    """Return the plan of a heatmap: the sample set, clean and under every wave, without MS-SSIM."""
    corruptions = (CLEAN, *(wave.name for wave in chosen.waves(chosen.steps)))
    strengths = tuple(sorted(set(severities)))
    return Plan("heatmap", "a wave of every frequency", ("sample",), _CODECS, corruptions, strengths, measures=MEASURES)


def read(
    evidence: Evidence, *, images: Mapping[str, Collection[str]] | None = None, shown: Window | None = None
) -> list[Heatmap]:
    """Return the heatmaps in the chosen rows, ordered by set, strength, codec and point.

    `images` selects images by set, by default all of them. Raises NoHeatmap if the rows contain no heatmap.
    """
    heatmaps: list[Heatmap] = []
    reasons = []
    for part in evidence.by_set():
        rows = part.rows
        wanted = (images or {}).get(str(rows["set"].iloc[0]))
        try:
            heatmaps += analysis.heatmaps(rows[rows["image"].isin(list(wanted))] if wanted else rows, shown)
        except NoHeatmap as error:
            reasons.append(str(error))
    if not heatmaps:
        raise NoHeatmap(f"{evidence.path} holds no heatmap: {reasons[-1]}")
    return heatmaps


def report(heatmaps: Sequence[Heatmap]) -> Report:
    """Return heatmaps as a report: one sheet per set and strength, one line per codec and quantity."""
    sheets = [
        Sheet(_COLUMNS, [line for heatmap in group for line in _lines(heatmap)], title, _notes(group))
        for title, group in _grouped(heatmaps)
    ]
    values = pd.concat([analysis.table(heatmap) for heatmap in heatmaps], ignore_index=True)
    return Report(sheets, values.to_dict("records"))


def _grouped(heatmaps: Sequence[Heatmap]) -> list[tuple[str, list[Heatmap]]]:
    """Return the heatmaps grouped by set and strength, each group with its title."""
    groups = [list(group) for _, group in groupby(heatmaps, key=lambda heatmap: (heatmap.set, heatmap.rms))]
    return [(f"{group[0].set}, RMS {group[0].rms:g} grey levels, {group[0].window}", group) for group in groups]


def _lines(heatmap: Heatmap) -> list[list[str | int]]:
    lines = []
    for quantity, (name, digits) in _QUANTITIES.items():
        summary = analysis.summarise(heatmap, quantity)
        known = sum(not heatmap.missing[place] for place in heatmap.places())
        line: list[str | int] = [f"{heatmap.codec}:{heatmap.point}", name, len(heatmap.images), known]
        if summary is None:
            lines.append([*line, *"------"])
            continue
        change = Column("", form=f"+.{digits}f")
        changes = [change.show(value) for value in (summary.low, summary.medium, summary.high, summary.worst)]
        lines.append([*line, f"{summary.clean:.{digits}f}", *changes, f"{summary.i},{summary.j}"])
    return lines


def _notes(heatmaps: Sequence[Heatmap]) -> list[str]:
    notes = [_NOTES]
    for heatmap in heatmaps:
        label = f"{heatmap.codec}:{heatmap.point}"
        if heatmap.failed:
            notes.append(f"{label}: {counted(heatmap.failed, 'row')} failed or skipped.")
        if missing := sum(bool(heatmap.missing[place]) for place in heatmap.places()):
            notes.append(f"{label}: {counted(missing, 'frequency')} missing.")
    return notes


def draw(heatmaps: Sequence[Heatmap], folder: Path) -> list[Path]:
    """Draw heatmaps into a folder and return the files: per set and strength, a PNG, a PDF and a caption.

    The same heatmaps give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for title, group in _grouped(heatmaps):
        codecs = ", ".join(
            f"{heatmap.codec}:{heatmap.point} ({counted(len(heatmap.images), 'image')})" for heatmap in group
        )
        stem = f"fourier-heatmap-{file_name(group[0].set)}-rms{group[0].rms:g}"
        caption = f"{maps.ABOUT}. Set {title}; {codecs}. {RULE}\n"
        files += save(maps.draw(group), folder / stem, ("png", "pdf"), caption)
    return files
