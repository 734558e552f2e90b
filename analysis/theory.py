"""The theory of linear codecs: D, G and R predicted from second moments, and how far other codecs are from linear.

A codec C, a clean image x and the image shown, c(x) = x + e, define three errors: D = C(x) - x on clean images,
G = C(c(x)) - c(x) and R = C(c(x)) - x. A linear codec is a projector P, patch by patch: D = -Q x, G = -Q (x + e) and
R = P e - Q x with Q = I - P, so the second moments of x and e determine those of all three. If P keeps r principal
components, x and e have the variances l_i and e_i along component i, and the shift is independent of the image,

    D = sum_{i>r} l_i        G = sum_{i>r} (l_i + e_i)        R = D + sum_{i<=r} e_i        G + R = 2 D + sum_i e_i

(Lieberman et al., "Neural Image Compression: Generalization, Robustness, and Spectral Biases", 2023). Everything here
is for one channel, in squared grey levels per pixel, and for patches of 8x8 pixels, flattened row by row to 64 numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .conditions import CLEAN_CONDITION
from .spectrum import GRID, SpectrumKey, luminance

Matrix = NDArray[np.float64]

SIDE = 8
"""Pixels a side of a patch."""
SAMPLES = SIDE * SIDE

_ROWS, _COLUMNS = GRID


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Second moments of patches, each (64, 64): of the clean data E[x x^T], of the shift E[e e^T], and E[x e^T]."""

    data: Matrix
    shift: Matrix
    cross: Matrix

    def independent(self) -> Moments:
        """Return the moments of the same data under a shift of the same spectrum that is independent of it."""
        return Moments(self.data, self.shift, np.zeros_like(self.cross))


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Second moments of the errors of a linear codec in a patch, each (64, 64); see the module for D, G and R."""

    D: Matrix
    G: Matrix
    R: Matrix


def stationary(power: Matrix) -> Matrix:
    """Return the second moment (64, 64) of the patches of a stationary field, from its power on the grid (64, 33).

    By the Wiener-Khinchin theorem, two pixels (y, x) apart have the mean product sum_k S(k) cos 2 pi (fy y + fx x). The
    power of a cell is assumed to be spread evenly over it, except in the middle cell, which is nearly all mean
    brightness. Raises ValueError for another shape.
    """
    if power.shape != GRID:
        raise ValueError(f"expected power on the grid of {_ROWS}x{_COLUMNS}, got shape {power.shape}")
    apart = np.arange(1 - SIDE, SIDE)
    down = np.exp(2j * np.pi * np.outer(apart, np.arange(-_ROWS // 2, _ROWS // 2) / _ROWS))
    across = np.exp(2j * np.pi * np.outer(apart, np.arange(_COLUMNS) / _ROWS))
    middle = power[_ROWS // 2, 0]
    rest = power.copy()
    rest[_ROWS // 2, 0] = 0
    spread = np.sinc(apart / _ROWS)  # the transform of a cell of even power, 1/64 wide
    products = (down @ rest @ across.T).real * np.outer(spread, spread) + middle
    place = np.arange(SIDE)
    lag = place[np.newaxis, :] - place[:, np.newaxis] + SIDE - 1
    return np.ascontiguousarray(
        products[lag[:, np.newaxis, :, np.newaxis], lag[np.newaxis, :, np.newaxis, :]].reshape(SAMPLES, SAMPLES)
    )


def principal(data: Matrix) -> Matrix:
    """Return the principal components of patches, shape (64, 64), one per row; the first is the constant patch.

    The others are the eigenvectors of the second moment of patches minus their means, by falling variance. Like the
    codec `linear`, a projection on the first r components keeps flat fields, independent of the value of black.
    """
    constant = np.full(SAMPLES, 1 / SIDE)
    inside = np.eye(SAMPLES) - np.outer(constant, constant)
    rest = inside @ data @ inside
    rest += 2 * max(float(np.trace(rest)), 1.0) * np.outer(constant, constant)
    vectors = np.linalg.eigh(rest)[1].T[::-1].copy()
    vectors[0] = constant
    return vectors


def predict(components: Matrix, moments: Moments) -> Errors:
    """Return the second moments of D, G and R for the projection on orthonormal components, shape (r, 64).

    The result is exact for any shift whose cross moments are known: the total of G contains 2 tr(Q E[x e^T]). The total
    of R is the same as under an independent shift, because P e and Q x are orthogonal.
    """
    kept = components.T @ components
    lost = np.eye(len(kept)) - kept
    clean = lost @ moments.data @ lost
    shown = moments.data + moments.shift + moments.cross + moments.cross.T
    mixed = lost @ moments.cross @ kept
    return Errors(clean, lost @ shown @ lost, clean + kept @ moments.shift @ kept - mixed - mixed.T)


def mean_square(moment: Matrix) -> float:
    """Return the mean square per pixel of a second moment (64, 64): its trace over 64."""
    return float(np.trace(moment)) / len(moment)


@dataclass(frozen=True, slots=True, eq=False)
class ErrorSpectra:
    """Power spectra of the errors of a linear codec, each on the grid (64, 33); see the module for D, G and R."""

    D: Matrix
    G: Matrix
    R: Matrix


def predict_spectra(components: Matrix, image: Matrix, shift: Matrix, shown: Matrix | None = None) -> ErrorSpectra:
    """Return the spectra of D, G and R for the projection on orthonormal components, shape (r, 64).

    `image`, `shift` and `shown` are the spectra of stationary images x, shifts e and images x + e on the grid (64, 33);
    without `shown` the shift is taken as independent of the image. A projector P on patches turns a wave of frequency f
    into waves of the frequencies f + k / 8, with the amplitudes a(f + k / 8)^H P a(f) / 64, where a(f) is the wave of f
    in a patch. The power of the wave at f that P keeps and that of Q it drops are correlated by -|amplitude|^2, except
    at f itself, where the two amplitudes sum to 1.
    """
    shown = image + shift if shown is None else shown
    # Frequencies k / 8 apart are turned into each other: 64 classes of 64 frequencies.
    coefficients = _waves().conj() @ components.T
    keeps = coefficients @ coefficients.conj().transpose(0, 2, 1) / SAMPLES
    drops = np.eye(SAMPLES) - keeps
    data, added, given, both = (_by_class(power) for power in (image, shift, shown, (shown - image - shift) / 2))
    lost = np.square(np.abs(drops))
    clean = lost @ data
    kept = np.square(np.abs(keeps)) @ added - 2 * (keeps * drops.conj()).real @ both
    return ErrorSpectra(*(_from_classes(power) for power in (clean, lost @ given, clean + kept)))


@cache
def _waves() -> NDArray[np.complex128]:
    """Return the wave of each frequency in a patch, shape (64, 64, 64): class, frequency of the class, pixel."""
    wave = np.exp(2j * np.pi * np.outer(np.fft.fftfreq(_ROWS), np.arange(SIDE)))
    sides = wave.reshape(SIDE, SIDE, SIDE)  # frequency k * 8 + class, so k comes first
    both = np.einsum("kpa,lqb->pqklab", sides, sides)
    return np.ascontiguousarray(both.reshape(SAMPLES, SAMPLES, SAMPLES))


def _by_class(power: Matrix) -> Matrix:
    """Return power on the grid by class and frequency, shape (64, 64, 1)."""
    return _whole(power).reshape(SIDE, SIDE, SIDE, SIDE).transpose(1, 3, 0, 2).reshape(SAMPLES, SAMPLES, 1)


def _from_classes(power: Matrix) -> Matrix:
    """Return power by class and frequency on the grid."""
    return _half(power.reshape(SIDE, SIDE, SIDE, SIDE).transpose(2, 0, 3, 1).reshape(_ROWS, _ROWS))


def _whole(power: Matrix) -> Matrix:
    """Return power on the grid (64, 33) over the whole plane, (64, 64) in the order of `fft2`."""
    upright = np.fft.ifftshift(power, axes=0)
    inner = upright[:, 1:-1] / 2
    mirrored = np.roll(inner[::-1, ::-1], 1, axis=0)
    return np.hstack([upright[:, :1], inner, upright[:, -1:], mirrored])


def _half(power: Matrix) -> Matrix:
    """Return power over the whole plane, (64, 64) in the order of `fft2`, on the grid (64, 33)."""
    half = power[:, :_COLUMNS].copy()
    half[:, 1:-1] += np.roll(power[::-1, : _COLUMNS - 1 : -1], 1, axis=0)
    return np.ascontiguousarray(np.fft.fftshift(half, axes=0))


# --- against measurements

DEVIATIONS = (
    *("corruption", "severity", "point", "rank", "quantity", "measured"),
    *("predicted", "deviation", "correlated", "correlated_deviation"),
)
"""The columns of `deviations`."""


def deviations(spectra: pd.DataFrame, codec: str = "linear", components: Matrix | None = None) -> pd.DataFrame:
    """Return predicted and measured D, G and R of the linear codec, in luminance, and the deviation in percent.

    `spectra` are those of one set, as `benchmark.store.spectra` gives them. The prediction uses the spectra of the
    clean images and of each shift, and the rank r of a point "r<r>". Images and shifts are assumed to be stationary.
    The codec is assumed to be fitted to these images, i.e. to their principal components, unless `components` (64, 64)
    are given. `predicted` assumes that the shift is independent of the image; `correlated` uses their correlation, from
    the spectra of the images shown (NaN without them). Quantities that the spectra lack have no line.
    """
    powers = luminance(spectra)
    lines = []
    if (image := powers.get(("image", *CLEAN_CONDITION, "", ""))) is not None:
        data = stationary(image)
        basis = principal(data) if components is None else components
        shifts = {CLEAN_CONDITION: Moments(data, np.zeros_like(data), np.zeros_like(data))} | {
            key[1:3]: _moments_of(image, power, powers.get(("image", *key[1:3], "", "")))
            for key, power in powers.items()
            if key[0] == "shift"
        }
        for (quantity, corruption, severity, name, point), power in powers.items():
            if name == codec and (known := shifts.get((corruption, severity))):
                rank, measured = int(point.removeprefix("r")), float(power.sum())
                predicted = [
                    mean_square(getattr(predict(basis[:rank], shift), quantity))
                    for shift in (known.independent(), known)
                ]
                percent = [100 * (value / measured - 1) for value in predicted]
                facts = (corruption, severity, point, rank, quantity, measured)
                lines.append((*facts, predicted[0], percent[0], predicted[1], percent[1]))
    return pd.DataFrame(lines, columns=list(DEVIATIONS))


def _moments_of(image: Matrix, shift: Matrix, shown: Matrix | None) -> Moments:
    """Return the moments of stationary data under a shift, from their power on the grid and that of the image shown.

    |x + e|^2 - |x|^2 - |e|^2 = 2 Re<x, e> determines only the even half of E[x e^T], which suffices for all totals.
    """
    cross = np.full((SAMPLES, SAMPLES), np.nan) if shown is None else stationary((shown - image - shift) / 2)
    return Moments(stationary(image), stationary(shift), cross)


BALANCE = ("codec", "point", "corruption", "severity", "D", "G", "R", "shift", "residual")
"""The columns of a balance: D, G, R and the shift are mean squared errors, in squared grey levels per sample."""


def balance_of_spectra(spectra: pd.DataFrame) -> pd.DataFrame:
    """Return how far each codec deviates from G + R = 2 D + shift in luminance, from the spectra of one set.

    `residual` is (G + R - 2 D - shift) / (2 D + shift) in percent. It is 0 for a fixed linear projector under a shift
    that is independent of the image, up to sampling, rounding and clipping. Lossless codecs are left out.
    """
    totals: dict[SpectrumKey, float] = {key: float(power.sum()) for key, power in luminance(spectra).items()}
    lines = []
    for (quantity, corruption, severity, codec, point), g in totals.items():
        r = totals.get(("R", corruption, severity, codec, point))
        d = totals.get(("D", *CLEAN_CONDITION, codec, point))
        shift = totals.get(("shift", corruption, severity, "", ""))
        if quantity == "G" and r is not None and d and shift is not None:
            residual = 100 * (g + r - 2 * d - shift) / (2 * d + shift)
            lines.append((codec, point, corruption, severity, d, g, r, shift, residual))
    return pd.DataFrame(lines, columns=list(BALANCE))
