"""Radial profiles: the luminance spectra of single images, averaged over rings of the frequency plane."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from .rows import Key, Spectra
from .schema import quoted, version_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROFILE_KEY = (*Key._fields, "quantity")
"""The columns that name a profile; codec and point are "" for the profiles of a shot."""

CHANNEL = "Y"
"""The channel of profiles: luminance, which every spectrum has."""


class Profile(NamedTuple):
    """The radial profile of one spectrum of one image, with `density` packed as little-endian float32."""

    set: str
    corruption: str
    severity: int
    codec: str
    point: str
    image: str
    quantity: str
    density: bytes


def profiles_of_row(key: Key, spectra: Spectra) -> Iterator[Profile]:
    """Yield the profiles of a row's own spectra."""
    return _packed(key, spectra.own.items())


def profiles_of_shot(key: Key, spectra: Spectra) -> Iterator[Profile]:
    """Yield the profiles of the shot of a row."""
    return _packed(key._replace(codec="", point=""), spectra.shot.items())


def _packed(key: Key, powers: Iterable[tuple[tuple[str, str], NDArray[np.float64]]]) -> Iterator[Profile]:
    from ...analysis.spectrum import radial  # noqa: PLC0415 - the command line starts without numpy

    for (quantity, channel), power in powers:
        if channel == CHANNEL:
            yield Profile(*key, quantity, radial(power)[1].astype("<f4").tobytes())


def profiles_in(connection: sqlite3.Connection) -> Iterable[Profile]:
    """Return the profiles of a file in the order of the key; there are none before schema version 4."""
    if version_of(connection) < 4:
        return ()
    query = f"SELECT {quoted(Profile._fields)} FROM profiles ORDER BY {quoted(PROFILE_KEY)}"  # noqa: S608 - our columns
    return (Profile(*values) for values in connection.execute(query))


def record_profiles(connection: sqlite3.Connection, profiles: Iterable[Profile]) -> None:
    """Write profiles; a profile replaces an earlier one of the same key."""
    columns = quoted(Profile._fields)
    query = f"INSERT OR REPLACE INTO profiles ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our columns
    for profile in profiles:
        connection.execute(query, profile)
