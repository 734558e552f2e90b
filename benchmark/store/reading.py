"""Reading run files: as tables, and as the rows, statuses and provenance that a resumed run needs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import images
from .images import Recorded, Unshown
from .profile import PROFILE_KEY, profiles_in
from .rows import COLUMNS, Key, Row, Status
from .schema import KEY, quoted, reading, version_of
from .shift import Shift, shifts_in
from .sums import SPECTRA_COLUMNS, SUM_KEY, unpacked

if TYPE_CHECKING:
    import pandas as pd

TABLE_COLUMNS = (
    *("set", "corruption", "severity", "codec", "point", "image", "height", "width", "nbytes", "bpp", "psnr"),
    *("psnr_clean", "ms_ssim", "ms_ssim_clean", "encode_s", "decode_s", "status", "run"),
)
"""The columns of `read`, in order; other programs rely on them."""


ASKED = "asked"
"""The key, stored with a provenance, that records the words and paths of the command, which change no result.

It is not part of the provenance, and the run id does not depend on it."""


class Reader:
    """The contents of a run file, read through an open connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def statuses(self, measures: Iterable[str] = ()) -> dict[Key, Status]:
        """Return the status of every row, except `ok` rows that lack one of `measures`.

        A row lacks a measure that its run left out, unless its image is too small for that measure.
        """
        lacks = self._lacks(measures)
        query = f"SELECT {KEY}, status, run, min(height, width) FROM rows"  # noqa: S608 - our own columns
        rows = self._connection.execute(query)
        return {Key(*key): status for *key, status, run, side in rows if status != "ok" or not lacks(run, side)}

    def with_spectra(self) -> set[Key]:
        """Return the keys of the rows whose spectra are in the sums."""
        if version_of(self._connection) < 2:
            return set()
        query = f"SELECT {KEY} FROM rows WHERE spectra"  # noqa: S608 - our own columns
        return {Key(*key) for key in self._connection.execute(query)}

    def with_profiles(self) -> set[Key]:
        """Return the keys of the rows whose radial profiles are in the file; they are all in the sums."""
        if version_of(self._connection) < 4:
            return set()
        query = f"SELECT DISTINCT {KEY} FROM profiles WHERE codec != ''"  # noqa: S608 - our own columns
        return {Key(*key) for key in self._connection.execute(query)}

    def rows_under(self, set_name: str, corruption: str, measures: Iterable[str] = ()) -> list[Row]:
        """Return the raw rows of one set under one corruption, with the same exception as `statuses`."""
        query = f'SELECT {quoted(COLUMNS)} FROM rows WHERE "set" = ? AND corruption = ?'  # noqa: S608 - our own columns
        lacks = self._lacks(measures)
        rows = (Row(*values) for values in self._connection.execute(query, (set_name, corruption)))
        return [row for row in rows if row.status != "ok" or not lacks(row.run, min(row.height or 0, row.width or 0))]

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the provenance of each run, by run id."""
        return {run: {name: record[name] for name in record if name != ASKED} for run, record in self.records().items()}

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the provenance of each run, with what its command asked for under the key ASKED, by run id."""
        runs = self._connection.execute("SELECT id, provenance FROM runs ORDER BY id")
        return {run: json.loads(text) for run, text in runs}

    def images(self) -> dict[str, dict[str, Recorded]]:
        """Return the images of each set by id; a set that was last opened before schema version 3 is left out."""
        return images.recorded(self._connection)

    def unshown(self) -> list[Unshown]:
        """Return the shots that could not be made: unreadable images, and images that could not be corrupted."""
        return images.unshown(self._connection)

    def measured(self) -> set[tuple[str, str]]:
        """Return the (set, image) pairs that have an `ok` row."""
        return images.measured(self._connection)

    def _lacks(self, measures: Iterable[str]) -> Callable[[str, int], bool]:
        """Return a function of a run id and the shorter side of an image: does an `ok` row lack one of `measures`?"""
        wanted = set(measures)
        left_out = {run: wanted - set(provenance.get("measures", wanted)) for run, provenance in self.runs().items()}
        if not any(left_out.values()):
            return lambda _run, _side: False
        from ..plan.measures import find_all  # noqa: PLC0415 - it imports the codecs

        smallest = {measure.name: measure.smallest for measure in find_all(wanted)}
        return lambda run, side: any(side >= smallest.get(name, 1) for name in left_out[run])


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

    `power`, float64 of shape (64, 33), is the mean over `n` images, in squared grey levels per sample, on the grid
    `analysis.spectrum.GRID`. `quantity` is "D", decoded - clean, for clean images; under a corruption "G", decoded -
    shown, and "R", decoded - clean. Lines with codec "" and point "" describe the shots: "image" is the image shown to
    the codec, "shift" is shown - clean. `channel` is "Y", "R", "G" or "B".

    The table is empty if nothing was measured with spectra. Raises RunFileError if `path` is not a run file that this
    version can read.
    """
    query = f"SELECT {quoted(SPECTRA_COLUMNS)} FROM spectra ORDER BY {quoted(SUM_KEY)}"  # noqa: S608 - our own columns
    with reading(Path(path)) as connection:
        sums = connection.execute(query).fetchall() if version_of(connection) > 1 else []
    return _table(((*key, n, unpacked(power) / n) for *key, n, power in sums), SPECTRA_COLUMNS)


def profiles(path: str | Path) -> pd.DataFrame:
    """Return the radial profile of each luminance spectrum of each image: one line per profile, one column per ring.

    The index has the levels PROFILE_KEY, in order. `quantity` is as in `spectra`, with codec "" and point "" for those
    of a shot. The columns are the radii of the 46 rings in cycles per pixel. The values are densities in squared grey
    levels per (cycles/pixel)^2, float32, as `analysis.spectrum.radial` defines them: their mean over the images of a
    cell is the profile of the cell's mean spectrum.

    Spectra measured before schema version 4 have no profiles. Raises RunFileError if `path` is not a run file that this
    version can read.
    """
    import numpy as np  # noqa: PLC0415 - the command line starts without pandas and numpy
    import pandas as pd  # noqa: PLC0415

    from ...analysis.spectrum import radii  # noqa: PLC0415

    with reading(Path(path)) as connection:
        lines = list(profiles_in(connection))
    densities = np.frombuffer(b"".join(line.density for line in lines), "<f4").reshape(len(lines), len(radii()))
    index = pd.MultiIndex.from_tuples([line[:-1] for line in lines], names=PROFILE_KEY)
    return pd.DataFrame(densities.astype(np.float32), index, radii())


def shifts(path: str | Path) -> pd.DataFrame:
    """Return the distortion of each corrupted image against its clean one, before any codec, in the order of the key.

    Columns: `set`, `corruption`, `severity`, `image`, `psnr` in dB, infinite where the corruption changed nothing, and
    `ms_ssim`, NaN if it was not measured. Shots that only files of older versions measured are there if they have a
    lossless row. Raises RunFileError if `path` is not a run file that this version can read.
    """
    from ...analysis.distortion import psnr  # noqa: PLC0415 - the command line starts without numpy

    with reading(Path(path)) as connection:
        table = _table(shifts_in(connection), Shift._fields)
    for name in ("height", "width", "error", "ms_ssim"):
        table[name] = table[name].astype("float64")
    table["psnr"] = psnr(table["error"], table["height"] * table["width"])
    return table[["set", "corruption", "severity", "image", "psnr", "ms_ssim"]]


def faults(path: str | Path) -> pd.DataFrame:
    """Return the rows that failed or were skipped: the key, `status` and `message`."""
    return _rows(path, (*Key._fields, "status", "message"), "WHERE status != 'ok'")


def sittings(path: str | Path) -> pd.DataFrame:
    """Return when each run was started or resumed and with how many jobs: `run`, `started` and `jobs`, in order.

    `started` is in ISO 8601, or "merged" with 0 jobs if the rows came from another file.
    """
    with reading(Path(path)) as connection:
        stored = connection.execute("SELECT run, started, jobs FROM sittings ORDER BY rowid").fetchall()
    return _table(stored, ("run", "started", "jobs"))


def statuses(path: Path, measures: Iterable[str] = ()) -> dict[Key, Status]:
    """Return what `Reader.statuses` returns for the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).statuses(measures)


