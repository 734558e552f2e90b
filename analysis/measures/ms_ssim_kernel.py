"""The compiled core of MS-SSIM: Gaussian windows over strips of an image that stay in the cache of one core.

Numba compiles these functions on their first use and caches the result on disk. Import this module inside functions.

A field is a picture of whole numbers with its three channels side by side, of shape (height, 3 width). It is cut into
strips of WIDTH columns. The strips of a reference are stored one after the other, so that a strip is read in the order
of memory. All arithmetic is done column by column over a fixed number of columns: the compiler can use vectors of any
length, and every sum has the same order, and the same value, on every processor. For the same reason, the compiler is
not allowed to reorder arithmetic (`fastmath`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..compiled import compiled, compiled_part

Field = NDArray[np.uint16]
Floats = NDArray[np.float32]

WIDTH = 192
"""Columns of a strip. A multiple of 3, so that a column has the same channel in every strip, and of the vectors."""
COVERED = WIDTH + 32
"""Columns that the windows of a strip cover: 30 more, rounded up to a cache line."""
BLOCK = 16
"""Rows of windows computed at a time, so that intermediate results stay in the cache."""
LINES = BLOCK + 10
"""Rows that the windows of a block cover."""
SPACE = LINES * WIDTH
"""Values of a row of the working memory."""

_CACHE_LINE = 64  # bytes
_builders: Any = cgutils
_half = np.exp(-(np.arange(-5.0, 1.0) ** 2) / (2 * 1.5**2))
_W5, _W4, _W3, _W2, _W1, _W0 = (_half / (2 * _half.sum() - 1)).astype(np.float32)


def _fetching(_typing: Any, array: Any, _place: Any) -> Any:
    """Ask for the cache line of an element of a contiguous array; an element beyond its end does no harm.

    References are too large for the cache. Asking for the next block while computing this one hides most of the wait.
    """
    ir, number, pointer = _builders.ir, _builders.int32_t, _builders.voidptr_t

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), pointer)
        prefetch = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = _builders.get_or_insert_function(builder.module, prefetch, "llvm.prefetch")
        # https://llvm.org/docs/LangRef.html#llvm-prefetch-intrinsic: for reading, to the second-level cache, data
        builder.call(function, [address, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


_fetch: Any = intrinsic(_fetching)


@compiled_part
def _fetch_row(array: Any, row: int, size: int, step: int) -> None:
    for place in range(0, size, step):
        _fetch(array, row * size + place)


# Offsets are unsigned below: Numba takes negative indices to count from the end, and a loop that has to ask for the
# sign of each index is not vectorised.


@compiled_part
def _across(row: Floats, out: Floats, i: int) -> None:
    """Write the Gaussian mean along a row of pixels to row `i` of a buffer."""
    start = np.uint32(i * WIDTH)
    for j in range(WIDTH):
        near = _W0 * row[j + 15] + _W1 * (row[j + 12] + row[j + 18]) + _W2 * (row[j + 9] + row[j + 21])
        far = _W3 * (row[j + 6] + row[j + 24]) + _W4 * (row[j + 3] + row[j + 27]) + _W5 * (row[j] + row[j + 30])
        out[start + j] = near + far


@compiled_part
def _down(rows: Floats, j: int) -> Any:
    """Return the Gaussian mean of a column over eleven rows of a buffer."""
    near = _W0 * rows[j + 5 * WIDTH] + _W1 * (rows[j + 4 * WIDTH] + rows[j + 6 * WIDTH])
    middle = _W2 * (rows[j + 3 * WIDTH] + rows[j + 7 * WIDTH]) + _W3 * (rows[j + 2 * WIDTH] + rows[j + 8 * WIDTH])
    far = _W4 * (rows[j + WIDTH] + rows[j + 9 * WIDTH]) + _W5 * (rows[j] + rows[j + 10 * WIDTH])
    return near + middle + far


@compiled_part
def _carry(rows: Floats) -> None:
    """Move the last ten rows of a buffer, which the windows of the next block cover too, to its start."""
    for j in range(10 * WIDTH):
        rows[j] = rows[j + BLOCK * WIDTH]


@compiled_part
def _load(field: Field, row: int, left: int, pixels: Floats) -> None:
    """Write the pixels of a row that the windows of a strip cover, with zeros beyond the end of the row."""
    inside = min(COVERED, field.shape[1] - left)
    start = np.uint32(left)
    for j in range(inside):
        pixels[j] = np.float32(field[row, start + j])
    for j in range(inside, COVERED):
        pixels[j] = 0


@compiled_part
def _squares(pixels: Floats, color: Floats, values: Floats, squares: Floats) -> None:
    for j in range(COVERED):
        value = pixels[j] - color[j]
        values[j] = value
        squares[j] = value * value


@compiled_part
def _moments(values: Floats, squares: Floats, i: int, stable: float, moments: Floats, strip: int, row: int) -> None:
    start = np.uint32(i * WIDTH)
    for j in range(WIDTH):
        mean = _down(values, start + j)
        moments[strip, row, 0, j] = mean
        moments[strip, row, 1, j] = _down(squares, start + j) - mean * mean + stable


@compiled
def halve(field: Field, out: Field) -> None:
    """Write the sums of 2x2 pixels; an odd side gets a line of zeros first."""
    height, width = field.shape
    left = np.uint32(3 * (width % 2))
    both = np.zeros(2 * out.shape[1], np.uint16)
    for i in range(len(out)):
        lower = 2 * i + 1 - height % 2
        for j in range(width):
            both[left + j] = field[lower, j] + field[lower - 1, j] if lower else field[lower, j]
        for pixel in range(out.shape[1] // 3):
            for channel in range(3):
                out[i, 3 * pixel + channel] = both[6 * pixel + channel] + both[6 * pixel + 3 + channel]


@compiled
def prepare(field: Field, color: Floats, stable: float, strips: Field, moments: Floats, memory: Floats) -> None:
    """Write a field in strips, and the local mean, and the local variance plus `stable`, under every window.

    `color`, of COVERED values, is first subtracted from each row. `strips` has the shape (strips, height, COVERED),
    `moments` (strips, height - 10, 2, WIDTH), the working memory (5, SPACE).
    """
    windows = len(field) - 10
    pixels, values, squares, value_rows, square_rows = memory[0], memory[1], memory[2], memory[3], memory[4]
    for strip in range(len(strips)):
        for top in range(0, windows, BLOCK):
            if top:
                _carry(value_rows)
                _carry(square_rows)
            count = min(BLOCK, windows - top)
            for i in range(10 if top else 0, count + 10):
                _load(field, top + i, strip * WIDTH, pixels)
                for j in range(COVERED):
                    strips[strip, top + i, j] = np.uint16(pixels[j])
                _squares(pixels, color, values, squares)
                _across(values, value_rows, i)
                _across(squares, square_rows, i)
            for i in range(count):
                _moments(value_rows, square_rows, i, stable, moments, strip, top + i)


@compiled_part
def _squared_difference(pixels: Floats, strips: Field, strip: int, row: int, shift: Floats, out: Floats) -> None:
    for j in range(COVERED):
        difference = pixels[j] - np.float32(strips[strip, row, j]) - shift[j]
        out[j] = difference * difference


@compiled_part
def _structure(rows: Floats, i: int, own: Floats, moments: Floats, strip: int, row: int, sums: Floats) -> None:
    # 1 - (2 covariance + C2) / (variance + variance + C2) is the variance of the difference of both images over the
    # same denominator. This form loses no precision to cancellation when the images are nearly equal.
    start = np.uint32(i * WIDTH)
    for j in range(WIDTH):
        difference = own[0, i, 0, j] - moments[strip, row, 0, j]
        variance = _down(rows, start + j) - difference * difference
        sums[j] += variance / (own[0, i, 1, j] + moments[strip, row, 1, j])


@compiled_part
def _similarity(
    rows: Floats,
    i: int,
    own: Floats,
    moments: Floats,
    strip: int,
    row: int,
    color: Floats,
    color2: Floats,
    bright: float,
    sums: Floats,
) -> None:
    # The same for the luminance: 1 - (2 a b + C1) / (a a + b b + C1) = (a - b)^2 / (a a + b b + C1).
    start = np.uint32(i * WIDTH)
    for j in range(WIDTH):
        first, second = own[0, i, 0, j], moments[strip, row, 0, j]
        variance = _down(rows, start + j) - (first - second) * (first - second)
        structure = variance / (own[0, i, 1, j] + moments[strip, row, 1, j])
        first, second = first + color[j], second + color2[j]
        luminance = (first - second) * (first - second) / (first * first + second * second + bright)
        sums[j] += structure + luminance - structure * luminance


@compiled_part
def _against(
    pixels: Floats,
    own: Floats,
    color: Floats,
    strips: Field,
    moments: Floats,
    color2: Floats,
    strip: int,
    top: int,
    count: int,
    bright: float,
    memory: Floats,
    rows: Floats,
    total: NDArray[np.float64],
) -> None:
    """Add 1 - similarity of a block of windows to a reference, summed over the rows, to the sums of the columns."""
    squares, sums, shift = memory[0], memory[1], memory[2]
    for j in range(COVERED):
        shift[j] = color[j] - color2[j]
    if top:
        _carry(rows)
    for i in range(10 if top else 0, count + 10):
        _fetch_row(strips, strip * strips.shape[1] + top + i + BLOCK, COVERED, _CACHE_LINE // 2)
        _squared_difference(pixels[i], strips, strip, top + i, shift, squares)
        _across(squares, rows, i)
    for j in range(WIDTH):
        sums[j] = 0
    for i in range(count):
        _fetch_row(moments, strip * moments.shape[1] + top + i + BLOCK, 2 * WIDTH, _CACHE_LINE // 4)
        if bright > 0:
            _similarity(rows, i, own, moments, strip, top + i, color, color2, bright, sums)
        else:
            _structure(rows, i, own, moments, strip, top + i, sums)
    for j in range(WIDTH):
        total[j] += sums[j]


@compiled
def compare(
    field: Field,
    stable: float,
    bright: float,
    colors: Floats,
    references: int,
    strips: Field,
    moments: Floats,
    strips2: Field,
    moments2: Floats,
    memory: Floats,
    pixels: Floats,
    own: Floats,
) -> NDArray[np.float64]:
    """Return the sums of 1 - similarity over all windows, of shape (2, 3), of a field to one or two references.

    The similarity is structure x luminance, or the structure alone where `bright` is 0. `stable` is C2 / 2 and `bright`
    C1. `colors`, of shape (3, COVERED), are those of the field and of the references, whose strips and moments are as
    `prepare` writes them. The working memory has the shapes (7, SPACE), (LINES, COVERED) and (1, BLOCK, 2, WIDTH).
    """
    windows, columns = len(field) - 10, field.shape[1] - 30
    values, squares, value_rows, square_rows = memory[0], memory[1], memory[3], memory[4]
    sums = np.empty((2, WIDTH), np.float64)
    total = np.zeros((2, 3), np.float64)
    for strip in range(len(strips)):
        sums[:] = 0
        for top in range(0, windows, BLOCK):
            if top:
                _carry(value_rows)
                _carry(square_rows)
            count = min(BLOCK, windows - top)
            for i in range(10 if top else 0, count + 10):
                _load(field, top + i, strip * WIDTH, pixels[i])
                _squares(pixels[i], colors[0], values, squares)
                _across(values, value_rows, i)
                _across(squares, square_rows, i)
            for i in range(count):
                _moments(value_rows, square_rows, i, stable, own, 0, i)
            block = (strip, top, count, bright, memory)
            _against(pixels, own, colors[0], strips, moments, colors[1], *block, memory[5], sums[0])
            if references > 1:
                _against(pixels, own, colors[0], strips2, moments2, colors[2], *block, memory[6], sums[1])
        for j in range(min(WIDTH, columns - strip * WIDTH)):
            total[0, j % 3] += sums[0, j]
            total[1, j % 3] += sums[1, j]
    return total
