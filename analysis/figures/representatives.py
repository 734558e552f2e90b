"""Representatives: the one point of a codec, and the one corruption of a band, that a figure shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ..matched import MATCHED_BPP, Near, at_points, nearest_to
from .material import Material

AT_MATCHED_POINT = f"Each codec is held at the setting whose mean rate on clean images is nearest {MATCHED_BPP:g} bpp. "
"""The rule of figures of matched points, for their captions."""


def matched_points(material: Material) -> dict[str, Near]:
    """Return each codec's point nearest the matched rate on clean images; codecs without one near it are left out."""
    return nearest_to(MATCHED_BPP, material.tabled())


def rows_at(rows: pd.DataFrame, points: Mapping[str, Near]) -> pd.DataFrame:
    """Return the rows of matched points."""
    return at_points(rows, ((near.codec, near.point) for near in points.values()))


def labels_of(points: Mapping[str, Near]) -> str:
    """Return the labels of matched points, "jpeg:q75, webp:q80"."""
    return ", ".join(f"{codec}:{near.point}" for codec, near in points.items())


def most_frequent(groups: Iterable[Sequence[str]], counts: Mapping[str, int] | pd.Series[int]) -> list[str]:
    """Return the name of each group that counts most, the first of several; empty groups are left out."""
    return [max(names, key=lambda name: counts[name]) for names in groups if names]
