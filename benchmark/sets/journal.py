"""The journal of an unfinished set: the set that is being made, and the files written so far."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from ...corruptions.sets.generated import UNFINISHED, GeneratedError, Manifest, Place, Stored, file_of

JOURNAL = "journal.sqlite"
_APPLICATION_ID = 0x43534A4C  # "CSJL"


def refuse_other(out: Path, present: Manifest, wanted: Manifest) -> None:
    """Raise GeneratedError if the manifest in `out` is of another set or recipe than the wanted one."""
    if reason := present.difference(wanted):
        raise GeneratedError(f"{out} holds {reason}; nothing was changed: give another --out")


class Journal:
    """The journal of one folder; only one process at a time can open it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, out: Path, wanted: Manifest) -> Iterator[Journal]:
        """Open the journal in `out` for the `wanted` manifest; create the folder and the journal if needed."""
        (out / UNFINISHED).mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(out / UNFINISHED / JOURNAL, timeout=0, isolation_level=None)) as connection:
                # The lock is kept until the end: a second process is refused instead of doing the same work.
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("BEGIN IMMEDIATE")
                cls._claim(out, connection, wanted)
                connection.execute("COMMIT")
                yield cls(connection)
        except sqlite3.Error as error:
            reason = str(error)
            if "locked" in reason or "busy" in reason:
                reason = "another codecshift generate is writing there"
            elif "not a database" in reason or "malformed" in reason:
                reason = f"its folder {UNFINISHED} is damaged: remove it, or give another --out"
            raise GeneratedError(f"{out}: {reason}") from error

    @staticmethod
    def _claim(out: Path, connection: sqlite3.Connection, wanted: Manifest) -> None:
        """Record the wanted manifest, and delete the files of images that have changed or are gone.

        Raises GeneratedError if the files written so far belong to another set or recipe.
        """
        if connection.execute("PRAGMA application_id").fetchone() == (0,):
            connection.execute("CREATE TABLE IF NOT EXISTS wanted (manifest TEXT NOT NULL)")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS files (image TEXT NOT NULL, corruption TEXT NOT NULL, "
                "severity INTEGER NOT NULL, nbytes INTEGER NOT NULL, sha256 TEXT NOT NULL, pixels TEXT NOT NULL, "
                "PRIMARY KEY (image, corruption, severity)) WITHOUT ROWID"
            )
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        written = {image for (image,) in connection.execute("SELECT DISTINCT image FROM files")}
        for (text,) in connection.execute("SELECT manifest FROM wanted").fetchall():
            if not written:
                break
            try:
                begun = Manifest.parse(text)
            except GeneratedError as error:
                raise GeneratedError(
                    f"{out} is not finished, and its manifest {error}: remove the folder, or give another --out"
                ) from error
            kept = {original.id for original in {*begun.images} & {*wanted.images}}
            # Images may have been repaired, added or removed since then, if some of the written files are still valid.
            refuse_other(out, replace(begun, digest=wanted.digest) if kept & written else begun, wanted)
            left = [condition for condition in begun.conditions if condition not in wanted.conditions]
            if left:
                raise GeneratedError(
                    f"{out} is not finished, and was started with {left[0][0]}@{left[0][1]}, which this command does "
                    "not ask for: finish it with the command that started it, or give another --out"
                )
            for place in begun.places():
                if place[0] not in kept:
                    (out / file_of(place)).unlink(missing_ok=True)
            connection.executemany("DELETE FROM files WHERE image = ?", [(image,) for image in written - kept])
        connection.execute("DELETE FROM wanted")
        connection.execute("INSERT INTO wanted VALUES (?)", (wanted.text(),))

    def files(self) -> dict[Place, Stored]:
        """Return every file that was written, by place."""
        rows = self._connection.execute("SELECT image, corruption, severity, nbytes, sha256, pixels FROM files")
        return {(image, corruption, severity): Stored(*stored) for image, corruption, severity, *stored in rows}

    def add(self, place: Place, stored: Stored) -> None:
        """Record a file that was written."""
        values = (*place, stored.nbytes, stored.sha256, stored.pixels)
        self._connection.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", values)
