"""PSNR-HVS: the PSNR of luminance, with DCT coefficients weighted by the eye's sensitivity to contrast."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Blocks = NDArray[np.float64]
"""Blocks of 8x8 values, of shape (rows of blocks, blocks in a row, 8, 8)."""

SMALLEST = 8
"""Pixels a side: one block."""

# ITU-T T.81, table K.1: the quantisation of luminance, after thresholds of visibility.
QUANTISATION = np.array(
    [
        (16, 11, 10, 16, 24, 40, 51, 61),
        (12, 12, 14, 19, 26, 58, 60, 55),
        (14, 13, 16, 24, 40, 57, 69, 56),
        (14, 17, 22, 29, 51, 87, 80, 62),
        (18, 22, 37, 56, 68, 109, 103, 77),
        (24, 35, 55, 64, 81, 104, 113, 92),
        (49, 64, 78, 87, 103, 121, 120, 101),
        (72, 92, 95, 98, 112, 100, 103, 99),
    ]
)

SENSITIVITY = (1 / QUANTISATION) / np.sqrt(np.mean(1 / QUANTISATION**2))
"""The weights of DCT coefficients. Their mean square is 1: white noise has the PSNR-HVS that its PSNR is."""


class PsnrHvs:
    """PSNR-HVS in dB, infinite for equal blocks: 10 log10(255^2 / mean of (sensitivity times difference)^2).

    Egiazarian, Astola, Ponomarenko, Lukin, Battisti and Carli, "New full-reference quality metrics based on HVS", VPQM
    2006. The difference is that of orthonormal DCT coefficients of 8x8 blocks, side by side without overlap, of BT.601
    luminance in full range, not rounded. Pixels right of the last whole block or below it do not count.
    """

    def prepare(self, image: Image) -> Blocks:
        """Return the DCT coefficients of a uint8 RGB image of shape (H, W, 3).

        Raises ValueError where a side is under 8 pixels.
        """
        return coefficients(blocks(image))

    def compare(self, reference: Blocks, seen: Blocks) -> float:
        """Return the PSNR-HVS of `seen` against `reference`.

        Raises ValueError where they have different numbers of blocks.
        """
        return decibels(difference(reference, seen))


def load() -> PsnrHvs:
    """Return the instrument."""
    return PsnrHvs()


def blocks(image: Image) -> Blocks:
    """Return the luminance of a uint8 RGB image in whole blocks.

    Raises ValueError where a side is under 8 pixels.
    """
    rows, columns = image.shape[0] // 8, image.shape[1] // 8
    if not rows or not columns:
        raise ValueError(f"expected an image of at least 8 pixels a side, got {image.shape[1]}x{image.shape[0]}")
    whole = image[: rows * 8, : columns * 8]
    luminance = 0.299 * whole[..., 0] + 0.587 * whole[..., 1] + 0.114 * whole[..., 2]
    return np.ascontiguousarray(luminance.reshape(rows, 8, columns, 8).swapaxes(1, 2), np.float64)


def coefficients(pixels: Blocks) -> Blocks:
    """Return the orthonormal DCT of each block."""
    return np.asarray(scipy.fft.dctn(pixels, axes=(-2, -1), norm="ortho"))


def difference(reference: Blocks, seen: Blocks) -> Blocks:
    """Return how far the coefficients of two images are apart.

    Raises ValueError where they have different numbers of blocks.
    """
    if reference.shape != seen.shape:
        counts = [f"{shape[1]}x{shape[0]}" for shape in (reference.shape, seen.shape)]
        raise ValueError(f"expected two images with as many blocks, got {' and '.join(counts)}")
    return np.asarray(np.abs(reference - seen))


def decibels(visible: Blocks) -> float:
    """Return the PSNR in dB of differences of coefficients, each times its sensitivity; infinite if all are zero."""
    error = float(np.mean(np.square(visible * SENSITIVITY)))
    return 10 * math.log10(255**2 / error) if error else math.inf
