"""Merging run files: the union of their rows, and of their sums of spectra."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .reading import Reader
from .rows import COLUMNS, Key, Row
from .run_file import RunFile
from .schema import RunFileError, quoted, reading
from .sums import Place, Sums, sums_in, united


def merge(paths: Sequence[Path], out: Path) -> tuple[int, int]:
    """Write the rows of several run files into `out`, which must not exist; return (rows, rows in several files).

    Of a row in two files, an `ok` one is preferred, and among those one with MS-SSIM. Sums of spectra over different
    images are added; sums over images that another file has too are counted once. Raises RunFileError where two `ok`
    rows differ in bytes or errors, or in MS-SSIM by more than 1e-5; where the images of two sums overlap partially; and
    where spectra were taken with different settings.
    """
    if out.exists():
        raise RunFileError(f"{out} exists already: merging writes a new file")
    rows: dict[Key, Row] = {}
    in_sums: set[Key] = set()
    parts: dict[Place, list[Sums]] = {}
    provenances: dict[str, dict[str, Any]] = {}
    repeated = 0
    for path in paths:
        with reading(path) as connection:
            reader = Reader(connection)
            provenances |= reader.recorded()
            keys = reader.with_spectra()
            in_sums |= keys
            for place, part in sums_in(connection, keys).items():
                parts.setdefault(place, []).append(part)
            for values in connection.execute(f"SELECT {quoted(COLUMNS)} FROM rows"):  # noqa: S608 - our own columns
                row = Row(*values)
                earlier = rows.setdefault(row.key, row)
                if earlier is row:
                    continue
                repeated += 1
                if earlier.status == row.status == "ok" and not earlier.agrees(row):
                    raise RunFileError(
                        f"{path} and an earlier file disagree on {row.key}: they were not made by the same codec or "
                        "corruption"
                    )
                if earlier.status != "ok" or (row.status == "ok" and earlier.ms_ssim is None):
                    rows[row.key] = row
    _refuse_different_settings(provenances)
    sums = {place: united(place, place_parts) for place, place_parts in parts.items()}
    with RunFile.open(out) as file:
        for run, provenance in provenances.items():
            file.begin(run, provenance, started="merged", jobs=0)
        file.fill(rows.values(), in_sums, sums)
    return len(rows), repeated


def _refuse_different_settings(provenances: Mapping[str, Mapping[str, Any]]) -> None:
    from .provenance import SPECTRA  # noqa: PLC0415 - it imports the codecs, which reading does without

    settings = {json.dumps(run[SPECTRA], sort_keys=True) for run in provenances.values() if SPECTRA in run}
    if len(settings) > 1:
        raise RunFileError(
            f"the spectra of these files cannot be added: they were taken with {' and '.join(sorted(settings))}"
        )
