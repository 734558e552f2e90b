"""The Fourier perturbation: one real wave of one frequency, added at a given strength.

D. Yin et al., "A Fourier Perspective on Model Robustness in Computer Vision", NeurIPS 2019.
A heatmap of a codec is a run over many of these corruptions:

- `fourier_3_m5`: 3 cycles per image height and -5 per image width (m stands for minus);
- `fourier_3_m5_of_32`: 3/32 and -5/32 cycles per pixel, snapped to the nearest frequency of the image. This frequency
  does not depend on the image size, so that images of different sizes can be averaged in one heatmap.

The five severities are five strengths, `RMS`.
"""

from __future__ import annotations

import math
import re
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from .corruption import Corruption, Image

RMS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Root mean squares of the wave in grey levels, before clipping and rounding. The peak is sqrt(2) times as high, or as
high if the wave has only one or two values (frequency 0 and half a cycle per pixel)."""

_STRIP = 32  # rows to process at a time if the period is short, so that the wave stays in the cache

PREFIX = "fourier_"
_NUMBER = "0|m?[1-9][0-9]*"
_NAME = re.compile(rf"{PREFIX}({_NUMBER})_({_NUMBER})(?:_of_([1-9][0-9]*))?")


def basis(height: int, width: int, i: int, j: int) -> NDArray[np.float64]:
    """Return the real Fourier basis image of i cycles per height and j cycles per width, shape (height, width).

    U[y, x] = cas(2 pi (i y / height + j x / width)) / sqrt(height width), with cas t = cos t + sin t =
    sqrt(2) cos(t - pi / 4). This is the basis of the discrete Hartley transform (R. Bracewell, 1983). Its
    `height * width` images are orthonormal at any size, even or odd; frequency 0 and half a cycle per pixel are no
    special cases. All power of U lies at (i, j) and (-i, -j). The image of (-i, -j) is the same wave, shifted by a
    quarter period.

    Raises ValueError for more than half a cycle per pixel.
    """
    wave = _period(height, width, i, j) / math.sqrt(height * width)
    return np.tile(wave, (height // wave.shape[0], width // wave.shape[1]))


def _period(height: int, width: int, i: int, j: int) -> NDArray[np.float64]:
    """Return one period of sqrt(height width) U; its sides divide `height` and `width`.

    On 512 x 768, waves of whole 32nds of a cycle per pixel have a period of at most 32 x 32 samples. Raises as `basis`
    does.
    """
    if 2 * abs(i) > height or 2 * abs(j) > width:
        raise ValueError(
            f"expected at most half a cycle per pixel, got {i} and {j} cycles over {height} rows and {width} columns"
        )
    down, across = _phases(i, height), _phases(j, width)
    cosine, sine = np.cos(across), np.sin(across)
    rows, columns = np.stack([np.cos(down), np.sin(down)], axis=1), np.stack([cosine + sine, cosine - sine])
    return np.asarray(rows @ columns)


def _phases(cycles: int, size: int) -> NDArray[np.float64]:
    """Return the phases, over one period in whole samples, of a wave of `cycles` cycles over `size` samples."""
    # Whole turns are removed in integer arithmetic, so that high frequencies are as exact as low ones.
    period = size // math.gcd(cycles, size)
    return 2 * np.pi * (cycles * np.arange(period) % size) / size


def half_plane(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return every frequency (i, j) of an image, with one of each pair (i, j) and (-i, -j), which differ only in phase.

    The ranges are -height / 2 < i <= height / 2 and 0 <= j <= width / 2, with i >= 0 if j is its own negative; the
    order is by rows. A frequency that is its own negative (0 or half a cycle per pixel in both directions: 1, 2 or 4 of
    them) has one degree of freedom, all others have two; together they have `height * width`.
    """
    return tuple(
        (i, j)
        for i in range(-((height - 1) // 2), height // 2 + 1)
        for j in range(width // 2 + 1)
        if i >= 0 or 0 < 2 * j < width
    )


def every_wave(n: int = 32) -> tuple[Corruption, ...]:
    """Return the perturbations of all frequencies that are whole n-ths of a cycle per pixel, one of each pair.

    With n = 32 there are 514. By symmetry they fill a heatmap of 33 x 17, from -1/2 to 1/2 vertically and from 0 to 1/2
    horizontally.
    """
    return tuple(fourier(i, j, n) for i, j in half_plane(n, n))


def lowest_waves(n: int = 64) -> tuple[Corruption, ...]:
    """Return the perturbations of -n/2 to n/2 - 1 cycles per image in both directions, one of each pair.

    With n = 64 they are the 2112 of the usual heatmap, which covers the lowest eighth of the frequencies on 512 rows.
    """
    cycles = range(-(n // 2), (n + 1) // 2)
    frequencies = {(i, j) if (j, i) >= (0, 0) else (-i, -j) for i in cycles for j in cycles}
    return tuple(fourier(i, j) for i, j in sorted(frequencies))


def fourier(i: int, j: int, steps: int | None = None) -> Corruption:
    """Return the perturbation of i cycles per height and j per width, or of i/steps and j/steps cycles per pixel.

    Raises ValueError for a frequency outside -steps/2 < i, j <= steps/2, because it would be an alias of one inside.
    """
    if steps is not None and not (-steps < 2 * i <= steps and -steps < 2 * j <= steps):
        raise ValueError(f"expected more than -1/2 and at most 1/2 cycle per pixel, got {i}/{steps} and {j}/{steps}")
    unit = "" if steps is None else f"_of_{steps}"
    name = f"{PREFIX}{i}_{j}{unit}".replace("-", "m")
    return Corruption(name, RMS, partial(_perturbed, i=i, j=j, steps=steps), "extra")


def parse(name: str) -> tuple[int, int, int | None]:
    """Return the (i, j, steps) for which `fourier(i, j, steps)` has this name.

    Raises ValueError for any other name; each perturbation has exactly one name.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise ValueError(f"expected a name such as fourier_3_m5 or fourier_3_m5_of_32, got {name!r}")
    i, j = (int(text.replace("m", "-")) for text in match.groups()[:2])
    steps = int(match[3]) if match[3] else None
    fourier(i, j, steps)
    return i, j, steps


def nearest(size: int, i: int, steps: int) -> int:
    """Return the whole number of cycles over `size` pixels nearest to i/steps cycles per pixel, halves away from 0.

    The result is at most half a cycle per pixel, e.g. 16 cycles over 33 pixels.
    """
    cycles = min((2 * abs(i) * size + steps) // (2 * steps), size // 2)
    return cycles if i >= 0 else -cycles


def _perturbed(image: Image, rms: float, rng: np.random.Generator, *, i: int, j: int, steps: int | None) -> Image:
    """Return round(clip(image +- rms sqrt(H W) U)), with the sign of each channel drawn from `rng`.

    Rounding gives a weak wave harmonics: 8 % of its power lie at other frequencies at an RMS of 1, 2 % at 2, 0.6 % at 4
    and 0.1 % at 8. It also reduces an RMS of 1 to 0.88.
    """
    height, width = image.shape[:2]
    if steps is not None:
        i, j = nearest(height, i, steps), nearest(width, j, steps)
    # Rounding the wave is the same as rounding the sum: pixels are whole numbers, and no sample of a wave with a whole
    # RMS is exactly halfway between two (sqrt(2) RMS cos(t) is not at any rational part of a turn).
    step = np.rint(rms * _period(height, width, i, j)).astype(np.int8)
    up, down = np.maximum(step, 0).view(np.uint8), np.maximum(-step, 0).view(np.uint8)
    falls = [draw < 0.5 for draw in rng.random(3)]
    period, across = len(step), width // step.shape[1]
    periods = max(1, _STRIP // period)
    raised = cv2.repeat(cv2.merge([down if fall else up for fall in falls]), periods, across)
    lowered = cv2.repeat(cv2.merge([up if fall else down for fall in falls]), periods, across)
    out = np.empty_like(image)
    for top in range(0, height, len(raised)):
        rows = image[top : top + len(raised)]
        # OpenCV adds and subtracts bytes with saturation, which clips. Each sample is either raised or lowered.
        brighter = cv2.add(rows, raised[: len(rows)])
        cv2.subtract(brighter, lowered[: len(rows)], dst=out[top : top + len(rows)])
    return out
