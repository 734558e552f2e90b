"""The ranking of codecs whose rates are known multiples of the anchor's: the scores must be those multiples."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.conditions import CLEAN_CONDITION as CLEAN
from codecshift.analysis.conditions import Condition
from codecshift.analysis.ranking import Entry, Leaderboard, NotComparable, rank
from codecshift.analysis.ranking.rank import ANCHORS, estimate_of
from codecshift.analysis.statistics import tail

FOG, NOISE, BLUR = ("fog", 3), ("gaussian_noise", 3), ("defocus_blur", 5)
SHIFTED = (FOG, NOISE, BLUR)
CONDITIONS = (CLEAN, *SHIFTED)
BANDS = {"fog": "low", "defocus_blur": "low", "jpeg_compression": "medium", "gaussian_noise": "high"}
POINTS = tuple(f"p{k}" for k in range(6))
IMAGES = ("a", "b", "c", "d")

# Images differ in what they cost and in how well they come out, so that a mean over other images is another number.
WEIGHT = dict(zip(IMAGES, (0.25, 0.5, 1.25, 2.0), strict=True))  # their mean is 1
BONUS = dict(zip(IMAGES, (3.0, 1.0, -0.5, -3.5), strict=True))  # their mean is 0
BASE_RATE = {CLEAN: 1.0, FOG: 0.5, NOISE: 4.0, BLUR: 0.25}
LOSS = {CLEAN: 0.0, FOG: 6.0, NOISE: 9.0, BLUR: 3.0}  # dB that the corruption itself costs against the clean image

Factors = Mapping[Condition, float]


def factors(clean: float, fog: float, noise: float, blur: float) -> Factors:
    return {CLEAN: clean, FOG: fog, NOISE: noise, BLUR: blur}


THREE: Mapping[str, Factors] = {
    "jpeg": factors(2.0, 1.5, 4.0, 1.1),
    "jpeg2000": factors(1.0, 1.0, 1.0, 1.0),
    "avif": factors(0.5, 0.75, 0.8, 0.25),
}


def quality(image: str, point: int) -> float:
    return 24 + 3 * point + BONUS[image]


def rows(codecs: Mapping[str, Factors] = THREE, points: tuple[str, ...] = POINTS) -> pd.DataFrame:
    """Return rows in which a codec's bpp is 2^k/8 x the image's weight x the condition's rate x its own factor."""
    lines = []
    for codec, own in codecs.items():
        for condition, factor in own.items():
            for index, point in enumerate(points):
                for image in IMAGES:
                    value = quality(image, index)
                    line = {
                        "set": "kodak",
                        "corruption": condition[0],
                        "severity": condition[1],
                        "codec": codec,
                        "point": point,
                        "image": image,
                        "bpp": 0.125 * 2**index * WEIGHT[image] * BASE_RATE[condition] * factor,
                        "psnr": value,
                        "psnr_clean": value - LOSS[condition],
                        "ms_ssim": 1 - 10 ** (-value / 20),
                        "status": "ok",
                    }
                    lines.append(line)
    return pd.DataFrame(lines)


def lost(table: pd.DataFrame, where: pd.Series, status: str = "failed") -> pd.DataFrame:
    """Return the table with some rows failed."""
    table = table.copy()
    table.loc[where, ["bpp", "psnr", "psnr_clean", "ms_ssim"]] = math.nan
    table.loc[where, "status"] = status
    return table


def of(table: pd.DataFrame, **wanted: Any) -> pd.Series:
    """Return which rows have these values."""
    actual = pd.Series(data=True, index=table.index)
    for name, value in wanted.items():
        actual &= table[name] == value
    return actual


@cache
def ordinary() -> Leaderboard:
    return rank(rows(), BANDS)


def entries(board: Leaderboard) -> dict[str, Entry]:
    return {entry.codec: entry for entry in board.entries}


def percents(own: Factors, conditions: Iterable[Condition]) -> float:
    return float(np.mean([100 * (own[condition] - 1) for condition in conditions]))


