"""The compiled core of SSIMULACRA 2: opsin colours, halved sizes, the recursive Gaussian and the error maps.

Every step is rounded to single precision in the order of the C++ program, and fused where the program fuses a multiply
and an add. No compiler may reorder it, so all machines give the same bits. Numba compiles these functions on their
first use and caches the result on disk. Import this module inside functions.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from ..compiled import compiled

Plane = NDArray[np.float32]
"""One channel, of shape (height, width), or a stack of three."""

Row = NDArray[np.float32]


def _fused(_context: Any, _first: Any, _second: Any, _third: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    single = numba.types.float32
    return single(single, single, single), generate


fused: Any = intrinsic(_fused)
"""`fused(a, b, c)` is a b + c in single precision, rounded once."""


# --- colour

# The opsin absorbance of libjxl (opsin_params.h): what each of the three cones takes of linear red, green and blue, and
# the bias.
_ABSORBANCE = np.array(
    [
        (0.30, 0.622, 0.078),
        (0.23, 0.692, 0.078),
        (0.24342268924547819, 0.20476744424496821, 0.55180986650955360),
    ],
    np.float32,
)
_BIAS = np.float32(0.0037930732552754493)
_ROOT_OF_BIAS = np.float32(np.cbrt(np.float64(_BIAS)))
_HALF, _QUARTER, _THIRD, _FOUR_THIRDS = np.float32(0.5), np.float32(0.25), np.float32(1 / 3), np.float32(4 / 3)
# X, Y and B - Y are brought between 0 and 1, where SSIM is defined.
_X_SCALE, _X_SHIFT, _Y_SHIFT, _B_SHIFT = np.float32(14), np.float32(0.42), np.float32(0.01), np.float32(0.55)


@compiled
def _absorb(red: Row, green: Row, blue: Row, share: Row, absorbed: Row) -> None:
    of_red, of_green, of_blue = share[0], share[1], share[2]
    for i in range(len(absorbed)):
        absorbed[i] = fused(of_red, red[i], fused(of_green, green[i], fused(of_blue, blue[i], _BIAS)))


@compiled
def _guess(values: NDArray[np.int32], guesses: NDArray[np.int32]) -> None:
    """Write the bits of a guess of x^(-1/3) for the bits of x: its exponent is that of x by -1/3."""
    for i in range(len(values)):
        guesses[i] = np.int32(0x54800000) - (values[i] >> np.int32(23)) * np.int32(0x002AAAAA)


@compiled
def _root(values: Row, guesses: Row) -> None:
    """Replace the values by their cube roots, less that of the bias.

    Newton's iteration for x^(-1/3) is r <- (4 r - x r^4) / 3; the cube root is x r^2.
    """
    for i in range(len(values)):
        value, r = values[i], guesses[i]
        third = _THIRD * value
        for _ in range(3):
            square = r * r
            r = fused(-third, square * square, _FOUR_THIRDS * r)
        square = r * r
        r = fused(_THIRD, fused(-value, square * square, r), r)
        values[i] = fused(r * r, value, -_ROOT_OF_BIAS)


@compiled
def _combine(long: Row, middle: Row, short: Row, x: Row, y: Row, b: Row) -> None:
    for i in range(len(x)):
        x[i] = _HALF * (long[i] - middle[i]) * _X_SCALE + _X_SHIFT
    for i in range(len(x)):
        y[i] = _HALF * (long[i] + middle[i])
    for i in range(len(x)):
        b[i] = (short[i] - y[i]) + _B_SHIFT
    for i in range(len(x)):
        y[i] += _Y_SHIFT


@compiled
def opsin(linear: Plane, colours: Plane) -> None:
    """Write X, Y and B - Y, each brought between 0 and 1, of linear red, green and blue."""
    width = linear.shape[2]
    cones, guesses = np.empty((3, width), np.float32), np.empty(width, np.float32)
    for row in range(linear.shape[1]):
        for cone in range(3):
            _absorb(linear[0, row], linear[1, row], linear[2, row], _ABSORBANCE[cone], cones[cone])
            _guess(cones[cone].view(np.int32), guesses.view(np.int32))
            _root(cones[cone], guesses)
        _combine(cones[0], cones[1], cones[2], colours[0, row], colours[1, row], colours[2, row])


@compiled
def lighten(image: NDArray[np.uint8], table: Row, linear: Plane) -> None:
    """Write the red, green and blue planes of an image, looked up in `table`."""
    for row in range(image.shape[0]):
        for i in range(image.shape[1]):
            linear[0, row, i] = table[image[row, i, 0]]
            linear[1, row, i] = table[image[row, i, 1]]
            linear[2, row, i] = table[image[row, i, 2]]


@compiled
def halve(linear: Plane, half: Plane) -> None:
    """Write the means of 2x2 pixels; an odd side repeats its last line."""
    _, height, width = linear.shape
    for channel in range(3):
        for row in range(half.shape[1]):
            upper, lower = linear[channel, 2 * row], linear[channel, min(2 * row + 1, height - 1)]
            for i in range(half.shape[2]):
                left, right = 2 * i, min(2 * i + 1, width - 1)
                half[channel, row, i] = (upper[left] + upper[right] + lower[left] + lower[right]) * _QUARTER


# --- the Gaussian

# D. Charalampidis, "Recursive implementation of the Gaussian filter using truncated cosine functions", IEEE
# Transactions on Signal Processing 64(14), 2016: a Gaussian of sigma 1.5 as a sum of three cosines within a radius. The
# radius is that of (57). Pixels outside the image are 0.
_RADIUS = 5


def _recursion(sigma: float = 1.5) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each cosine takes of a new input, and of the last output."""
    frequency = np.array([1, 3, 5]) * np.pi / (2 * _RADIUS)
    sign = np.array([1, -1, 1])
    p = sign / np.tan(frequency / 2)  # (37)
    r = sign * p**2 / np.sin(frequency)  # (44)
    rho = np.exp(-((sigma * frequency) ** 2) / 2) / _RADIUS  # (50)
    zeta = np.cross(p, r)
    zeta /= zeta[2]  # (52)
    beta = np.linalg.solve(np.array([p, r, zeta]), [1, _RADIUS**2 - sigma**2, zeta @ rho])  # (53)
    return -beta * np.cos(frequency * (_RADIUS + 1)), 2 * np.cos(frequency)  # (33)


