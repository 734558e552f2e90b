"""The run file: one SQLite file of raw rows, appended by one writer, readable at any time, resumable after any end."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
APPLICATION_ID = 0x43534654  # "CSFT"

Status = Literal["ok", "failed", "skipped"]


class Key(NamedTuple):
    """What one row is about: the primary key of the run file."""

    set: str
    corruption: str
    severity: int
    codec: str
    point: str
    image: str


@dataclass(frozen=True, slots=True)
class Row:
    """One image under one corruption through one codec point, as it was measured: nothing derived, nothing rounded.

    `error` and `error_clean` are summed squared errors against the shown and the clean image; times are in seconds.
    Whatever was not measured is None, and `message` then says why.
    """

    set: str
    corruption: str
    severity: int
    codec: str
    point: str
    image: str
    height: int | None
    width: int | None
    nbytes: int | None
    error: int | None
    error_clean: int | None
    ms_ssim: float | None
    ms_ssim_clean: float | None
    encode_s: float | None
    decode_s: float | None
    status: Status
    message: str
    run: str

    @property
    def key(self) -> Key:
        """The row's primary key."""
        return Key(self.set, self.corruption, self.severity, self.codec, self.point, self.image)


COLUMNS = tuple(field.name for field in fields(Row))
TABLE_COLUMNS = (
    *("set", "corruption", "severity", "codec", "point", "image", "height", "width", "nbytes", "bpp", "psnr"),
    *("psnr_clean", "ms_ssim", "ms_ssim_clean", "encode_s", "decode_s", "status", "run"),
)
"""The columns of `read`, in order; other programs rely on them."""