def near(value: float) -> Any:
    return pytest.approx(value, abs=1e-9, nan_ok=True)


# --- scores


def test_the_score_is_the_mean_over_corruptions_of_the_known_factors() -> None:
    actual = {codec: entry.score for codec, entry in entries(ordinary()).items()}
    assert actual == near({codec: percents(own, SHIFTED) for codec, own in THREE.items()})


def test_codecs_are_listed_best_first() -> None:
    board = ordinary()
    assert [(entry.rank, entry.codec) for entry in board.entries] == [(1, "avif"), (2, "jpeg2000"), (3, "jpeg")]


def test_the_clean_column_is_the_factor_on_clean_images() -> None:
    actual = {codec: entry.clean for codec, entry in entries(ordinary()).items()}
    assert actual == near({codec: 100 * (own[CLEAN] - 1) for codec, own in THREE.items()})


def test_a_band_is_the_mean_over_its_corruptions() -> None:
    for codec, entry in entries(ordinary()).items():
        own = THREE[codec]
        expected = (percents(own, [FOG, BLUR]), math.nan, percents(own, [NOISE]))
        assert (entry.low, entry.medium, entry.high) == near(expected)


def test_every_comparison_is_kept() -> None:
    board = ordinary()
    actual = {pair: result.percent for pair, result in board.bd_rates.items()}
    expected = {(codec, one): 100 * (own[one] - 1) for codec, own in THREE.items() for one in CONDITIONS}
    assert actual == near(expected)
    assert {result.overlap for result in board.bd_rates.values()} == {1.0}


def test_inflation_is_the_geometric_mean_over_corruptions() -> None:
    for codec, entry in entries(ordinary()).items():
        own = THREE[codec]
        ratios = [own[one] * BASE_RATE[one] / own[CLEAN] for one in SHIFTED]
        assert entry.inflation == near(math.prod(ratios) ** (1 / len(ratios)))


@pytest.mark.parametrize("matched", [0.5, 1.0, 1.3])
def test_quality_against_clean_is_read_at_the_setting_that_takes_the_matched_rate(matched: float) -> None:
    for codec, entry in entries(rank(rows(), BANDS, matched_bpp=matched)).items():
        setting = math.log2(matched / (0.125 * THREE[codec][CLEAN]))
        assert entry.psnr_clean == near(24 + 3 * setting - np.mean([LOSS[one] for one in SHIFTED]))


def test_the_shift_penalty_is_what_corruption_adds_to_the_bd_rate() -> None:
    for entry in ordinary().entries:
        for name, of in (("penalty", "score"), ("penalty_low", "low"), ("penalty_high", "high")):
            assert getattr(entry, name) == near(getattr(entry, of) - entry.clean)
        assert math.isnan(entry.penalty_medium)


def test_inflation_is_told_by_band() -> None:
    for codec, entry in entries(ordinary()).items():
        own = THREE[codec]
        ratio = {one: own[one] * BASE_RATE[one] / own[CLEAN] for one in SHIFTED}
        assert entry.inflation_low == near(math.sqrt(ratio[FOG] * ratio[BLUR]))
        assert entry.inflation_high == near(ratio[NOISE])
        assert math.isnan(entry.inflation_medium)


def test_inflation_and_matched_quality_are_kept_by_condition() -> None:
    board = ordinary()
    for codec, own in THREE.items():
        for one in SHIFTED:
            assert board.inflations[codec, one] == near(own[one] * BASE_RATE[one] / own[CLEAN])
    for codec, entry in entries(board).items():
        assert np.mean([board.psnr_clean[codec, one] for one in SHIFTED]) == near(entry.psnr_clean)


def test_quality_at_a_rate_that_no_setting_takes_is_unknown() -> None:
    actual = {codec: entry.psnr_clean for codec, entry in entries(rank(rows(), BANDS, matched_bpp=0.1)).items()}
    assert actual == near({"jpeg": math.nan, "jpeg2000": math.nan, "avif": 24 + 3 * math.log2(0.1 / 0.0625) - 6})


