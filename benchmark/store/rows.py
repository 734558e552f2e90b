"""Rows: the raw measurement of one image under one corruption through one codec point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, NamedTuple

from ...analysis.measures.table import known

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..plan.plans import Shot

TOLERANCE = 1e-5
"""How far two values of one row may differ in a measure that this machine does not know."""

Status = Literal["ok", "failed", "skipped"]


class Key(NamedTuple):
    """The primary key of a row."""

    set: str
    corruption: str
    severity: int
    codec: str
    point: str
    image: str

    def __str__(self) -> str:
        return f"{self.set}/{self.corruption}@{self.severity} {self.codec}:{self.point} {self.image}"

    @property
    def shot(self) -> tuple[str, str, int, str]:
        """The set, corruption, severity and image."""
        return self.set, self.corruption, self.severity, self.image


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """The power spectra of a row, by quantity and channel, each on the grid of `analysis.spectrum`.

    `own` are the spectra of the decoded image; `shot` are those of the shot itself, the same for all rows of the shot.
    The run file stores the sums of `own` over the images of a cell, and of `shot` over the images of a condition.
    """

    own: Mapping[tuple[str, str], NDArray[np.float64]]
    shot: Mapping[tuple[str, str], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Row:
    """The raw measurement of one image under one corruption through one codec point: nothing derived or rounded.

    `error` and `error_clean` are summed squared errors against the shown and the clean image; times are in seconds.
    Values that were not measured are None; `message` says why. `scores` has the values of measures by their name and
    reference, "shown" or "clean"; they have a table of their own. `spectra` is added to sums.
    """

    set: str
    corruption: str
    severity: int
    codec: str
    point: str
    image: str
    height: int | None
    width: int | None
    nbytes: int | None
    error: int | None
    error_clean: int | None
    encode_s: float | None
    decode_s: float | None
    status: Status
    message: str
    run: str
    scores: Mapping[tuple[str, str], float] = field(default_factory=dict)
    spectra: Spectra | None = field(default=None, compare=False, repr=False)

    @property
    def key(self) -> Key:
        """The row's primary key."""
        return Key(self.set, self.corruption, self.severity, self.codec, self.point, self.image)

    def agrees(self, other: Row) -> bool:
        """Return whether two `ok` rows of one key were made by the same codec and corruption."""
        if (self.nbytes, self.error, self.error_clean) != (other.nbytes, other.error, other.error_clean):
            return False
        # Measures sum in single precision: their last digits depend on the processor.
        measures = known()
        return all(
            abs(value - other.scores[score]) <= (measures[score[0]].tolerance if score[0] in measures else TOLERANCE)
            for score, value in self.scores.items()
            if score in other.scores
        )


COLUMNS = tuple(column.name for column in fields(Row) if column.name not in {"scores", "spectra"})
"""The columns of the table `rows`, apart from its id and whether the spectra of the row are in the sums."""


def blank(shot: Shot, codec: str, point: str, run: str, status: Status, message: str) -> Row:
    """Return a row without measurements, with the reason as its message."""
    key = (shot.set, shot.corruption, shot.severity, codec, point, shot.image)
    return Row(*key, *(None,) * 7, status, message, run)
