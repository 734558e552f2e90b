"""Power spectra: Parseval to the last digits, waves where they belong, and bands that neither lose power nor size."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from codecshift.analysis.spectrum import (
    HIGH,
    LOW,
    RINGS_PER_CYCLE,
    Bands,
    bands,
    mean,
    power_spectrum,
    radial_profile,
    radius,
    third,
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


@shapes
def test_rings_conserve_power(shape: tuple[int, ...]) -> None:
    power = power_spectrum(noise(shape))
    profile = radial_profile(power)
    assert profile.shape == (92,)
    assert profile.sum() == pytest.approx(power.sum(), rel=1e-12)
    assert profile[0] == power[0, 0]


@pytest.mark.parametrize(("height", "width"), [(256, 384), (384, 256), (128, 128), (192, 320)])
def test_a_wave_is_in_the_same_ring_at_every_size(height: int, width: int) -> None:
    for down, across in ((0, 1 / 4), (1 / 8, 1 / 4), (1 / 2, 1 / 2), (1 / 64, 0), (1 / 2, 0)):
        profile = radial_profile(power_spectrum(wave(height, width, down * height, across * width)))
        expected = math.floor(round(math.hypot(down, across) * RINGS_PER_CYCLE, 6)) + 1
        assert profile.argmax() == expected
        assert profile.max() == pytest.approx(profile.sum(), rel=1e-9)


def test_radii_are_in_cycles_per_pixel() -> None:
    distance = radius(6, 8)
    assert distance.shape == (6, 8)
    assert distance[0, 0] == 0
    assert distance[0, 4] == 0.5
    assert distance[3, 0] == 0.5
    assert distance[3, 4] == distance.max() == pytest.approx(math.sqrt(0.5))
    assert distance[1, 2] == distance[-1, -2] == pytest.approx(math.hypot(1 / 6, 2 / 8))


# --- bands


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
    power = bands(power_spectrum(5 * wave(height, width, 0, across * width)))
    assert power.share(band) == pytest.approx(1, rel=1e-9)
    assert power.centroid == pytest.approx(across, abs=1e-9)
    assert third(across) == ("low" if band == "dc" else band)


@shapes
def test_thirds_share_all_power_and_frequency_0_is_low(shape: tuple[int, ...]) -> None:
    difference = noise(shape)
    power = bands(power_spectrum(difference))
    assert power.mse == pytest.approx(float(np.mean(difference**2)), rel=1e-9)
    assert power.low + power.medium + power.high == power.mse
    assert power.dc == pytest.approx(float(np.mean(difference.mean(axis=(0, 1)) ** 2)), rel=1e-9)
    assert power.dc <= power.low * (1 + 1e-12)


def test_white_noise_has_the_shares_of_areas() -> None:
    power = bands(power_spectrum(np.random.default_rng(0).normal(size=(512, 512, 3))))
    shares = [power.share("low"), power.share("medium"), power.share("high")]
    disc, discs = math.pi * LOW**2, math.pi * HIGH**2
    np.testing.assert_allclose(shares, [disc, discs - disc, 1 - discs], atol=0.004)
    square = (math.sqrt(2) + math.log(1 + math.sqrt(2))) / 6  # the mean distance from the centre of the unit square
    assert power.centroid == pytest.approx(square, abs=0.002)


def test_no_difference_lies_nowhere() -> None:
    power = bands(power_spectrum(np.zeros((8, 8))))
    assert power == Bands(0, 0, 0, 0, 0)
    assert math.isnan(power.centroid)
    assert math.isnan(power.share("low"))


def test_images_of_any_size_count_the_same() -> None:
    small, large = (bands(power_spectrum(noise(shape, seed))) for seed, shape in enumerate([(32, 32), (200, 300, 3)]))
    both = mean([small, large])
    assert both.mse == pytest.approx((small.mse + large.mse) / 2)
    assert both.centroid == pytest.approx((small.moment + large.moment) / (small.mse + large.mse))
    assert mean([large]) == large


def test_the_mean_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one spectrum"):
        mean([])


BLURS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "next": lambda field: field - np.roll(field, 1, axis=1),  # |1 - exp(-2 pi i f)|^2 = 4 sin^2(pi f)
    "sum": lambda field: field + np.roll(field, 1, axis=1),
}


@pytest.mark.parametrize("name", BLURS)
def test_a_filter_shapes_the_spectrum_by_its_response(name: str) -> None:
    field = noise((24, 36))
    response = {"next": np.sin, "sum": np.cos}[name](np.pi * np.fft.fftfreq(36)) ** 2 * 4
    np.testing.assert_allclose(power_spectrum(field) * response, power_spectrum(BLURS[name](field)), atol=1e-10)
