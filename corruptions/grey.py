"""The grey scale: 8-bit levels on the unit scale, truncation back to 8 bits, and the strips that filters process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from .corruption import Image

Floats = NDArray[np.float64]
Sample = TypeVar("Sample", np.uint8, np.float32, np.float64)

UNIT: Floats = np.arange(256) / 255.0
"""The 256 grey levels on the unit scale."""

UNIT32: NDArray[np.float32] = UNIT.astype(np.float32)
"""The same in single precision, for the corruptions where imagecorruptions uses single precision."""

STRIP = 24576
"""Numbers in one strip: 192 KiB of float64, so that several such arrays fit into a second-level cache."""


def strips(height: int, row: int) -> Iterator[slice]:
    """Yield the slices of rows that cut `height` rows of `row` numbers each into strips, top to bottom."""
    step = max(1, STRIP // row)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def looked_up(levels: NDArray[np.uint8], table: NDArray[Sample]) -> NDArray[Sample]:
    """Return `table[levels]` for a table of 256 entries, several times as fast."""
    return np.asarray(cv2.LUT(levels, table), dtype=table.dtype).reshape(levels.shape)


def on_unit_scale(levels: NDArray[np.uint8]) -> Floats:
    """Return `levels` / 255 in double precision, in the same shape."""
    return looked_up(levels, UNIT)


def in_three(plane: NDArray[Sample]) -> NDArray[Sample]:
    """Return `plane`, shape (H, W), as three equal channels, (H, W, 3); broadcasting along a short axis is slow."""
    return np.asarray(cv2.merge([plane] * 3), dtype=plane.dtype)


def truncated(unit: Floats | NDArray[np.float32]) -> Image:
    """Return values on the unit scale as 8-bit levels, clipped, and truncated instead of rounded; writes to `unit`."""
    np.clip(unit, 0, 1, out=unit)
    unit *= 255
    return unit.astype(np.uint8)


def doubtful(estimate: NDArray[np.float32], slack: float) -> NDArray[np.intp]:
    """Return the flat indices of the values whose truncation an error of up to `slack` could change."""
    distance = np.rint(estimate)
    distance -= estimate
    np.abs(distance, out=distance)
    return np.flatnonzero(distance < slack)
