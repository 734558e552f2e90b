"""The Fourier perturbation: one real wave of one frequency, added at a declared strength.

D. Yin et al., "A Fourier Perspective on Model Robustness in Computer Vision", NeurIPS 2019.
A heatmap of a codec is a run over many of these corruptions:

- `fourier_3_m5`: 3 cycles per image height and -5 (m is minus) per image width;
- `fourier_3_m5_of_32`: 3/32 and -5/32 cycles per pixel, snapped to the nearest frequency that the image has. It means
  the same on images of different sizes, so that they add up to one heatmap.

The severities are five strengths, `RMS`.
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
"""Root mean squares of the wave in grey levels, per sample, before clipping and rounding. Its peak is sqrt(2) times
that, or the same where the wave alternates between two values (frequency 0 and half a cycle per pixel)."""

_STRIP = 32  # rows spoiled at a time where the wave comes again so soon: what is added to them stays in the cache

PREFIX = "fourier_"
_NUMBER = "0|m?[1-9][0-9]*"
_NAME = re.compile(rf"{PREFIX}({_NUMBER})_({_NUMBER})(?:_of_([1-9][0-9]*))?")


def basis(height: int, width: int, i: int, j: int) -> NDArray[np.float64]:
    """Return the real Fourier basis image of i cycles per height and j cycles per width, shape (height, width).

    U[y, x] = cas(2 pi (i y / height + j x / width)) / sqrt(height width), where cas t = cos t + sin t = sqrt(2) cos(t -
    pi / 4): the basis of the discrete Hartley transform (R. Bracewell, 1983). All `height * width` of them are
    orthonormal at any size, even or odd, those of frequency 0 and of half a cycle per pixel with no special case; all
    power of U lies at (i, j) and (-i, -j), and the image of (-i, -j) is the same wave a quarter period on.

    Raises ValueError for more than half a cycle per pixel.
    """
    wave = _period(height, width, i, j) / math.sqrt(height * width)
    return np.tile(wave, (height // wave.shape[0], width // wave.shape[1]))


def _period(height: int, width: int, i: int, j: int) -> NDArray[np.float64]:
    """Return sqrt(height width) U as far as it goes before it comes again: whole parts of either side.

    Whole 32nds of a cycle per pixel come again on 512 x 768 after at most 32 x 32 samples. Raises as `basis`.
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
    """Return the phases of a wave of so many cycles over `size` samples, those of one period in whole samples."""
    # Whole turns are taken off in whole numbers, so that high frequencies are as exact as low ones.
    period = size // math.gcd(cycles, size)
    return 2 * np.pi * (cycles * np.arange(period) % size) / size


def half_plane(height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return every frequency (i, j) of an image, one of each pair (i, j) and (-i, -j), which differ by phase alone.

    -height / 2 < i <= height / 2 and 0 <= j <= width / 2, with i >= 0 where j is its own negative; by rows. A frequency
    that is its own negative (0 or half a cycle per pixel both ways: 1, 2 or 4 of them) has one degree of freedom, all
    others have two, `height * width` together.
    """
    return tuple(
        (i, j)
        for i in range(-((height - 1) // 2), height // 2 + 1)
        for j in range(width // 2 + 1)
        if i >= 0 or 0 < 2 * j < width
    )


def every_wave(n: int = 32) -> tuple[Corruption, ...]:
    """Return the perturbations of all frequencies that are whole n-ths of a cycle per pixel, one of each pair.

    With n = 32 they are 514, and by symmetry fill a heatmap of 33 x 17 from -1/2 to 1/2 down and 0 to 1/2 across.
    """
    return tuple(fourier(i, j, n) for i, j in half_plane(n, n))


def lowest_waves(n: int = 64) -> tuple[Corruption, ...]:
    """Return the perturbations of -n/2 to n/2 - 1 cycles per image both ways, one of each pair.

    With n = 64 they are the 2112 of the usual heatmap, which on 512 rows covers the lowest eighth of the frequencies.
    """
    cycles = range(-(n // 2), (n + 1) // 2)
    frequencies = {(i, j) if (j, i) >= (0, 0) else (-i, -j) for i in cycles for j in cycles}
    return tuple(fourier(i, j) for i, j in sorted(frequencies))


def fourier(i: int, j: int, steps: int | None = None) -> Corruption:
    """Return the perturbation of i cycles per height and j per width, or of i/steps and j/steps cycles per pixel.

    Raises ValueError for a frequency outside -steps/2 < i, j <= steps/2: beyond lies the same one again.
    """
    if steps is not None and not (-steps < 2 * i <= steps and -steps < 2 * j <= steps):
        raise ValueError(f"expected more than -1/2 and at most 1/2 cycle per pixel, got {i}/{steps} and {j}/{steps}")
    unit = "" if steps is None else f"_of_{steps}"
    name = f"{PREFIX}{i}_{j}{unit}".replace("-", "m")
    return Corruption(name, RMS, partial(_perturbed, i=i, j=j, steps=steps), "extra")


def parse(name: str) -> tuple[int, int, int | None]:
    """Return the (i, j, steps) for which `fourier(i, j, steps)` has this name.

    Raises ValueError for any other name: a perturbation has only one.
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

    At most half a cycle per pixel: of 33 pixels, 16 cycles are the most there is.
    """
    cycles = min((2 * abs(i) * size + steps) // (2 * steps), size // 2)
    return cycles if i >= 0 else -cycles


def _perturbed(image: Image, rms: float, rng: np.random.Generator, *, i: int, j: int, steps: int | None) -> Image:
    """Return round(clip(image +- rms sqrt(H W) U)), the sign of each channel drawn from `rng`.

    Being rounded, a weak wave has harmonics: of its power 8 % lie elsewhere at an RMS of 1, 2 % at 2, 0.6 % at 4 and
    0.1 % at 8, and the RMS of 1 has become 0.88.
    """
    height, width = image.shape[:2]
    if steps is not None:
        i, j = nearest(height, i, steps), nearest(width, j, steps)
    # Pixels are whole numbers and no sample of a wave of whole RMS is half of an odd one (sqrt(2) RMS cos(t) is that at
    # no rational part of a turn), so to round the wave is to round the sum.
    step = np.rint(rms * _period(height, width, i, j)).astype(np.int8)
    up, down = np.maximum(step, 0).view(np.uint8), np.maximum(-step, 0).view(np.uint8)
    falls = [draw < 0.5 for draw in rng.random(3)]
    period, across = len(step), width // step.shape[1]
    periods = max(1, _STRIP // period)
    raised = cv2.repeat(cv2.merge([down if fall else up for fall in falls]), periods, across)
    lowered = cv2.repeat(cv2.merge([up if fall else down for fall in falls]), periods, across)
    spoiled = np.empty_like(image)
    for top in range(0, height, len(raised)):
        rows = image[top : top + len(raised)]
        # Bytes are added and subtracted with saturation, and of the two one is 0 everywhere: that is to clip.
        brighter = cv2.add(rows, raised[: len(rows)])
        cv2.subtract(brighter, lowered[: len(rows)], dst=spoiled[top : top + len(rows)])
    return spoiled
