"""Shifts: how far a corruption moved the image of a shot from the clean one, once per shot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from .schema import LOSSLESS_SHOTS, RunFileError, quoted, version_of


class Shift(NamedTuple):
    """The distortion of the shown image of a shot against its clean image; clean shots have none.

    `error` is the summed squared error; `ms_ssim` is None where it was not measured.
    """

    set: str
    corruption: str
    severity: int
    image: str
    height: int
    width: int
    error: int
    ms_ssim: float | None
    run: str

    @property
    def shot(self) -> tuple[str, str, int, str]:
        """The set, corruption, severity and image."""
        return self[:4]


def shifts_in(connection: sqlite3.Connection) -> Iterator[Shift]:
    """Yield the shifts of a file in the order of the key; before schema version 4, those that lossless rows tell."""
    source = "shifts" if version_of(connection) >= 4 else f"({LOSSLESS_SHOTS})"
    query = f"SELECT {quoted(Shift._fields)} FROM {source} ORDER BY 1, 2, 3, 4"  # noqa: S608 - our own columns
    return (Shift(*values) for values in connection.execute(query))


def united_shift(earlier: Shift | None, later: Shift, place: object) -> Shift:
    """Return the shift of a shot from two measurements, the one with MS-SSIM if only one has it.

    Raises RunFileError if their errors differ; `place` says where the later one was found.
    """
    if earlier is None:
        return later
    if earlier.error != later.error:
        name, corruption, severity, image = later.shot
        raise RunFileError(
            f"{place} holds {name}/{corruption}@{severity} {image} with a squared error against the clean image of "
            f"{earlier.error}, expected {later.error}: the corruption makes different pixels, so the rows cannot be "
            "compared; give another --out"
        )
    return later if earlier.ms_ssim is None else earlier


def record_shift(connection: sqlite3.Connection, shift: Shift, place: object) -> None:
    """Write a shift unless the file has it; raise RunFileError if the file has another error for the shot."""
    query = f"SELECT {quoted(Shift._fields)} FROM shifts "  # noqa: S608 - our own columns
    query += 'WHERE "set" = ? AND corruption = ? AND severity = ? AND image = ?'
    values = connection.execute(query, shift.shot).fetchone()
    earlier = Shift(*values) if values else None
    if (whole := united_shift(earlier, shift, place)) != earlier:
        connection.execute("INSERT OR REPLACE INTO shifts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", whole)
