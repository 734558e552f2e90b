"""PSNR-HVS-M: PSNR-HVS of what is left of each difference once the block's own contrast has masked it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .psnr_hvs import QUANTISATION, SMALLEST, Blocks, Image, blocks, coefficients, decibels, difference

__all__ = ["SMALLEST", "Prepared", "PsnrHvsM", "load"]

MASKING = (10 / QUANTISATION) ** 2
"""The weight of each squared coefficient in the masking energy of its block."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The DCT coefficients of an image, and the energy of each block that masks differences."""

    coefficients: Blocks
    energy: NDArray[np.float64]


class PsnrHvsM:
    """PSNR-HVS-M in dB, infinite where nothing is visible.

    Ponomarenko, Silvestri, Egiazarian, Carli, Astola and Lukin, "On between-coefficient contrast masking of DCT basis
    functions", VPQM 2007. A block hides sqrt(E / 64) / c_ij of the difference in coefficient ij. E is the larger
    masking energy of the two blocks, and c_ij the weight of the coefficient in that energy. The difference in DC is not
    masked. Blocks and luminance are those of PSNR-HVS.
    """

    def prepare(self, image: Image) -> Prepared:
        """Return the coefficients and the masking of a uint8 RGB image of shape (H, W, 3).

        Raises ValueError where a side is under 8 pixels.
        """
        pixels = blocks(image)
        transformed = coefficients(pixels)
        return Prepared(transformed, _masking_energy(pixels, transformed))

    def compare(self, reference: Prepared, seen: Prepared) -> float:
        """Return the PSNR-HVS-M of `seen` against `reference`.

        Raises ValueError where they have different numbers of blocks.
        """
        visible = difference(reference.coefficients, seen.coefficients)
        constant = visible[..., 0, 0].copy()
        masked = np.sqrt(np.maximum(reference.energy, seen.energy) / 64)
        visible -= masked[..., None, None] / MASKING
        np.maximum(visible, 0, out=visible)
        visible[..., 0, 0] = constant
        return decibels(visible)


def load() -> PsnrHvsM:
    """Return the instrument."""
    return PsnrHvsM()


def _masking_energy(pixels: Blocks, transformed: Blocks) -> NDArray[np.float64]:
    """Return the masking energy of each block: the weighted sum of its squared coefficients but DC, times delta / 16.

    delta is the mean variance of the four quarters of the block over the variance of the block, both with n - 1. It is
    small where the energy is that of an edge between flat areas, which masks little. A flat block masks nothing.
    """
    squares = np.square(transformed)
    squares[..., 0, 0] = 0
    energy = np.tensordot(squares, MASKING, 2)
    variance = squares.sum((-2, -1)) / 63  # Parseval: the transform is orthonormal
    quarters = pixels.reshape(*pixels.shape[:2], 2, 4, 2, 4).var((3, 5), ddof=1).mean((2, 3))
    delta = np.divide(quarters, variance, out=np.zeros_like(variance), where=variance > 0)
    return np.asarray(energy * delta / 16)
