"""Blur: the effects of lenses, motion and frosted glass.

Formulas and levels: Hendrycks & Dietterich 2019. The pixels equal those of imagecorruptions 1.1.2 for the same random
state, with exceptions that the functions' docstrings state.

Every result is truncated to 8 bits, so the last bit of a double decides whether a flat area of value v becomes v or
v - 1. Long sums are therefore first estimated in single precision. This decides every sample that is further from a
whole level than rounding errors can reach. Only the rest is summed in double precision and in imagecorruptions' order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from .corruption import Image
from .grey import UNIT, UNIT32, Floats, Sample, doubtful, looked_up, on_unit_scale, strips, truncated

Float = TypeVar("Float", np.float32, np.float64)

HALF_LAST_BIT = 255 * 2.0**-24
"""The largest error of rounding a grey level, 0..255, to single precision; each step of an estimate adds as much."""

DEFOCUS_BLUR = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
"""Radius of the disk and standard deviation of its soft rim, pixels."""

GLASS_BLUR = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
"""Standard deviation of the blurs before and after, reach of a displacement (pixels), rounds of displacements."""

MOTION_BLUR = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
"""Radius and standard deviation of the trail, pixels."""

ZOOM_BLUR = tuple(
    tuple(np.arange(1, limit, step).tolist())
    for limit, step in ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
)
"""The zoom factors that are averaged."""

GAUSSIAN_BLUR = (1, 2, 3, 4, 6)
"""Standard deviations, pixels."""


def gaussian(field: NDArray[Any], sigma: float) -> NDArray[Any]:
    """Return `field`, float and (H, W), smoothed with a sampled Gaussian of `sigma` pixels, borders replicated.

    The result equals that of scipy.ndimage.gaussian_filter bit for bit. The kernel is cut off at 4 sigma. Sums are in
    double precision: first the centre, then pairs of neighbours from the outermost inwards. The first pass runs along
    the columns, the second along the rows, and both are stored in the precision of `field`.
    """
    height, width = field.shape
    half = _half_gaussian(sigma)
    lines = _framed(field, len(half) - 1)
    stride = lines.shape[1]
    out = np.empty_like(field)
    for rows in strips(height, width):
        above: Floats = lines[rows.start : rows.stop + 2 * len(half) - 2].reshape(-1).astype(np.float64)
        tall = _pairs(above, half, stride)[: (rows.stop - rows.start) * stride]
        stored: Floats = tall.astype(field.dtype).astype(np.float64)
        out[rows] = _pairs(stored, half, 1).reshape(-1, stride)[:, :width]
    return out


def gaussian_levels(image: Image, sigma: float) -> Image:
    """Return `image` / 255 smoothed as by `gaussian`, as truncated 8-bit levels."""
    height, width, channels = image.shape
    row = width * channels
    half = _half_gaussian(sigma)
    taps = 2 * len(half) - 1
    lines = _framed(image, len(half) - 1)
    stride = lines.shape[1]
    kernel = np.array(half[:0:-1] + half, dtype=np.float32)
    estimate = cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    # Each pass has one rounding for each pair and product, and one each for kernel, centre and result.
    slack = 2 * (len(half) + 3) * HALF_LAST_BIT
    out = np.empty_like(image)
    for rows in strips(height, row):
        part = np.asarray(estimate[rows], dtype=np.float32).reshape(-1, row)
        levels = part.astype(np.uint8)
        doubts = doubtful(part, slack)
        if doubts.size * taps * 3 > levels.size:
            above = looked_up(lines[rows.start : rows.stop + taps - 1], UNIT).reshape(-1)
            tall = _pairs(above, half, stride)[: len(levels) * stride]
            levels = truncated(_pairs(tall, half, channels).reshape(-1, stride)[:, :row])
        elif doubts.size:
            down, right = np.divmod(doubts, row)
            down = rows.start + down + np.arange(taps)[:, None, None]
            right = right + np.arange(taps)[:, None] * channels
            around = looked_up(lines[down, right].reshape(-1), UNIT)
            tall = _pairs(around, half, taps * doubts.size)[: taps * doubts.size]
            levels.reshape(-1)[doubts] = truncated(_pairs(tall, half, doubts.size)[: doubts.size])
        out[rows] = levels.reshape(-1, width, channels)
    return out


def _framed(field: NDArray[Sample], margin: int) -> NDArray[Sample]:
    """Return `field`, (H, W) or (H, W, C), as lines, extended on all sides by `margin` replicated pixels."""
    framed = cv2.copyMakeBorder(field, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    return np.asarray(framed, dtype=field.dtype).reshape(len(framed), -1)


def _half_gaussian(sigma: float) -> list[float]:
    """Return the weights of the sampled Gaussian from the centre outwards; the full kernel sums to one."""
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 / (sigma * sigma) * offsets**2)
    weights /= weights.sum()
    half: list[float] = weights[radius:].tolist()
    return half


def _pairs(flat: Floats, half: list[float], step: int) -> Floats:
    """Correlate one dimension of a flattened array with the symmetric kernel `half`; `step` is that dimension's stride.

    Entry i of the result belongs to the window that begins at entry i. The last entries, whose windows would end
    outside, are undefined. NumPy adds contiguous runs several times faster than windows of rows.
    """
    reach = (len(half) - 1) * step
    count = flat.size - 2 * reach
    out = np.empty_like(flat)
    total = out[:count]
    np.multiply(flat[reach : reach + count], half[0], out=total)
    pair = np.empty_like(total)
    for tap in range(len(half) - 1, 0, -1):
        low, high = reach - tap * step, reach + tap * step
        np.add(flat[low : low + count], flat[high : high + count], out=pair)
        pair *= half[tap]
        total += pair
    return out


def defocus_blur(image: Image, level: tuple[int, float], _rng: np.random.Generator) -> Image:
    """Blur with the disk of an open aperture; `level` is its radius and the softness of its rim."""
    radius, softness = level
    reach = max(radius, 8)
    offsets = np.arange(-reach, reach + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.float32)
    disk /= disk.sum()
    rim = (3, 3) if radius <= 8 else (5, 5)
    kernel = cv2.GaussianBlur(disk, ksize=rim, sigmaX=softness)
    blurred = cv2.filter2D(on_unit_scale(image), -1, kernel)
    return truncated(np.asarray(blurred, dtype=np.float64))


def glass_blur(image: Image, level: tuple[float, int, int], rng: np.random.Generator) -> Image:
    """Simulate frosted glass: blur, copy pixels from random neighbours, blur again.

    `level` is the standard deviation of both blurs, the reach d of a displacement and the number of rounds. The pixels
    equal those of imagecorruptions 1.1.2 for the same random state. There, the two sides of a "swap" are views of the
    same array, so that it is a copy, x[h, w] = x[h + dy, w + dx] with -d <= dx, dy < d. Copies run pixel by pixel from
    the bottom right, so a copy may read a pixel that was itself overwritten before. Here, each such chain of copies is
    followed to its original source.
    """
    sigma, reach, rounds = level
    height, width = image.shape[:2]
    # Each pixel is packed into one number.
    pixels = np.asarray(cv2.cvtColor(gaussian_levels(image, sigma), cv2.COLOR_RGB2RGBA), dtype=np.uint8)
    packed = pixels.view(np.uint32).reshape(-1)
    for _ in range(rounds):
        packed = packed.take(_sources(height, width, reach, rng))
    shuffled = cv2.cvtColor(packed.view(np.uint8).reshape(pixels.shape), cv2.COLOR_RGBA2RGB)
    return gaussian_levels(np.asarray(shuffled, dtype=np.uint8), sigma)


def _sources(height: int, width: int, reach: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return, for every pixel in raster order, the index of the pixel whose old value it has after one round."""
    # imagecorruptions loops over h = H-d .. d+1 and w = W-d .. d+1, and draws dx before dy.
    steps = rng.integers(-reach, reach, size=(height - 2 * reach, width - 2 * reach, 2))[::-1, ::-1]
    pixel = np.arange(height * width)
    source = pixel.copy()
    looped = source.reshape(height, width)[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1]
    looped += steps[..., 0]
    looped += steps[..., 1] * width
    # A source later in raster order was overwritten earlier. Pixels outside the loop are their own source, which ends a
    # chain.
    pending = np.flatnonzero(source > pixel)
    origin = source.copy()
    before = origin[pending]
    while pending.size:
        after = source[before]
        origin[pending] = after
        onward = after > before
        pending, before = pending[onward], after[onward]
    return origin


