"""The run file: one SQLite file of raw rows, appended by one writer, readable at any time, resumable after any end."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
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


class _Held(NamedTuple):
    """What matters of a row that is there before another of its key comes."""

    status: Status | None
    coded: tuple[int | None, int | None, int | None]
    ms_ssim: float | None
    is_in_sums: bool


_Place = tuple[str, str, int, str, str]
"""Set, corruption, severity, codec and point; codec and point are "" for what belongs to the shots of a condition."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """The sums of spectra of one place: the images in them, and n and power by quantity and channel."""

    images: frozenset[str]
    sums: Mapping[tuple[str, str], tuple[int, NDArray[np.float64]]]


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
        with _told_plainly(path), closing(_reached(path, _connect)) as connection:
            try:
                yield cls(path, connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def statuses(self, measures: Iterable[str] = ()) -> dict[Key, Status]:
        """Return the status of every row there is, but for those whose run left out one of these measures."""
        return _statuses(self._connection, measures)

    def with_spectra(self) -> set[Key]:
        """Return the keys of the rows whose spectra are in the sums."""
        return _with_spectra(self._connection)

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
        """Write rows, in place of any of the same key, add their spectra to the sums, and make all of it permanent.

        An ok row that is in the sums, or is there when one with spectra comes, stays as it is unless it lacks MS-SSIM,
        and the spectra are added unless they are in. Both have to be of the same bytes and errors: raises RunFileError
        where they are not, and then the file is to be closed.
        """
        for row in rows:
            held = self._held(row.key)
            stays = held.status == "ok" and (held.is_in_sums or row.spectra is not None)
            if stays and held.coded != (row.nbytes, row.error, row.error_clean):
                raise RunFileError(
                    f"{self.path} holds {_cell(row.key)} {row.image} with other bytes or errors than it has now: the "
                    "codec or the corruption is not what it was, and the spectrum is not that of the row; give another "
                    "--out"
                )
            if row.spectra is not None and not held.is_in_sums:
                self._add(row.key, row.spectra)
            fuller = held.ms_ssim is None and row.ms_ssim is not None
            if not stays or fuller:
                self._write(row, is_in_sums=held.is_in_sums or row.spectra is not None)
            elif row.spectra is not None:
                query = f"UPDATE rows SET spectra = 1 WHERE {_where(Key._fields)}"  # noqa: S608 - our own columns
                self._connection.execute(query, row.key)
        self._commit()

    def fill(self, rows: Iterable[Row], in_sums: Container[Key], sums: Mapping[_Place, _Sums]) -> None:
        """Write rows and sums of several files into this one, which is empty."""
        for row in rows:
            self._write(row, is_in_sums=row.key in in_sums)
        for place, of_place in sums.items():
            for quantity, (n, power) in of_place.sums.items():
                self._sum((*place, *quantity), n, power)
        self._commit()

    def _held(self, key: Key) -> _Held:
        """Return what there is of the row of a key, no status where there is none."""
        columns = "status, nbytes, error, error_clean, ms_ssim, spectra"
        query = f"SELECT {columns} FROM rows WHERE {_where(Key._fields)}"  # noqa: S608 - our own columns
        found = self._connection.execute(query, key).fetchone()
        return _Held(found[0], found[1:4], *found[4:]) if found else _Held(None, (None, None, None), None, False)

    def _write(self, row: Row, *, is_in_sums: bool) -> None:
        values = (*(getattr(row, name) for name in COLUMNS), int(is_in_sums))
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT OR REPLACE INTO rows VALUES ({marks})", values)  # noqa: S608

    def _add(self, key: Key, spectra: Spectra) -> None:
        """Add the spectra of a row to its cell's sums; with the first of its shot, the shot's to the condition's."""
        if self._shots is None:
            self._shots = {_shot(one) for one in self.with_spectra()}
        cell = key[:-1]
        for quantity, power in spectra.own.items():
            self._sum((*cell, *quantity), 1, power)
        if _shot(key) not in self._shots:
            self._shots.add(_shot(key))
            for quantity, power in spectra.shot.items():
                self._sum((*cell[:3], "", "", *quantity), 1, power)

    def _sum(self, place: tuple[object, ...], n: int, power: NDArray[np.float64]) -> None:
        """Add power of n images to the sum of one quantity in one channel of a cell."""
        query = f"SELECT n, power FROM spectra WHERE {_where(SPECTRA_COLUMNS[:7])}"  # noqa: S608 - our own columns
        found = self._connection.execute(query, place).fetchone()
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

    from ...analysis.distortion import psnr  # noqa: PLC0415

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
    "R", decoded - clean, under a corruption; and with codec "" and point "", what the shots are: "image", what was
    shown (the clean image of corruption "none"), and "shift", shown - clean. `channel` is "Y", or "R", "G" or "B".
    Empty where nothing was measured with spectra. Raises RunFileError if `path` is no run file this version can read.
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
    run left it out. Sums of spectra add up where they are of different images; one whose images are all in others
    stands for nothing more. Raises RunFileError where both rows are ok and differ in bytes or errors, or in MS-SSIM by
    more than a hundred-thousandth; where sums share some images, and not all; and where spectra were not taken in one
    way.
    """
    if out.exists():
        raise RunFileError(f"{out} exists already: merging writes a new file")
    rows: dict[Key, Row] = {}
    in_sums: set[Key] = set()
    parts: dict[_Place, list[_Sums]] = {}
    provenances: dict[str, dict[str, Any]] = {}
    repeated = 0
    for path in paths:
        with _reading(path) as connection:
            provenances |= _runs(connection)
            held = _with_spectra(connection)
            in_sums |= held
            for place, part in _sums(connection, held).items():
                parts.setdefault(place, []).append(part)
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
                if other.status != "ok" or (row.status == "ok" and other.ms_ssim is None):
                    rows[row.key] = row
    _refuse_other_settings(provenances)
    sums = {place: _united(place, several) for place, several in parts.items()}
    with RunFile.open(out) as file:
        for run, provenance in provenances.items():
            file.begin(run, provenance, started="merged", jobs=0)
        file.fill(rows.values(), in_sums, sums)
    return len(rows), repeated


def _refuse_other_settings(provenances: Mapping[str, Mapping[str, Any]]) -> None:
    from .provenance import SPECTRA  # noqa: PLC0415 - it knows the codecs, which reading does without

    ways = [json.dumps(one[SPECTRA], sort_keys=True) for one in provenances.values() if SPECTRA in one]
    if len(set(ways)) > 1:
        raise RunFileError(
            f"the spectra of these files cannot be added: they were taken with {' and '.join(sorted(set(ways)))}"
        )


def _sums(connection: sqlite3.Connection, held: Iterable[Key]) -> dict[_Place, _Sums]:
    """Return the sums of a file, of whose rows those `held` are in them."""
    if _version(connection) < 2:
        return {}
    images: dict[_Place, set[str]] = {}
    for key in held:
        for codec, point in ((key.codec, key.point), ("", "")):
            images.setdefault((key.set, key.corruption, key.severity, codec, point), set()).add(key.image)
    sums: dict[_Place, dict[tuple[str, str], tuple[int, NDArray[np.float64]]]] = {place: {} for place in images}
    for found in connection.execute(f"SELECT {', '.join(_quoted(SPECTRA_COLUMNS))} FROM spectra"):  # noqa: S608
        sums[found[:5]][found[5:7]] = found[7], _unpacked(found[8])
    return {place: _Sums(frozenset(images[place]), of_place) for place, of_place in sums.items()}


def _united(place: _Place, parts: Iterable[_Sums]) -> _Sums:
    """Return the sums of one place over the images of all parts."""
    # The largest first: whatever is in it already is then told from what has to be added.
    largest, *others = sorted(parts, key=lambda part: -len(part.images))
    images, sums = largest.images, dict(largest.sums)
    for part in others:
        if part.images <= images:
            continue
        if part.images & images:
            codec = f" {place[3]}:{place[4]}" if place[3] else ""
            raise RunFileError(
                f"the spectra of {place[0]}/{place[1]}@{place[2]}{codec} cannot be added: some of their images are in "
                "several files, and some are not; measure those that are missing in one of them, then merge"
            )
        images |= part.images
        for quantity, (n, power) in part.sums.items():
            sums[quantity] = sums[quantity][0] + n, sums[quantity][1] + power
    return _Sums(images, sums)


def _agree(one: Row, other: Row) -> bool:
    if (one.nbytes, one.error, one.error_clean) != (other.nbytes, other.error, other.error_clean):
        return False
    # MS-SSIM is summed in single precision: its last digits are the processor's.
    pairs = ((one.ms_ssim, other.ms_ssim), (one.ms_ssim_clean, other.ms_ssim_clean))
    return all(a is None or b is None or abs(a - b) <= 1e-5 for a, b in pairs)


def _cell(key: Key) -> str:
    return f"{key.set}/{key.corruption}@{key.severity} {key.codec}:{key.point}"


def _shot(key: Key) -> tuple[str, str, int, str]:
    return key.set, key.corruption, key.severity, key.image


def _packed(power: NDArray[np.float64]) -> bytes:
    """Return a sum in single precision, little end first: seven digits, and far less than sums differ by."""
    return power.astype("<f4").tobytes()


def _unpacked(power: bytes) -> NDArray[np.float64]:
    import numpy as np  # noqa: PLC0415 - as above

    from ...analysis.spectrum import GRID  # noqa: PLC0415

    return np.frombuffer(power, "<f4").astype(np.float64).reshape(GRID)


def _frame(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - heavy

    query = f"SELECT {', '.join(_quoted(columns))} FROM rows ORDER BY {', '.join(_quoted(Key._fields))}"  # noqa: S608
    with _reading(Path(path)) as connection:
        return pd.DataFrame(connection.execute(query).fetchall(), columns=list(columns))


def _where(columns: Iterable[str]) -> str:
    return " AND ".join(f"{name} = ?" for name in _quoted(columns))


def _quoted(names: Iterable[str]) -> Iterator[str]:
    return (f'"{name}"' for name in names)


def _statuses(connection: sqlite3.Connection, measures: Iterable[str]) -> dict[Key, Status]:
    columns = ", ".join(_quoted(Key._fields))
    lacking = _lacking(connection, measures)
    rows = connection.execute(f"SELECT {columns}, status, run FROM rows")  # noqa: S608 - names of our own columns
    return {Key(*key): status for *key, status, run in rows if status != "ok" or run not in lacking}


def _with_spectra(connection: sqlite3.Connection) -> set[Key]:
    if _version(connection) < 2:
        return set()
    columns = ", ".join(_quoted(Key._fields))
    return {Key(*row) for row in connection.execute(f"SELECT {columns} FROM rows WHERE spectra")}  # noqa: S608


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
    with _told_plainly(path), closing(_reached(path, _connect_to_read)) as connection:
        _check(path, connection)
        yield connection


def _connect_to_read(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise RunFileError(f"no run file at {path}")
    # A write-ahead log left by a killed run is read too, and needs a writable folder for that; a file without one is
    # taken as it is, so that archives on read-only media can be read. The log lies beside the file itself, not beside
    # a link to it.
    place = path.resolve()
    log = place.with_name(place.name + "-wal")
    mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{place.as_uri()}?{mode}", uri=True)


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


def _reached(path: Path, connect: Callable[[Path], sqlite3.Connection]) -> sqlite3.Connection:
    """Connect to the run file at `path`; what the system says against that place becomes a sentence about it."""
    try:
        return connect(path)
    except OSError as error:
        raise RunFileError(f"{path} cannot be a run file: {error.strerror}") from error


@contextmanager
def _told_plainly(path: Path) -> Iterator[None]:
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
        elif "not a database" in reason or "malformed" in reason:
            reason = f"it is not a codecshift run file ({reason})"
        raise RunFileError(f"{path}: {reason}") from error
