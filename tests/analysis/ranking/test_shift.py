"""Inflation and restoration of codecs whose rates and qualities are known."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.conditions import CLEAN_CONDITION as CLEAN
from codecshift.analysis.ranking import Entry, rank
from codecshift.analysis.statistics import bootstrap, levels

FOG, SNOW, NOISE = ("fog", 3), ("snow", 3), ("gaussian_noise", 3)
SEVERE = ("fog", 5)
BANDS = {"fog": "low", "snow": "low", "gaussian_noise": "high"}
Make = Callable[..., pd.DataFrame]


@pytest.fixture
def table(photographs: Make) -> pd.DataFrame:
    """Return rows without what images differ in, so that log rate is linear in quality: 3 dB an octave."""
    rows = photographs({"jpeg": 0.0, "avif": -0.2}, [CLEAN, FOG, SEVERE, SNOW, NOISE])
    place = rows["point"].str[1:].astype(int)
    factor = np.where(rows["codec"] == "avif", 0.8, 1.0)
    factor *= rows["corruption"].map({"none": 1.0, "fog": 0.5, "snow": 2.0, "gaussian_noise": 4.0})
    factor *= np.where(rows["severity"] == 5, 0.25, 1.0)
    psnr = 24.0 + 3 * place
    return rows.assign(bpp=0.125 * 2.0**place * factor, psnr=psnr, psnr_clean=psnr - 6)


def entries(table: pd.DataFrame, **more: object) -> dict[str, Entry]:
    return {entry.codec: entry for entry in rank(table, BANDS, **more).entries}


def test_inflation_is_the_geometric_mean_by_band_over_severities_then_corruptions(table: pd.DataFrame) -> None:
    for entry in entries(table).values():
        fog = math.sqrt(0.5 * 0.125)
        assert entry.inflation_low == pytest.approx(math.sqrt(fog * 2.0))
        assert entry.inflation_high == pytest.approx(4.0)
        assert math.isnan(entry.inflation_medium)


def shifts(table: pd.DataFrame, psnr: float) -> pd.DataFrame:
    return table[["corruption", "severity", "image"]].drop_duplicates().assign(psnr=psnr)


def test_restoration_is_the_gain_over_the_corrupted_image_at_the_rate_really_taken(table: pd.DataFrame) -> None:
    board = entries(table, shifts=shifts(table, 15.0))
    # jpeg takes 0.5 bpp under noise at p0, 24 dB: 18 against clean, 15 without coding.
    assert board["jpeg"].restoration_high == pytest.approx(3.0)
    assert board["avif"].restoration_high == pytest.approx(3.0 + 3 * math.log2(1 / 0.8))
    below = [3 * math.log2(0.5 / (0.125 * factor)) for factor in (0.5, 0.125, 2.0)]
    expected = 18 - 15 + np.mean([np.mean(below[:2]), below[2]])
    assert board["jpeg"].restoration_low == pytest.approx(expected)


def test_intervals_are_the_quantiles_of_boards_of_redrawn_images(table: pd.DataFrame) -> None:
    """Each board is ranked again from rows in which an image occurs as often as it is drawn."""
    images, resamples = 8, 40
    random = np.random.default_rng(5)
    names = [f"image{k}" for k in range(images)]
    table = table[(table["image"] == "image00") & (table["severity"] != SEVERE[1])]  # all ladders reach 1 bpp
    table = pd.concat(table.assign(image=name) for name in names)
    table["bpp"] *= np.exp(random.normal(0, 0.3, len(table)))
    table["psnr_clean"] += random.normal(0, 1, len(table))
    known = shifts(table, 15.0)
    known["psnr"] += random.normal(0, 1, len(known))
    board = rank(table, BANDS, shifts=known, matched_bpp=1.0, resamples=resamples)
    assert board.intervals is not None
    again = []
    for times in bootstrap(images, resamples, board.intervals.seed):
        redrawn = [(name, f"{name}-{k}") for name, count in zip(names, times, strict=True) for k in range(int(count))]
        rows, psnr = (
            pd.concat(each[each["image"] == name].assign(image=copy) for name, copy in redrawn)
            for each in (table, known)
        )
        again.append(entries(rows, shifts=psnr, matched_bpp=1.0))
    for codec in ("jpeg", "avif"):
        for name in ("restoration_low", "restoration_high", "inflation_low", "inflation_high"):
            ends = np.quantile([getattr(each[codec], name) for each in again], levels(images))
            interval = board.intervals.numbers[codec][name]
            assert [interval.low, interval.high] == pytest.approx(ends, abs=1e-9)
            assert interval.low < interval.estimate < interval.high


def test_images_that_are_all_alike_leave_no_doubt(table: pd.DataFrame) -> None:
    rows = pd.concat(table[table["image"] == "image00"].assign(image=f"image{k}") for k in range(6))
    board = rank(rows, BANDS, shifts=shifts(rows, 15.0), resamples=20)
    assert board.intervals is not None
    for codec, restoration in (("jpeg", 3.0), ("avif", 3 + 3 * math.log2(1 / 0.8))):
        numbers = board.intervals.numbers[codec]
        for name, expected in (("inflation_high", 4.0), ("restoration_high", restoration)):
            assert [numbers[name].low, numbers[name].high] == pytest.approx([expected] * 2)


def test_a_rate_outside_the_ladder_under_one_condition_leaves_the_mean_unknown(table: pd.DataFrame) -> None:
    board = entries(table, shifts=shifts(table, 15.0), matched_bpp=0.4)
    assert (board["jpeg"].restoration_high, board["avif"].restoration_high) == pytest.approx(
        (math.nan, 3.0), nan_ok=True
    )


def test_the_front_has_the_codecs_that_no_other_beats_twice(table: pd.DataFrame) -> None:
    known = shifts(table, 15.0)
    assert {codec: entry.on_front for codec, entry in entries(table, shifts=known).items()} == {
        "jpeg": False,
        "avif": True,
    }
    table.loc[table["codec"] == "jpeg", "psnr_clean"] += 2
    assert all(entry.on_front for entry in entries(table, shifts=known).values())


def test_without_the_psnr_of_corrupted_images_restoration_is_unknown(table: pd.DataFrame) -> None:
    assert not rank(table, BANDS).shown_psnr
    assert math.isnan(entries(table)["jpeg"].restoration_high)
