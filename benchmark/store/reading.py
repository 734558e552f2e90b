"""Reading run files: as tables, and as the rows, statuses and provenance that a resumed run needs."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import images
from .images import Recorded, Unshown
from .profile import PROFILE_KEY, profiles_in
from .rows import COLUMNS, Key, Row, Status
from .schema import KEY, SCORES_BEFORE_5, quoted, reading, version_of
from .scores import Score, lacking, rows_in, scored, values_of
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

        A row lacks a measure if it has no value of it, unless its image is too small for that measure.
        """
        lacking, values = self._lacking(measures)
        query = f"SELECT {KEY}, status FROM rows WHERE NOT ({lacking})"  # noqa: S608 - our own columns
        return {Key._make(stored[:-1]): stored[-1] for stored in self._connection.execute(query, values)}

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
        lacking, values = self._lacking(measures)
        of_rows = f'WHERE "set" = ? AND corruption = ? AND NOT ({lacking})'
        return list(rows_in(self._connection, of_rows, (set_name, corruption, *values)))

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

    def _lacking(self, measures: Iterable[str]) -> tuple[str, tuple[Any, ...]]:
        """Return an SQL condition, with its values, for `ok` rows that lack a value of one of `measures`."""
        from ..plan.measures import find_all  # noqa: PLC0415 - it imports the codecs

        smallest = {measure.name: measure.smallest for measure in find_all(measures) if not measure.is_derived}
        return lacking(self._connection, smallest)


def read(path: str | Path) -> pd.DataFrame:
    """Return the rows of a run file as a table, in the order of the key.

    The columns are TABLE_COLUMNS, then `MEASURE` against the shown image and `MEASURE_clean` against the clean one for
    every further measure in the file. bpp is 8 nbytes / (height width); PSNR in dB is infinite where the image came
    back unchanged. Rows that failed or were skipped, and images too small for a measure, hold NaN. Raises RunFileError
    if `path` is not a run file this version can read.
    """
    import numpy as np  # noqa: PLC0415 - the command line starts without pandas and numpy

    from ...analysis.distortion import psnr  # noqa: PLC0415

    with reading(Path(path)) as connection:
        table, further = _rows_and_scores(connection)
    for name in ("set", "corruption", "codec", "point", "image", "status", "run"):
        table[name] = table[name].astype("str")
    table["severity"] = table["severity"].astype("int64")
    for name in ("height", "width", "nbytes", "error", "error_clean"):
        table[name] = table[name].astype("Int64")
    for name in ("encode_s", "decode_s"):
        table[name] = table[name].astype("float64")
    pixels = (table["height"] * table["width"]).to_numpy(np.float64, na_value=np.nan)
    table["bpp"] = 8 * table["nbytes"].to_numpy(np.float64, na_value=np.nan) / pixels
    for name, error in (("psnr", "error"), ("psnr_clean", "error_clean")):
        table[name] = psnr(table[error].to_numpy(np.float64, na_value=np.nan), pixels)
    return table[[*TABLE_COLUMNS, *further]]


