"""Merging run files: the union of their rows, shifts and profiles, and of their sums of spectra."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .images import Recorded, Unshown
from .profile import Profile, profiles_in
from .reading import Reader
from .rows import Key, Row
from .run_file import RunFile
from .schema import RunFileError, reading
from .scores import rows_in
from .shift import Shift, shifts_in, united_shift
from .sums import Place, Sums, sums_in, united


def merge(paths: Sequence[Path], out: Path) -> tuple[int, int]:
    """Write the rows of several run files into `out`, which must not exist; return (rows, rows in several files).

    If a row is in two files, an `ok` row is preferred, and among `ok` rows one with more scores, to which those that
    only the other has are added. Summed spectra over different images are added; sums over images that another file
    covers are counted once. An image counts as present in its set if any of the files says so. `out` is written
    completely or not at all.

    Raises RunFileError if the rows cannot be compared in a report, if an image differs between two files, if two `ok`
    rows differ in bytes or errors or in a score by more than the tolerance of the measure, if two shifts of a shot
    differ in their error, and if the images of two sums overlap partially.
    """
    if out.exists():
        raise RunFileError(f"{out} exists already, and merging writes a new file: give another --out")
    if not out.parent.is_dir():
        raise RunFileError(f"there is no folder {out.parent} to write {out.name} in")
    heads = [_head(path) for path in paths]
    provenances = _comparable(heads)
    images = _united_images(heads)
    rows, in_sums, sums, repeated = _united_rows(heads, images)
    unshown = _united_marks(heads, images, rows.values())
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with RunFile.open(partial) as file:
            for run, provenance in provenances.items():
                file.begin(run, provenance, started="merged", jobs=0)
            for name, recorded in images.items():
                file.take(name, recorded)
            file.fill(rows.values(), _united_shifts(heads, images), in_sums, sums, _every_profile(heads, images))
            file.mark(unshown)
        partial.replace(out)
    finally:
        for suffix in ("", "-wal", "-shm"):
            partial.with_name(partial.name + suffix).unlink(missing_ok=True)
    return len(rows), repeated


def _united_rows(
    heads: Iterable[_Head], images: Mapping[str, Mapping[str, Recorded]]
) -> tuple[dict[Key, Row], set[Key], dict[Place, Sums], int]:
    """Return the rows of all files, the keys of rows in sums, the sums, and the number of rows in several files."""
    rows: dict[Key, Row] = {}
    in_sums: set[Key] = set()
    parts: dict[Place, list[Sums]] = {}
    repeated = 0
    for head in heads:
        with reading(head.path) as connection:
            keys = Reader(connection).with_spectra()
            in_sums |= keys
            for place, part in sums_in(connection, keys).items():
                parts.setdefault(place, []).append(part)
            for row in rows_in(connection):
                if head.is_of_other_content(row.set, row.image, images):
                    continue
                earlier = rows.setdefault(row.key, row)
                if earlier is row:
                    continue
                repeated += 1
                if earlier.status == row.status == "ok" and not earlier.agrees(row):
                    raise RunFileError(
                        f"{head.path} and an earlier file disagree on {row.key}: the rows were made by different "
                        "versions of the codec or corruption"
                    )
                rows[row.key] = _united_row(earlier, row)
    return rows, in_sums, {place: united(place, place_parts) for place, place_parts in parts.items()}, repeated


def _united_row(earlier: Row, later: Row) -> Row:
    """Return the row that stays of two with one key, with the scores of both if both are `ok`."""
    if earlier.status != "ok" or later.status != "ok":
        return later if earlier.status != "ok" else earlier
    kept, other = (later, earlier) if len(later.scores) > len(earlier.scores) else (earlier, later)
    return replace(kept, scores={**other.scores, **kept.scores})


def _united_shifts(heads: Iterable[_Head], images: Mapping[str, Mapping[str, Recorded]]) -> Iterable[Shift]:
    """Return the shifts of all files, one for each shot."""
    shifts: dict[tuple[str, str, int, str], Shift] = {}
    for head in heads:
        with reading(head.path) as connection:
            for shift in shifts_in(connection):
                if not head.is_of_other_content(shift.set, shift.image, images):
                    shifts[shift.shot] = united_shift(shifts.get(shift.shot), shift, head.path)
    return shifts.values()


def _every_profile(heads: Iterable[_Head], images: Mapping[str, Mapping[str, Recorded]]) -> Iterator[Profile]:
    """Yield the profiles of all files; those of one row or shot are the same in every file that has them."""
    for head in heads:
        with reading(head.path) as connection:
            for profile in profiles_in(connection):
                if not head.is_of_other_content(profile.set, profile.image, images):
                    yield profile


def _united_marks(
    heads: Iterable[_Head], images: Mapping[str, Mapping[str, Recorded]], rows: Iterable[Row]
) -> list[Unshown]:
    """Return the shots that could not be made in any of the files."""
    made = {row.key.shot for row in rows if row.status == "ok"}
    read = {(name, image) for name, _, _, image in made}
    return [
        shot
        for head in heads
        for shot in head.unshown
        if not head.is_of_other_content(shot.set, shot.image, images)
        and (shot.set, shot.corruption, shot.severity, shot.image) not in made
        and not (shot.severity == 0 and (shot.set, shot.image) in read)
    ]


@dataclass(frozen=True, slots=True)
class _Head:
    """The facts about the rows of a run file: the provenance of its runs, and the images they were measured on."""

    path: Path
    runs: Mapping[str, Mapping[str, Any]]
    images: Mapping[str, Mapping[str, Recorded]]
    sets: frozenset[str]
    measured: frozenset[tuple[str, str]]
    unshown: Sequence[Unshown]

    def is_of_other_content(self, name: str, image: str, images: Mapping[str, Mapping[str, Recorded]]) -> bool:
        """Return whether this file recorded other content for an image than `images` has."""
        ours, theirs = self.images.get(name, {}).get(image), images.get(name, {}).get(image)
        return ours is not None and theirs is not None and ours.digest != theirs.digest


def _head(path: Path) -> _Head:
    with reading(path) as connection:
        reader = Reader(connection)
        sets = frozenset(name for (name,) in connection.execute('SELECT DISTINCT "set" FROM rows'))
        measured = frozenset(reader.measured())
        return _Head(path, reader.records(), reader.images(), sets, measured, reader.unshown())


def _comparable(heads: Iterable[_Head]) -> dict[str, Mapping[str, Any]]:
    """Return the provenance of all runs; raise RunFileError if their rows cannot be compared."""
    from .provenance import conflict  # noqa: PLC0415 - it imports the codecs, which reading does without

    heads = list(heads)
    provenances = {run: provenance for head in heads for run, provenance in head.runs.items()}
    as_a_whole = {name for head in heads for name in head.sets if name not in head.images}
    by_image = {name for head in heads for name in head.images} - as_a_whole
    if reason := conflict(provenances.values(), by_image):
        files = " and ".join(str(head.path) for head in heads)
        raise RunFileError(
            f"the rows of {files} cannot be compared: {reason}; leave a file out, or measure its rows again with "
            "codecshift run --out"
        )
    return provenances


def _united_images(heads: Iterable[_Head]) -> dict[str, dict[str, Recorded]]:
    """Return the images of all files; raise RunFileError if two files measured different content of an image."""
    images: dict[str, dict[str, Recorded]] = {}
    makers: dict[tuple[str, str], _Head] = {}
    for head in heads:
        for name, recorded in head.images.items():
            set_images = images.setdefault(name, {})
            for image, content in recorded.items():
                earlier = set_images.get(image)
                has_rows = (name, image) in head.measured
                maker = makers.get((name, image))
                if earlier and earlier.digest != content.digest and has_rows and maker:
                    raise RunFileError(
                        f"{maker.path} and {head.path} hold rows of {name}/{image}, but measured different images; "
                        "leave a file out, or measure its rows again with codecshift run --remeasure-changed"
                    )
                if has_rows:
                    makers.setdefault((name, image), head)
                is_present = content.is_present or (earlier is not None and earlier.is_present)
                chosen = content if earlier is None or (has_rows and maker is None) else earlier
                set_images[image] = Recorded(chosen.digest, is_present)
    return images
