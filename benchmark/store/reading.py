"""Reading run files: as tables, and as the rows, statuses and provenance that a run goes on from."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .rows import COLUMNS, Key, Row, Status
from .schema import KEY, quoted, reading, version_of
from .sums import SPECTRA_COLUMNS, SUM_KEY, unpacked

if TYPE_CHECKING:
    import pandas as pd

TABLE_COLUMNS = (
    *("set", "corruption", "severity", "codec", "point", "image", "height", "width", "nbytes", "bpp", "psnr"),
    *("psnr_clean", "ms_ssim", "ms_ssim_clean", "encode_s", "decode_s", "status", "run"),
)
"""The columns of `read`, in order; other programs rely on them."""


ASKED = "asked"
"""The key beside a provenance that records what the command was asked for: words and paths, which change no result.

It is no part of the provenance, and the run id does not depend on it."""


class Reader:
    """What a run file holds, read through an open connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def statuses(self, measures: Iterable[str] = ()) -> dict[Key, Status]:
        """Return the status of every row, except `ok` rows whose run left out one of these measures."""
        lacking = self._lacking(measures)
        rows = self._connection.execute(f"SELECT {KEY}, status, run FROM rows")  # noqa: S608 - our own columns
        return {Key(*key): status for *key, status, run in rows if status != "ok" or run not in lacking}

    def with_spectra(self) -> set[Key]:
        """Return the keys of the rows whose spectra are in the sums."""
        if version_of(self._connection) < 2:
            return set()
        query = f"SELECT {KEY} FROM rows WHERE spectra"  # noqa: S608 - our own columns
        return {Key(*key) for key in self._connection.execute(query)}

    def rows_under(self, set_name: str, corruption: str, measures: Iterable[str] = ()) -> list[Row]:
        """Return the raw rows of one set under one corruption, except as in `statuses`."""
        query = f'SELECT {quoted(COLUMNS)} FROM rows WHERE "set" = ? AND corruption = ?'  # noqa: S608 - our own columns
        lacking = self._lacking(measures)
        rows = (Row(*values) for values in self._connection.execute(query, (set_name, corruption)))
        return [row for row in rows if row.status != "ok" or row.run not in lacking]

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the provenance of each run, by run id."""
        recorded = self.recorded()
        return {run: {name: record[name] for name in record if name != ASKED} for run, record in recorded.items()}

    def recorded(self) -> dict[str, dict[str, Any]]:
        """Return the provenance of each run with what its command was asked for under ASKED, by run id."""
        runs = self._connection.execute("SELECT id, provenance FROM runs ORDER BY id")
        return {run: json.loads(text) for run, text in runs}

    def _lacking(self, measures: Iterable[str]) -> set[str]:
        """Return the runs that left out one of these measures."""
        wanted = set(measures)
        return {run for run, provenance in self.runs().items() if not wanted <= set(provenance.get("measures", wanted))}


def read(path: str | Path) -> pd.DataFrame:
    """Return the rows of a run file as a table with the columns TABLE_COLUMNS, in the order of the primary key.

    bpp is 8 nbytes / (height width); PSNR in dB is infinite where the image came back unchanged. Rows that failed or
    were skipped hold NaN. Raises RunFileError if `path` is not a run file this version can read.
    """
    import numpy as np  # noqa: PLC0415 - the command line starts without pandas and numpy

    from ...analysis.distortion import psnr  # noqa: PLC0415

    table = _rows(path, COLUMNS)
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
    query = f"SELECT {quoted(SPECTRA_COLUMNS)} FROM spectra ORDER BY {quoted(SUM_KEY)}"  # noqa: S608 - our own columns
    with reading(Path(path)) as connection:
        sums = connection.execute(query).fetchall() if version_of(connection) > 1 else []
    return _table(((*key, n, unpacked(power) / n) for *key, n, power in sums), SPECTRA_COLUMNS)


def faults(path: str | Path) -> pd.DataFrame:
    """Return the rows that failed or were skipped: the key, `status` and `message`."""
    table = _rows(path, (*Key._fields, "status", "message"))
    return table[table["status"] != "ok"].reset_index(drop=True)


def sittings(path: str | Path) -> pd.DataFrame:
    """Return when each run of a file was started or resumed, with how many jobs: `run`, `started` and `jobs`, in order.

    `started` is in ISO 8601, or "merged" with 0 jobs where the rows came from another file.
    """
    with reading(Path(path)) as connection:
        stored = connection.execute("SELECT run, started, jobs FROM sittings ORDER BY rowid").fetchall()
    return _table(stored, ("run", "started", "jobs"))


def statuses(path: Path, measures: Iterable[str] = ()) -> dict[Key, Status]:
    """Return what `Reader.statuses` returns of the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).statuses(measures)


def with_spectra(path: Path) -> set[Key]:
    """Return what `Reader.with_spectra` returns of the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).with_spectra()


def rows_under(path: Path, set_name: str, corruption: str, measures: Iterable[str] = ()) -> list[Row]:
    """Return what `Reader.rows_under` returns of the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).rows_under(set_name, corruption, measures)


def runs(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of each run in a run file, by run id."""
    with reading(Path(path)) as connection:
        return Reader(connection).runs()


def asked(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return what the command of each run in a run file was asked for, by run id, without runs that do not record it.

    A record has the fields of `analysis.commands.Asked`.
    """
    with reading(Path(path)) as connection:
        recorded = Reader(connection).recorded()
    return {run: record[ASKED] for run, record in recorded.items() if ASKED in record}


def _rows(path: str | Path, columns: Sequence[str]) -> pd.DataFrame:
    query = f"SELECT {quoted(columns)} FROM rows ORDER BY {KEY}"  # noqa: S608 - our own columns
    with reading(Path(path)) as connection:
        return _table(connection.execute(query).fetchall(), columns)


def _table(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - heavy

    return pd.DataFrame(list(rows), columns=list(columns))
