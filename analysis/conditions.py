"""A condition is a corruption at a severity; conditions are grouped by the band of their corruption."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Condition = tuple[str, int]
"""A corruption and a severity."""

CLEAN = "none"
"""The corruption that stands for clean images."""
CLEAN_CONDITION: Condition = (CLEAN, 0)

BANDS = ("low", "medium", "high")
"""The paper's groups of corruptions; a corruption outside them is in the band "extra"."""


def by_band(conditions: Iterable[Condition], bands: Mapping[str, str], overall: str) -> dict[str, list[Condition]]:
    """Return conditions grouped as "clean", each of BANDS, and `overall`: every condition that is not clean.

    `bands` maps a corruption to its band; corruptions outside BANDS count in `overall` only.
    """
    conditions = list(conditions)
    shifted = [condition for condition in conditions if condition != CLEAN_CONDITION]
    return {
        "clean": [condition for condition in conditions if condition == CLEAN_CONDITION],
        **{band: [condition for condition in shifted if bands.get(condition[0]) == band] for band in BANDS},
        overall: shifted,
    }
