"""Which rows are on a codec's curve: those of points that were measured on the same images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..conditions import CLEAN_CONDITION, Condition
from ..rate import MINIMUM_POINTS

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Aside:
    """The rows that are on no curve: points by codec and condition, and conditions under which no codec has a curve.

    See `on_curve` and `conditions_with_curves`.
    """

    points: tuple[tuple[str, Condition, str], ...] = ()
    conditions: tuple[Condition, ...] = ()


def on_curve(rows: pd.DataFrame) -> Mask:
    """Return which rows of one set are on their codec's curve under their condition.

    A curve takes the largest set of images that MINIMUM_POINTS of the codec's points were measured on under the
    condition; with fewer points, the largest set that any of them was measured on. A point that was not measured on
    all of these images is not on the curve; a point that was measured on more images contributes only these. A failed
    row counts as measured. So a few points on a few images, e.g. of a heatmap or a search for matched points, never
    reduce the images of a ladder.
    """
    kept = np.zeros(len(rows), np.bool_)
    image = pd.factorize(rows["image"], sort=True)[0]
    for places in rows.groupby("codec", sort=False).indices.values():
        part = rows.iloc[places]
        condition = part.groupby(["corruption", "severity"], sort=False).ngroup().to_numpy()
        point = pd.factorize(part["point"])[0]
        measured = np.zeros((condition.max() + 1, point.max() + 1, image.max() + 1), np.bool_)
        measured[condition, point, image[places]] = True
        on = np.stack([_on(points) for points in measured])
        kept[places] = on[condition, point, image[places]]
    return kept


def conditions_with_curves(rows: pd.DataFrame) -> tuple[Condition, ...]:
    """Return the conditions of a ranking: clean images, and corrupted conditions under which some codec has a curve.

    If there is no such corrupted condition, all conditions are returned, so that a file with only matched points is not
    ranked on clean images alone.
    """
    every = _conditions(rows)
    points = rows.drop_duplicates(["codec", "point", "corruption", "severity"])
    sizes = points.groupby(["corruption", "severity", "codec"]).size().groupby(["corruption", "severity"]).max()
    curved = {(str(name), int(severity)) for name, severity in sizes.index[sizes >= MINIMUM_POINTS]} - {CLEAN_CONDITION}
    return tuple(key for key in every if key in curved or key == CLEAN_CONDITION) if curved else every


def with_curves(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of one set that are on a curve, under conditions where some codec has a curve."""
    kept = rows[on_curve(rows)]
    conditions = conditions_with_curves(kept)
    pairs = pd.MultiIndex.from_frame(kept[["corruption", "severity"]])
    return kept[pairs.isin(list(conditions))]


def set_aside(rows: pd.DataFrame, kept: pd.DataFrame) -> Aside:
    """Return what a ranking of `kept`, a part of `rows`, leaves out."""
    if len(rows) == len(kept):
        return Aside()
    conditions = set(_conditions(kept))
    columns = ["codec", "corruption", "severity", "point"]
    present = set(kept[columns].drop_duplicates().itertuples(index=False, name=None))
    points = rows[columns].drop_duplicates().itertuples(index=False, name=None)
    return Aside(
        tuple(
            (str(codec), (str(corruption), int(severity)), str(point))
            for codec, corruption, severity, point in points
            if (corruption, severity) in conditions and (codec, corruption, severity, point) not in present
        ),
        tuple(condition for condition in _conditions(rows) if condition not in conditions),
    )


def _conditions(rows: pd.DataFrame) -> tuple[Condition, ...]:
    pairs = rows[["corruption", "severity"]].drop_duplicates().itertuples(index=False, name=None)
    return tuple((str(name), int(severity)) for name, severity in pairs)


def _on(measured: Mask) -> Mask:
    """Return which of the measured (points, images) are on the curve of one codec under one condition."""
    shared = largest_shared(measured[measured.any(axis=1)], MINIMUM_POINTS)
    has_all = (measured | ~shared).all(axis=1)
    return np.asarray(has_all[:, np.newaxis] & shared & measured, np.bool_)


def largest_shared(has: Mask, least: int) -> Mask:
    """Return the largest set of columns that at least `least` rows of a table have; if there is none, that any row has.

    `has` has shape (rows, columns). Among sets of one size, the one that more rows have is taken, then the one that
    begins first.
    """
    patterns = np.unique(has, axis=0)
    if len(patterns) == 1:
        return np.asarray(patterns[0], np.bool_)

    def rows_with(shared: Mask) -> int:
        return int((has | ~shared).all(axis=1).sum())

    for wanted in (least, 1):
        groups = (group for size in range(1, wanted + 1) for group in combinations(patterns, size))
        shared = {group.tobytes(): group for group in (_all(group) for group in groups)}.values()
        able = [columns for columns in shared if columns.any() and rows_with(columns) >= wanted]
        if able:
            return max(able, key=lambda columns: (int(columns.sum()), rows_with(columns), columns.tolist()))
    return np.zeros(has.shape[1], np.bool_)


def _all(masks: Iterable[Mask]) -> Mask:
    return np.asarray(np.logical_and.reduce(list(masks)), np.bool_)
