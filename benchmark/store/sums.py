"""Summed power spectra: over the images of a cell, and over the shots of a condition."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .rows import Key
from .schema import RunFileError, quoted, version_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SPECTRA_COLUMNS = ("set", "corruption", "severity", "codec", "point", "quantity", "channel", "n", "power")
"""The columns of `store.spectra`, in order."""
SUM_KEY = SPECTRA_COLUMNS[:7]

Place = tuple[str, str, int, str, str]
"""Set, corruption, severity, codec and point; codec and point are "" for the shots of a condition."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one place: the images in them, and n and power by quantity and channel."""

    images: frozenset[str]
    sums: Mapping[tuple[str, str], tuple[int, NDArray[np.float64]]]


def packed(power: NDArray[np.float64]) -> bytes:
    """Return a sum as little-endian float32 bytes; seven digits are more than any comparison of sums needs."""
    return power.astype("<f4").tobytes()


def unpacked(power: bytes) -> NDArray[np.float64]:
    """Return the sum that `packed` stored."""
    import numpy as np  # noqa: PLC0415 - the command line starts without numpy

    from ...analysis.spectrum import GRID  # noqa: PLC0415

    return np.frombuffer(power, "<f4").astype(np.float64).reshape(GRID)


def sums_in(connection: sqlite3.Connection, keys: Iterable[Key]) -> dict[Place, Sums]:
    """Return the sums of a file by place; `keys` are the keys of its rows that are in the sums."""
    if version_of(connection) < 2:
        return {}
    images: dict[Place, set[str]] = {}
    for key in keys:
        for codec, point in ((key.codec, key.point), ("", "")):
            images.setdefault((key.set, key.corruption, key.severity, codec, point), set()).add(key.image)
    powers: dict[Place, dict[tuple[str, str], tuple[int, NDArray[np.float64]]]] = {place: {} for place in images}
    for stored in connection.execute(f"SELECT {quoted(SPECTRA_COLUMNS)} FROM spectra"):  # noqa: S608 - our own columns
        powers[stored[:5]][stored[5:7]] = stored[7], unpacked(stored[8])
    return {place: Sums(frozenset(images[place]), powers[place]) for place in images}


def united(place: Place, parts: Iterable[Sums]) -> Sums:
    """Return the sums of one place over the images of all parts. Raises RunFileError if parts overlap partially."""
    # The largest part comes first: every other part is then either contained in it or has to be added.
    largest, *others = sorted(parts, key=lambda part: -len(part.images))
    images, sums = largest.images, dict(largest.sums)
    for part in others:
        if part.images <= images:
            continue
        if part.images & images:
            codec = f" {place[3]}:{place[4]}" if place[3] else ""
            raise RunFileError(
                f"the spectra of {place[0]}/{place[1]}@{place[2]}{codec} cannot be added: only some of their images "
                "are in several files; measure the images that one of the files lacks, then merge"
            )
        images |= part.images
        for quantity, (n, power) in part.sums.items():
            sums[quantity] = sums[quantity][0] + n, sums[quantity][1] + power
    return Sums(images, sums)
