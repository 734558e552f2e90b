"""Power spectra: Parseval to the last digits, waves where they belong, and thirds that lose no power."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.spectrum import (
    EVERY_CHANNEL,
    GRID,
    HIGH,
    LOW,
    Settings,
    Thirds,
    added,
    density,
    difference,
    grid,
    grid_radius,
    grid_thirds,
    gridded,
    luminance,
    mean_thirds,
    power_spectrum,
    radial,
    radius,
    third_of,
    thirds,
    transform,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

SHAPES = [(1, 1), (1, 5), (6, 1), (2, 2), (7, 9), (8, 9), (9, 8), (32, 48, 3), (33, 47, 3), (64, 40, 1)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))


def noise(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape, scale=20) + 3


def wave(height: int, width: int, i: float, j: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.cos(2 * np.pi * (i * y / height + j * x / width) - 0.3))


# --- power at each frequency


@shapes
def test_it_sums_to_the_mean_squared_error(shape: tuple[int, ...]) -> None:
    difference = noise(shape)
    power = power_spectrum(difference)
    assert power.shape == shape[:2]
    assert power.min() >= 0
    assert float(np.mean(difference**2)) == pytest.approx(float(power.sum()), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(arrays(np.int16, array_shapes(min_dims=2, max_dims=3, max_side=17), elements=st.integers(-255, 255)))
def test_it_sums_to_the_mean_squared_error_of_any_8_bit_difference(difference: np.ndarray) -> None:
    expected = float(np.mean(difference.astype(np.float64) ** 2))
    assert expected == pytest.approx(float(power_spectrum(difference).sum()), rel=1e-9, abs=1e-9)


@shapes
def test_it_is_the_square_of_the_whole_transform(shape: tuple[int, ...]) -> None:
    difference = noise(shape)
    planes = difference.reshape(*shape[:2], -1)
    transform = np.fft.fft2(planes, axes=(0, 1)) / (shape[0] * shape[1])
    np.testing.assert_allclose(np.mean(np.abs(transform) ** 2, axis=2), power_spectrum(difference), atol=1e-10)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int64, np.float32, np.float64])
def test_the_type_of_the_difference_does_not_matter(dtype: type) -> None:
    difference = np.random.default_rng(3).integers(-100, 100, (9, 14, 3)).astype(dtype)
    expected = power_spectrum(difference.astype(np.float64))
    np.testing.assert_array_equal(expected, power_spectrum(difference))


def test_small_errors_are_not_rounded_away() -> None:
    assert power_spectrum(np.full((16, 16), 1e-8)).sum() == pytest.approx(1e-16, rel=1e-9)


@pytest.mark.parametrize(
    ("difference", "fault"),
    [
        (np.zeros((4, 4, 3), np.uint8), "expected a signed or floating-point difference, got uint8"),
        (np.zeros((4, 4), np.complex128), "expected a signed or floating-point difference, got complex128"),
        (np.zeros(4), r"expected a difference of shape \(H, W\) or \(H, W, C\), got \(4,\)"),
        (np.zeros((2, 4, 4, 3)), r"got \(2, 4, 4, 3\)"),
        (np.zeros((0, 4)), r"got \(0, 4\)"),
        (np.zeros((4, 4, 0)), r"got \(4, 4, 0\)"),
    ],
    ids=["wrapped", "complex", "line", "batch", "empty", "no-channels"],
)
def test_other_arrays_are_refused(difference: np.ndarray, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        power_spectrum(difference)


# --- rings


def test_radii_are_in_cycles_per_pixel() -> None:
    distance = radius(6, 8)
    assert distance.shape == (6, 8)
    assert distance[0, 0] == 0
    assert distance[0, 4] == 0.5
    assert distance[3, 0] == 0.5
    assert distance[3, 4] == distance.max() == pytest.approx(math.sqrt(0.5))
    assert distance[1, 2] == distance[-1, -2] == pytest.approx(math.hypot(1 / 6, 2 / 8))


# --- thirds


@pytest.mark.parametrize(
    ("across", "band"),
    [
        (0, "dc"),
        (1 / 48, "low"),
        (7 / 48, "low"),
        (8 / 48, "medium"),
        (15 / 48, "medium"),
        (16 / 48, "high"),
        (0.5, "high"),
    ],
)
def test_a_wave_belongs_to_one_third_and_is_its_centroid(across: float, band: Any) -> None:
    height, width = 32, 48
    power = thirds(power_spectrum(5 * wave(height, width, 0, across * width)))
    assert power.share(band) == pytest.approx(1, rel=1e-9)
    assert power.centroid == pytest.approx(across, abs=1e-9)
    assert third_of(across) == ("low" if band == "dc" else band)


@shapes
def test_thirds_share_all_power_and_frequency_0_is_low(shape: tuple[int, ...]) -> None:
    difference = noise(shape)
    power = thirds(power_spectrum(difference))
    assert power.mse == pytest.approx(float(np.mean(difference**2)), rel=1e-9)
    assert power.low + power.medium + power.high == power.mse
    assert power.dc == pytest.approx(float(np.mean(difference.mean(axis=(0, 1)) ** 2)), rel=1e-9)
    assert power.dc <= power.low * (1 + 1e-12)


def test_white_noise_has_the_shares_of_areas() -> None:
    power = thirds(power_spectrum(np.random.default_rng(0).normal(size=(512, 512, 3))))
    shares = [power.share("low"), power.share("medium"), power.share("high")]
    disc, discs = math.pi * LOW**2, math.pi * HIGH**2
    np.testing.assert_allclose(shares, [disc, discs - disc, 1 - discs], atol=0.004)
    square = (math.sqrt(2) + math.log(1 + math.sqrt(2))) / 6  # the mean distance from the centre of the unit square
    assert power.centroid == pytest.approx(square, abs=0.002)


def test_no_difference_lies_nowhere() -> None:
    power = thirds(power_spectrum(np.zeros((8, 8))))
    assert power == Thirds(0, 0, 0, 0, 0)
    assert math.isnan(power.centroid)
    assert math.isnan(power.share("low"))


def test_images_of_any_size_count_the_same() -> None:
    small, large = (thirds(power_spectrum(noise(shape, seed))) for seed, shape in enumerate([(32, 32), (200, 300, 3)]))
    both = mean_thirds([small, large])
    assert both.mse == pytest.approx((small.mse + large.mse) / 2)
    assert both.centroid == pytest.approx((small.moment + large.moment) / (small.mse + large.mse))
    assert mean_thirds([large]) == large


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one spectrum"):
        mean_thirds([])


BLURS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "next": lambda field: field - np.roll(field, 1, axis=1),  # |1 - exp(-2 pi i f)|^2 = 4 sin^2(pi f)
    "sum": lambda field: field + np.roll(field, 1, axis=1),
}


@pytest.mark.parametrize("name", BLURS)
def test_a_filter_shapes_the_spectrum_by_its_response(name: str) -> None:
    field = noise((24, 36))
    response = {"next": np.sin, "sum": np.cos}[name](np.pi * np.fft.fftfreq(36)) ** 2 * 4
    np.testing.assert_allclose(power_spectrum(field) * response, power_spectrum(BLURS[name](field)), atol=1e-10)


# --- the grid

sizes = st.integers(1, 150)
"""Below, at and above the 64 of the grid, even and odd."""


def finely_divided(count: int) -> np.ndarray:
    """Return (rows of the grid, count): how much of each frequency is in each row, counted over 128 equal pieces of it.

    The pieces are 1/(128 count) wide, and 1/128, half the width of a row, is a whole number of them: none is divided.
    """
    pieces = (np.arange(count)[:, np.newaxis] / count) + (np.arange(128) - 63.5) / (128 * count)
    rows = (np.rint(pieces * 64).astype(int) + 32) % 64
    return np.stack([np.bincount(of, minlength=64) / 128 for of in rows], axis=1)


def referee_grid(power: np.ndarray) -> np.ndarray:
    """Return a symmetric spectrum on the grid: the plane in 64 x 64 cells, its left half turned onto the right."""
    height, width = power.shape
    whole = finely_divided(height) @ power @ finely_divided(width).T
    found = np.zeros(GRID)
    for down in range(-32, 32):
        for across in range(-32, 32):
            cell = whole[down + 32, across + 32]
            if across in {0, -32}:
                found[down + 32, -across] += cell
            elif across > 0:
                found[down + 32, across] += cell
            else:
                found[(-down + 32) % 64, -across] += cell
    return found


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.integers(0, 99))
def test_the_grid_is_the_plane_divided_by_area(height: int, width: int, seed: int) -> None:
    power = power_spectrum(noise((height, width), seed))
    np.testing.assert_allclose(grid(power), referee_grid(power), rtol=0, atol=1e-12 * power.sum())


@settings(max_examples=60, deadline=None)
@given(sizes, sizes)
def test_the_grid_conserves_power(height: int, width: int) -> None:
    difference = noise((height, width))
    assert grid(power_spectrum(difference)).sum() == pytest.approx(float(np.mean(difference**2)), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(sizes, sizes, st.sampled_from(["none", "hann"]))
def test_the_fast_way_is_the_exact_one_to_single_precision(height: int, width: int, window: str) -> None:
    rng = np.random.default_rng(height + 1000 * width)
    first, second = rng.integers(0, 256, (2, height, width, 3), np.uint8)
    exact = first.astype(np.float64) - second
    found = gridded(transform(difference(first, second), Settings(EVERY_CHANNEL, window)), width)
    if window == "hann":
        for axis, count in ((0, height), (1, width)):
            weights = np.sin(np.pi * (np.arange(count) + 0.5) / count) ** 2
            exact = exact * np.expand_dims(weights / np.sqrt(np.mean(weights**2)), (1 - axis, 2))
    assert list(found) == ["Y", "R", "G", "B"]
    planes = {"R": exact[..., 0], "G": exact[..., 1], "B": exact[..., 2], "Y": exact @ [0.299, 0.587, 0.114]}
    for channel, plane in planes.items():
        assert found[channel].sum() == pytest.approx(np.mean(plane**2), rel=1e-6)
        np.testing.assert_allclose(found[channel], grid(power_spectrum(plane)), rtol=0, atol=1e-6 * np.mean(plane**2))
    (alone,) = gridded(transform(difference(first, second), Settings(window=window)), width).values()
    np.testing.assert_allclose(alone, found["Y"], rtol=0, atol=1e-6 * alone.sum())


@pytest.mark.parametrize("shape", [(3, 5), (6, 4), (9, 1)], ids=str)
def test_it_is_the_square_of_a_plain_sum_over_pixels(shape: tuple[int, int]) -> None:
    height, width = shape
    pixels = np.random.default_rng(1).integers(-200, 200, (height, width, 3)).astype(np.float32)
    y, x = np.mgrid[:height, :width]
    power = np.empty(shape)
    for i in range(height):
        for j in range(width):
            basis = np.exp(-2j * np.pi * (i * y / height + j * x / width))
            power[i, j] = abs((pixels[..., 2] * basis).sum() / (height * width)) ** 2
    found = gridded(transform(pixels, Settings(EVERY_CHANNEL)), width)["B"]
    np.testing.assert_allclose(found, referee_grid(power), rtol=0, atol=1e-6 * power.sum())


@pytest.mark.parametrize(("height", "width"), [(256, 384), (384, 256), (64, 64), (128, 192)])
@pytest.mark.parametrize(("down", "across"), [(8, 16), (-8, 16), (0, 0), (0, 5), (5, 0), (-32, 32), (17, 32), (31, 1)])
def test_a_wave_is_in_the_same_cells_at_every_size(height: int, width: int, down: int, across: int) -> None:
    power = grid(power_spectrum(wave(height, width, down * height / 64, across * width / 64)))
    cells = {(down + 32, across)} | ({((-down + 32) % 64, across)} if across in {0, 32} else set())
    found = {(int(row), int(column)) for row, column in np.argwhere(power > 0.2 * power.sum())}
    # Where the frequencies are finer than the grid, one on its middle is all within the cell.
    assert found == cells
    assert sum(power[cell] for cell in cells) == pytest.approx(power.sum(), rel=1e-9)
    assert grid_radius()[down + 32, across] == pytest.approx(math.hypot(down, across) / 64)


def test_an_image_on_its_side_has_its_spectrum_on_its_side() -> None:
    picture = np.cumsum(np.cumsum(noise((90, 130)), axis=0), axis=1)
    upright, aside = (grid(power_spectrum(one)) for one in (picture, picture.T))
    # Of both, the quarter in which fy and fx are positive; there no cell has a part on the other side of 0.
    np.testing.assert_allclose(upright[33:, 1:32], aside[33:, 1:32].T, rtol=1e-9)


def test_the_areas_of_cells_are_those_of_the_plane() -> None:
    area = 1 / density(np.ones(GRID))
    assert area.sum() == pytest.approx(1)
    assert area[5, 7] == pytest.approx(2 / 64**2)
    assert area[5, 0] == area[5, 32] == pytest.approx(1 / 64**2)


def test_white_noise_is_flat_at_its_variance() -> None:
    rng = np.random.default_rng(2)
    power = np.mean([grid(power_spectrum(rng.normal(0, 7, (96, 130)))) for _ in range(60)], axis=0)
    np.testing.assert_allclose(density(power), 49, rtol=0.5)
    radii, profile = radial(power)
    assert radii.tolist() == [n / 64 for n in range(46)]
    np.testing.assert_allclose(profile[1:], 49, rtol=0.12)
    parts = grid_thirds(power)
    assert parts.mse == pytest.approx(49, rel=0.02)
    disc, discs = math.pi * LOW**2, math.pi * HIGH**2
    found = [parts.share("low"), parts.share("medium"), parts.share("high")]
    np.testing.assert_allclose(found, [disc, discs - disc, 1 - discs], atol=0.005)


def test_a_profile_is_the_mean_over_rings_by_area() -> None:
    power = np.random.default_rng(3).random(GRID)
    radii, profile = radial(power)
    rings = np.rint(grid_radius() * 64)
    for n in (0, 1, 20, 45):
        ring = rings == n
        area = np.where(np.isin(np.arange(33), [0, 32]), 1, 2)[np.newaxis].repeat(64, axis=0) / 64**2
        assert profile[n] == pytest.approx(power[ring].sum() / area[ring].sum())
    assert len(radii) == len(profile) == 46


@pytest.mark.parametrize(("across", "band"), [(0, "dc"), (10, "low"), (11, "medium"), (21, "medium"), (22, "high")])
def test_a_cell_belongs_to_the_third_of_its_centre(across: int, band: Any) -> None:
    power = np.zeros(GRID)
    power[32, across] = 3
    assert grid_thirds(power).share(band) == 1
    assert grid_thirds(power).centroid == across / 64


def test_a_window_keeps_the_power_of_noise_and_stops_a_wave_from_leaking() -> None:
    rng = np.random.default_rng(4)
    ratios = []
    for _ in range(40):
        field = rng.normal(0, 10, (70, 90, 3)).astype(np.float32)
        (through,) = gridded(transform(field, Settings(window="hann")), 90).values()
        (plain,) = gridded(transform(field, Settings()), 90).values()
        ratios.append(through.sum() / plain.sum())
    assert np.mean(ratios) == pytest.approx(1, abs=0.01)
    slope = np.repeat(np.linspace(0, 200, 90, dtype=np.float32)[np.newaxis, :, np.newaxis], 70, axis=0).repeat(
        3, axis=2
    )
    (through,) = gridded(transform(slope, Settings(window="hann")), 90).values()
    (plain,) = gridded(transform(slope, Settings()), 90).values()
    assert through[:, 10:].sum() < 1e-4 * plain[:, 10:].sum()


def test_the_transform_of_a_sum_is_the_sum_of_transforms() -> None:
    rng = np.random.default_rng(5)
    seen, shown, clean = rng.integers(0, 256, (3, 41, 60, 3), np.uint8)
    for how in (Settings(), Settings(EVERY_CHANNEL, "hann")):
        steps = added(transform(difference(seen, shown), how), transform(difference(shown, clean), how))
        whole = transform(difference(seen, clean), how)
        for channel, plane in whole.items():
            np.testing.assert_allclose(steps[channel], plane, atol=1e-6 * np.abs(plane).max())


def test_a_difference_is_exact_and_signed() -> None:
    first, second = np.array([[[0, 255, 7]]], np.uint8), np.array([[[255, 0, 9]]], np.uint8)
    assert difference(first, second).tolist() == [[[-255, 255, -2]]]


def test_luminance_spectra_are_found_by_their_key() -> None:
    key = {"corruption": "fog", "severity": 3, "codec": "jpeg", "point": "q50"}
    table = pd.DataFrame(
        [
            {"quantity": quantity, **key, "channel": channel, "power": np.ones(GRID)}
            for quantity in "GR"
            for channel in "YR"
        ]
    )
    assert list(luminance(table)) == [("G", "fog", 3, "jpeg", "q50"), ("R", "fog", 3, "jpeg", "q50")]
