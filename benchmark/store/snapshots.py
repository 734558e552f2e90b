"""Connections that read a database at one moment in time, whoever writes to it, wherever it lies."""

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

_PATIENCE = 30.0  # seconds to wait for a lock: another process is finishing what a killed one left
_PARTS = ("", "-wal", "-journal")  # what SQLite recovers a database from, by what is added to its name


class NeverStill(Exception):
    """A database in a read-only place that was being written whenever a reader tried."""


def may_write(path: Path) -> bool:
    """Return whether this process may write to a file or folder, and its mode says so, which root could ignore."""
    return bool(path.stat().st_mode & stat.S_IWUSR) and os.access(path, os.W_OK)


@contextmanager
def snapshot(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to the database at `path`, which exists, with all queries reading the state of one moment.

    Nothing is left beside the database. Raises OSError, sqlite3.Error and NeverStill.
    """
    database = path.resolve()  # the log lies beside the file itself, not beside a link to it
    if may_write(database) and may_write(database.parent):
        # SQLite keeps readers and writers apart by files beside the database. Only a connection that may write removes
        # them again, and what a killed writer left.
        with closing(_connected(database, "rw")) as connection:
            _begin(connection)
            yield connection
        return
    with TemporaryDirectory(prefix="codecshift-") as folder, closing(_read_only(database, Path(folder))) as connection:
        yield connection


def _read_only(database: Path, folder: Path) -> sqlite3.Connection:
    """Return a connection to a copy in `folder`, or, where a writer is too busy for that, to the database itself."""
    for _ in range(TRIES):
        if copy := _copied(database, folder):
            connection = _connected(copy, "rw")
            _begin(connection)
            return connection
        # The database changed under the copy, so there is a writer, whose locks a reader can share.
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
    connection.execute("PRAGMA schema_version").fetchone()  # the first thing that is read fixes the moment


def _copied(database: Path, folder: Path) -> Path | None:
    """Copy a database and what belongs to it; return the copy, or None where it changed in the meantime.

    What two readings in a row agree on is the state at one moment between them, which SQLite can recover like that
    after a crash: each byte was the same before and after that moment, and none ever returns to an earlier state. The
    database is read before its log, so that where there is no log, nobody was writing when the first reading ended.
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
