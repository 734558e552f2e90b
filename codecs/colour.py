"""Full-range Y'CbCr of ITU-R BT.601 as raw 4:4:4 planes of 8 or more bits a sample, for programs that need them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .protocol import Image

_KR, _KB = 0.299, 0.114
RGB_TO_YCBCR = np.array(
    [
        [_KR, 1 - _KR - _KB, _KB],
        [-_KR / (2 - 2 * _KB), (_KR + _KB - 1) / (2 - 2 * _KB), 0.5],
        [0.5, (_KR + _KB - 1) / (2 - 2 * _KR), -_KB / (2 - 2 * _KR)],
    ]
)
YCBCR_TO_RGB = np.linalg.inv(RGB_TO_YCBCR)


def to_planes(image: Image, bits: int) -> bytes:
    """Return the planes Y', Cb and Cr of an image, in this order; above 8 bits, samples are little-endian uint16."""
    top = 2**bits - 1
    planes = np.tensordot(RGB_TO_YCBCR, image * (top / 255), axes=(1, 2))
    planes[1:] += 2 ** (bits - 1)
    return np.clip(np.rint(planes), 0, top).astype(_sample(bits)).tobytes()


def from_planes(planes: bytes, width: int, bits: int) -> Image:
    """Return the uint8 (H, W, 3) RGB image of planes from `to_planes`; raise ValueError if the size does not fit."""
    samples: NDArray[np.float64] = np.frombuffer(planes, _sample(bits)).reshape(3, -1, width).astype(np.float64)
    samples[1:] -= 2 ** (bits - 1)
    image = np.tensordot(samples, YCBCR_TO_RGB, axes=(0, 1)) * (255 / (2**bits - 1))
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)


def _sample(bits: int) -> str:
    return "u1" if bits == 8 else "<u2"
