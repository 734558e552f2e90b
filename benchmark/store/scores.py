"""Scores: the values of measures, of each row against both references, and of each shift against the clean image."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from .rows import COLUMNS, Row
from .schema import KEY, SCORES_BEFORE_5, quoted, version_of

Score = tuple[str, str]
"""A measure and the reference of its value: "shown", the image that the codec was given, or "clean"."""

REFERENCES = ("shown", "clean")


def scored(connection: sqlite3.Connection) -> tuple[Score, ...]:
    """Return the measures and references that a file has values of, sorted."""
    if version_of(connection) < 5:
        return tuple(SCORES_BEFORE_5)
    # Each query jumps over all rows of one measure and reference; DISTINCT would visit every value.
    scores: list[Score] = []
    query = "SELECT measure, reference FROM scores WHERE (measure, reference) > (?, ?) ORDER BY 1, 2 LIMIT 1"
    while score := connection.execute(query, scores[-1] if scores else ("", "")).fetchone():
        scores.append(score)
    return tuple(scores)


def values_of(connection: sqlite3.Connection, score: Score, of_rows: str = "", place: Collection[Any] = ()) -> Any:
    """Return a cursor over (row id, value) in the order of the id; `of_rows` is a WHERE clause with values `place`.

    The file must be of schema version 5.
    """
    chosen = f" AND row IN (SELECT id FROM rows {of_rows})" if of_rows else ""  # noqa: S608
    query = f"SELECT row, value FROM scores WHERE measure = ? AND reference = ?{chosen} ORDER BY row"  # noqa: S608
    return connection.execute(query, (*score, *place))


def rows_in(connection: sqlite3.Connection, of_rows: str = "", place: Collection[Any] = ()) -> Iterator[Row]:
    """Yield the raw rows of a file with their scores in the order of the key; arguments as in `values_of`."""
    if version_of(connection) < 5:
        columns = quoted((*COLUMNS, *SCORES_BEFORE_5.values()))
        query = f"SELECT {columns} FROM rows {of_rows} ORDER BY {KEY}"  # noqa: S608 - our own columns
        for stored in connection.execute(query, tuple(place)):
            values = zip(SCORES_BEFORE_5, stored[len(COLUMNS) :], strict=True)
            own = {score: value for score, value in values if value is not None}
            yield Row(*(*stored[: len(COLUMNS)], own))
        return
    scores: dict[int, dict[Score, float]] = defaultdict(dict)
    for score in scored(connection):
        for row, value in values_of(connection, score, of_rows, place):
            scores[row][score] = value
    query = f"SELECT id, {quoted(COLUMNS)} FROM rows {of_rows} ORDER BY {KEY}"  # noqa: S608 - our own columns
    for row, *stored in connection.execute(query, tuple(place)):
        yield Row(*(*stored, scores.get(row, {})))


def lacking(connection: sqlite3.Connection, smallest: Mapping[str, int]) -> tuple[str, tuple[Any, ...]]:
    """Return an SQL condition on `rows`, with its values, for rows that lack the value of a measure.

    `smallest` has the measures by name, and the shorter side in pixels from which an image has a value.
    """
    conditions, values = ["0"], []
    for measure, side in smallest.items():
        for reference in REFERENCES:
            if version_of(connection) >= 5:
                absent = "NOT EXISTS (SELECT 1 FROM scores WHERE measure = ? AND reference = ? AND row = rows.id)"
                values += [side, measure, reference]
            else:
                column = SCORES_BEFORE_5.get((measure, reference))
                absent = f"{column} IS NULL" if column else "1"
                values += [side]
            conditions.append(f"(min(height, width) >= ? AND {absent})")
    return f"status = 'ok' AND ({' OR '.join(conditions)})", tuple(values)


def has_all(connection: sqlite3.Connection, row: int, scores: Iterable[Score]) -> bool:
    """Return whether a row has a value of each of these measures and references."""
    query = "SELECT 1 FROM scores WHERE measure = ? AND reference = ? AND row = ?"
    return all(connection.execute(query, (*score, row)).fetchone() for score in scores)


def record(connection: sqlite3.Connection, row: int, scores: Mapping[Score, float]) -> None:
    """Write values of a row; a value replaces an earlier one of the same measure and reference."""
    query = "INSERT OR REPLACE INTO scores (measure, reference, row, value) VALUES (?, ?, ?, ?)"
    for score, value in scores.items():
        connection.execute(query, (*score, row, value))


def remove(connection: sqlite3.Connection, of_rows: str, place: Collection[Any]) -> None:
    """Remove all values of some rows; arguments as in `values_of`."""
    query = f"DELETE FROM scores WHERE measure = ? AND reference = ? AND row IN (SELECT id FROM rows {of_rows})"  # noqa: S608
    for score in scored(connection):
        connection.execute(query, (*score, *place))
