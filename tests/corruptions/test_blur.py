"""The parts of the blurs, each against an independent one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from codecshift.corruptions import blur


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5, 4.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_gaussian_is_scipys_bit_for_bit(sigma, kind):
    field = np.random.default_rng(0).random((37, 53)).astype(kind)
    expected = scipy.ndimage.gaussian_filter(field, sigma, mode="nearest")
    actual = blur.gaussian(field, sigma)
    assert actual.dtype == kind
    np.testing.assert_array_equal(expected, actual)


@pytest.mark.parametrize("sigma", [0.7, 1.1, 6.0])
@pytest.mark.parametrize("size", ["33x47", "poster", "white", "200x301"])
def test_gaussian_levels_are_the_truncated_gaussian(sigma, size, picture):
    image = picture(size)
    expected = np.uint8(
        scipy.ndimage.gaussian_filter(image / 255.0, (sigma, sigma, 0), mode="nearest").clip(0, 1) * 255
    )
    np.testing.assert_array_equal(expected, blur.gaussian_levels(image, sigma))


@pytest.mark.parametrize("reach", [1, 2, 3, 4])
def test_chains_of_copies_are_followed_to_their_ends(reach):
    height, width = 34, 41
    steps = iter(np.random.default_rng(reach).integers(-reach, reach, size=(10_000, 2)))
    expected = np.arange(height * width).reshape(height, width)
    for h in range(height - reach, reach, -1):
        for w in range(width - reach, reach, -1):
            dx, dy = next(steps)
            expected[h, w] = expected[h + dy, w + dx]
    actual = blur._sources(height, width, reach, np.random.default_rng(reach))
    np.testing.assert_array_equal(expected.reshape(-1), actual)


@pytest.mark.parametrize("factor", [1.01, 1.1, 2.0, 2.5, 3.0, 4.5])
@pytest.mark.parametrize("size", [32, 47, 200, 511])
def test_line_stretches_as_scipy_does(factor, size):
    values = np.random.default_rng(size).random(size)
    stretch = blur.line(size, factor)
    crop = -int(-size // factor)
    start = (size - crop) // 2
    expected = scipy.ndimage.zoom(values[start : start + crop], factor, order=1)
    actual = values[stretch.index] * (1 - stretch.weight) + values[stretch.index + 1] * stretch.weight
    actual[stretch.outside] = 0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13)


def test_trail_longer_than_the_picture_leaves_it_darker():
    short, long = (blur.trail(radius, sigma=15, angle=0, height=32, width=32) for radius in (10, 20))
    assert sum(short.weights) == pytest.approx(1)
    assert len(long.moves) == 32
    assert sum(long.weights) < 0.99
