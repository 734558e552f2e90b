"""The schema of run files: tables, upgrades from older versions, and connections for reading and writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from .rows import Key
from .snapshots import NeverStill, may_write, snapshot

SCHEMA_VERSION = 5
APPLICATION_ID = 0x43534654  # "CSFT"

MARK_SHOTS_NOT_MADE = (
    """INSERT OR IGNORE INTO unshown ("set", image, corruption, severity, reason)
        SELECT "set", image, 'none', 0, substr(message, instr(substr(message, 8), ': ') + 9)
        FROM rows WHERE message LIKE 'image: UnreadableImage: %' OR message LIKE 'image: SetError: %'""",
    """INSERT OR IGNORE INTO unshown ("set", image, corruption, severity, reason)
        SELECT "set", image, corruption, severity, substr(message, 8) FROM rows
        WHERE message LIKE 'image: %' AND message NOT LIKE 'image: UnreadableImage: %'
        AND message NOT LIKE 'image: SetError: %'""",
    "DELETE FROM rows WHERE status = 'failed' AND message LIKE 'image: %'",
)
"""The statements that move shots that could not be made, which were failed rows up to version 2, to `unshown`."""

LOSSLESS_SHOTS = """SELECT "set", corruption, severity, image, height, width,
        error_clean AS error, max(ms_ssim_clean) AS ms_ssim, run
    FROM rows WHERE status = 'ok' AND error = 0 AND corruption != 'none' GROUP BY 1, 2, 3, 4"""
"""A query for the shifts that lossless rows tell: what they decoded is the shown image."""

SCORES_BEFORE_5 = {("ms_ssim", "shown"): "ms_ssim", ("ms_ssim", "clean"): "ms_ssim_clean"}
"""The measures and references that had a column of `rows` up to version 4."""

# New in version 5: the values of measures have tables of their own, `scores` for rows and `shift_scores` for shifts, so
# that a further measure changes no schema. Rows and shifts have an id, which stays when a row is replaced, and is never
# used again after a row was deleted by hand. The values of one measure lie together, as they are read: hence the order
# of the columns in the primary keys.
_ROW_COLUMNS = """"set", corruption, severity, codec, point, image, height, width, nbytes, error, error_clean,
        encode_s, decode_s, status, message, run, spectra"""
_SINCE_VERSION_5 = (
    "ALTER TABLE rows RENAME TO rows_4",
    "ALTER TABLE shifts RENAME TO shifts_4",
    """CREATE TABLE rows (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL,
        codec TEXT NOT NULL, point TEXT NOT NULL, image TEXT NOT NULL,
        height INTEGER, width INTEGER, nbytes INTEGER, error INTEGER, error_clean INTEGER,
        encode_s REAL, decode_s REAL,
        status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'skipped')), message TEXT NOT NULL,
        run TEXT NOT NULL REFERENCES runs,
        spectra INTEGER NOT NULL DEFAULT 0 CHECK (spectra IN (0, 1)),
        UNIQUE ("set", corruption, severity, codec, point, image)
    )""",
    """CREATE TABLE scores (
        measure TEXT NOT NULL, reference TEXT NOT NULL CHECK (reference IN ('shown', 'clean')),
        row INTEGER NOT NULL REFERENCES rows, value REAL NOT NULL,
        PRIMARY KEY (measure, reference, row)
    ) WITHOUT ROWID""",
    """CREATE TABLE shifts (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL, image TEXT NOT NULL,
        height INTEGER NOT NULL, width INTEGER NOT NULL, error INTEGER NOT NULL,
        run TEXT NOT NULL REFERENCES runs,
        UNIQUE ("set", corruption, severity, image)
    )""",
    """CREATE TABLE shift_scores (
        measure TEXT NOT NULL, shift INTEGER NOT NULL REFERENCES shifts, value REAL NOT NULL,
        PRIMARY KEY (measure, shift)
    ) WITHOUT ROWID""",
    f"INSERT INTO rows ({_ROW_COLUMNS}) SELECT {_ROW_COLUMNS} FROM rows_4 ORDER BY 1, 2, 3, 4, 5, 6",  # noqa: S608
    *(
        f"""INSERT INTO scores (measure, reference, row, value) SELECT '{measure}', '{reference}', id, {column}
            FROM rows JOIN rows_4 USING ("set", corruption, severity, codec, point, image)
            WHERE {column} IS NOT NULL ORDER BY id"""  # noqa: S608 - our own columns
        for (measure, reference), column in SCORES_BEFORE_5.items()
    ),
    """INSERT INTO shifts ("set", corruption, severity, image, height, width, error, run)
        SELECT "set", corruption, severity, image, height, width, error, run FROM shifts_4 ORDER BY 1, 2, 3, 4""",
    """INSERT INTO shift_scores (measure, shift, value) SELECT 'ms_ssim', id, ms_ssim
        FROM shifts JOIN shifts_4 USING ("set", corruption, severity, image) WHERE ms_ssim IS NOT NULL""",
    "DROP TABLE rows_4",
    "DROP TABLE shifts_4",
    "PRAGMA user_version = 5",
)
# New in version 4: the table `shifts` has the distortion of each corrupted shot against its clean image. The table
# `profiles` has the radial profile of each spectrum of each image that is in the sums; sums that were measured before
# have none. As in `spectra`, profiles of a shot have codec "" and point "".
_SINCE_VERSION_4 = (
    """CREATE TABLE shifts (
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL, image TEXT NOT NULL,
        height INTEGER NOT NULL, width INTEGER NOT NULL, error INTEGER NOT NULL, ms_ssim REAL,
        run TEXT NOT NULL REFERENCES runs,
        PRIMARY KEY ("set", corruption, severity, image)
    ) WITHOUT ROWID""",
    f"INSERT INTO shifts {LOSSLESS_SHOTS}",
    """CREATE TABLE profiles (
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL,
        codec TEXT NOT NULL, point TEXT NOT NULL, image TEXT NOT NULL, quantity TEXT NOT NULL,
        density BLOB NOT NULL,
        PRIMARY KEY ("set", corruption, severity, codec, point, image, quantity)
    ) WITHOUT ROWID""",
    "PRAGMA user_version = 4",
)
# New in version 3: the table `images` has the images that a set has or had, each with a digest of the content its rows
# were measured on; `is_present` is 1 if the set had it when a run last opened it. The table `unshown` has the shots
# that could not be made, which were failed rows of every codec before. A shot with corruption "none" stands for all
# shots of its image.
_SINCE_VERSION_3 = (
    """CREATE TABLE images (
        "set" TEXT NOT NULL, image TEXT NOT NULL, digest TEXT NOT NULL,
        is_present INTEGER NOT NULL CHECK (is_present IN (0, 1)),
        PRIMARY KEY ("set", image)
    ) WITHOUT ROWID""",
    """CREATE TABLE unshown (
        "set" TEXT NOT NULL, image TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY ("set", image, corruption, severity)
    ) WITHOUT ROWID""",
    *MARK_SHOTS_NOT_MADE,
    "PRAGMA user_version = 3",
)
# New in version 2: whether the spectra of a row are in the sums, and the sums. Sums over the shots of a condition, for
# all codecs, have codec "" and point ""; they include each image that has a row in any sum of the condition.
_SINCE_VERSION_2 = (
    "ALTER TABLE rows ADD COLUMN spectra INTEGER NOT NULL DEFAULT 0 CHECK (spectra IN (0, 1))",
    """CREATE TABLE spectra (
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL,
        codec TEXT NOT NULL, point TEXT NOT NULL, quantity TEXT NOT NULL, channel TEXT NOT NULL,
        n INTEGER NOT NULL, power BLOB NOT NULL,
        PRIMARY KEY ("set", corruption, severity, codec, point, quantity, channel)
    )""",
    "PRAGMA user_version = 2",
)
_VERSION_1 = (
    "CREATE TABLE runs (id TEXT PRIMARY KEY, provenance TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE sittings (run TEXT NOT NULL REFERENCES runs, started TEXT NOT NULL, jobs INTEGER NOT NULL)",
    """CREATE TABLE rows (
        "set" TEXT NOT NULL, corruption TEXT NOT NULL, severity INTEGER NOT NULL,
        codec TEXT NOT NULL, point TEXT NOT NULL, image TEXT NOT NULL,
        height INTEGER, width INTEGER, nbytes INTEGER, error INTEGER, error_clean INTEGER,
        ms_ssim REAL, ms_ssim_clean REAL, encode_s REAL, decode_s REAL,
        status TEXT NOT NULL CHECK (status IN ('ok', 'failed', 'skipped')), message TEXT NOT NULL,
        run TEXT NOT NULL REFERENCES runs,
        PRIMARY KEY ("set", corruption, severity, codec, point, image)
    ) WITHOUT ROWID""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    "PRAGMA user_version = 1",
)
_UPGRADES = {0: _VERSION_1, 1: _SINCE_VERSION_2, 2: _SINCE_VERSION_3, 3: _SINCE_VERSION_4, 4: _SINCE_VERSION_5}
"""The statements that upgrade a file by one version; a file of version 0 is empty."""

