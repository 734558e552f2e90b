"""The run file: an SQLite file of raw rows with one writer, readable at any time, resumable after any interruption."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from . import images, scores
from .images import Recorded, Removed, Unshown
from .profile import Profile, profiles_of_row, profiles_of_shot, record_profiles
from .reading import Reader
from .rows import COLUMNS, Key, Row, Spectra, Status
from .schema import MARK_SHOTS_NOT_MADE, WHERE_KEY, RunFileError, quoted, where, writing
from .shift import Shift, record_shift
from .sums import SPECTRA_COLUMNS, SUM_KEY, Place, Sums, packed, unpacked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_WRITTEN = (*COLUMNS, "spectra")
_MARKS = ", ".join("?" * len(_WRITTEN))
_INSERT = f"INSERT INTO rows ({quoted(_WRITTEN)}) VALUES ({_MARKS})"  # noqa: S608 - our columns
_UPDATE = f"UPDATE rows SET ({quoted(_WRITTEN)}) = ({_MARKS}) WHERE id = ?"  # noqa: S608

FLUSH_S = 3.0
"""Seconds between two writes of summed spectra; a killed run has to repeat the rows of this time."""
MOST_SUMS = 4000
"""The most sums that wait in memory, where they take 70 MB; beyond that they are written at once."""

SumKey = tuple[str, str, int, str, str, str, str]
"""The primary key of a sum: place, quantity and channel."""


class Added(NamedTuple):
    """The power spectra of n images, added up."""

    n: int
    power: NDArray[np.float64]


class _Present(NamedTuple):
    """The values of a row in the file that decide whether it is replaced."""

    row: int | None = None
    status: Status | None = None
    is_in_sums: bool = False
    coded: tuple[int | None, ...] = ()


class RunFile(Reader):
    """A run file open for writing, by this process alone; make one with `RunFile.open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.path = path
        self._shots: set[tuple[str, str, int, str]] | None = None  # those in the sums, read when first needed
        self._profiled: set[tuple[str, str, int, str]] = set()  # the shots whose profiles this process has written
        # Spectra that are not yet added to the sums. Their rows are written, and are committed together with them.
        self._to_add: dict[SumKey, Added] = {}
        self._is_consistent = True
        self._flushed = time.monotonic()

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[RunFile]:
        """Open `path` for appending, and create it if it does not exist; appended rows survive any exception.

        Raises RunFileError if the file is not a run file, is read-only, is being written by another process or was
        written by a newer version, and if the disk is full.
        """
        with writing(path) as connection:
            file = cls(path, connection)
            try:
                yield file
            finally:
                file.flush()

    def begin(self, run: str, provenance: Mapping[str, Any], started: str, jobs: int) -> None:
        """Record the provenance of a run, and that the run is started or resumed now."""
        self._connection.execute(
            "INSERT OR IGNORE INTO runs (id, provenance) VALUES (?, ?)", (run, json.dumps(provenance, sort_keys=True))
        )
        self._connection.execute("INSERT INTO sittings (run, started, jobs) VALUES (?, ?, ?)", (run, started, jobs))
        self.flush()

    def take(self, set_name: str, recorded: Mapping[str, Recorded], changed: Collection[str] = ()) -> Removed:
        """Record the images of a set and remove the rows of changed images, in one commit.

        Records of shots that could not be made are removed for changed images.
        """
        self.flush()
        images.record(self._connection, set_name, recorded)
        images.unmark(self._connection, set_name, changed)
        removed = images.remove_rows(self._connection, set_name, changed) if changed else Removed(0, 0)
        self._shots = None
        self._profiled.clear()
        self.flush()
        return removed

    def mark(self, shots: Iterable[Unshown]) -> None:
        """Record shots that could not be made; they are not tried again until their image changes or `unmark`."""
        images.mark(self._connection, shots)
        self.flush()

    def unmark(self, set_name: str, image_ids: Collection[str]) -> None:
        """Remove the records of shots of these images that could not be made, so that they are tried again."""
        images.unmark(self._connection, set_name, image_ids)
        self.flush()

    def append(self, rows: Iterable[Row], shifts: Iterable[Shift] = ()) -> None:
        """Write rows and the shifts of their shots, and add the spectra of the rows to the sums.

        Rows without spectra are committed at once. Spectra are added up in memory, because writing sums takes far
        longer than writing rows. They are committed every FLUSH_S seconds in one transaction with their rows and radial
        profiles: a killed process leaves all of them or none.

        A new row replaces the row with the same key, with two exceptions. A failed or skipped row never replaces an
        `ok` row. If spectra are involved, because the old row is in the sums or the new row has spectra, an `ok` row is
        replaced only to add a missing score; its spectra are added once. Scores of the old row stay if the new row has
        the same bytes and errors.

        Raises RunFileError if, in the second case, the new row differs in bytes or errors, and if the file has another
        squared error for a shift. After any exception,
        everything uncommitted is dropped and the file must be closed.
        """
        if not self._is_consistent:
            raise RunFileError(f"{self.path} was left in the middle of a row: run the same command again")
        self._is_consistent = False
        for shift in shifts:
            record_shift(self._connection, shift, self.path)
        for row in rows:
            present = self._present(row.key)
            if present.status == "ok" and row.status != "ok":
                continue
            stays = present.status == "ok" and (present.is_in_sums or row.spectra is not None)
            if stays and present.coded != (row.nbytes, row.error, row.error_clean):
                raise RunFileError(
                    f"{self.path} holds {row.key} with bytes or errors that differ from those measured now: the codec "
                    "or the corruption has changed, so the spectrum does not belong to that row; give another --out"
                )
            if row.spectra is not None:
                self._profile(row.key, row.spectra)
                if not present.is_in_sums:
                    self._add(row.key, row.spectra)
            if not stays or not scores.has_all(self._connection, present.row or 0, row.scores):
                self._write(row, present, is_in_sums=present.is_in_sums or row.spectra is not None)
            elif row.spectra is not None:
                self._connection.execute(f"UPDATE rows SET spectra = 1 WHERE {WHERE_KEY}", row.key)  # noqa: S608
        self._is_consistent = True
        if not self._to_add or len(self._to_add) >= MOST_SUMS or time.monotonic() - self._flushed >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Write and commit the appended rows and spectra; do nothing after an exception in `append`.

        After an exception, a row may be incomplete.
        """
        if not self._is_consistent:
            return
        self._is_consistent = False
        for key, added in self._to_add.items():
            self._sum(key, added)
        self._commit()
        self._to_add.clear()
        self._flushed = time.monotonic()
        self._is_consistent = True

    def fill(
        self,
        rows: Iterable[Row],
        shifts: Iterable[Shift],
        in_sums: Container[Key],
        sums: Mapping[Place, Sums],
        profiles: Iterable[Profile],
    ) -> None:
        """Write the content of other files, possibly of older versions, into this file, which must be empty."""
        for row in rows:
            self._write(row, _Present(), is_in_sums=row.key in in_sums)
        for statement in MARK_SHOTS_NOT_MADE:
            self._connection.execute(statement)
        for place, place_sums in sums.items():
            for quantity, (n, power) in place_sums.sums.items():
                self._sum((*place, *quantity), Added(n, power))
        for shift in shifts:
            record_shift(self._connection, shift, self.path)
        record_profiles(self._connection, profiles)
        self._commit()

    def _present(self, key: Key) -> _Present:
        columns = "id, status, spectra, nbytes, error, error_clean"
        query = f"SELECT {columns} FROM rows WHERE {WHERE_KEY}"  # noqa: S608 - our own columns
        values = self._connection.execute(query, key).fetchone()
        return _Present._make((*values[:3], values[3:])) if values else _Present()

    def _write(self, row: Row, present: _Present, *, is_in_sums: bool) -> None:
        """Write a row with its scores; a present row keeps its id, and its scores if nothing else was coded."""
        values = (*(getattr(row, name) for name in COLUMNS), int(is_in_sums))
        place = present.row
        if place is None:
            place = self._connection.execute(_INSERT, values).lastrowid or 0
        else:
            if present.coded != (row.nbytes, row.error, row.error_clean):
                scores.remove(self._connection, "WHERE id = ?", (place,))
            self._connection.execute(_UPDATE, (*values, place))
        scores.record(self._connection, place, row.scores)

    def _add(self, key: Key, spectra: Spectra) -> None:
        """Add the spectra of a row to the sums of its cell.

        The first row of a shot also adds the spectra of the shot to the sums of its condition.
        """
        if self._shots is None:
            self._shots = {present.shot for present in self.with_spectra()}
        cell = key[:-1]
        for quantity, power in spectra.own.items():
            self._add_later((*cell, *quantity), power)
        if key.shot not in self._shots:
            self._shots.add(key.shot)
            for quantity, power in spectra.shot.items():
                self._add_later((*cell[:3], "", "", *quantity), power)

    def _profile(self, key: Key, spectra: Spectra) -> None:
        """Write the radial profiles of a row, and with the first row of a shot those of the shot."""
        record_profiles(self._connection, profiles_of_row(key, spectra))
        if key.shot not in self._profiled:
            self._profiled.add(key.shot)
            record_profiles(self._connection, profiles_of_shot(key, spectra))

    def _add_later(self, key: SumKey, power: NDArray[np.float64]) -> None:
        added = self._to_add.get(key)
        self._to_add[key] = Added(added.n + 1, added.power + power) if added else Added(1, power)

    def _sum(self, key: SumKey, added: Added) -> None:
        """Add the power of `added.n` images to the stored sum of one quantity and channel."""
        query = f"SELECT rowid, n, power FROM spectra WHERE {where(SUM_KEY)}"  # noqa: S608 - our own columns
        stored = self._connection.execute(query, key).fetchone()
        if stored:
            row, n, power = stored
            total = packed(unpacked(power) + added.power)
            # An UPDATE to a value of the same size is written in place; INSERT OR REPLACE would move the row.
            query = "UPDATE spectra SET n = ?, power = ? WHERE rowid = ?"
            self._connection.execute(query, (n + added.n, total, row))
        else:
            query = f"INSERT INTO spectra ({quoted(SPECTRA_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            self._connection.execute(query, (*key, added.n, packed(added.power)))

    def _commit(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")