_SCHEMA = (
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
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class RunFileError(ValueError):
    """A file that cannot be used as a run file; the message says why, and what to do."""


class RunFile:
    """A run file open for writing, by this process alone; make one with `RunFile.open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[RunFile]:
        """Open `path` for appending, creating it if there is none; whatever was appended stays, however this ends.

        Raises RunFileError for a file that is not a run file, is read-only, is being written by another process or was
        written by a newer version, and when the disk is full.
        """
        # A write transaction is held open from here on, so that a second writer is refused; readers are not.
        with _told_plainly(path), closing(_connect(path)) as connection:
            try:
                yield cls(path, connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def statuses(self, measures: Iterable[str] = ()) -> dict[Key, Status]:
        """Return the status of every row there is, but for those whose run left out one of these measures."""
        return _statuses(self._connection, measures)

    def rows_under(self, of: str, corruption: str, measures: Iterable[str] = ()) -> list[Row]:
        """Return the raw rows of one set under one corruption, but for those as above."""
        return _rows_under(self._connection, of, corruption, measures)

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the provenance of each run that has rows here, by run id."""
        return _runs(self._connection)

    def begin(self, run: str, provenance: Mapping[str, Any], started: str, jobs: int) -> None:
        """Record where the rows of a run come from, and that a sitting of it begins now."""
        self._connection.execute(
            "INSERT OR IGNORE INTO runs VALUES (?, ?)", (run, json.dumps(provenance, sort_keys=True))
        )
        self._connection.execute("INSERT INTO sittings VALUES (?, ?, ?)", (run, started, jobs))
        self._commit()

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows, in place of any of the same key, and make them permanent."""
        marks = ", ".join("?" * len(COLUMNS))
        self._connection.executemany(f"INSERT OR REPLACE INTO rows VALUES ({marks})", map(astuple, rows))  # noqa: S608
        self._commit()

    def _commit(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")


def read(path: str | Path) -> pd.DataFrame:
    """Return the rows of a run file as a table with the columns TABLE_COLUMNS, in the order of the primary key.

    bpp is 8 nbytes / (height width); PSNR in dB is infinite where the image came back unchanged. Rows that failed or
    were skipped hold NaN. Raises RunFileError if `path` is not a run file this version can read.
    """
    import numpy as np  # noqa: PLC0415 - the command line starts without pandas and numpy

    from ..analysis.distortion import psnr  # noqa: PLC0415

    table = _frame(path, COLUMNS)
    for name in ("set", "corruption", "codec", "point", "image", "status", "run"):
        table[name] = table[name].astype("str")
    table["severity"] = table["severity"].astype("int64")
    for name in ("height", "width", "nbytes", "error", "error_clean"):
        table[name] = table[name].astype("Int64")
    for name in ("ms_ssim", "ms_ssim_clean", "encode_s", "decode_s"):
        table[name] = table[name].astype("float64")
    pixels = (table["height"] * table["width"]).to_numpy(np.float64, na_value=np.nan)
    table["bpp"] = 8 * table["nbytes"].to_numpy(np.float64, na_value=np.nan) / pixels
    for name, error in (("psnr", "error"), ("psnr_clean", "error_clean")):
        table[name] = psnr(table[error].to_numpy(np.float64, na_value=np.nan), pixels)
    return table[list(TABLE_COLUMNS)]


def rows_under(path: Path, of: str, corruption: str, measures: Iterable[str] = ()) -> list[Row]:
    """Return the raw rows of one set under one corruption, but for those whose run left out one of these measures."""
    with _reading(path) as connection:
        return _rows_under(connection, of, corruption, measures)


def faults(path: str | Path) -> pd.DataFrame:
    """Return the rows that failed or were skipped: the key, `status` and `message`."""
    table = _frame(path, (*Key._fields, "status", "message"))
    return table[table["status"] != "ok"].reset_index(drop=True)


def statuses(path: Path, measures: Iterable[str] = ()) -> dict[Key, Status]:
    """Return the status of every row of a run file, but for those whose run left out one of these measures."""
    with _reading(path) as connection:
        return _statuses(connection, measures)


def runs(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of each run in a run file, by run id."""
    with _reading(Path(path)) as connection:
        return _runs(connection)


def merge(paths: Sequence[Path], out: Path) -> tuple[int, int]:
    """Write the rows of several run files into `out`, which must not exist; return (rows, rows that several held).

    Where two files hold the same row, one that is ok goes before one that is not, and one with MS-SSIM before one whose
    run left it out. Raises RunFileError where both are ok and differ in bytes or errors, or in MS-SSIM by more than a
    hundred-thousandth.
    """
    if out.exists():
        raise RunFileError(f"{out} exists already: merging writes a new file")
    rows: dict[Key, Row] = {}
    provenances: dict[str, dict[str, Any]] = {}
    repeated = 0
    for path in paths:
        with _reading(path) as connection:
            provenances |= _runs(connection)
            for values in connection.execute(f"SELECT {', '.join(_quoted(COLUMNS))} FROM rows"):  # noqa: S608
                row = Row(*values)
                other = rows.setdefault(row.key, row)
                if other is row:
                    continue
                repeated += 1
                if other.status == row.status == "ok" and not _agree(other, row):
                    key = row.key
                    raise RunFileError(
                        f"{path} and an earlier file disagree on {key.set}/{key.corruption}@{key.severity} "
                        f"{key.codec}:{key.point} {key.image}: they were not made by the same codec or corruption"
                    )
                if other.status != "ok" or (row.status == "ok" and other.ms_ssim is None):
                    rows[row.key] = row
    with RunFile.open(out) as file:
        for run, provenance in provenances.items():
            file.begin(run, provenance, started="merged", jobs=0)
        file.append(rows.values())
    return len(rows), repeated


def _agree(one: Row, other: Row) -> bool:
    if (one.nbytes, one.error, one.error_clean) != (other.nbytes, other.error, other.error_clean):
        return False
    # MS-SSIM is summed in single precision: its last digits are the processor's.
    pairs = ((one.ms_ssim, other.ms_ssim), (one.ms_ssim_clean, other.ms_ssim_clean))
    return all(a is None or b is None or abs(a - b) <= 1e-5 for a, b in pairs)


def _frame(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - heavy

    query = f"SELECT {', '.join(_quoted(columns))} FROM rows ORDER BY {', '.join(_quoted(Key._fields))}"  # noqa: S608
    with _reading(Path(path)) as connection:
        return pd.DataFrame(connection.execute(query).fetchall(), columns=list(columns))


def _quoted(names: Iterable[str]) -> Iterator[str]:
    return (f'"{name}"' for name in names)


def _statuses(connection: sqlite3.Connection, measures: Iterable[str]) -> dict[Key, Status]:
    columns = ", ".join(_quoted(Key._fields))
    lacking = _lacking(connection, measures)
    rows = connection.execute(f"SELECT {columns}, status, run FROM rows")  # noqa: S608 - names of our own columns
    return {Key(*key): status for *key, status, run in rows if status != "ok" or run not in lacking}


def _rows_under(connection: sqlite3.Connection, of: str, corruption: str, measures: Iterable[str]) -> list[Row]:
    query = f'SELECT {", ".join(_quoted(COLUMNS))} FROM rows WHERE "set" = ? AND corruption = ?'  # noqa: S608 - as above
    lacking = _lacking(connection, measures)
    rows = (Row(*values) for values in connection.execute(query, (of, corruption)))
    return [row for row in rows if row.status != "ok" or row.run not in lacking]


def _lacking(connection: sqlite3.Connection, measures: Iterable[str]) -> set[str]:
    """Return the runs that left out one of these measures."""
    wanted = set(measures)
    return {
        run for run, provenance in _runs(connection).items() if not wanted <= set(provenance.get("measures", wanted))
    }


def _runs(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    return {run: json.loads(text) for run, text in connection.execute("SELECT id, provenance FROM runs ORDER BY id")}


def _connect(path: Path) -> sqlite3.Connection:
    """Return a connection that holds the write lock of the run file at `path`, made where there is none."""
    if path.is_dir():
        raise RunFileError(f"{path} is a folder, expected the path of a run file")
    if not path.parent.is_dir():
        raise RunFileError(f"there is no folder {path.parent} to write {path.name} in")
    if path.exists():
        if not path.is_file():
            raise RunFileError(f"{path} is not a regular file: give another --out")
        if not (path.stat().st_mode & stat.S_IWUSR and os.access(path, os.W_OK)):
            raise RunFileError(f"{path} is read-only: give another --out, or make it writable")
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        if not _is_blank(connection):
            _check(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        if _is_blank(connection):  # asked again under the lock: another process may have been first
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
            connection.execute("BEGIN IMMEDIATE")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_blank(connection: sqlite3.Connection) -> bool:
    """Say whether a database holds nothing: it is new, or its maker was killed before it wrote the tables."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return bool(application == 0 and tables == 0)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with _told_plainly(path):
        if not path.is_file():
            raise RunFileError(f"no run file at {path}")
        # A write-ahead log left by a killed run is read too, and needs a writable folder for that; a file without
        # one is taken as it is, so that archives on read-only media can be read. The log lies beside the file itself,
        # not beside a link to it.
        place = path.resolve()
        log = place.with_name(place.name + "-wal")
        mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
        with closing(sqlite3.connect(f"{place.as_uri()}?{mode}", uri=True)) as connection:
            _check(path, connection)
            yield connection


def _check(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise RunFileError(f"{path} is a database, but not a codecshift run file")
    if version > SCHEMA_VERSION:
        raise RunFileError(
            f"{path} was written by a newer codecshift (schema {version}, this one knows {SCHEMA_VERSION}): "
            "upgrade with pip install -U codecshift"
        )


@contextmanager
def _told_plainly(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences about the run file."""
    try:
        yield
    except OSError as error:
        raise RunFileError(f"{path} cannot be a run file: {error.strerror}") from error
    except sqlite3.Error as error:
        reason = str(error)
        if "locked" in reason or "busy" in reason:
            reason = "another codecshift run is writing to it"
        elif "full" in reason:
            reason = "the disk is full; everything committed before is kept: free some space and run the same command"
        elif "readonly" in reason or "unable to open" in reason:
            reason = "it cannot be opened there (is its folder writable?)"
        elif "not a database" in reason or "malformed" in reason:
            reason = f"it is not a codecshift run file ({reason})"
        raise RunFileError(f"{path}: {reason}") from error