_PATIENCE = 2.0  # seconds to wait for readers, which may lock the file briefly when they open or close it


class RunFileError(ValueError):
    """A file that cannot be used as a run file; the message says why and what to do."""


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to a consistent snapshot of the run file at `path`. Raises RunFileError."""
    with _plain_errors(path), ExitStack() as lifetime:
        with _plain_refusals(path):
            if not path.is_file():
                raise RunFileError(f"no run file at {path}")
            connection = lifetime.enter_context(snapshot(path))
        _check(path, connection)
        yield connection


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Connect to the run file at `path`, created if it does not exist, with its write lock. Raises RunFileError.

    A write transaction is open, so a second writer is refused, but readers are not. Uncommitted changes are rolled
    back at the end.
    """
    with _plain_errors(path), ExitStack() as lifetime:
        with _plain_refusals(path):
            connection = lifetime.enter_context(closing(_connect_to_write(path)))
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema version of a file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def quoted(names: Iterable[str]) -> str:
    """Return column names as a quoted list for a query."""
    return ", ".join(f'"{name}"' for name in names)


def where(names: Iterable[str]) -> str:
    """Return a WHERE condition with one placeholder per column."""
    return " AND ".join(f'"{name}" = ?' for name in names)


KEY, WHERE_KEY = quoted(Key._fields), where(Key._fields)


