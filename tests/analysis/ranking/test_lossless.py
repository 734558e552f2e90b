"""Lossless codecs among others: which they are, and their rates and times on the images that all of them coded."""

import math

import pandas as pd
import pytest
from codecshift.analysis.conditions import CLEAN_CONDITION as CLEAN
from codecshift.analysis.ranking import lossless
from codecshift.analysis.ranking.ladders import lossless_codecs

FOG, SEVERE, SNOW, NOISE = ("fog", 3), ("fog", 5), ("snow", 3), ("gaussian_noise", 3)
CONDITIONS = (CLEAN, FOG, SEVERE, SNOW, NOISE)
BANDS = {"fog": "low", "snow": "low", "gaussian_noise": "high"}
BPP = {CLEAN: 8.0, FOG: 3.0, SEVERE: 1.0, SNOW: 6.0, NOISE: 20.0}


def coded(codec: str, factor: float, *, images: int = 3, point: str = "lossless") -> pd.DataFrame:
    """Return rows without loss; the k-th image takes k/10 bpp more than the first."""
    lines = [
        {"codec": codec, "corruption": name, "severity": severity, "point": point, "image": f"image{k:02}"}
        | {"bpp": factor * bpp + k / 10, "encode_s": 2.0 + k, "decode_s": 1.0 + k + (name != "none")}
        for (name, severity), bpp in BPP.items()
        for k in range(images)
    ]
    return pd.DataFrame(lines).assign(set="kodak", status="ok", psnr=math.inf, psnr_clean=30.0, ms_ssim=1.0)


def test_rates_are_means_over_images_then_severities_then_corruptions() -> None:
    (png,) = lossless(coded("png", 1.0), CONDITIONS, BANDS)
    assert (png.codec, png.point, png.n) == ("png", "lossless", 3)
    assert (png.clean, png.low, png.high) == pytest.approx((8.1, ((3 + 1) / 2 + 6) / 2 + 0.1, 20.1))
    assert math.isnan(png.medium)
    assert (png.encode_s, png.decode_s) == (3.0, 2.0)  # the second of three clean images


def test_codecs_are_compared_on_the_images_that_all_of_them_coded() -> None:
    rows = pd.concat([coded("png", 1.0, images=3), coded("small", 0.5, images=2)])
    small, png = lossless(rows, CONDITIONS, BANDS)
    assert (small.codec, png.codec, small.n, png.n) == ("small", "png", 2, 2)
    assert (small.clean, png.clean) == pytest.approx((4.05, 8.05))


def test_a_band_with_a_condition_that_was_not_measured_has_no_number() -> None:
    rows = coded("png", 1.0)
    (png,) = lossless(rows[rows["severity"] != SEVERE[1]], CONDITIONS, BANDS)
    assert math.isnan(png.low)
    assert png.high == pytest.approx(20.1)


def test_raw_pixels_and_codecs_that_change_a_single_image_are_left_out() -> None:
    nearly = coded("nearly", 1.0)
    nearly.loc[nearly.index[-1], "psnr"] = 60.0
    rows = pd.concat([coded("raw", 0.0).assign(bpp=24.01), nearly, coded("png", 1.0)])
    assert lossless_codecs(rows) == ("raw", "png")
    assert [line.codec for line in lossless(rows, CONDITIONS, BANDS)] == ["png"]
