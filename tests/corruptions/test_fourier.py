"""The Fourier perturbation: an orthonormal basis at any size, waves as strong as declared, names that parse back."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from codecshift.corruptions.corruption import MINIMUM_SIDE, SEVERITIES, generator
from codecshift.corruptions.fourier import RMS, basis, every_wave, fourier, half_plane, lowest_waves, nearest, parse
from codecshift.corruptions.table import CORRUPTIONS, find
from hypothesis import given
from hypothesis import strategies as st

SIZES = [(1, 1), (1, 6), (5, 1), (2, 2), (7, 9), (8, 6), (8, 9), (9, 8), (3, 16)]
sizes = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


def grey(height, width, level=128):
    return np.full((height, width, 3), level, dtype=np.uint8)


def added(image, corruption, severity, cell="set/one"):
    return corruption(image, severity, generator(cell)).astype(np.int64) - image


def is_its_own_negative(height, width, i, j):
    return (2 * i) % height == 0 and (2 * j) % width == 0


# --- the basis


@sizes
def test_all_images_of_the_basis_are_orthonormal(size):
    height, width = size
    every = [
        (i, j) for i in range(-((height - 1) // 2), height // 2 + 1) for j in range(-((width - 1) // 2), width // 2 + 1)
    ]
    rows = np.array([basis(height, width, i, j).ravel() for i, j in every])
    assert rows.shape == (height * width, height * width)
    np.testing.assert_allclose(rows @ rows.T, np.eye(height * width), atol=1e-13)


@sizes
def test_those_of_the_half_plane_are_orthonormal_and_no_two_at_one_frequency(size):
    frequencies = half_plane(*size)
    rows = np.array([basis(*size, i, j).ravel() for i, j in frequencies])
    np.testing.assert_allclose(rows @ rows.T, np.eye(len(frequencies)), atol=1e-13)
    power = np.array([np.abs(np.fft.fft2(row.reshape(size))) ** 2 > 1e-9 for row in rows])
    np.testing.assert_array_equal(
        power.sum(axis=0), np.ones(size)
    )  # each bin belongs to one frequency, and none is left


@pytest.mark.parametrize("size", [*SIZES, (512, 768), (33, 47)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_half_plane_has_all_degrees_of_freedom_once(size):
    height, width = size
    frequencies = half_plane(height, width)
    assert len(frequencies) == len(set(frequencies))
    own = [is_its_own_negative(height, width, i, j) for i, j in frequencies]
    assert sum(1 if alone else 2 for alone in own) == height * width
    assert sum(own) == (2 - height % 2) * (2 - width % 2)
    modulo = {(i % height, j % width) for i, j in frequencies} | {(-i % height, -j % width) for i, j in frequencies}
    assert len(modulo) == height * width


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (64, 35), (512, 768)])
@pytest.mark.parametrize(
    "where", [(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5), (0.1, 0.3), (-0.25, 0.4), (0.3, -0.3)], ids=str
)
def test_the_power_lies_at_its_own_frequency_and_nowhere_else(height, width, where):
    i, j = round(where[0] * (height - 1)), round(where[1] * (width - 1))
    wave = basis(height, width, i, j)
    power = np.abs(np.fft.fft2(wave, norm="ortho")) ** 2
    expected = np.zeros((height, width))
    expected[i % height, j % width] += 0.5
    expected[-i % height, -j % width] += 0.5
    np.testing.assert_allclose(power, expected, atol=1e-12)


def test_it_is_the_formula():
    y, x = np.mgrid[:12, :15]
    turn = 2 * np.pi * (-5 * y / 12 + 4 * x / 15)
    np.testing.assert_allclose(basis(12, 15, -5, 4), (np.cos(turn) + np.sin(turn)) / np.sqrt(12 * 15), atol=1e-14)


@pytest.mark.parametrize(("i", "j"), [(0, 0), (16, 24), (-7, 12), (6, -5), (9, 9)])
def test_it_is_the_formula_where_it_comes_again_within_the_image(i, j):
    y, x = np.mgrid[:32, :48]
    turn = 2 * np.pi * (i * y / 32 + j * x / 48)
    np.testing.assert_allclose(basis(32, 48, i, j), (np.cos(turn) + np.sin(turn)) / np.sqrt(32 * 48), atol=1e-14)


def test_the_negative_frequency_is_a_quarter_period_away():
    one, other = (np.fft.fft2(basis(32, 40, sign * 3, sign * 5))[3, 5] for sign in (1, -1))
    assert np.angle(one / other) % (2 * np.pi) == pytest.approx(3 * np.pi / 2)


def test_high_frequencies_are_as_exact_as_low_ones():
    wave = basis(2, 2**20, 0, 2**19) * np.sqrt(2**21)
    np.testing.assert_allclose(wave[0, -4:], [1, -1, 1, -1], atol=1e-12)


@pytest.mark.parametrize(("i", "j"), [(17, 0), (-17, 0), (0, 17), (0, -17)])
def test_more_than_half_a_cycle_per_pixel_is_refused(i, j):
    with pytest.raises(ValueError, match=r"at most half a cycle per pixel, got .* cycles over 33 rows and 32 columns"):
        basis(33, 32, i, j)


# --- the perturbation


@pytest.mark.parametrize(
    "size", [(32, 32), (33, 47), (64, 35), (200, 301), (288, 432)], ids=lambda size: f"{size[0]}x{size[1]}"
)
@pytest.mark.parametrize(
    "name", ["fourier_0_0", "fourier_3_m5", "fourier_16_15", "fourier_5_7_of_32", "fourier_16_16_of_32"]
)
def test_it_is_the_picture_and_the_wave_rounded_once(name, size, picture):
    height, width = size
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    i, j, of = parse(name)
    if of:
        i, j = nearest(height, i, of), nearest(width, j, of)
    for severity, rms in zip(SEVERITIES, RMS, strict=True):
        result = find(name)(image, severity, generator(name))
        signs = np.where(generator(name).random(3) < 0.5, -1, 1)
        wave = rms * np.sqrt(height * width) * basis(height, width, i, j)
        ideal = np.clip(image + wave[..., np.newaxis] * signs, 0, 255)
        assert np.abs(result - ideal).max() <= 0.5
        np.testing.assert_array_equal(result, np.rint(ideal).astype(np.uint8))


@pytest.mark.parametrize(
    "name", ["fourier_3_m5", "fourier_0_0", "fourier_100_7", "fourier_9_m11_of_32", "fourier_16_0_of_32"]
)
def test_its_strength_is_the_declared_one(name):
    height, width = 256, 384
    i, j, of = parse(name)
    if of:
        i, j = nearest(height, i, of), nearest(width, j, of)
    for severity, rms in zip(SEVERITIES, RMS, strict=True):
        wave = rms * np.sqrt(height * width) * basis(height, width, i, j)
        assert np.sqrt(np.mean(wave**2)) == pytest.approx(rms, rel=1e-12)
        shown = added(grey(height, width), find(name), severity)
        assert np.abs(shown).max() <= np.ceil(np.sqrt(2) * rms)
        # Rounding errors, were they even between half a level down and up, have a root mean square of 1/sqrt(12).
        np.testing.assert_allclose(np.sqrt(np.mean(shown**2.0, axis=(0, 1))), rms, atol=12**-0.5)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_what_rounding_moves_to_other_frequencies_is_as_small_as_said(severity):
    height, width = 256, 384
    shown = added(grey(height, width), fourier(37, -101), severity)[..., 0]
    power = np.abs(np.fft.fft2(shown)) ** 2
    elsewhere = 1 - (power[37, -101] + power[-37, 101]) / power.sum()
    assert elsewhere <= (0.08, 0.02, 0.0065, 0.0015, 0.0005)[severity - 1]


@pytest.mark.parametrize("level", [0, 3, 255])
def test_it_is_clipped(level):
    image = grey(40, 50, level)
    result = fourier(2, 3)(image, 5, generator("x")).astype(float)
    wave = RMS[4] * np.sqrt(40 * 50) * basis(40, 50, 2, 3)
    signs = np.where(generator("x").random(3) < 0.5, -1, 1)
    assert np.abs(result - np.clip(level + wave[..., np.newaxis] * signs, 0, 255)).max() <= 0.5


def test_no_wave_comes_near_a_half_that_rounding_could_take_either_way():
    for rms in RMS:
        for height, width in ((32, 32), (33, 48)):
            for i, j in half_plane(height, width)[::7]:
                wave = rms * np.sqrt(height * width) * basis(height, width, i, j)
                assert np.abs(np.abs(wave - np.floor(wave)) - 0.5).min() > 1e-9


def test_signs_belong_to_the_cell_and_are_all_drawn():
    image, one = grey(32, 32), fourier(1, 2)
    drawn = {tuple(np.sign(added(image, one, 4, f"set/{cell}/{one.name}@4")[0, 0])) for cell in range(100)}
    assert len(drawn) == 8
    first, again = (added(image, one, 4, "set/a/fourier_1_2@4") for _ in range(2))
    np.testing.assert_array_equal(first, again)
    for channel in range(3):  # the same wave in each, up to its sign
        np.testing.assert_array_equal(np.abs(first[..., channel]), np.abs(first[..., 0]))


def test_the_input_is_not_written_to_and_neither_is_it_returned():
    image = grey(32, 33)
    result = fourier(0, 1)(image, 1, generator("x"))
    assert (result.dtype, result.shape) == (np.uint8, image.shape)
    assert not np.shares_memory(result, image)
    np.testing.assert_array_equal(image, grey(32, 33))


def test_a_frequency_that_the_picture_lacks_is_refused():
    with pytest.raises(ValueError, match="got 20 and 3 cycles over 32 rows and 40 columns"):
        fourier(20, 3)(grey(32, 40), 1, generator("x"))


# --- names and enumerations

_near = st.integers(-2000, 2000)


@given(_near, _near)
def test_a_name_parses_back(i, j):
    one = fourier(i, j)
    assert parse(one.name) == (i, j, None)
    assert one.name.replace("_", "a").isalnum()
    assert find(one.name).name == one.name


@given(st.integers(1, 200).flatmap(lambda of: st.tuples(*[st.integers(-((of - 1) // 2), of // 2)] * 2, st.just(of))))
def test_a_name_in_cycles_per_pixel_parses_back(frequency):
    assert parse(fourier(*frequency).name) == frequency


@pytest.mark.parametrize(
    ("frequency", "name"),
    [
        ((3, -5), "fourier_3_m5"),
        ((0, 0), "fourier_0_0"),
        ((-16, 16), "fourier_m16_16"),
        ((-3, 5, 32), "fourier_m3_5_of_32"),
    ],
    ids=str,
)
def test_names_are_these(frequency, name):
    assert fourier(*frequency).name == name
    assert (*frequency, None)[:3] == parse(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "fourier",
            "fourier_",
            "fourier_3",
            "fourier_3_",
            "fourier_-3_5",
            "fourier_03_5",
            "fourier_m0_5",
            "Fourier_3_5",
        ),
        *(
            "fourier_3_5_of_",
            "fourier_3_5_of_0",
            "fourier_3_5_of_m32",
            "fourier_3_5_r4",
            "fourier_3_5\n",
            "fourier_٣_5",
        ),
    ],
)
def test_other_names_are_refused_with_an_example(name):
    with pytest.raises(ValueError, match="expected a name such as fourier_3_m5 or fourier_3_m5_of_32"):
        parse(name)


@pytest.mark.parametrize(
    "name", ["fourier_17_0_of_32", "fourier_m16_0_of_32", "fourier_0_m16_of_32", "fourier_17_0_of_33"]
)
def test_a_frequency_has_one_name(name):
    with pytest.raises(ValueError, match="more than -1/2 and at most 1/2 cycle per pixel, got"):
        parse(name)


def test_a_name_of_neither_kind_is_unknown():
    assert find("fog") is CORRUPTIONS["fog"]
    with pytest.raises(KeyError):
        find("fgo")


def test_it_is_outside_the_fifteen_and_can_be_sent_to_a_worker():
    one = fourier(3, 4, 32)
    assert (one.band, one.levels, len(RMS)) == ("extra", RMS, len(SEVERITIES))
    sent = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
    np.testing.assert_array_equal(*(each(grey(32, 40), 2, generator("x")) for each in (one, sent)))


@pytest.mark.parametrize("size", [32, 33, 48, 64, 65, 512, 768])
def test_whole_parts_of_a_cycle_per_pixel_snap_to_the_nearest_frequency(size):
    for of in (8, 32, 33):
        for i in range(-((of - 1) // 2), of // 2 + 1):
            cycles = nearest(size, i, of)
            assert 2 * abs(cycles) <= size
            assert abs(cycles / size - i / of) <= 0.5 / size + 1e-12
            assert nearest(size, -i, of) == -cycles
    if size % 32 == 0:
        assert [nearest(size, i, 32) for i in range(17)] == [i * size // 32 for i in range(17)]


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (512, 768)], ids=str)
def test_the_every_wave_is_distinct_at_any_size_and_fills_the_heatmap(size):
    grid = [parse(one.name) for one in every_wave()]
    assert len(grid) == 514
    assert {of for *_, of in grid} == {32}
    cells = {(i, j) for i, j, _ in grid}
    # Every place of a heatmap of 33 x 17, its two edges included, is one of them or its negative, a period away or not.
    for i in range(-16, 17):
        for j in range(17):
            same = {(a % 32, b % 32) for a, b in ((i, j), (-i, -j))}
            assert sum((a % 32, b % 32) in same for a, b in cells) == 1
    # Opposite waves would share a bin; on the smallest picture and on odd ones no two do.
    height, width = size
    bins = [(nearest(height, i, 32), nearest(width, j, 32)) for i, j, _ in grid]
    occupied = {frozenset({(i % height, j % width), (-i % height, -j % width)}) for i, j in bins}
    assert len(occupied) == 514
    assert min(size) >= MINIMUM_SIDE


def test_the_lowest_waves_is_the_usual_heatmap():
    grid = [parse(one.name) for one in lowest_waves()]
    assert len(grid) == len(set(grid)) == 2112 == 33 * 64
    assert {of for *_, of in grid} == {None}
    cells = {(i, j) for i, j, _ in grid}
    assert not [(i, j) for i, j in cells if (i, j) != (0, 0) and (-i, -j) in cells]
    assert all((i, j) in cells or (-i, -j) in cells for i in range(-32, 32) for j in range(-32, 32))
