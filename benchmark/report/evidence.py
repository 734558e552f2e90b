"""Evidence: the requested rows of a run file, after a check that they can be compared with each other."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...analysis.commands import Asked, Measured, measured
from ...analysis.ranking import NotComparable
from ...codecs.names import did_you_mean
from ...corruptions.corruption import CLEAN
from ...corruptions.fourier import PREFIX
from ...corruptions.table import CORRUPTIONS
from .. import store
from ..plan.measures import adopt_named
from ..plan.plans import corruptions_named
from ..store import Recorded, RunFileError, Unshown
from ..store.facts import FACTS
from ..store.provenance import MATCHED, SPECTRA, conflict
from .images import gone_note, unshown_notes

BANDS: Mapping[str, str] = {name: corruption.band for name, corruption in CORRUPTIONS.items()}
"""The band of the spectrum that the paper puts each corruption in."""


class NothingChosen(RunFileError):
    """A run file that holds none of the requested rows; the message says what it holds."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of a run file are requested; an empty field requests everything.

    A corruption may be a band, and a codec may be a label with a point ("jpeg:q75"). Clean images are always included.
    `first` is the number of images of each set, in the order of their names.
    """

    sets: Sequence[str] = ()
    corruptions: Sequence[str] = ()
    severities: Sequence[int] = ()
    codecs: Sequence[str] = ()
    images: Sequence[str] = ()
    first: int | None = None


EVERYTHING = Choice()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows of the run file at `path`, with the columns of `store.read`, and the provenance of their runs by run id.

    `runs` includes runs that searched for matched points or added spectra, even if they have no rows. `gone` lists, by
    set, the images that were no longer in the set when a run last opened it; `rows` leaves them out. `unshown` are the
    shots that could not be made.
    """

    path: Path
    choice: Choice
    rows: pd.DataFrame
    runs: Mapping[str, Mapping[str, Any]]
    gone: Mapping[str, Sequence[str]] = field(default_factory=dict)
    unshown: Sequence[Unshown] = ()

    @classmethod
    def open(cls, path: Path, choice: Choice = EVERYTHING) -> Evidence:
        """Return the chosen rows of a run file.

        Raises RunFileError, NothingChosen if the file or the choice has no rows, UnknownName for an unknown corruption,
        and NotComparable for rows of different versions of a corruption, measure, codec or set.
        """
        rows = store.read(path)
        if rows.empty:
            command = f"codecshift run --out {shlex.quote(str(path))}"
            raise NothingChosen(f"{path} holds no rows yet: measure some with {command}")
        recorded = store.recorded(path)
        rows, gone = _without_gone(chosen(rows, choice, path, "rows"), recorded)
        if rows.empty:
            raise NothingChosen(f"{path} only holds rows of images that are no longer in {', '.join(gone)}")
        rows = _of_images(rows, choice, path)
        adopt_named(name for name in rows.columns[len(store.TABLE_COLUMNS) :] if not name.endswith("_clean"))
        runs = _runs_of(rows, store.runs(path))
        if reason := conflict(runs.values(), recorded):
            raise NotComparable(f"the rows of {path} cannot be compared: {reason}")
        return cls(path, choice, rows, runs, gone, _of_rows(store.unshown(path), rows, recorded))

    def require(self, measure: str) -> None:
        """Raise NotComparable, with the command that helps, if no row has a value of a measure."""
        if measure not in self.rows or self.rows[measure].isna().all():
            command = self.measured().run(f"--measure {measure}")
            raise NotComparable(f"{self.path} has no values of {measure}: measure them with {command}")

    def without_waves(self) -> Evidence:
        """Return the evidence without the waves of heatmaps, which are no real corruptions, unless chosen by name."""
        wanted = [text for text in self.choice.corruptions if text.startswith(PREFIX)]
        is_wave = self.rows["corruption"].str.startswith(PREFIX)
        return replace(self, rows=self.rows[~is_wave | self.rows["corruption"].isin(wanted)])

    def by_set(self) -> Iterable[Evidence]:
        """Yield the evidence of each set."""
        for label, rows in self.rows.groupby("set", sort=True):
            name = str(label)
            unshown = [shot for shot in self.unshown if shot.set == name]
            gone = {name: self.gone[name]} if name in self.gone else {}
            yield replace(self, rows=rows, runs=_runs_of(rows, self.runs), gone=gone, unshown=unshown)

    def spectra(self) -> pd.DataFrame:
        """Return the mean spectra of the chosen sets, with the columns of `store.spectra`."""
        spectra = store.spectra(self.path)
        return spectra[spectra["set"].isin(self.rows["set"].unique())]

    def shifts(self) -> pd.DataFrame:
        """Return the distortion of the corrupted images of the rows, with the columns of `store.shifts`."""
        shifts = store.shifts(self.path)
        return shifts[self._are_of_images(shifts)]

    def profiles(self) -> pd.DataFrame:
        """Return the radial profiles of the images of the rows, indexed as those of `store.profiles`."""
        profiles = store.profiles(self.path)
        return profiles[self._are_of_images(profiles.index.to_frame())]

    def _are_of_images(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Return which lines of a table are of an image of the rows."""
        images = pd.MultiIndex.from_frame(self.rows[["set", "image"]].drop_duplicates())
        return np.asarray(pd.MultiIndex.from_frame(table[["set", "image"]]).isin(images))

    def spectra_settings(self) -> Mapping[str, Any]:
        """Return how the spectra were computed: grid version, channels and window. Empty if there are no spectra."""
        return next((run[SPECTRA] for run in self.runs.values() if SPECTRA in run), {})

    def asked(self) -> tuple[Asked, ...]:
        """Return what the commands of the runs asked for, as far as the run file records it."""
        return tuple(Asked.of(record) for run, record in store.asked(self.path).items() if run in self.runs)

    def measured(self) -> Measured:
        """Return how the rows of the first set were measured, for commands that add to them."""
        rows = self.rows[self.rows["set"] == self.rows["set"].iloc[0]]
        return measured(rows, BANDS, str(self.path), self.asked())

    def facts(self) -> list[dict[str, Any]]:
        """Return the facts that the runs record about their codecs; see `facts`."""
        return facts(self.runs)

    def image_notes(self) -> list[str]:
        """Return one sentence for each kind of image that is left out; an empty list if there are none."""
        return [*unshown_notes(self.unshown), *(gone_note(name, images) for name, images in self.gone.items())]

    def spectra_notes(self) -> list[str]:
        """Return one sentence for each set whose summed spectra include images that are no longer in the set."""
        if not self.gone:
            return []
        images = {(key.set, key.image) for key in store.with_spectra(self.path)}
        in_sums = {name: [image for image in ids if (name, image) in images] for name, ids in self.gone.items()}
        return [
            f"The summed spectra still include images that are no longer in {name}: {', '.join(ids)}."
            for name, ids in in_sums.items()
            if ids
        ]

    def chroma_notes(self, codecs: Iterable[str]) -> list[str]:
        """Return a sentence that names the codecs with subsampled chroma; an empty list if there are none."""
        chroma = {line["codec"]: line["chroma"] for line in self.facts()}
        subsampled = [
            f"{codec} ({chroma[codec]})"
            for codec in dict.fromkeys(codecs)
            if chroma.get(codec) not in {"4:4:4", "?", None}
        ]
        joined = ", ".join(subsampled)
        note = f"Codecs with subsampled chroma, which limits the PSNR they can reach: {joined}."
        return [note] if subsampled else []


def facts(runs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the facts that runs record about their codecs: one line per codec and run. `runs` is keyed by run id."""
    stated = [(codec, run, known) for run, provenance in runs.items() for codec, known in provenance["codecs"].items()]
    return [
        {"codec": codec, "run": run, **{name: known.get(name) for name in FACTS}}
        for codec, run, known in sorted(stated, key=lambda line: line[:2])
    ]


def _without_gone(
    rows: pd.DataFrame, recorded: Mapping[str, Mapping[str, Recorded]]
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return the rows of images that are still in their sets, and the ids of the other images by set."""
    gone: dict[str, list[str]] = {}
    for name, images in recorded.items():
        absent = [image for image, content in images.items() if not content.is_present]
        is_absent = (rows["set"] == name) & rows["image"].isin(absent)
        if is_absent.any():
            gone[name] = sorted(rows["image"][is_absent].unique())
            rows = rows[~is_absent]
    return rows, gone


def _of_rows(
    unshown: Iterable[Unshown], rows: pd.DataFrame, recorded: Mapping[str, Mapping[str, Recorded]]
) -> list[Unshown]:
    """Return the shots that could not be made, for the sets that occur in `rows` and the images still in them."""
    sets = set(rows["set"])
    return [
        shot
        for shot in unshown
        if shot.set in sets and recorded.get(shot.set, {}).get(shot.image, Recorded("", is_present=True)).is_present
    ]


def _runs_of(rows: pd.DataFrame, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the runs that made the rows, and the runs on the same sets that recorded a search or spectra."""
    makers, sets = set(rows["run"]), set(rows["set"])
    return {
        run: provenance
        for run, provenance in runs.items()
        if run in makers
        or (not sets.isdisjoint(provenance["sets"]) and (MATCHED in provenance or SPECTRA in provenance))
    }


def chosen(table: pd.DataFrame, choice: Choice, path: Path, content: str) -> pd.DataFrame:
    """Return the chosen lines of a table; raise NothingChosen if it lacks any of what was asked for.

    The table has the columns set, corruption, severity, codec and point. Lines with codec "" belong to every codec.
    `content` says in words what the table holds, e.g. "rows".
    """
    corruptions = [corruptions_named(text) for text in choice.corruptions]
    kept = np.ones(len(table), bool)
    for column, wanted, always in (
        ("set", [(name,) for name in choice.sets], ()),
        ("corruption", corruptions, (CLEAN,)),
        ("severity", [(severity,) for severity in choice.severities], (0,)),
    ):
        present = set(table[column])
        for names in wanted:
            if present.isdisjoint(names):
                raise NothingChosen(_lacking(path, content, column, names, present))
        if wanted:
            kept &= table[column].isin([*always, *(name for names in wanted for name in names)])
    if choice.codecs:
        label = table["codec"] + ":" + table["point"]
        for name in choice.codecs:
            if not (table["codec"].eq(name) | label.eq(name)).any():
                same_codec = label[table["codec"] == name.partition(":")[0]]
                present = set(same_codec if len(same_codec) else table["codec"]) - {""}
                raise NothingChosen(_lacking(path, content, "codec", (name,), present))
        kept &= table["codec"].isin([*choice.codecs, ""]) | label.isin(choice.codecs)
    return table[kept]


def _of_images(rows: pd.DataFrame, choice: Choice, path: Path) -> pd.DataFrame:
    """Return the rows of the chosen images; raise NothingChosen for an image without rows."""
    present = set(rows["image"])
    for image in choice.images:
        if image not in present:
            raise NothingChosen(_lacking(path, "rows", "image", (image,), present))
    if choice.images:
        rows = rows[rows["image"].isin(choice.images)]
    if choice.first is not None:
        place = rows.groupby("set")["image"].rank("dense")
        rows = rows[place <= choice.first]
    return rows


def _lacking(path: Path, content: str, column: str, wanted: tuple[Any, ...], present: set[Any]) -> str:
    known, asked = list(map(str, sorted(present))), list(map(str, wanted))
    hint = did_you_mean(asked[0], known) if len(asked) == 1 else ""
    return f"{path} holds no {content} of {column} {', '.join(asked)}: expected one of {', '.join(known)}{hint}"