def motion_blur(image: Image, level: tuple[int, float], rng: np.random.Generator) -> Image:
    """Drag the image along a random direction within 45 degrees of the horizontal; `level` is (radius, sigma)."""
    radius, sigma = level
    height, width, channels = image.shape
    path = trail(radius, sigma, rng.uniform(-45, 45), height, width)
    lines, starts = _margined(image, path)
    flat, stride, row = lines.reshape(-1), lines.shape[1], width * channels
    single = flat.astype(np.float32)
    # One rounding for each weight, product and sum; the weights sum to at most one.
    slack = (len(starts) + 3) * HALF_LAST_BIT
    out = np.empty_like(image)
    for rows in strips(height, row):
        first, size = rows.start * stride, (rows.stop - rows.start) * stride
        copies = (single[first + start :][:size] for start in starts)
        estimate = np.ascontiguousarray(_weighted_sum(path.weights, copies).reshape(-1, stride)[:, :row])
        levels = estimate.astype(np.uint8)
        doubts = doubtful(estimate, slack)
        if doubts.size * 6 > levels.size:
            exact = (flat[first + start :][:size].astype(np.float64) for start in starts)
            levels = _capped(_weighted_sum(path.weights, exact).reshape(-1, stride)[:, :row])
        elif doubts.size:
            down, right = np.divmod(doubts, row)
            position = first + down * stride + right
            exact = (flat.take(position + start).astype(np.float64) for start in starts)
            levels.reshape(-1)[doubts] = _capped(_weighted_sum(path.weights, exact))
        out[rows] = levels.reshape(-1, width, channels)
    return out


