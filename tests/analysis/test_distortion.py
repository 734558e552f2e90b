"""Distortion against referees: integer sums, and the formula of PSNR."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from codecshift.analysis.distortion import (
    mean_squared_error,
    psnr,
    psnr_of_mse,
    squared_error,
)
from hypothesis import given, settings
from hypothesis import strategies as st


def noise(height: int, width: int, seed: int = 7) -> np.ndarray:
    # RandomState, since NumPy promises that its stream never changes.
    return np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)


def slow_squared_error(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.square(first.astype(np.int64) - second.astype(np.int64)).sum())


# --- squared error


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (17, 33), (161, 333), (1200, 1801)], ids="{0[0]}x{0[1]}".format)
def test_squared_error_is_the_integer_sum(size: tuple[int, int]) -> None:
    first, second = noise(*size, seed=1), noise(*size, seed=2)
    assert squared_error(first, second) == slow_squared_error(first, second)


@pytest.mark.parametrize("size", [(1, 1), (31, 17), (2000, 3001)], ids="{0[0]}x{0[1]}".format)
def test_squared_error_of_black_against_white_is_the_peak_squared_everywhere(size: tuple[int, int]) -> None:
    black, white = np.zeros((*size, 3), np.uint8), np.full((*size, 3), 255, np.uint8)
    assert squared_error(black, white) == 255**2 * 3 * size[0] * size[1]
    assert squared_error(white, black) == squared_error(black, white)
    assert squared_error(white, white) == 0


def test_squared_error_is_exact_for_every_small_sum() -> None:
    # A root that is squared again, as some libraries do inside, misses 3, 11 or 17 by one.
    black = np.zeros((40, 40, 3), np.uint8)
    dotted = black.copy()
    found = []
    for index in range(2000):
        dotted.flat[index] = 1
        found.append(squared_error(dotted, black))
    assert found == list(range(1, 2001))


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 40, 255]))
def test_squared_error_is_exact_at_any_size(height: int, width: int, seed: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    second = np.clip(first + rng.integers(-reach, reach + 1, first.shape), 0, 255).astype(np.uint8)
    assert squared_error(first, second) == slow_squared_error(first, second)


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda image: image[::-1], id="upside-down"),
        pytest.param(lambda image: image[3:, 5:-2], id="crop"),
        pytest.param(lambda image: image.transpose(1, 0, 2), id="turned"),
        pytest.param(lambda image: image[:, ::2], id="every-second-column"),
    ],
)
def test_squared_error_takes_views(view: Callable[[np.ndarray], np.ndarray]) -> None:
    first, second = view(noise(40, 31, 3)), view(noise(40, 31, 4))
    assert squared_error(first, second) == slow_squared_error(first, second)


# --- PSNR


def test_psnr_is_its_formula() -> None:
    first, second = noise(33, 65, 1), noise(33, 65, 2)
    mean = sum((int(a) - int(b)) ** 2 for a, b in zip(first.flat, second.flat, strict=True)) / first.size
    assert float(psnr(squared_error(first, second), 33 * 65)) == pytest.approx(
        10 * math.log10(255**2 / mean), rel=1e-14
    )


def test_psnr_is_infinite_without_error_and_zero_at_the_largest() -> None:
    assert float(psnr(0, 100)) == math.inf
    assert float(psnr(255**2 * 3 * 100, 100)) == 0


def test_psnr_rises_20_db_per_tenth_of_the_error_in_amplitude() -> None:
    assert float(psnr(100, 50)) == pytest.approx(float(psnr(10000, 50)) + 20, abs=1e-12)


def test_psnr_broadcasts_and_lets_what_is_unknown_stay_unknown() -> None:
    found = psnr([[0], [3 * 255**2], [math.nan]], [1, 10])
    np.testing.assert_allclose(found, [[math.inf, math.inf], [0, 10], [math.nan, math.nan]], atol=1e-12)


@pytest.mark.parametrize("decibels", [0.0, 20.0, 37.25, math.inf])
def test_the_psnr_of_a_mean_squared_error_is_the_psnr_it_came_from(decibels: float) -> None:
    error = mean_squared_error(decibels)
    assert error == pytest.approx(255**2 / 10 ** (decibels / 10))
    assert float(psnr_of_mse(error)) == pytest.approx(decibels)