def test_ms_ssim_curves_give_the_same_factors() -> None:
    board = rank(rows(), BANDS, quality="ms_ssim")
    assert board.quality == "ms_ssim"
    actual = {codec: entry.score for codec, entry in entries(board).items()}
    assert actual == near({codec: percents(own, SHIFTED) for codec, own in THREE.items()})


def test_the_leaderboard_says_what_it_is_of() -> None:
    board = rank(rows(), BANDS, matched_bpp=0.75)
    assert (board.set, board.anchor, board.quality, board.matched_bpp, board.images) == (
        "kodak",
        "jpeg2000",
        "psnr",
        0.75,
        len(IMAGES),
    )
    assert set(board.conditions) == set(CONDITIONS)
    assert {(entry.conditions, entry.n, entry.failed, entry.skipped, entry.reason) for entry in board.entries} == {
        (len(SHIFTED), len(IMAGES), 0, 0, "")
    }


def test_clean_rows_alone_are_ranked_by_clean() -> None:
    table = rows({codec: {CLEAN: own[CLEAN]} for codec, own in THREE.items()})
    board = rank(table, BANDS)
    assert [(entry.rank, entry.codec) for entry in board.entries] == [(1, "avif"), (2, "jpeg2000"), (3, "jpeg")]
    for entry in board.entries:
        assert entry.score == near(entry.clean) == near(100 * (THREE[entry.codec][CLEAN] - 1))
        assert (entry.low, entry.medium, entry.high, entry.inflation, entry.psnr_clean) == near((math.nan,) * 5)
        assert entry.conditions == 1


def test_corrupted_rows_alone_are_ranked_too() -> None:
    table = rows({codec: {FOG: own[FOG]} for codec, own in THREE.items()})
    for codec, entry in entries(rank(table, BANDS)).items():
        assert entry.score == near(100 * (THREE[codec][FOG] - 1))
        assert (entry.clean, entry.inflation, entry.psnr_clean) == near((math.nan,) * 3)


def test_a_lossless_point_has_no_place_on_the_curve() -> None:
    table = rows()
    top = of(table, codec="avif", point=POINTS[-1])
    table.loc[top, "psnr"] = math.inf
    actual = entries(rank(table, BANDS))["avif"]
    assert actual.score == near(percents(THREE["avif"], SHIFTED))
    assert actual.overlap == near((len(POINTS) - 2) / (len(POINTS) - 1))


# --- what is missing


def test_the_order_of_rows_does_not_matter() -> None:
    table = rows()
    table = lost(table, of(table, codec="avif", image="b", point="p2", corruption="fog"))
    shuffled = table.sample(frac=1, random_state=np.random.RandomState(3))
    one, other = (entries(rank(some, BANDS)) for some in (table, shuffled))
    assert {codec: asdict(entry) for codec, entry in one.items()} == {
        codec: near(asdict(entry)) for codec, entry in other.items()
    }


@pytest.mark.parametrize("codec", ["avif", "jpeg2000"])
@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_row_that_failed_takes_its_image_out_of_the_comparison(codec: str, status: str) -> None:
    table = rows()
    actual = entries(rank(lost(table, of(table, codec=codec, image="d", point="p2", corruption="fog"), status), BANDS))
    # Each pair is compared on the same images, so the factors stay what they were.
    assert {name: entry.score for name, entry in actual.items()} == near(
        {name: percents(own, SHIFTED) for name, own in THREE.items()}
    )
    hit = set(THREE) if codec == "jpeg2000" else {codec}
    assert {name: entry.n for name, entry in actual.items()} == {name: 4 - (name in hit) for name in THREE}
    assert {name: (entry.failed, entry.skipped) for name, entry in actual.items()} == {
        name: ((0, 0) if name != codec else (1, 0) if status == "failed" else (0, 1)) for name in THREE
    }


