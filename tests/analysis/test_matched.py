"""Points held under corruption: the means by hand, over the images that all codecs have."""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from codecshift.analysis.matched import (
    OVERALL,
    MatchedLine,
    MatchedPoint,
    Near,
    at_points,
    nearest_to,
    under_corruption,
)

BANDS = {"fog": "low", "snow": "low", "shot_noise": "high", "saturate": "extra"}
POINTS = [
    MatchedPoint("bpp=0.5", "jpeg", "q20"),
    MatchedPoint("bpp=0.5", "webp", "q30"),
    MatchedPoint("", "identity", "raw"),
]


def row(codec: str, condition: tuple[str, int], image: str, bpp: float, psnr: float, **more: Any) -> dict[str, Any]:
    point = {"jpeg": "q20", "webp": "q30", "identity": "raw"}[codec]
    base = {"set": "kodak", "corruption": condition[0], "severity": condition[1], "codec": codec, "point": point}
    measured = {"image": image, "bpp": bpp, "psnr": psnr, "psnr_clean": psnr - 5, "ms_ssim": psnr / 100}
    return base | measured | {"ms_ssim_clean": psnr / 200, "status": "ok"} | more


CLEAN, FOG, SNOW, NOISE, SATURATE = ("none", 0), ("fog", 3), ("snow", 3), ("shot_noise", 3), ("saturate", 3)


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two images through three codecs; under fog the second fails in webp, and saturation was tried with jpeg alone."""
    table = [
        *(row("jpeg", CLEAN, "a", 0.4, 30), row("jpeg", CLEAN, "b", 0.6, 34)),
        *(row("webp", CLEAN, "a", 0.5, 31), row("webp", CLEAN, "b", 0.5, 35)),
        *(row("identity", CLEAN, "a", 24, math.inf), row("identity", CLEAN, "b", 24, math.inf)),
        *(row("jpeg", FOG, "a", 0.2, 36), row("jpeg", FOG, "b", 0.4, 38)),
        *(row("webp", FOG, "a", 0.1, 33), row("webp", FOG, "b", math.nan, math.nan, status="failed")),
        *(row("jpeg", SNOW, "a", 0.8, 26), row("jpeg", SNOW, "b", 1.2, 24)),
        *(row("webp", SNOW, "a", 1.0, 25), row("webp", SNOW, "b", 2.0, 23)),
        *(row("jpeg", NOISE, "a", 2.0, 20), row("jpeg", NOISE, "b", 2.0, 18)),
        row("jpeg", SATURATE, "a", 0.4, 29),
        # Points that were looked at on the way, and other codecs, are none of the table's business.
        *(row("jpeg", CLEAN, "a", 9.9, 50, point="q90"), row("jpeg", FOG, "a", 9.9, 50, point="q90")),
    ]
    return pd.DataFrame(table)


@pytest.fixture
def line(rows: pd.DataFrame) -> Callable[[str, str], MatchedLine]:
    lines = under_corruption(rows, BANDS, POINTS)

    def one(over: str, codec: str) -> MatchedLine:
        (found,) = [found for found in lines if (found.over, found.codec) == (over, codec)]
        return found

    return one


def test_the_lines_are_in_order(rows: pd.DataFrame) -> None:
    lines = under_corruption(rows, BANDS, POINTS)
    assert {one.target for one in lines} == {"bpp=0.5"}
    assert [(one.over, one.codec) for one in lines] == [
        *(("clean", codec) for codec in ("jpeg", "webp", "identity")),
        *(("low", codec) for codec in ("jpeg", "webp")),
        ("high", "jpeg"),
        *((OVERALL, codec) for codec in ("jpeg", "webp")),
    ]


def test_clean_is_what_was_achieved(line: Callable[[str, str], MatchedLine]) -> None:
    jpeg = line("clean", "jpeg")
    assert (jpeg.point, jpeg.conditions, jpeg.n, jpeg.failed, jpeg.inflation) == ("q20", 1, 2, 0, 1)
    assert (jpeg.bpp, jpeg.psnr, jpeg.psnr_clean) == pytest.approx((0.5, 32, 27))
    assert (jpeg.ms_ssim, jpeg.ms_ssim_clean) == pytest.approx((0.32, 0.16))


def test_a_codec_is_compared_on_the_images_that_all_have(line: Callable[[str, str], MatchedLine]) -> None:
    jpeg, webp = line("low", "jpeg"), line("low", "webp")
    assert (jpeg.conditions, jpeg.n, jpeg.failed) == (2, 1, 0)
    assert (webp.conditions, webp.n, webp.failed) == (2, 1, 1)
    # Under fog image a alone, under snow both.
    assert (jpeg.bpp, webp.bpp) == pytest.approx(((0.2 + 1.0) / 2, (0.1 + 1.5) / 2))
    assert (jpeg.psnr, webp.psnr) == pytest.approx(((36 + 25) / 2, (33 + 24) / 2))
    assert jpeg.inflation == pytest.approx(math.sqrt(0.2 / 0.4 * 1.0 / 0.5))
    assert webp.inflation == pytest.approx(math.sqrt(0.1 / 0.5 * 1.5 / 0.5))


def test_a_corruption_of_no_band_counts_in_the_mean_over_all(line: Callable[[str, str], MatchedLine]) -> None:
    assert (line(OVERALL, "jpeg").conditions, line(OVERALL, "webp").conditions) == (4, 2)
    assert line(OVERALL, "jpeg").bpp == pytest.approx((0.2 + 1.0 + 2.0 + 0.4) / 4)


def test_lossless_images_are_in_no_mean_of_decibels(line: Callable[[str, str], MatchedLine]) -> None:
    identity = line("clean", "identity")
    assert (identity.bpp, identity.n) == (24, 2)
    assert math.isnan(identity.psnr)


def test_without_clean_rows_inflation_is_not_known(rows: pd.DataFrame) -> None:
    for one in under_corruption(rows[rows["corruption"] != "none"], BANDS, POINTS):
        assert math.isnan(one.inflation)
        assert math.isfinite(one.bpp)


def test_a_codec_that_failed_everywhere_takes_no_images_from_the_others(rows: pd.DataFrame) -> None:
    rows.loc[rows["codec"] == "webp", ["status", "bpp", "psnr"]] = ["failed", math.nan, math.nan]
    lines = {(one.over, one.codec): one for one in under_corruption(rows, BANDS, POINTS)}
    assert lines["low", "jpeg"].n == 2
    assert (lines["low", "webp"].n, lines["low", "webp"].failed) == (0, 4)
    assert math.isnan(lines["low", "webp"].bpp)


def test_targets_stand_apart_with_what_was_held_for_none(rows: pd.DataFrame) -> None:
    lines = under_corruption(rows, BANDS, [*POINTS, MatchedPoint("psnr=50", "jpeg", "q90")])
    other = [one for one in lines if one.target == "psnr=50" and one.over == "clean"]
    assert [(one.codec, one.point, one.n) for one in other] == [("jpeg", "q90", 1), ("identity", "raw", 1)]


def test_of_nothing_there_are_no_lines(rows: pd.DataFrame) -> None:
    assert under_corruption(rows, BANDS, []) == []
    assert under_corruption(rows.iloc[:0], BANDS, POINTS) == []
    assert under_corruption(rows, BANDS, [MatchedPoint("", "jpeg", "q20")]) == []


# --- the point nearest a rate


def ladder(*rates: float, codec: str = "jpeg", **more: Any) -> pd.DataFrame:
    """Return clean rows of two images whose mean rate is as given, a point each; PSNR is ten times that."""
    return pd.DataFrame(
        [
            row(codec, CLEAN, image, share * rate, 10 * rate, point=f"p{place}", **more)
            for place, rate in enumerate(rates)
            for image, share in (("a", 0.5), ("b", 1.5))
        ]
    )


def test_the_nearest_point_is_so_by_ratio_of_mean_rates() -> None:
    assert nearest_to(0.5, ladder(0.3, 0.8)) == {"jpeg": Near("jpeg", "p1", 0.8, 8.0)}  # 1.6 times against 1.67
    assert nearest_to(0.5, ladder(0.32, 0.8)) == {"jpeg": Near("jpeg", "p0", 0.32, 3.2)}


def test_a_codec_that_comes_nowhere_near_has_no_point() -> None:
    both = pd.concat([ladder(0.2, 1.1), ladder(0.6, codec="webp")])
    assert list(nearest_to(0.5, both)) == ["webp"]
    assert list(nearest_to(0.5, both, within=2.5)) == ["jpeg", "webp"]


def test_lossless_and_failed_rows_are_no_points() -> None:
    assert nearest_to(0.5, ladder(0.5).assign(psnr=math.inf)) == {}
    assert nearest_to(0.5, ladder(0.5).assign(status="failed")) == {}


def test_a_point_that_was_only_looked_at_on_clean_images_gives_way() -> None:
    held = ladder(0.5, 0.7)
    fog = held[held["point"] == "p1"].assign(corruption="fog", severity=3)
    assert nearest_to(0.5, held)["jpeg"].point == "p0"
    assert nearest_to(0.5, pd.concat([held, fog]))["jpeg"].point == "p1"


def test_rows_at_points_are_those_of_codec_and_point_together(rows: pd.DataFrame) -> None:
    chosen = at_points(rows, [("jpeg", "q90"), ("webp", "q30"), ("webp", "q20")])
    assert set(zip(chosen["codec"], chosen["point"], strict=True)) == {("jpeg", "q90"), ("webp", "q30")}
    assert at_points(rows, []).empty
