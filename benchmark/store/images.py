"""The images of a run file: digests of the content that rows were measured on, and shots that could not be made."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from . import scores
from .schema import version_of


@dataclass(frozen=True, slots=True)
class Recorded:
    """An image of a set: the digest of its content, and whether the set had it when a run last opened it."""

    digest: str
    is_present: bool


class Unshown(NamedTuple):
    """A shot that could not be made, and why; with corruption "none" it stands for all shots of an unreadable image."""

    set: str
    image: str
    corruption: str
    severity: int
    reason: str


@dataclass(frozen=True, slots=True)
class Removed:
    """What was removed with changed images: the number of rows, and of conditions that lost their summed spectra."""

    rows: int
    conditions: int


def recorded(connection: sqlite3.Connection) -> dict[str, dict[str, Recorded]]:
    """Return the recorded images by set and id; a set that was last opened before schema version 3 has none."""
    sets: dict[str, dict[str, Recorded]] = {}
    if version_of(connection) >= 3:
        for name, image, digest, is_present in connection.execute(
            'SELECT "set", image, digest, is_present FROM images'
        ):
            sets.setdefault(name, {})[image] = Recorded(digest, bool(is_present))
    return sets


def unshown(connection: sqlite3.Connection) -> list[Unshown]:
    """Return the shots that could not be made, in the order of the key."""
    if version_of(connection) < 3:
        return []
    query = 'SELECT "set", image, corruption, severity, reason FROM unshown ORDER BY 1, 2, 3, 4'
    return [Unshown(*values) for values in connection.execute(query)]


def measured(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return the (set, image) pairs that have an `ok` row."""
    return set(connection.execute("SELECT DISTINCT \"set\", image FROM rows WHERE status = 'ok'"))


def record(connection: sqlite3.Connection, name: str, images: Mapping[str, Recorded]) -> None:
    """Write the images of a set; they replace earlier records of the same images."""
    connection.executemany(
        'INSERT OR REPLACE INTO images ("set", image, digest, is_present) VALUES (?, ?, ?, ?)',
        [(name, image, content.digest, int(content.is_present)) for image, content in images.items()],
    )


def mark(connection: sqlite3.Connection, shots: Iterable[Unshown]) -> None:
    """Record shots that could not be made."""
    query = 'INSERT OR REPLACE INTO unshown ("set", image, corruption, severity, reason) VALUES (?, ?, ?, ?, ?)'
    connection.executemany(query, shots)


def unmark(connection: sqlite3.Connection, name: str, images: Collection[str]) -> None:
    """Delete the records of shots of these images that could not be made."""
    connection.executemany('DELETE FROM unshown WHERE "set" = ? AND image = ?', [(name, image) for image in images])


def remove_rows(connection: sqlite3.Connection, name: str, images: Collection[str]) -> Removed:
    """Remove the rows and shifts of images of a set, and the summed spectra that include the images.

    A single image cannot be subtracted from a sum, so the sum is removed, with the profiles of its images. The other
    rows of its condition stay, marked as rows whose spectra are not measured.
    """
    marks = ", ".join("?" * len(images))
    of_images = f'"set" = ? AND image IN ({marks})'
    conditions = connection.execute(
        f"SELECT DISTINCT corruption, severity FROM rows WHERE {of_images} AND spectra",  # noqa: S608 - question marks
        (name, *images),
    ).fetchall()
    scores.remove(connection, f"WHERE {of_images}", (name, *images))
    removed = connection.execute(f"DELETE FROM rows WHERE {of_images}", (name, *images)).rowcount  # noqa: S608
    of_shifts = f"SELECT id FROM shifts WHERE {of_images}"  # noqa: S608
    connection.execute(f"DELETE FROM shift_scores WHERE shift IN ({of_shifts})", (name, *images))  # noqa: S608
    connection.execute(f"DELETE FROM shifts WHERE {of_images}", (name, *images))  # noqa: S608
    of_condition = '"set" = ? AND corruption = ? AND severity = ?'
    for condition in conditions:
        for table in ("spectra", "profiles"):
            connection.execute(f"DELETE FROM {table} WHERE {of_condition}", (name, *condition))  # noqa: S608
        connection.execute(f"UPDATE rows SET spectra = 0 WHERE {of_condition}", (name, *condition))  # noqa: S608
    return Removed(removed, len(conditions))