def with_profiles(path: Path) -> set[Key]:
    """Return what `Reader.with_profiles` returns for the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).with_profiles()


def with_spectra(path: Path) -> set[Key]:
    """Return what `Reader.with_spectra` returns for the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).with_spectra()


def rows_under(path: Path, set_name: str, corruption: str, measures: Iterable[str] = ()) -> list[Row]:
    """Return what `Reader.rows_under` returns for the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).rows_under(set_name, corruption, measures)


def runs(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return the provenance of each run in a run file, by run id."""
    with reading(Path(path)) as connection:
        return Reader(connection).runs()


def recorded(path: Path) -> dict[str, dict[str, Recorded]]:
    """Return what `Reader.images` returns for the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).images()


def unshown(path: Path) -> list[Unshown]:
    """Return what `Reader.unshown` returns for the file at `path`."""
    with reading(path) as connection:
        return Reader(connection).unshown()


def asked(path: str | Path) -> dict[str, dict[str, Any]]:
    """Return what the command of each run asked for, by run id; runs that did not record it are left out.

    A record has the fields of `analysis.commands.Asked`.
    """
    with reading(Path(path)) as connection:
        records = Reader(connection).records()
    return {run: record[ASKED] for run, record in records.items() if ASKED in record}


def _rows(path: str | Path, columns: Sequence[str], where: str = "") -> pd.DataFrame:
    query = f"SELECT {quoted(columns)} FROM rows {where} ORDER BY {KEY}"  # noqa: S608 - our own columns
    with reading(Path(path)) as connection:
        return _table(connection.execute(query).fetchall(), columns)


def _table(rows: Iterable[Sequence[Any]], columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - heavy

    return pd.DataFrame(list(rows), columns=list(columns))