def _connect_to_write(path: Path) -> sqlite3.Connection:
    if path.is_dir():
        raise RunFileError(f"{path} is a folder, expected the path of a run file")
    if not path.parent.is_dir():
        raise RunFileError(f"there is no folder {path.parent} to write {path.name} in")
    if path.exists():
        if not path.is_file():
            raise RunFileError(f"{path} is not a regular file: give another --out")
        if not may_write(path):
            raise RunFileError(f"{path} is read-only: give another --out, or make it writable")
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    try:
        if not _is_blank(connection):
            _check(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        # Under the lock: another process may have upgraded the file in the meantime.
        while (version := version_of(connection)) < SCHEMA_VERSION:
            for statement in _UPGRADES[version]:
                connection.execute(statement)
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Return whether a database is empty: it is new, or its creator was killed before it wrote the tables."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(application == 0 and tables == 0)


def _check(path: Path, connection: sqlite3.Connection) -> None:
    if _is_blank(connection):
        raise RunFileError(f"{path} holds nothing yet: wait for the run that made it, or start that run again")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = version_of(connection)
    if application != APPLICATION_ID:
        raise RunFileError(f"{path} is a database, but not a codecshift run file")
    if version > SCHEMA_VERSION:
        raise RunFileError(
            f"{path} was written by a newer codecshift (schema {version}, this one knows {SCHEMA_VERSION}): "
            "upgrade with pip install -U codecshift"
        )


@contextmanager
def _plain_refusals(path: Path) -> Iterator[None]:
    """Turn OSError and NeverStill, raised while connecting, into sentences about the run file."""
    try:
        yield
    except NeverStill as error:
        raise RunFileError(
            f"{path} is being written, and this account may only read there: try again, or wait until the run has ended"
        ) from error
    except OSError as error:
        raise RunFileError(f"{path} cannot be a run file: {error.strerror}") from error


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences about the run file."""
    try:
        yield
    except sqlite3.Error as error:
        reason = str(error)
        if "locked" in reason or "busy" in reason:
            reason = "another codecshift run is writing to it"
        elif "full" in reason:
            reason = "the disk is full; everything committed before is kept: free some space and run the same command"
        elif "readonly" in reason or "unable to open" in reason:
            reason = "it cannot be opened there (is its folder writable?)"
        elif any(sign in reason for sign in ("not a database", "malformed", "no such table", "no such column")):
            damaged = f"it is a damaged run file ({reason}): restore a copy of it, or measure again into another file"
            reason = damaged if _bears_our_mark(path) else f"it is not a codecshift run file ({reason})"
        raise RunFileError(f"{path}: {reason}") from error


def _bears_our_mark(path: Path) -> bool:
    """Return whether a file has the header of a run file, even if the rest is damaged."""
    with path.open("rb") as file:
        header = file.read(72)
    return header.startswith(b"SQLite format 3\0") and header[68:] == APPLICATION_ID.to_bytes(4, "big")