def _ahead() -> tuple[tuple[np.float32, ...], ...]:
    """Return for each cosine what outputs n to n + 3 take of input n, then of output n - 1, then of output n - 2."""
    new, last = _recursion()
    none, unit = np.zeros(3), np.ones(3)
    responses = []
    for taken, before, before_that in ((new, none, none), (none, unit, none), (none, none, unit)):
        outputs = [before_that, before]
        for n in range(4):
            outputs.append((none if n else taken) + last * outputs[-1] - outputs[-2])
        responses += outputs[2:]
    return tuple(_singles(cosine) for cosine in np.array(responses).T)


def _singles(values: NDArray[np.float64]) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for value in values)


_NEW, _LAST = (_singles(values) for values in _recursion())
_FIRST, _THIRD_COSINE, _FIFTH = _ahead()


@compiled
def _one(take: tuple[float, ...], new: float, last: float, before: float) -> Any:
    return fused(take[4], last, take[0] * new - before)


@compiled
def _four(take: tuple[float, ...], new: tuple[float, ...], last: float, before: float) -> Any:
    first = take[0] * new[0]
    second = fused(take[0], new[1], take[1] * new[0])
    third = fused(take[0], new[2], fused(take[1], new[1], take[2] * new[0]))
    fourth = fused(take[0], new[3], fused(take[1], new[2], fused(take[2], new[1], take[3] * new[0])))
    return (
        fused(take[4], last, fused(take[8], before, first)),
        fused(take[5], last, fused(take[9], before, second)),
        fused(take[6], last, fused(take[10], before, third)),
        fused(take[7], last, fused(take[11], before, fourth)),
    )


