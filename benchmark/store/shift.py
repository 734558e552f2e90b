"""Shifts: how far a corruption moved the image of a shot from the clean one, once per shot."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .schema import LOSSLESS_SHOTS, RunFileError, quoted, version_of, where


class Shift(NamedTuple):
    """The distortion of the shown image of a shot against its clean image; clean shots have none.

    `error` is the summed squared error; `scores` has the values of measures by their name.
    """

    set: str
    corruption: str
    severity: int
    image: str
    height: int
    width: int
    error: int
    run: str
    scores: Mapping[str, float]

    @property
    def shot(self) -> tuple[str, str, int, str]:
        """The set, corruption, severity and image."""
        return self[:4]


_COLUMNS = Shift._fields[:-1]
_SHOT = Shift._fields[:4]


def shifts_in(connection: sqlite3.Connection) -> Iterator[Shift]:
    """Yield the shifts of a file in the order of the key; before schema version 4, those that lossless rows tell."""
    if version_of(connection) < 5:
        source = "shifts" if version_of(connection) >= 4 else f"({LOSSLESS_SHOTS})"
        query = f"SELECT {quoted(_COLUMNS)}, ms_ssim FROM {source} ORDER BY 1, 2, 3, 4"  # noqa: S608 - our own columns
        for *values, similarity in connection.execute(query):
            yield Shift._make((*values, {} if similarity is None else {"ms_ssim": similarity}))
        return
    scores: dict[int, dict[str, float]] = defaultdict(dict)
    for shift, measure, value in connection.execute("SELECT shift, measure, value FROM shift_scores"):
        scores[shift][measure] = value
    query = f"SELECT id, {quoted(_COLUMNS)} FROM shifts ORDER BY {quoted(_SHOT)}"  # noqa: S608 - our own columns
    for shift, *values in connection.execute(query):
        yield Shift._make((*values, scores.get(shift, {})))


def united_shift(earlier: Shift | None, later: Shift, place: object) -> Shift:
    """Return the shift of a shot from two measurements, with the scores of both; those of the earlier one stay.

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
    return earlier._replace(scores={**later.scores, **earlier.scores})


def record_shift(connection: sqlite3.Connection, shift: Shift, place: object) -> None:
    """Write a shift unless the file has it; raise RunFileError if the file has another error for the shot."""
    query = f"SELECT id, {quoted(_COLUMNS)} FROM shifts WHERE {where(_SHOT)}"  # noqa: S608 - our own columns
    row, *values = connection.execute(query, shift.shot).fetchone() or (None,)
    if row is None:
        marks = ", ".join("?" * len(_COLUMNS))
        query = f"INSERT INTO shifts ({quoted(_COLUMNS)}) VALUES ({marks})"  # noqa: S608
        row = connection.execute(query, shift[:-1]).lastrowid
    else:
        united_shift(Shift._make((*values, {})), shift, place)
    query = "INSERT OR IGNORE INTO shift_scores (measure, shift, value) VALUES (?, ?, ?)"
    for measure, value in shift.scores.items():
        connection.execute(query, (measure, row, value))
