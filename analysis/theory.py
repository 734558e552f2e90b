"""What theory says of a linear codec: D, G and R from second moments, and how far from linear the others are.

A codec C, a clean image x and the image shown, c(x) = x + e, leave three errors: D = C(x) - x on clean images,
G = C(c(x)) - c(x) and R = C(c(x)) - x. A linear codec is a projector P, patch by patch: D = -Q x, G = -Q (x + e) and
R = P e - Q x with Q = I - P, so that the second moments of x and e tell those of all three. Where P keeps r principal
components along which x and e have the variances l_i and e_i, and the shift is independent of the image,

    D = sum_{i>r} l_i        G = sum_{i>r} (l_i + e_i)        R = D + sum_{i<=r} e_i        G + R = 2 D + sum_i e_i

(Lieberman et al., "Neural Image Compression: Generalization, Robustness, and Spectral Biases", 2023). Everything here
is of one channel, in squared grey levels per pixel, and of patches of 8x8 pixels, taken row by row as 64 numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .distortion import PEAK

Matrix = NDArray[np.float64]

SIDE = 8
"""Pixels a side of a patch."""
SAMPLES = SIDE * SIDE

_ROWS, _COLUMNS = 64, 33  # of the grid of spectra
_CHANNEL = "Y"
_CLEAN = "none"


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
    """Second moments of what a linear codec leaves of a patch, each (64, 64); see the module for D, G and R."""

    D: Matrix
    G: Matrix
    R: Matrix


def patches(plane: NDArray[Any]) -> Matrix:
    """Return the 8x8 patches of a plane (H, W), shape (n, 64); rows and columns beyond the last whole one are left."""
    down, across = plane.shape[0] // SIDE, plane.shape[1] // SIDE
    whole = plane[: down * SIDE, : across * SIDE].astype(np.float64).reshape(down, SIDE, across, SIDE)
    return np.ascontiguousarray(whole.transpose(0, 2, 1, 3).reshape(-1, SAMPLES))


def moments(pairs: Iterable[tuple[NDArray[Any], NDArray[Any]]]) -> Moments:
    """Return the second moments of the patches of planes (clean, shown), each patch counting the same."""
    sums = np.zeros((3, SAMPLES, SAMPLES))
    count = 0
    for clean, shown in pairs:
        data, shift = patches(clean), patches(np.subtract(shown, clean, dtype=np.float64))
        sums += data.T @ data, shift.T @ shift, data.T @ shift
        count += len(data)
    if not count:
        raise ValueError("expected at least one plane of 8x8 pixels or more")
    return Moments(*(sums / count))


def stationary(power: Matrix) -> Matrix:
    """Return the second moment (64, 64) of the patches of a stationary field, from its power on the grid (64, 33).

    By Wiener and Khinchin: two pixels (y, x) apart have the mean product sum_k S(k) cos 2 pi (fy y + fx x). The power
    of a cell is taken as spread evenly over it, but for the middle one, which is nearly all mean brightness.
    """
    if power.shape != (_ROWS, _COLUMNS):
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
    """Return the principal components of patches, shape (64, 64), the first the constant patch.

    Of the second moment of what is left beside the mean of each patch, the eigenvectors come by falling variance. A
    projection on the first r keeps flat fields wherever black lies, as the codec `linear` does.
    """
    constant = np.full(SAMPLES, 1 / SIDE)
    inside = np.eye(SAMPLES) - np.outer(constant, constant)
    rest = inside @ data @ inside
    rest += 2 * max(float(np.trace(rest)), 1.0) * np.outer(constant, constant)
    vectors = np.linalg.eigh(rest)[1].T[::-1].copy()
    vectors[0] = constant
    return vectors


def predict(components: Matrix, moments: Moments) -> Errors:
    """Return the second moments of D, G and R for the projection on components (r, 64), orthonormal.

    Exact for any shift, the cross moments being those of data and shift: G has 2 tr(Q E[x e^T]) in its total, R has the
    same total as under an independent shift, for P e and Q x are orthogonal.
    """
    kept = components.T @ components
    lost = np.eye(len(kept)) - kept
    clean = lost @ moments.data @ lost
    shown = moments.data + moments.shift + moments.cross + moments.cross.T
    mixed = lost @ moments.cross @ kept
    return Errors(clean, lost @ shown @ lost, clean + kept @ moments.shift @ kept - mixed - mixed.T)


def mean_square(moment: Matrix) -> float:
    """Return the mean square per pixel that a second moment (64, 64) stands for: its trace over 64."""
    return float(np.trace(moment)) / len(moment)


def spectrum(moment: Matrix) -> Matrix:
    """Return the power of patches at each frequency, shape (8, 8) in the order of `fft2`, from their second moment.

    The mean of |F|^2 / 64^2 over the patches, F the transform of one; the sum is the mean square per pixel.
    """
    four = moment.reshape(SIDE, SIDE, SIDE, SIDE)
    # |F|^2 is the transform of the patch along the first two axes, times its conjugate along the others.
    both = np.fft.ifft2(np.fft.fft2(four, axes=(0, 1)), axes=(2, 3)).reshape(SAMPLES, SAMPLES)
    return np.ascontiguousarray(both.diagonal().real.reshape(SIDE, SIDE)) / SAMPLES


# --- against what was measured

DEVIATIONS = (
    *("corruption", "severity", "point", "rank", "quantity", "measured"),
    *("predicted", "deviation", "correlated", "correlated_deviation"),
)
"""The columns of `deviations`."""


def deviations(spectra: pd.DataFrame, codec: str = "linear", components: Matrix | None = None) -> pd.DataFrame:
    """Return predicted and measured D, G and R of the linear codec, in luminance, and the deviation in percent.

    `spectra` are those of one set, as `benchmark.store.spectra` gives them. The prediction knows the spectrum of the
    clean images and of each shift, and the rank r of a point "r<r>"; it takes images and shifts as stationary and the
    codec as fitted to these very images: their own principal components, unless `components` (64, 64) are given.
    `predicted` takes the shift as independent of the image, `correlated` as correlated with it as the spectra of the
    images shown tell (NaN where those are not known). Quantities that the spectra lack have no line.
    """
    power = _powers(spectra)
    lines = []
    if (image := power.get(("image", _CLEAN, 0, "", ""))) is not None:
        data = stationary(image)
        basis = principal(data) if components is None else components
        shifts = {(_CLEAN, 0): Moments(data, np.zeros_like(data), np.zeros_like(data))} | {
            place[1:3]: _moments_of(image, of, power.get(("image", *place[1:3], "", "")))
            for place, of in power.items()
            if place[0] == "shift"
        }
        for (quantity, corruption, severity, named, point), of in power.items():
            if named == codec and (known := shifts.get((corruption, severity))):
                rank, measured = int(point.removeprefix("r")), float(of.sum())
                told = [
                    mean_square(getattr(predict(basis[:rank], shift), quantity))
                    for shift in (known.independent(), known)
                ]
                percent = [100 * (value / measured - 1) for value in told]
                known_places = (corruption, severity, point, rank, quantity, measured)
                lines.append((*known_places, told[0], percent[0], told[1], percent[1]))
    return pd.DataFrame(lines, columns=list(DEVIATIONS))


def _moments_of(image: Matrix, shift: Matrix, shown: Matrix | None) -> Moments:
    """Return the moments of stationary data under a shift, from their power on the grid and that of what was shown.

    Of E[x e^T] only the even half is told by |x + e|^2 - |x|^2 - |e|^2 = 2 Re<x, e>, and no total needs more.
    """
    cross = np.full((SAMPLES, SAMPLES), np.nan) if shown is None else stationary((shown - image - shift) / 2)
    return Moments(stationary(image), stationary(shift), cross)


BALANCE = ("codec", "point", "corruption", "severity", "n", "D", "G", "R", "shift", "residual")
"""The columns of a balance: D, G, R and the shift are mean squared errors, in squared grey levels per sample."""


def balance_of_spectra(spectra: pd.DataFrame) -> pd.DataFrame:
    """Return how far each codec is from G + R = 2 D + shift in luminance, from the spectra of one set.

    `residual` is (G + R - 2 D - shift) / (2 D + shift) in percent. It is 0 for a fixed linear projector under a shift
    that is independent of the image, but for sampling, rounding and clipping. Lossless codecs are left out.
    """
    totals = _totals(spectra)
    counts = dict(zip(_places(spectra), spectra["n"], strict=True))
    lines = []
    for (quantity, corruption, severity, codec, point), g in totals.items():
        r = totals.get(("R", corruption, severity, codec, point))
        d = totals.get(("D", _CLEAN, 0, codec, point))
        shift = totals.get(("shift", corruption, severity, "", ""))
        if quantity == "G" and r is not None and d and shift is not None:
            n = counts["G", corruption, severity, codec, point]
            lines.append((codec, point, corruption, severity, int(n), d, g, r, shift, _residual(d, g, r, shift)))
    return pd.DataFrame(lines, columns=list(BALANCE))


def balance_of_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return how far each codec is from G + R = 2 D + shift over all three channels, from the rows of one set.

    As `balance_of_spectra`. The squared error of a shift is that of the rows which came back as they were shown, those
    of `identity` say: conditions without one have no line. Images that lack one of the four count in none.
    """
    ok = rows[rows["status"] == "ok"]
    ok = ok.assign(G=_mean_squared_error(ok["psnr"]), R=_mean_squared_error(ok["psnr_clean"]))
    condition = ["corruption", "severity", "image"]
    clean = ok[ok["corruption"] == _CLEAN].rename(columns={"G": "D"})[["codec", "point", "image", "D"]]
    shown = ok[ok["G"] == 0].rename(columns={"R": "shift"}).drop_duplicates(condition)[[*condition, "shift"]]
    table = ok[ok["corruption"] != _CLEAN].merge(clean, on=["codec", "point", "image"]).merge(shown, on=condition)
    cells = table.groupby(["codec", "point", "corruption", "severity"], sort=False, observed=True)
    means = cells[["D", "G", "R", "shift"]].mean()
    means = means.assign(n=cells.size(), residual=_residual(means["D"], means["G"], means["R"], means["shift"]))
    return means[means["D"] > 0].reset_index()[list(BALANCE)]


def _residual(d: Any, g: Any, r: Any, shift: Any) -> Any:
    return 100 * (g + r - 2 * d - shift) / (2 * d + shift)


def _mean_squared_error(psnr: pd.Series[float]) -> NDArray[np.float64]:
    return np.asarray(PEAK**2 * 10 ** (-psnr / 10), np.float64)


_Place = tuple[str, str, int, str, str]
"""Quantity, corruption, severity, codec and point of a spectrum."""


def _places(spectra: pd.DataFrame) -> list[_Place]:
    columns = ("quantity", "corruption", "severity", "codec", "point")
    return list(zip(*(spectra[name] for name in columns), strict=True))


def _powers(spectra: pd.DataFrame) -> Mapping[_Place, Matrix]:
    luminance = spectra[spectra["channel"] == _CHANNEL]
    return dict(zip(_places(luminance), luminance["power"], strict=True))


def _totals(spectra: pd.DataFrame) -> Mapping[_Place, float]:
    return {place: float(power.sum()) for place, power in _powers(spectra).items()}