def test_a_point_with_an_absent_row_is_not_on_the_curve_and_takes_no_image_from_it() -> None:
    table = rows()
    gone = of(table, codec="avif", image="d", point="p2", corruption="fog")
    board = rank(table[~gone], BANDS)
    actual = entries(board)["avif"]
    assert (actual.n, actual.failed) == (4, 0)
    assert actual.score == near(percents(THREE["avif"], SHIFTED))
    assert board.aside.points == (("avif", FOG, "p2"),)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda table, where: table[~where], id="absent"),
        pytest.param(lost, id="failed"),
    ],
)
def test_a_codec_without_a_condition_has_no_rank(spoil: Callable[[pd.DataFrame, pd.Series], pd.DataFrame]) -> None:
    table = rows()
    board = rank(spoil(table, of(table, codec="avif", corruption="fog")), BANDS)
    assert [(entry.rank, entry.codec) for entry in board.entries] == [(1, "jpeg2000"), (2, "jpeg"), (None, "avif")]
    actual = entries(board)["avif"]
    assert (actual.conditions, actual.n) == (2, 0)
    assert actual.score == near(percents(THREE["avif"], [NOISE, BLUR]))
    assert actual.reason
    # The fault is not the anchor's: it has every row.
    assert "anchor" not in actual.reason


def test_without_the_anchor_in_a_condition_none_has_a_rank() -> None:
    table = rows()
    table = table[~of(table, codec="jpeg2000", corruption="fog")]
    board = rank(table, BANDS, anchor="jpeg2000")
    assert {entry.rank for entry in board.entries} == {None}
    assert all(entry.reason for entry in board.entries)
    assert rank(table, BANDS).anchor == "jpeg"  # the next that has a curve everywhere


def test_too_little_overlap_is_a_reason() -> None:
    table = rows()
    far = of(table, codec="avif")
    table.loc[far, "psnr"] += 12
    actual = entries(rank(table, BANDS))["avif"]
    assert actual.rank is None
    assert actual.reason == "it shares 20% of the anchor's quality range, at least 30% is needed"
    assert math.isnan(actual.score)


def test_a_codec_of_one_point_is_listed_without_a_rank() -> None:
    raw = rows({"identity": THREE["jpeg2000"]}, POINTS[:1]).assign(bpp=24.0, psnr=math.inf, ms_ssim=1.0)
    board = rank(pd.concat([raw, rows()], ignore_index=True), BANDS)
    assert board.anchor == "jpeg2000"
    assert [entry.codec for entry in board.entries if entry.rank is None] == ["identity"]
    actual = entries(board)["identity"]
    assert (actual.score, actual.clean, actual.overlap) == near((math.nan,) * 3)
    assert actual.inflation == near(1)
    assert actual.reason.startswith("its own curve has 0 point")


def test_the_commonest_reason_is_told() -> None:
    table = rows()
    short = (
        of(table, codec="avif") & table["point"].isin(POINTS[3:]) & table["corruption"].isin(["fog", "defocus_blur"])
    )
    far = of(table, codec="avif", corruption="gaussian_noise")
    table = table[~short]
    table.loc[far, "psnr"] += 15
    assert entries(rank(table, BANDS))["avif"].reason.startswith("its own curve has 3 points")


# --- anchors


def test_the_anchor_can_be_chosen() -> None:
    board = rank(rows(), BANDS, anchor="jpeg")
    assert board.anchor == "jpeg"
    actual = {codec: entry.score for codec, entry in entries(board).items()}
    relative = {codec: {one: own[one] / THREE["jpeg"][one] for one in CONDITIONS} for codec, own in THREE.items()}
    assert actual == near({codec: percents(own, SHIFTED) for codec, own in relative.items()})


def test_the_default_anchor_is_jpeg2000_or_else_the_first_codec_with_a_curve() -> None:
    table = pd.concat([rows({"identity": THREE["jpeg2000"]}, POINTS[:1]), rows()], ignore_index=True)
    assert ANCHORS == ("jpeg2000", "jpeg")
    assert rank(table, BANDS).anchor == "jpeg2000"
    assert rank(table[~of(table, codec="jpeg2000")], BANDS).anchor == "jpeg"


