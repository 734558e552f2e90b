"""The run file: one SQLite file of raw rows, appended by one writer, readable at any time, resumable after any end."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

SCHEMA_VERSION = 2
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


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """The power spectra that come with a row, by quantity and channel, each on the grid of `analysis.spectrum`.

    `own` are those of what the codec made of the shot; `shot` are those of the shot itself, the same with each of its
    rows. The run file keeps their sums over the images of a cell, and of a condition.
    """

    own: Mapping[tuple[str, str], NDArray[np.float64]]
    shot: Mapping[tuple[str, str], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Row:
    """One image under one corruption through one codec point, as it was measured: nothing derived, nothing rounded.

    `error` and `error_clean` are summed squared errors against the shown and the clean image; times are in seconds.
    Whatever was not measured is None, and `message` then says why. `spectra` is no column: it goes into sums.
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
    spectra: Spectra | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> Key:
        """The row's primary key."""
        return Key(self.set, self.corruption, self.severity, self.codec, self.point, self.image)


COLUMNS = tuple(one.name for one in fields(Row) if one.name != "spectra")
TABLE_COLUMNS = (
    *("set", "corruption", "severity", "codec", "point", "image", "height", "width", "nbytes", "bpp", "psnr"),
    *("psnr_clean", "ms_ssim", "ms_ssim_clean", "encode_s", "decode_s", "status", "run"),
)
"""The columns of `read`, in order; other programs rely on them."""
SPECTRA_COLUMNS = ("set", "corruption", "severity", "codec", "point", "quantity", "channel", "n", "power")
"""The columns of `spectra`, in order."""

# Since version 2: whether a row is in the sums of its cell, and the sums. What belongs to the shots of a condition,
# whatever the codec, has codec "" and point ""; in it are the images of which any row is in a sum.
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
_UPGRADES = {0: _VERSION_1, 1: _SINCE_VERSION_2}
"""What makes a file of the version after out of one of a version; one of version 0 holds nothing."""


class RunFileError(ValueError):
    """A file that cannot be used as a run file; the message says why, and what to do."""


class RunFile:
    """A run file open for writing, by this process alone; make one with `RunFile.open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._shots: set[tuple[str, str, int, str]] | None = None  # those that are in sums, once it is asked

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

    def statuses(self) -> dict[Key, Status]:
        """Return the status of every row there is."""
        return _statuses(self._connection)

    def with_spectra(self) -> set[Key]:
        """Return the keys of the rows whose spectra are in the sums."""
        return _with_spectra(self._connection)

    def rows_under(self, of: str, corruption: str) -> list[Row]:
        """Return the raw rows of one set under one corruption."""
        return _rows_under(self._connection, of, corruption)

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
        """Write rows, in place of any of the same key, add their spectra to the sums, and make all of it permanent.

        A row that is ok stays where the new one is not. One that is in the sums, or whose spectra are to be, has to be
        as it was: raises RunFileError where bytes or errors differ, and then nothing is written.
        """
        for row in rows:
            held, is_in_sums = self._held(row.key)
            if held is not None and held.status == "ok":
                if row.status != "ok":
                    continue
                if (is_in_sums or row.spectra) and not _agree(held, row):
                    raise RunFileError(
                        f"{self.path} holds {_cell(row.key)} {row.image} with other bytes or errors than it has now: "
                        "the codec or the corruption is not what it was, and the spectrum is not that of the row; give "
                        "another --out"
                    )
            if row.spectra and not is_in_sums:
                self._add(row.key, row.spectra)
                is_in_sums = True
            values = (*_values(row), int(is_in_sums))
            marks = ", ".join("?" * len(values))
            self._connection.execute(f"INSERT OR REPLACE INTO rows VALUES ({marks})", values)  # noqa: S608
        self._commit()

    def _held(self, key: Key) -> tuple[Row | None, bool]:
        """Return the row of a key, if there is one, and whether its spectra are in the sums."""
        of = " AND ".join(f"{name} = ?" for name in _quoted(Key._fields))
        columns = ", ".join((*_quoted(COLUMNS), "spectra"))
        found = self._connection.execute(f"SELECT {columns} FROM rows WHERE {of}", key).fetchone()  # noqa: S608
        return (Row(*found[:-1]), bool(found[-1])) if found else (None, False)

    def _add(self, key: Key, spectra: Spectra) -> None:
        """Add the spectra of a row to its cell's sums; with the first row of its shot, the shot's to the condition's."""
        if self._shots is None:
            self._shots = {_shot(one) for one in self.with_spectra()}
        cell = key[:-1]
        for (quantity, channel), power in spectra.own.items():
            self._sum((*cell, quantity, channel), 1, power)
        if _shot(key) not in self._shots:
            self._shots.add(_shot(key))
            for (quantity, channel), power in spectra.shot.items():
                self._sum((*cell[:3], "", "", quantity, channel), 1, power)

    def _sum(self, place: tuple[object, ...], n: int, power: NDArray[np.float64]) -> None:
        """Add power of n images to the sum of one quantity in one channel of a cell."""
        of = " AND ".join(f"{name} = ?" for name in _quoted(SPECTRA_COLUMNS[:7]))
        found = self._connection.execute(f"SELECT n, power FROM spectra WHERE {of}", place).fetchone()  # noqa: S608
        if found:
            n, power = n + found[0], power + _unpacked(found[1])
        self._connection.execute(
            "INSERT OR REPLACE INTO spectra VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*place, n, _packed(power))
        )

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


