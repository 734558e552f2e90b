"""Heatmaps: the names and strengths are those of the waves, values go where their frequency is, nothing is invented."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.heatmap import (
    QUANTITIES,
    RMS,
    Heatmap,
    NoHeatmap,
    full_window,
    heatmaps,
    low_window,
    parse,
    plane,
    summarise,
    table,
    windows,
)
from codecshift.corruptions import fourier
from codecshift.corruptions.corruption import SEVERITIES
from hypothesis import example, given
from hypothesis import strategies as st

HEIGHT, WIDTH = 16, 24

Value = Callable[[str, int, int], float]
"""Of an image and a frequency."""


def level(image: str, i: int, j: int) -> float:
    """A mean squared error that tells where it comes from, the same for opposite frequencies of eighths."""
    i, j = min((i % 8, j % 8), (-i % 8, -j % 8))
    return 1 + i + 10 * j + 100 * ord(image[0])


def row(image: str, corruption: str, severity: int, error: float, bpp: float, **more: Any) -> dict[str, Any]:
    decibels = math.inf if error == 0 else 10 * math.log10(255**2 / error)
    base = {"set": "some", "codec": "c", "point": "p", "image": image, "corruption": corruption, "severity": severity}
    base |= {"height": HEIGHT, "width": WIDTH, "status": "ok", "psnr": decibels, "psnr_clean": decibels - 3, "bpp": bpp}
    return base | more


def rows_of(
    waves: Iterable[Any], images: Iterable[str] = ("a", "b"), severity: int = 3, error: Value = level, **more: Any
) -> list[dict[str, Any]]:
    made = [row(image, "none", 0, 50.0, 0.25, **more) for image in images]
    for wave in waves:
        i, j, _ = fourier.parse(wave.name)
        made += [
            row(image, wave.name, severity, error(image, i, j), error(image, i, j) / 100, **more) for image in images
        ]
    return made


def only(rows: list[dict[str, Any]], **more: Any) -> Heatmap:
    (one,) = heatmaps(pd.DataFrame(rows), **more)
    return one


# --- what this room may not import, and must agree on


@pytest.mark.parametrize(
    "band", [fourier.every_wave(8), fourier.every_wave(7), fourier.lowest_waves(6)], ids=["8", "7", "low"]
)
def test_names_are_read_as_they_are_made(band: Any) -> None:
    assert [parse(one.name) for one in band] == [fourier.parse(one.name) for one in band]


def test_other_names_are_no_waves() -> None:
    assert [parse(name) for name in ("none", "fog", "fourier_3", "fourier_3_4_of_8_x")] == [None] * 4


@given(st.from_regex(r"fourier_m?[0-9]{1,2}_m?[0-9]{1,2}(_of_[0-9]{1,2})?", fullmatch=True))
@example("fourier_5_0_of_8")
@example("fourier_m4_0_of_8")
@example("fourier_03_1")
@example("fourier_m0_1")
def test_a_name_is_read_where_it_is_one_of_a_corruption(name: str) -> None:
    try:
        expected = fourier.parse(name)
    except ValueError:
        expected = None
    assert parse(name) == expected


def test_strengths_are_those_of_the_waves() -> None:
    assert dict(zip(SEVERITIES, fourier.RMS, strict=True)) == dict(RMS)


# --- windows


def test_the_full_band_is_33_by_17() -> None:
    window = full_window()
    assert window.shape == (33, 17)
    assert (window.i[0], window.i[-1], window.j[0], window.j[-1]) == (-16, 16, 0, 16)
    assert str(window) == "33 x 17 frequencies in steps of 1/32 cycle per pixel"
    assert low_window().shape == (64, 64)


@pytest.mark.parametrize("of", [2, 7, 8, 32])
def test_every_place_of_the_full_band_is_measured_once_or_by_symmetry(of: int) -> None:
    window = full_window(of)
    measured = [window.canonical(fourier.parse(one.name)[:2]) for one in fourier.every_wave(of)]
    assert len(set(measured)) == len(measured)
    assert {window.canonical((i, j)) for i in window.i for j in window.j} == set(measured)


@pytest.mark.parametrize("n", [2, 5, 64])
def test_every_place_of_the_low_band_is_measured_once_or_by_symmetry(n: int) -> None:
    window = low_window(n)
    measured = [window.canonical(fourier.parse(one.name)[:2]) for one in fourier.lowest_waves(n)]
    assert len(set(measured)) == len(measured)
    assert {window.canonical((i, j)) for i in window.i for j in window.j} == set(measured)


@pytest.mark.parametrize("of", [7, 8])
def test_the_plane_is_that_of_a_real_picture(of: int) -> None:
    """The power spectrum of real pixels has the symmetry that the other half is filled by."""
    power = np.abs(np.fft.fft2(np.random.default_rng(1).random((of, of)))) ** 2
    window = full_window(of)
    half = np.array([[power[i % of, j % of] for j in window.j] for i in window.i])
    whole = np.array([[power[i % of, j % of] for j in window.i] for i in window.i])
    np.testing.assert_allclose(plane(window, half), whole)


def test_the_low_plane_is_whole_already() -> None:
    values = np.arange(16.0).reshape(4, 4)
    np.testing.assert_array_equal(plane(low_window(4), values), values)


def test_windows_are_found_by_the_names_in_rows() -> None:
    rows = pd.DataFrame(
        [*rows_of(fourier.every_wave(8)), *rows_of(fourier.every_wave(4)), *rows_of(fourier.lowest_waves(2))]
    )
    assert windows(rows) == [full_window(8), full_window(4), low_window(2)]
    assert windows(pd.DataFrame(rows_of([]))) == []


# --- from rows to arrays


@pytest.mark.parametrize("window", [full_window(8), low_window(8)], ids=["full", "low"])
def test_values_lie_where_their_frequency_is(window: Any) -> None:
    band = fourier.every_wave(8) if window.steps else fourier.lowest_waves(8)
    one = only(rows_of(band, images=["a"]))
    assert (one.window, one.images, one.size, one.failed) == (window, ("a",), (HEIGHT, WIDTH), 0)
    expected = np.array([[level("a", i, j) for j in window.j] for i in window.i])
    np.testing.assert_allclose(255**2 / 10 ** (one.psnr / 10), expected)
    np.testing.assert_allclose(one.bpp, expected / 100)
    assert not one.missing.any()


def test_means_are_of_bpp_and_of_squared_errors() -> None:
    one = only(rows_of(fourier.every_wave(8), images=["a", "b"]))
    both = np.array([[(level("a", i, j) + level("b", i, j)) / 2 for j in one.window.j] for i in one.window.i])
    np.testing.assert_allclose(one.bpp, both / 100)
    np.testing.assert_allclose(one.psnr, 10 * np.log10(255**2 / both))
    np.testing.assert_allclose(one.psnr_clean, one.psnr - 3)
    assert one.clean_psnr == pytest.approx(10 * math.log10(255**2 / 50))
    np.testing.assert_allclose(one.change("psnr"), one.psnr - one.clean_psnr)
    np.testing.assert_allclose(one.change("psnr_clean"), one.psnr_clean - one.clean_psnr)
    np.testing.assert_allclose(one.change("bpp"), one.bpp - 0.25)


def test_an_infinite_psnr_is_an_error_of_zero() -> None:
    error = {"a": 0.0, "b": 8.0}
    one = only(rows_of(fourier.every_wave(4), error=lambda image, *_: error[image]))
    np.testing.assert_allclose(one.psnr, 10 * math.log10(255**2 / 4))


def test_a_lossless_codec_has_no_difference_where_it_loses_nothing() -> None:
    rows = rows_of(fourier.every_wave(4), error=lambda *_: 0.0)
    one = only([line | ({"psnr": math.inf} if line["corruption"] == "none" else {"psnr_clean": 30.0}) for line in rows])
    assert np.isposinf(one.psnr).all()
    assert not one.missing.any()
    np.testing.assert_array_equal(one.change("psnr"), np.zeros(one.window.shape))
    assert np.isneginf(one.change("psnr_clean")).all()


def test_what_was_not_measured_is_missing_and_not_zero() -> None:
    kept = [wave for wave in fourier.every_wave(8) if wave.name != "fourier_m1_2_of_8"]
    one = only(rows_of(kept), window=full_window(8))
    where = [(one.window.i[place[0]], one.window.j[place[1]]) for place in np.argwhere(one.missing)]
    assert where == [(-1, 2)]
    for name in QUANTITIES:
        assert np.isnan(getattr(one, name)[one.missing]).all()
        assert np.isnan(one.change(name)[one.missing]).all()
    assert table(one).query("n == 0")[["i", "j"]].to_numpy().tolist() == [[-1, 2]]


def test_an_edge_that_is_missing_is_missing_at_both_its_places() -> None:
    kept = [wave for wave in fourier.every_wave(8) if wave.name != "fourier_4_1_of_8"]
    one = only(rows_of(kept), window=full_window(8))
    assert {(one.window.i[row], one.window.j[column]) for row, column in np.argwhere(one.missing)} == {(4, 1), (-4, 1)}
    kept = [wave for wave in fourier.every_wave(8) if wave.name != "fourier_4_0_of_8"]
    one = only(rows_of(kept), window=full_window(8))
    assert {(one.window.i[row], one.window.j[column]) for row, column in np.argwhere(one.missing)} == {(4, 0), (-4, 0)}


def test_all_values_are_of_the_same_images() -> None:
    """An image of which a wave failed is in no value, whatever it has: means of other images are not comparable."""
    rows = rows_of(fourier.every_wave(8), images=["a", "b", "c"])
    for line in rows:
        if (line["image"], line["corruption"]) == ("b", "fourier_1_2_of_8"):
            line |= {"status": "failed", "psnr": math.nan, "psnr_clean": math.nan, "bpp": math.nan}
    one = only(rows)
    assert (one.images, one.failed) == (("a", "c"), 1)
    expected = only(rows_of(fourier.every_wave(8), images=["a", "c"]))
    for name in QUANTITIES:
        np.testing.assert_array_equal(getattr(one, name), getattr(expected, name))
    assert one.clean_psnr == expected.clean_psnr


def test_a_run_that_was_stopped_shows_the_images_that_are_done() -> None:
    rows = rows_of(fourier.every_wave(8), images=["a"]) + rows_of(fourier.every_wave(8)[:9], images=["b"])
    assert only(rows).images == ("a",)
    assert not only(rows).missing.any()
    half = only(rows_of(fourier.every_wave(8)[:9], images=["a"]), window=full_window(8))
    assert half.images == ("a",)
    assert sum(not half.missing[place] for place in half.places()) == 9


def test_an_image_without_a_clean_row_is_left_out() -> None:
    rows = [line for line in rows_of(fourier.every_wave(8)) if (line["image"], line["corruption"]) != ("a", "none")]
    assert only(rows).images == ("b",)


def test_where_all_failed_there_is_a_heatmap_of_nothing() -> None:
    nothing = {"status": "failed", "psnr": math.nan, "psnr_clean": math.nan, "bpp": math.nan}
    one = only([line | nothing for line in rows_of(fourier.every_wave(8))])
    assert (one.images, one.failed) == ((), 2 * len(fourier.every_wave(8)))
    assert one.missing.all()
    assert math.isnan(one.clean_psnr)
    assert [summarise(one, name) for name in QUANTITIES] == [None] * 3
    assert (table(one)["n"] == 0).all()


def test_each_codec_point_and_strength_has_one() -> None:
    band = fourier.every_wave(4)
    rows = [line for point in "pq" for severity in (1, 5) for line in rows_of(band, severity=severity, point=point)]
    found = heatmaps(pd.DataFrame(rows).drop_duplicates())
    assert [(one.point, one.severity, one.rms) for one in found] == [
        ("p", 1, 1.0),
        ("q", 1, 1.0),
        ("p", 5, 16.0),
        ("q", 5, 16.0),
    ]


def test_other_corruptions_and_windows_do_not_disturb() -> None:
    wanted, more = rows_of(fourier.every_wave(8)), rows_of(fourier.every_wave(4))
    fog = [row(image, "fog", 3, 7.0, 1.0) for image in ("a", "b")]
    alone, among = only(wanted), only([*wanted, *(line for line in more if line["corruption"] != "none"), *fog])
    pd.testing.assert_frame_equal(table(alone), table(among))


@pytest.mark.parametrize(
    ("rows", "window", "fault"),
    [
        (rows_of([]), None, "needs rows of waves of many frequencies: codecshift heatmap"),
        (
            rows_of(fourier.every_wave(4)),
            full_window(8),
            r"no rows of 9 x 5 .* 1/8 cycle per pixel: the file has 5 x 3",
        ),
        (
            [*rows_of(fourier.every_wave(4)), *rows_of(fourier.every_wave(4), set="other")],
            None,
            "shows one set: choose one of other, some",
        ),
    ],
    ids=["no-waves", "other-window", "two-sets"],
)
def test_what_cannot_be_shown_is_told(rows: Any, window: Any, fault: str) -> None:
    with pytest.raises(NoHeatmap, match=fault):
        heatmaps(pd.DataFrame(rows), window)


# --- out of arrays


def test_the_table_has_a_line_for_each_place() -> None:
    one = only(rows_of(fourier.every_wave(8)))
    lines = table(one)
    assert list(lines) == [
        *("set", "codec", "point", "severity", "rms", "i", "j", "fy", "fx", "n"),
        *("bpp", "psnr", "psnr_clean", "bpp_change", "psnr_change", "psnr_clean_change"),
    ]
    for name in QUANTITIES:
        np.testing.assert_array_equal(lines.pivot(index="i", columns="j", values=name).to_numpy(), getattr(one, name))
    assert (lines["fy"] == lines["i"] / 8).all()
    assert (lines["fx"] == lines["j"] / 8).all()
    assert set(lines["n"]) == {2}


def test_cycles_per_image_become_cycles_per_pixel_where_images_have_one_size() -> None:
    rows = rows_of(fourier.lowest_waves(4))
    fy, fx = only(rows).cycles()
    np.testing.assert_allclose(fy, np.array([-2, -1, 0, 1]) / HEIGHT)
    np.testing.assert_allclose(fx, np.array([-2, -1, 0, 1]) / WIDTH)
    sizes = [line | ({"height": WIDTH, "width": HEIGHT} if line["image"] == "a" else {}) for line in rows]
    assert np.isnan(only(sizes).cycles()).all()


def test_a_summary_counts_each_wave_once() -> None:
    one = only(rows_of(fourier.every_wave(8), images=["a"]))
    told = summarise(one, "bpp")
    waves = [fourier.parse(wave.name)[:2] for wave in fourier.every_wave(8)]
    changes = {wave: level("a", *wave) / 100 - 0.25 for wave in waves}

    def mean(low: float, high: float) -> float:
        return float(np.mean([change for (i, j), change in changes.items() if low <= math.hypot(i, j) / 8 < high]))

    assert (told.clean, told.low) == (0.25, pytest.approx(mean(0, 1 / 6)))
    assert (told.medium, told.high) == (pytest.approx(mean(1 / 6, 1 / 3)), pytest.approx(mean(1 / 3, 1)))
    assert told.worst == pytest.approx(max(changes.values()))
    assert changes[max(changes, key=changes.__getitem__)] == pytest.approx(level("a", told.i, told.j) / 100 - 0.25)
    worst = summarise(one, "psnr")
    assert worst.worst == pytest.approx(np.min(one.change("psnr")))