def _rows_and_scores(connection: sqlite3.Connection) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows with a column for each score, in the order of the key, and the columns of further measures."""
    if version_of(connection) < 5:
        columns = (*COLUMNS, *SCORES_BEFORE_5.values())
        table = _table(connection.execute(f"SELECT {quoted(columns)} FROM rows ORDER BY {KEY}"), columns)  # noqa: S608
        names = list(SCORES_BEFORE_5.values())
        table[names] = table[names].astype("float64")
        return table, []
    return _in_parts(connection)


_CELL = ("set", "corruption", "severity", "codec", "point")
_WHOLE = ("height", "width", "nbytes", "error", "error_clean")
_SECONDS = ("encode_s", "decode_s")
_STATUSES = ("ok", "failed", "skipped")


def _in_parts(connection: sqlite3.Connection) -> tuple[pd.DataFrame, list[str]]:
    """Return the same as `_rows_and_scores`, read as it lies in the file: cells and images in the index, then numbers.

    This takes half the time of reading whole rows, each by the index, as Python objects.
    """
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    cell = quoted(_CELL)
    cells = _table(
        connection.execute(f"SELECT {cell}, count(*) FROM rows GROUP BY {cell} ORDER BY {cell}"),  # noqa: S608
        (*_CELL, "n"),
    )
    images = connection.execute(f"SELECT id, image FROM rows ORDER BY {KEY}").fetchall()  # noqa: S608 - our columns
    table = cells.loc[cells.index.repeat(cells.pop("n").to_numpy(np.int64))].reset_index(drop=True)
    table["image"] = pd.Series([image for _, image in images], dtype="str")
    # Missing numbers are stored as NULL, which no array holds: here they are -1 or infinite.
    status = " ".join(f"WHEN '{name}' THEN {code}" for code, name in enumerate(_STATUSES))
    names = [*(f"ifnull({name}, -1)" for name in _WHOLE), *(f"ifnull({name}, 9e999)" for name in _SECONDS)]
    kinds = [("id", np.int64), *((name, np.int64) for name in _WHOLE), *((name, np.float64) for name in _SECONDS)]
    query = f"SELECT id, {', '.join(names)}, CASE status {status} END FROM rows ORDER BY id"  # noqa: S608 - our columns
    numbers = np.fromiter(connection.execute(query), [*kinds, ("status", np.int64)])
    order = np.searchsorted(numbers["id"], np.fromiter((row for row, _ in images), np.int64, len(images)))
    for name in _WHOLE:
        values = numbers[name][order]
        table[name] = pd.arrays.IntegerArray(values, values < 0)
    for name in _SECONDS:
        seconds = numbers[name][order]
        table[name] = np.where(np.isinf(seconds), np.nan, seconds)
    table["status"] = pd.Series(np.array(_STATUSES, object)[numbers["status"][order]], dtype="str")
    runs = [run for (run,) in connection.execute("SELECT run FROM rows ORDER BY id")]
    table["run"] = pd.Series(runs, dtype="str").to_numpy()[order]
    scores = {_column(score): np.full(len(numbers), np.nan) for score in SCORES_BEFORE_5}
    for score in sorted(scored(connection), key=_column):
        stored = np.fromiter(values_of(connection, score), [("row", np.int64), ("value", np.float64)])
        column = scores.setdefault(_column(score), np.full(len(numbers), np.nan))
        stored = stored[np.isin(stored["row"], numbers["id"], assume_unique=True)]  # rows may be deleted by hand
        column[np.searchsorted(numbers["id"], stored["row"])] = stored["value"]
    further = [name for name in scores if name not in TABLE_COLUMNS]
    return table.assign(**{name: values[order] for name, values in scores.items()}), further


def _column(score: Score) -> str:
    """Return the column of a measure and a reference."""
    measure, reference = score
    return measure if reference == "shown" else f"{measure}_{reference}"


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

    Columns: `set`, `corruption`, `severity`, `image`, `psnr` in dB, infinite where the corruption changed nothing,
    `ms_ssim`, then every further measure in the file; NaN where it was not measured. Shots that only files of older
    versions measured are there if they have a lossless row. Raises RunFileError if `path` is not a run file that this
    version can read.
    """
    from ...analysis.distortion import psnr  # noqa: PLC0415 - the command line starts without numpy

    with reading(Path(path)) as connection:
        stored = list(shifts_in(connection))
    table = _table(stored, Shift._fields)
    for name in ("height", "width", "error"):
        table[name] = table[name].astype("float64")
    table["psnr"] = psnr(table["error"], table["height"] * table["width"])
    measures = dict.fromkeys(("ms_ssim", *sorted({measure for shift in stored for measure in shift.scores})))
    for measure in measures:
        table[measure] = [shift.scores.get(measure, math.nan) for shift in stored]
        table[measure] = table[measure].astype("float64")
    return table[["set", "corruption", "severity", "image", "psnr", *measures]]


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
