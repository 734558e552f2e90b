"""Digests of the pixels that corruptions make of a small image: libraries that make the same ones have the same."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from .corruption import SEVERITIES, Image, generator
from .fourier import PREFIX
from .table import find

_SHAPE = (72, 88)
_WAVES = tuple(f"{PREFIX}{wave}" for wave in ("0_0", "3_m5", "16_16_of_32", "m7_11_of_32"))
"""A constant, an oblique wave, the highest frequency and one that is snapped: waves differ by frequency alone."""


def example() -> Image:
    """Return the image that is corrupted, uint8 (72, 88, 3): whole-number arithmetic alone, the same everywhere."""
    y, x = np.indices(_SHAPE)
    planes = [(2 * x + y) % 256, (x * x // 16 + 3 * y) % 256, (x * y // 8) % 256]
    return np.asarray(np.stack(planes, axis=2), np.uint8)


@cache
def pixels(name: str) -> str:
    """Return the digest of what a corruption makes of the example at all severities: 16 hexadecimal digits.

    Waves are thousands, made by one function: all of them have the digest of the same few. Raises as `find`, and
    TexturesMissing for frost where its photographs are not on this machine.
    """
    image = example()
    digest = hashlib.blake2b(digest_size=8)
    for made in _WAVES if name.startswith(PREFIX) else (name,):
        for severity in SEVERITIES:
            digest.update(find(made)(image, severity, generator(f"example/{made}@{severity}")).tobytes())
    return digest.hexdigest()
