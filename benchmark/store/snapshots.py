"""Connections that read a consistent snapshot of a database, even if it is being written or in a read-only folder."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

TRIES = 20
"""How often a database in a read-only place is copied or opened before a reader gives up."""

_PATIENCE = 30.0  # seconds to wait for a lock: another process may be recovering from a killed writer
_PARTS = ("", "-wal", "-journal")  # suffixes of the files from which SQLite recovers a database


class NeverStill(Exception):
    """A database in a read-only place that was being written at every attempt to read it."""


def may_write(path: Path) -> bool:
    """Return whether this process may write to a file or folder; its mode must allow it too, even for root."""
    return bool(path.stat().st_mode & stat.S_IWUSR) and os.access(path, os.W_OK)


@contextmanager
def snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to the existing database at `path`; all queries read the same state.

    No files are left beside the database. Raises OSError, sqlite3.Error and NeverStill.
    """
    database = path.resolve()  # the log is beside the file itself, not beside a link to it
    if may_write(database) and may_write(database.parent):
        # SQLite coordinates readers and writers through files beside the database. Only a connection with write access
        # removes them, and recovers from a killed writer.
        with closing(_connected(database, "rw")) as connection:
            _begin(connection)
            yield connection
        return
    with TemporaryDirectory(prefix="codecshift-") as folder, closing(_read_only(database, Path(folder))) as connection:
        yield connection


def _read_only(database: Path, folder: Path) -> sqlite3.Connection:
    """Return a connection to a copy in `folder`, or to the database itself if it is written during every copy."""
    for _ in range(TRIES):
        if copy := _copied(database, folder):
            connection = _connected(copy, "rw")
            _begin(connection)
            return connection
        # The database changed during the copy, so there is a writer, whose locks a reader can share.
        connection = _connected(database, "ro")
        try:
            _begin(connection)
        except sqlite3.Error:  # the writer has gone, or holds no lock that can be shared without write permission
            connection.close()
        else:
            return connection
    raise NeverStill


def _connected(database: Path, mode: str) -> sqlite3.Connection:
    uri = f"{database.as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)


def _begin(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = 1")
    connection.execute("BEGIN")
    connection.execute("PRAGMA schema_version").fetchone()  # the first read fixes the snapshot


def _copied(database: Path, folder: Path) -> Path | None:
    """Copy a database with its log; return the copy, or None if it changed during copying.

    All files are read twice. If both readings agree, they are the state at a moment between them, because no byte ever
    returns to an earlier value; SQLite can recover that state as after a crash. The database is read before its log:
    if there is no log, nobody was writing when the first reading ended.
    """
    content = _parts(database)
    if content != _parts(database):
        return None
    for part, data in content.items():
        if data is not None:
            (folder / f"copy{part}").write_bytes(data)
    return folder / "copy"


def _parts(database: Path) -> dict[str, bytes | None]:
    contents: dict[str, bytes | None] = {}
    for part in _PARTS:
        try:
            contents[part] = Path(f"{database}{part}").read_bytes()
        except FileNotFoundError:
            if not part:
                raise
            contents[part] = None
    return contents