def spectra(path: str | Path) -> pd.DataFrame:
    """Return the mean power spectra of a run file, with the columns SPECTRA_COLUMNS, in the order of the first seven.

    `power`, float64 of shape (64, 33), is the mean over `n` images, in squared grey levels per sample; cells as in
    `analysis.spectrum.GRID`. `quantity` is "D", decoded - clean where nothing was corrupted; "G", decoded - shown, and
    "R", decoded - clean, under a corruption; and with codec "" and point "", what the shots are: "shift", shown -
    clean, and "image", the clean image, of corruption "none". `channel` is "Y", or "R", "G" or "B". Empty where nothing
    was measured with spectra. Raises RunFileError if `path` is not a run file this version can read.
    """
    import pandas as pd  # noqa: PLC0415 - heavy

    columns = ", ".join(_quoted(SPECTRA_COLUMNS))
    query = f"SELECT {columns} FROM spectra ORDER BY {', '.join(_quoted(SPECTRA_COLUMNS[:7]))}"  # noqa: S608
    with _reading(Path(path)) as connection:
        found = connection.execute(query).fetchall() if _version(connection) > 1 else []
    means = [(*place, n, _unpacked(power) / n) for *place, n, power in found]
    return pd.DataFrame(means, columns=list(SPECTRA_COLUMNS))


def with_spectra(path: Path) -> set[Key]:
    """Return the keys of the rows of a run file whose spectra are in the sums."""
    with _reading(path) as connection:
        return _with_spectra(connection)


def rows_under(path: Path, of: str, corruption: str) -> list[Row]:
    """Return the raw rows of one set under one corruption."""
    with _reading(path) as connection:
        return _rows_under(connection, of, corruption)


def faults(path: str | Path) -> pd.DataFrame:
    """Return the rows that failed or were skipped: the key, `status` and `message`."""
    table = _frame(path, (*Key._fields, "status", "message"))
    return table[table["status"] != "ok"].reset_index(drop=True)


def statuses(path: Path) -> dict[Key, Status]:
    """Return the status of every row of a run file."""
    with _reading(path) as connection:
        return _statuses(connection)


def runs(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of each run in a run file, by run id."""
    with _reading(Path(path)) as connection:
        return _runs(connection)


def merge(paths: Sequence[Path], out: Path) -> tuple[int, int]:
    """Write the rows of several run files into `out`, which must not exist; return (rows, rows that several held).

    Where two files hold the same row, one that is ok goes before one that is not. Raises RunFileError where both are ok
    and differ in bytes or errors, or in MS-SSIM by more than a hundred-thousandth.
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
                    raise RunFileError(
                        f"{path} and an earlier file disagree on {_cell(row.key)} {row.image}: they were not made by "
                        "the same codec or corruption"
                    )
                if other.status != "ok":
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
    return all(a == b or (a is not None and b is not None and abs(a - b) <= 1e-5) for a, b in pairs)


def _cell(key: Key) -> str:
    return f"{key.set}/{key.corruption}@{key.severity} {key.codec}:{key.point}"


def _shot(key: Key) -> tuple[str, str, int, str]:
    return key.set, key.corruption, key.severity, key.image


def _values(row: Row) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in COLUMNS)


def _packed(power: NDArray[np.float64]) -> bytes:
    """Return a sum in single precision, little end first: seven digits, and far less than sums differ by."""
    return power.astype("<f4").tobytes()


def _unpacked(power: bytes) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415 - as above

    from ..analysis.spectrum import GRID  # noqa: PLC0415

    return np.frombuffer(power, "<f4").astype(np.float64).reshape(GRID)


def _frame(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - heavy

    query = f"SELECT {', '.join(_quoted(columns))} FROM rows ORDER BY {', '.join(_quoted(Key._fields))}"  # noqa: S608
    with _reading(Path(path)) as connection:
        return pd.DataFrame(connection.execute(query).fetchall(), columns=list(columns))


def _quoted(names: Iterable[str]) -> Iterator[str]:
    return (f'"{name}"' for name in names)


def _statuses(connection: sqlite3.Connection) -> dict[Key, Status]:
    columns = ", ".join(_quoted(Key._fields))
    rows = connection.execute(f"SELECT {columns}, status FROM rows")  # noqa: S608 - names of our own columns
    return {Key(*row[:-1]): row[-1] for row in rows}


def _with_spectra(connection: sqlite3.Connection) -> set[Key]:
    if _version(connection) < 2:
        return set()
    columns = ", ".join(_quoted(Key._fields))
    return {Key(*row) for row in connection.execute(f"SELECT {columns} FROM rows WHERE spectra")}  # noqa: S608


def _rows_under(connection: sqlite3.Connection, of: str, corruption: str) -> list[Row]:
    query = f'SELECT {", ".join(_quoted(COLUMNS))} FROM rows WHERE "set" = ? AND corruption = ?'  # noqa: S608 - as above
    return [Row(*values) for values in connection.execute(query, (of, corruption))]


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
        while (version := _version(connection)) < SCHEMA_VERSION:  # under the lock: another process may have been first
            for statement in _UPGRADES[version]:
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


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    version = _version(connection)
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