def _capped(levels: Floats) -> NDArray[np.uint8]:
    """Return grey levels clipped and truncated to 8 bits."""
    return np.clip(levels, 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Trail:
    """The shifted copies that make up a motion blur: the shift of each, (rows down, columns right), and its weight."""

    moves: tuple[tuple[int, int], ...]
    weights: tuple[float, ...]


def trail(radius: int, sigma: float, angle: float, height: int, width: int) -> Trail:
    """Return the trail of 2*radius + 1 copies along `angle` (degrees), weighted with half a Gaussian of `sigma` pixels.

    If the trail is longer than the image, `height` x `width`, it stops at the border, and the result is darker, as in
    imagecorruptions 1.1.2.
    """
    count = 2 * radius + 1
    weights = np.exp(-(np.arange(count) ** 2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    weights /= weights.sum()
    rise = count * np.sin(np.deg2rad(angle))
    run = count * np.cos(np.deg2rad(angle))
    length = math.hypot(rise, run)
    moves: list[tuple[int, int]] = []
    for i in range(count):
        y = math.ceil(i * rise / length - 0.5)
        x = math.ceil(i * run / length - 0.5)
        if abs(y) >= height or abs(x) >= width:
            break
        moves.append((y, x))
    return Trail(tuple(moves), tuple(weights[: len(moves)].tolist()))


def dragged(field: Floats, path: Trail) -> Floats:
    """Return the weighted sum of the copies of `field`, shape (H, W), along `path`; borders are replicated."""
    height, width = field.shape
    lines, starts = _margined(field, path)
    flat, stride = lines.reshape(-1), lines.shape[1]
    out = np.empty_like(field)
    for rows in strips(height, width):
        first, size = rows.start * stride, (rows.stop - rows.start) * stride
        copies = (flat[first + start :][:size] for start in starts)
        out[rows] = _weighted_sum(path.weights, copies).reshape(-1, stride)[:, :width]
    return out


def _margined(field: NDArray[Sample], path: Trail) -> tuple[NDArray[Sample], list[int]]:
    """Return `field`, (H, W) or (H, W, C), as lines with replicated margins, and the flat index where each copy starts.

    Copies are contiguous runs that include the margins, because NumPy adds those several times faster than windows of
    rows. One spare line at the bottom keeps the last run inside the array.
    """
    channels = field[0, 0].size
    rows, columns = (tuple(move[axis] for move in path.moves) for axis in range(2))
    up, left = -min(rows), -min(columns)
    padded = cv2.copyMakeBorder(field, up, max(rows) + 1, left, max(columns), cv2.BORDER_REPLICATE)
    lines = np.asarray(padded, dtype=field.dtype).reshape(len(padded), -1)
    return lines, [(up + y) * lines.shape[1] + (left + x) * channels for y, x in path.moves]


def _weighted_sum(weights: Iterable[float], parts: Iterable[NDArray[Float]]) -> NDArray[Float]:
    """Return the sum of `parts` times `weights`, added in this order and in the precision of `parts`."""
    pairs = zip(weights, parts, strict=True)
    weight, part = next(pairs)
    total = part * weight
    product = np.empty_like(total)
    for weight, part in pairs:
        np.multiply(part, weight, out=product)
        total += product
    return total


@dataclass(frozen=True, slots=True)
class Line:
    """One axis of a centred zoom: output sample i lies `weight[i]` of the way from input `index[i]` to the next one."""

    index: NDArray[np.intp]
    weight: Floats
    outside: NDArray[np.intp]
    """The output samples that rounding places beyond the last input; they are black."""


def line(size: int, factor: float) -> Line:
    """Return the zoom of the middle of an axis of `size` samples by `factor`, as in scipy.ndimage.zoom."""
    crop = math.ceil(size / float(factor))
    start = (size - crop) // 2
    stretched = round(crop * factor)
    position = np.arange(stretched) * ((crop - 1) / (stretched - 1))
    index = np.minimum(np.floor(position), crop - 2).astype(np.intp)
    return Line(index + start, position - index, np.flatnonzero(position > crop - 1))


def zoom_blur(image: Image, level: tuple[float, ...], _rng: np.random.Generator) -> Image:
    """Average the image with its enlargements by the factors in `level`, like a zoom during the exposure.

    The pixels equal those of imagecorruptions 1.1.2, except with a tiny probability. Each enlargement is interpolated
    in double precision, but in another order, and then rounded to single precision as there. A sample rounds
    differently with a probability of about 1e-8, and this changes a pixel by one level in about 1e-5 of these cases. No
    such case has been seen.
    """
    height, width = image.shape[:2]
    # The first factor is 1, the image itself.
    double = UNIT32.astype(np.float64)
    pixels = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA), dtype=np.uint8).view(np.uint32).reshape(height, width)

    def columns(lines: slice, taps: NDArray[np.intp]) -> Floats:
        # Each pixel is gathered as one number, which is a third of the work.
        taken = pixels[lines].take(taps, axis=1, mode="clip")[..., None].view(np.uint8)
        taken = np.asarray(cv2.cvtColor(taken, cv2.COLOR_RGBA2RGB), dtype=np.uint8)
        return looked_up(taken, double).reshape(len(taken), -1)

    zooms = []
    for factor in level[1:]:
        down, right = line(height, factor), line(width, factor)
        zooms.append((down, right.index[:width], np.repeat(right.weight[:width], 3), right.outside * 3))
    out = np.empty_like(image)
    for rows in strips(height, width * 3):
        still = looked_up(image[rows], UNIT32).reshape(-1, width * 3)
        total = still.copy()
        for down, taps, weight, outside in zooms:
            index = down.index[rows]
            needed = slice(index[0], index[-1] + 2)
            wide = columns(needed, taps)
            step = columns(needed, taps + 1)
            step -= wide
            step *= weight
            wide += step
            for column in outside:
                wide[:, column : column + 3] = 0
            # The vertical step is a matrix with two weights per row: one product instead of five passes.
            band = np.zeros((len(total), len(wide)))
            line_of = np.arange(len(total))
            band[line_of, index - index[0]] = 1 - down.weight[rows]
            band[line_of, index - index[0] + 1] = down.weight[rows]
            layer = band @ wide
            for row in down.outside:
                if rows.start <= row < rows.stop:
                    layer[row - rows.start] = 0
            total += layer.astype(np.float32)
        total += still
        total /= len(level) + 1
        out[rows] = truncated(total).reshape(-1, width, 3)
    return out


def gaussian_blur(image: Image, level: float, _rng: np.random.Generator) -> Image:
    """Blur with a Gaussian of standard deviation `level` pixels."""
    return gaussian_levels(image, level)