# Loops run over a block of lines at a time. What they remember lies in one flat array at constant distances: LLVM then
# knows without a check that its parts do not overlap, and vectorises.
_BLOCK = 256


@compiled
def _add(near: Row, far: Row, new: Row) -> None:
    for i in range(len(near)):
        new[i] = near[i] + far[i]


@compiled
def _step_along(near: Row, far: Row, past: Row, smooth: Row) -> None:
    """Write one output of each line; `past` has the last three cosines of each line, then those before."""
    for i in range(len(near)):
        new = near[i] + far[i]
        first = _one(_FIRST, new, past[i], past[3 * _BLOCK + i])
        third = _one(_THIRD_COSINE, new, past[_BLOCK + i], past[4 * _BLOCK + i])
        fifth = _one(_FIFTH, new, past[2 * _BLOCK + i], past[5 * _BLOCK + i])
        past[3 * _BLOCK + i] = past[i]
        past[4 * _BLOCK + i] = past[_BLOCK + i]
        past[5 * _BLOCK + i] = past[2 * _BLOCK + i]
        past[i], past[_BLOCK + i], past[2 * _BLOCK + i] = first, third, fifth
        smooth[i] = first + (third + fifth)


@compiled
def _four_along(count: int, past: Row) -> None:
    """Replace four inputs of each line, from 6 blocks on, by four outputs."""
    for i in range(count):
        new = (past[6 * _BLOCK + i], past[7 * _BLOCK + i], past[8 * _BLOCK + i], past[9 * _BLOCK + i])
        first = _four(_FIRST, new, past[i], past[3 * _BLOCK + i])
        third = _four(_THIRD_COSINE, new, past[_BLOCK + i], past[4 * _BLOCK + i])
        fifth = _four(_FIFTH, new, past[2 * _BLOCK + i], past[5 * _BLOCK + i])
        past[3 * _BLOCK + i], past[4 * _BLOCK + i], past[5 * _BLOCK + i] = first[2], third[2], fifth[2]
        past[i], past[_BLOCK + i], past[2 * _BLOCK + i] = first[3], third[3], fifth[3]
        past[6 * _BLOCK + i] = first[0] + (third[0] + fifth[0])
        past[7 * _BLOCK + i] = first[1] + (third[1] + fifth[1])
        past[8 * _BLOCK + i] = first[2] + (third[2] + fifth[2])
        past[9 * _BLOCK + i] = first[3] + (third[3] + fifth[3])


@compiled
def _copy(source: Row, target: Row) -> None:
    for i in range(len(target)):
        target[i] = source[i]


