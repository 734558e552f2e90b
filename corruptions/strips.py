"""A strip is a run of whole rows small enough that everything computed from it stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

SAMPLES = 24576
"""Numbers in one strip: 192 KiB of float64, so that a handful of such arrays share a second-level cache."""


def strips(height: int, row: int) -> Iterator[slice]:
    """Yield the slices of rows that cut `height` rows of `row` numbers each into strips, top to bottom."""
    step = max(1, SAMPLES // row)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))