def test_a_codec_that_failed_everywhere_is_no_default_anchor() -> None:
    table = rows()
    assert rank(lost(table, of(table, codec="jpeg2000")), BANDS).anchor == "jpeg"


@pytest.mark.parametrize("anchor", ["jpg", "identity"])
def test_an_anchor_without_a_curve_is_refused(anchor: str) -> None:
    table = pd.concat([rows(), rows({"identity": THREE["jpeg2000"]}, POINTS[:1])], ignore_index=True)
    with pytest.raises(
        NotComparable, match=f"^{anchor} has no rate curve here: expected an anchor among jpeg, jpeg2000, avif$"
    ):
        rank(table, BANDS, anchor=anchor)


def test_without_any_curve_there_is_no_ranking() -> None:
    with pytest.raises(NotComparable, match="no codec has the 4 points"):
        rank(rows(points=POINTS[:3]), BANDS)


def test_rows_of_several_sets_are_not_ranked_together() -> None:
    table = pd.concat([rows(), rows().assign(set="clic2020-test")], ignore_index=True)
    with pytest.raises(NotComparable, match="clic2020-test, kodak"):
        rank(table, BANDS)


def test_no_rows_are_no_ranking() -> None:
    with pytest.raises(NotComparable, match="no rows"):
        rank(rows().iloc[:0], BANDS)


def test_the_gap_between_estimated_and_real_rate_is_told() -> None:
    table = rows()
    codec = str(table["codec"].iloc[0])
    clean = of(table, codec=codec, corruption="none")
    estimated = table[table["codec"] == codec].assign(codec=estimate_of(codec))
    estimated["bpp"] *= np.where(clean[table["codec"] == codec], 0.98, 0.9)
    board = entries(rank(pd.concat([table, estimated.iloc[::-1]]), BANDS))
    assert board[codec].gap_clean == near(-2)
    assert board[codec].gap == near(-10)
    others = [one for name, one in board.items() if name != codec]
    assert all(math.isnan(one.gap) and math.isnan(one.gap_clean) for one in others)


@pytest.mark.parametrize(("codec", "name"), [("mbt2018-mse", "mbt2018-mse-est"), ("elic@mine", "elic-est@mine")])
def test_the_estimate_of_a_codec_has_its_name(codec: str, name: str) -> None:
    assert estimate_of(codec) == name


def test_estimated_rates_are_no_default_anchor() -> None:
    table = rows()
    table["codec"] = table["codec"].map(dict(zip(table["codec"].unique(), ("a-est@x", "b", "c"), strict=True)))
    assert rank(table, BANDS).anchor == "b"


# --- the worst cases


def test_tails_of_quality_are_its_lowest() -> None:
    board = ordinary()
    actual = board.tails["jpeg2000", "psnr_clean"]
    assert actual.cvar <= actual.decile <= actual.mean
    # Each image at the setting at which it takes 0.5 bpp by itself.
    alone = {one: 24 + 3 * math.log2(0.5 / (0.125 * WEIGHT[one])) + BONUS[one] for one in IMAGES}
    values = [alone[image] - LOSS[condition] for image, condition in product(IMAGES, SHIFTED)]
    assert asdict(actual) == near(asdict(tail(values, "low")))


def test_the_overlap_is_the_least_of_all_conditions_also_where_it_is_too_little() -> None:
    """Else the column says 100 % beside a reason that says 20 %."""
    table = rows()
    under_fog = of(table, codec="avif", corruption="fog")
    table.loc[under_fog, "psnr"] += 12  # 27 to 42 dB and 24 to 39 dB share 3 of 15 dB
    entry = entries(rank(table, BANDS))["avif"]
    assert entry.rank is None
    assert f"it shares {entry.overlap:.0%} of the anchor's quality range" in entry.reason
    assert entry.overlap == near(3 / 15)


def test_a_codec_without_a_curve_has_no_overlap() -> None:
    table = rows()
    few = table[(table["codec"] != "avif") | table["point"].isin(["p0", "p1"])]
    assert math.isnan(entries(rank(few, BANDS))["avif"].overlap)
