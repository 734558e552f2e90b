"""Digests of corrupted pixels of a small image, which show whether two versions of libraries give the same pixels."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from .corruption import SEVERITIES, Image, generator
from .fourier import PREFIX
from .table import find

_SHAPE = (72, 88)
_WAVES = tuple(f"{PREFIX}{wave}" for wave in ("0_0", "3_m5", "16_16_of_32", "m7_11_of_32"))
"""A constant, an oblique wave, the highest frequency and a snapped one; they stand for all Fourier perturbations."""


def example() -> Image:
    """Return the image to corrupt, uint8 (72, 88, 3); it uses only integer arithmetic, so it is the same everywhere."""
    y, x = np.indices(_SHAPE)
    planes = [(2 * x + y) % 256, (x * x // 16 + 3 * y) % 256, (x * y // 8) % 256]
    return np.asarray(np.stack(planes, axis=2), np.uint8)


@cache
def pixels(name: str) -> str:
    """Return the digest of the example under a corruption at all severities: 16 hexadecimal digits.

    One function makes all of the thousands of Fourier perturbations, so they share the digest of a few of them. Raises
    as `find` does, and TexturesMissing for frost if its photographs are not on this machine.
    """
    image = example()
    digest = hashlib.blake2b(digest_size=8)
    for corruption in _WAVES if name.startswith(PREFIX) else (name,):
        for severity in SEVERITIES:
            rng = generator(f"example/{corruption}@{severity}")
            digest.update(find(corruption)(image, severity, rng).tobytes())
    return digest.hexdigest()