@compiled
def smooth_along(lines: Plane, smooth: Plane) -> None:
    """Write the Gaussian along the first axis of `lines`, as the program's pass over rows does.

    That pass computes four outputs at a time where the window lies inside the line.
    """
    length = lines.shape[0]
    outside, unseen = np.zeros(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    aligned = (_RADIUS + 1 + 3) // 4 * 4
    for start in range(0, lines.shape[1], _BLOCK):
        end = min(start + _BLOCK, lines.shape[1])
        past = np.zeros(10 * _BLOCK, np.float32)
        n = 1 - _RADIUS
        while n < length:
            near, far = n - _RADIUS - 1, n + _RADIUS - 1
            if aligned <= n < length - _RADIUS + 1 - 3:
                for k in range(4):
                    _add(lines[near + k, start:end], lines[far + k, start:end], past[(6 + k) * _BLOCK :])
                _four_along(end - start, past)
                for k in range(4):
                    _copy(past[(6 + k) * _BLOCK :], smooth[n + k, start:end])
                n += 4
            else:
                _step_along(
                    lines[near, start:end] if near >= 0 else outside[: end - start],
                    lines[far, start:end] if far < length else outside[: end - start],
                    past,
                    smooth[n, start:end] if n >= 0 else unseen,
                )
                n += 1


@compiled
def _step_down(upper: Row, lower: Row, past: Row, smooth: Row) -> None:
    """Write one row of output; `past` as above."""
    for i in range(len(upper)):
        new = upper[i] + lower[i]
        first = fused(_NEW[0], new, fused(_LAST[0], past[i], -past[3 * _BLOCK + i]))
        third = fused(_NEW[1], new, fused(_LAST[1], past[_BLOCK + i], -past[4 * _BLOCK + i]))
        fifth = fused(_NEW[2], new, fused(_LAST[2], past[2 * _BLOCK + i], -past[5 * _BLOCK + i]))
        past[3 * _BLOCK + i] = past[i]
        past[4 * _BLOCK + i] = past[_BLOCK + i]
        past[5 * _BLOCK + i] = past[2 * _BLOCK + i]
        past[i], past[_BLOCK + i], past[2 * _BLOCK + i] = first, third, fifth
        smooth[i] = first + (third + fifth)


@compiled
def smooth_down(rows: Plane, smooth: Plane) -> None:
    """Write the Gaussian along the first axis of `rows`, as the program's pass over columns does."""
    length = rows.shape[0]
    outside, unseen = np.zeros(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    for start in range(0, rows.shape[1], _BLOCK):
        end = min(start + _BLOCK, rows.shape[1])
        past = np.zeros(6 * _BLOCK, np.float32)
        for n in range(1 - _RADIUS, length):
            upper, lower = n - _RADIUS - 1, n + _RADIUS - 1
            _step_down(
                rows[upper, start:end] if upper >= 0 else outside[: end - start],
                rows[lower, start:end] if lower < length else outside[: end - start],
                past,
                smooth[n, start:end] if n >= 0 else unseen,
            )


# --- the error maps

_TWO, _C2 = np.float32(2), np.float32(0.0009)


@compiled
def _add_errors(
    x: Row,
    y: Row,
    x_mean: Row,
    y_mean: Row,
    x_variance: Row,
    y_variance: Row,
    product: Row,
    errors: NDArray[np.float64],
) -> None:
    """Add three errors and their fourth powers to the six blocks of `errors`, column by column."""
    for i in range(len(x)):
        difference = x_mean[i] - y_mean[i]
        luminance = np.float32(1) - difference * difference
        numerator = _TWO * (product[i] - x_mean[i] * y_mean[i]) + _C2
        denominator = x_variance[i] + y_variance[i] + _C2
        unlike: Any = max(0.0, 1.0 - np.float64(luminance * numerator / denominator))
        edges = (1.0 + abs(y[i] - y_mean[i])) / (1.0 + abs(x[i] - x_mean[i])) - 1.0
        added, lost = max(0.0, edges), max(0.0, -edges)
        errors[i] += unlike
        errors[_BLOCK + i] += (unlike * unlike) * (unlike * unlike)
        errors[2 * _BLOCK + i] += added
        errors[3 * _BLOCK + i] += (added * added) * (added * added)
        errors[4 * _BLOCK + i] += lost
        errors[5 * _BLOCK + i] += (lost * lost) * (lost * lost)


@compiled
def compare(
    x: Plane, y: Plane, x_mean: Plane, y_mean: Plane, x_variance: Plane, y_variance: Plane, product: Plane
) -> NDArray[np.float64]:
    """Return the means of the errors in structure, of artefacts and of lost detail, and of their fourth powers.

    `x` and `y` are planes of the reference and of what was seen, each with its local mean and variance; `product` is
    the local mean of their product. The result is of shape (3, 2).
    """
    errors = np.zeros(6 * _BLOCK)
    for start in range(0, x.shape[1], _BLOCK):
        part = slice(start, min(start + _BLOCK, x.shape[1]))
        for row in range(x.shape[0]):
            _add_errors(
                x[row, part],
                y[row, part],
                x_mean[row, part],
                y_mean[row, part],
                x_variance[row, part],
                y_variance[row, part],
                product[row, part],
                errors,
            )
    means = np.empty((3, 2))
    for error in range(3):
        for power in range(2):
            begin = (2 * error + power) * _BLOCK
            means[error, power] = errors[begin : begin + _BLOCK].sum() / x.size
    return means
