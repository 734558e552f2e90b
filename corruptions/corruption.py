"""A corruption is a named, versioned, seeded function that degrades a clean image at one of five severities."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Pixels, shape (H, W, 3), RGB, 0..255."""

Progress = Callable[[str, int, int], None]
"""Called with (task, amount done, total amount); the total is 0 if unknown."""

Band = Literal["low", "medium", "high", "extra"]
"""The paper's groups of corruptions, by the part of the spectrum they affect; `extra` are outside the fifteen."""

CLEAN = "none"
"""The name for no corruption, with severity 0: the clean image itself."""

SEVERITIES = (1, 2, 3, 4, 5)
MINIMUM_SIDE = 32


@dataclass(frozen=True, slots=True)
class Corruption:
    """One row of the corruption table.

    `apply(image, level, rng)` is pure: it does not write to `image`, and `rng` is its only source of randomness.
    `levels` holds its parameters for severities 1 to 5. `version` rises whenever a pixel of the output may change.
    `prepare` downloads the files that `apply` reads if they are not on this machine; it raises DownloadError.
    """

    name: str
    levels: tuple[Any, ...]
    apply: Callable[[Image, Any, np.random.Generator], Image]
    band: Band
    version: int = 1
    prepare: Callable[[Progress | None], None] | None = None

    def __call__(self, image: Image, severity: int, rng: np.random.Generator) -> Image:
        """Return `image` corrupted at `severity` (1 to 5): a new uint8 array of the same shape.

        Raises ValueError for a severity outside 1..5, for an image that is not uint8 (H, W, 3), and for an image with a
        side below 32 pixels.
        """
        if severity not in SEVERITIES:
            raise ValueError(f"expected a severity from 1 to 5, got {severity}")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"expected a uint8 image of shape (H, W, 3), got {image.dtype} {image.shape}")
        if min(image.shape[:2]) < MINIMUM_SIDE:
            height, width = image.shape[:2]
            raise ValueError(f"{self.name} needs at least {MINIMUM_SIDE} pixels a side, got {width}x{height}")
        return self.apply(np.ascontiguousarray(image), self.levels[severity - 1], rng)


def generator(cell: str) -> np.random.Generator:
    """Return the random generator of a corrupted image, seeded from its name, e.g. "kodak/kodim01/fog@3".

    The seed is a hash of the name alone, so order, parallelism and subsets cannot change a pixel.
    """
    digest = hashlib.blake2b(cell.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
