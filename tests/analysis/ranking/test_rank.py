"""The ranking of codecs whose rates are known multiples of each other's: the scores must be those multiples."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.conditions import CLEAN_CONDITION as CLEAN
from codecshift.analysis.ranking import Entry, Leaderboard, NotComparable, rank
from codecshift.analysis.ranking.ladders import estimate_of
from codecshift.analysis.ranking.rank import ANCHORS
from codecshift.analysis.rate import Curve, bd_rate

FOG, NOISE, BLUR, RAIN = ("fog", 3), ("gaussian_noise", 3), ("defocus_blur", 5), ("spatter", 3)
SHIFTED = (FOG, NOISE, BLUR)
CONDITIONS = (CLEAN, *SHIFTED)
BANDS = {"fog": "low", "defocus_blur": "low", "pixelate": "medium", "gaussian_noise": "high", "spatter": "extra"}

Make = Callable[..., pd.DataFrame]


def logs(clean: float, fog: float, noise: float, blur: float) -> dict[tuple[str, int], float]:
    return {CLEAN: math.log(clean), FOG: math.log(fog), NOISE: math.log(noise), BLUR: math.log(blur)}


THREE: Mapping[str, Mapping[tuple[str, int], float]] = {
    "jpeg": logs(2.0, 1.5, 4.0, 1.1),
    "jpeg2000": logs(1.0, 1.0, 1.0, 1.0),
    "avif": logs(0.5, 0.75, 0.8, 0.25),
}


@pytest.fixture
def table(photographs: Make) -> pd.DataFrame:
    return photographs(THREE, CONDITIONS)


def of(table: pd.DataFrame, **wanted: Any) -> "pd.Series[bool]":
    """Return which rows have these values."""
    actual = pd.Series(data=True, index=table.index)
    for name, value in wanted.items():
        actual &= table[name] == value
    return actual


def entries(board: Leaderboard) -> dict[str, Entry]:
    return {entry.codec: entry for entry in board.entries}


def scores(board: Leaderboard) -> dict[str, float]:
    return {entry.codec: entry.score for entry in board.entries}


def geometric(own: Mapping[tuple[str, int], float], conditions: Iterable[tuple[str, int]]) -> float:
    """Return the geometric mean of factors over conditions as percent of bits."""
    return 100 * math.expm1(float(np.mean([own[condition] for condition in conditions])))


def near(value: Any) -> Any:
    return pytest.approx(value, abs=1e-9, nan_ok=True)


# --- scores


def test_the_score_is_the_geometric_mean_of_the_known_factors(table: pd.DataFrame) -> None:
    board = rank(table, BANDS)
    assert [(entry.rank, entry.codec) for entry in board.entries] == [(1, "avif"), (2, "jpeg2000"), (3, "jpeg")]
    for codec, entry in entries(board).items():
        own = THREE[codec]
        assert (entry.score, entry.clean) == near((geometric(own, SHIFTED), geometric(own, [CLEAN])))
        assert (entry.low, entry.medium) == near((geometric(own, [FOG, BLUR]), math.nan))
        assert (entry.high, entry.extra) == near((geometric(own, [NOISE]), math.nan))
        assert (entry.conditions, entry.n, entry.failed, entry.reason) == (3, 4, 0, "")
    assert [fit.inconsistency for fit in board.fits.values()] == near([0.0] * 4)


def test_half_and_twice_the_bits_cancel(photographs: Make) -> None:
    """An arithmetic mean of percentages would give -50 and +100, that is +25 %."""
    table = photographs({"jpeg": 0.0, "avif": {FOG: -math.log(2), NOISE: math.log(2)}}, [FOG, NOISE])
    assert scores(rank(table, BANDS, anchor="jpeg"))["avif"] == near(0.0)


def test_severities_of_a_corruption_are_averaged_first(photographs: Make) -> None:
    factors = {("fog", 1): 0.0, ("fog", 3): 0.3, ("fog", 5): 0.6, NOISE: 0.9}
    table = photographs({"jpeg": 0.0, "avif": factors}, factors)
    assert scores(rank(table, BANDS, anchor="jpeg"))["avif"] == near(100 * math.expm1((0.3 + 0.9) / 2))


def test_ms_ssim_curves_give_the_same_factors(table: pd.DataFrame) -> None:
    board = rank(table, BANDS, quality="ms_ssim")
    assert scores(board) == near({codec: geometric(own, SHIFTED) for codec, own in THREE.items()})


def test_the_shift_penalty_is_the_ratio_of_score_and_clean(table: pd.DataFrame) -> None:
    for entry in rank(table, BANDS).entries:
        for name, base in (("penalty", "score"), ("penalty_low", "low"), ("penalty_high", "high")):
            assert 1 + getattr(entry, name) / 100 == near((100 + getattr(entry, base)) / (100 + entry.clean))
        assert math.isnan(entry.penalty_medium)


@pytest.mark.parametrize("anchor", THREE)
def test_the_anchor_sets_the_zero_only(anchor: str, photographs: Make) -> None:
    """Curves of different shapes, so that the pairs do not add up."""
    table = photographs(THREE, CONDITIONS, spread=0.3)
    table["psnr"] += np.random.default_rng(1).normal(0, 0.4, len(table))
    board, other = rank(table, BANDS, anchor=anchor, resamples=200), rank(table, BANDS, resamples=200)
    assert [(entry.rank, entry.codec) for entry in board.entries] == [
        (entry.rank, entry.codec) for entry in other.entries
    ]
    assert scores(board)[anchor] == 0
    for name in ("score", "clean", "low", "high"):
        factors = [
            {codec: 100 + getattr(entry, name) for codec, entry in entries(each).items()} for each in (board, other)
        ]
        ratios = [{codec: factor / each["jpeg"] for codec, factor in each.items()} for each in factors]
        assert ratios[0] == near(ratios[1])
    assert board.fits[FOG].inconsistency == other.fits[FOG].inconsistency > 0


def test_equal_codecs_share_a_rank(photographs: Make) -> None:
    board = rank(photographs({"jpeg": 0.0, "a": 0.2, "b": 0.2, "c": 0.3}, CONDITIONS), BANDS)
    assert {entry.codec: entry.rank for entry in board.entries} == {"jpeg": 1, "a": 2, "b": 2, "c": 4}


def test_the_bd_rate_is_that_of_the_pair(table: pd.DataFrame) -> None:
    for codec, entry in entries(rank(table, BANDS)).items():
        curves = {}
        for condition in SHIFTED:
            for name in ("jpeg2000", codec):
                part = table[of(table, codec=name, corruption=condition[0])].groupby("point")[["bpp", "psnr"]].mean()
                curves[name, condition] = Curve.through(part["bpp"], part["psnr"])
        expected = [bd_rate(curves["jpeg2000", each], curves[codec, each]).percent for each in SHIFTED]
        assert entry.bd_rate == near(np.mean(expected))


# --- which conditions


def test_clean_rows_alone_are_ranked_by_clean(photographs: Make) -> None:
    for codec, entry in entries(rank(photographs(THREE, [CLEAN]), BANDS)).items():
        assert entry.score == near(entry.clean) == near(geometric(THREE[codec], [CLEAN]))
        assert (entry.low, entry.inflation_low, entry.penalty) == near((math.nan,) * 3)


def test_corrupted_rows_alone_are_ranked_too(photographs: Make) -> None:
    for codec, entry in entries(rank(photographs(THREE, [FOG]), BANDS)).items():
        assert entry.score == near(geometric(THREE[codec], [FOG]))
        assert (entry.clean, entry.inflation_low) == near((math.nan,) * 2)


def test_extra_corruptions_are_a_group_of_their_own(photographs: Make) -> None:
    codecs = {"jpeg": 0.0, "avif": {CLEAN: 0.1, FOG: 0.2, RAIN: 0.4}}
    entry = entries(rank(photographs(codecs, [CLEAN, FOG, RAIN]), BANDS))["avif"]
    assert (entry.score, entry.extra) == near((100 * math.expm1(0.2), 100 * math.expm1(0.4)))
    entry = entries(rank(photographs(codecs, [CLEAN, RAIN]), BANDS))["avif"]
    assert entry.score == near(entry.extra) == near(100 * math.expm1(0.4))


# --- points


def test_a_lossless_point_is_on_no_curve_and_the_others_stay(table: pd.DataFrame) -> None:
    top = of(table, codec="avif", point="p5", image="image01", corruption="fog")
    table.loc[top, ["psnr", "ms_ssim"]] = math.inf, 1.0
    board = rank(table, BANDS)
    assert scores(board) == near({codec: geometric(own, SHIFTED) for codec, own in THREE.items()})
    assert (entries(board)["avif"].n, board.fits[FOG].weights[0, 2]) == (4, 1)


@pytest.mark.parametrize("points", [2, 3])
def test_two_points_make_a_line(points: int, photographs: Make) -> None:
    """All curves are straight: log rate over quality."""
    table = pd.concat([
        photographs({"jpeg": 0.0}, CONDITIONS),
        photographs({"short": 0.3}, CONDITIONS, points=[f"p{k}" for k in range(points)]),
    ])  # fmt: skip
    assert scores(rank(table, BANDS))["short"] == near(100 * math.expm1(0.3))


def test_a_lossless_codec_has_no_rank_and_takes_no_images(table: pd.DataFrame, photographs: Make) -> None:
    raw = photographs({"identity": 0.0}, CONDITIONS, points=["lossless"]).assign(psnr=math.inf, ms_ssim=1.0)
    raw = raw[raw["image"] != "image03"]
    board = rank(pd.concat([raw, table]), BANDS)
    entry = entries(board)["identity"]
    assert (entry.rank, entry.rank_low, entry.reason) == (None, None, "lossless, apart from the ranking")
    assert entry.inflation_low == near(entry.inflation_low)
    assert {each.n for codec, each in entries(board).items() if codec != "identity"} == {4}
    assert scores(board) == near({"identity": math.nan} | scores(rank(table, BANDS)))


# --- what is missing


def test_the_order_of_rows_does_not_matter(table: pd.DataFrame, fail: Make) -> None:
    table = fail(table, of(table, codec="avif", image="image01", point="p2", corruption="fog"))
    one, other = (rank(some, BANDS, anchor="jpeg") for some in (table, table.sample(frac=1, random_state=3)))
    assert {codec: asdict(entry) for codec, entry in entries(one).items()} == {
        codec: near(asdict(entry)) for codec, entry in entries(other).items()
    }


@pytest.mark.parametrize("status", ["failed", "skipped"])
def test_a_failed_row_takes_its_image_from_all_codecs(status: str, photographs: Make, fail: Make) -> None:
    table = photographs(THREE, CONDITIONS, images=8)
    where = of(table, codec="avif", image="image03", point="p2", corruption="fog")
    board = rank(fail(table, where, status), BANDS)
    assert scores(board) == near({codec: geometric(own, SHIFTED) for codec, own in THREE.items()})
    assert {entry.n for entry in board.entries} == {7}
    assert (board.compared[FOG], board.measured[FOG], board.compared[NOISE]) == (7, 8, 8)


def test_a_codec_that_fails_on_hard_images_gains_nothing(photographs: Make, fail: Make) -> None:
    """Fragile is as good as avif, but fails on the images that cost most: some, or all but one."""
    table = photographs({"jpeg": 0.5, "avif": 0.0, "fragile": 0.0}, CONDITIONS, images=24, spread=0.1)
    whole = scores(rank(table, BANDS))
    hard = table[of(table, codec="jpeg", corruption="fog", point="p0")].nlargest(23, "bpp")["image"].tolist()
    few = of(table, codec="fragile", corruption="fog") & table["image"].isin(hard[:3])
    board = rank(fail(table, few), BANDS)
    # All are compared on the 21 easy images, so that the differences to the others stay.
    easy = rank(table[~((table["corruption"] == "fog") & table["image"].isin(hard[:3]))], BANDS)
    assert scores(board) == near(scores(easy))
    many = of(table, codec="fragile", corruption="fog") & table["image"].isin(hard)
    entry = entries(board := rank(fail(table, many), BANDS))["fragile"]
    assert (entry.rank, entry.rank_low) == (None, None)
    assert entry.reason == "failed on 24% of its rows, in 1 of 4 conditions"
    assert {codec: value for codec, value in scores(board).items() if codec != "fragile"} == near(
        scores(rank(table[table["codec"] != "fragile"], BANDS))
    )
    assert whole["fragile"] == pytest.approx(whole["avif"], abs=10)


def test_a_codec_measured_on_few_images_takes_none_from_the_others(table: pd.DataFrame, photographs: Make) -> None:
    few = photographs({"few": 0.1}, CONDITIONS)
    board = rank(pd.concat([table, few[few["image"] == "image00"]]), BANDS)
    assert entries(board)["few"].reason.startswith("measured on fewer than half of the images under 3 of 3 conditions")
    assert {codec: value for codec, value in scores(board).items() if codec != "few"} == near(
        scores(rank(table, BANDS))
    )


def test_a_codec_without_shared_quality_under_a_condition_has_a_range_of_ranks(photographs: Make) -> None:
    """Under fog its score could be that of the best or of the worst codec there."""
    codecs = {"jpeg": logs(1, 1, 1, 1), "a": logs(1, 0.25, 1, 1), "b": logs(1, 2, 2, 2), "far": logs(1, 1, 1.2, 1.2)}
    table = photographs(codecs, CONDITIONS)
    table.loc[of(table, codec="far", corruption="fog"), "psnr"] += 100
    board = rank(table, BANDS, anchor="jpeg")
    assert [(entry.codec, entry.rank) for entry in board.entries] == [("a", 1), ("jpeg", 2), ("b", 3), ("far", None)]
    entry = entries(board)["far"]
    # With a's 0.25 its score is (0.25 x 1.44)^(1/3) = 0.71, between a's 0.63 and 1; with b's 2 it is 1.42, below 2.
    assert (entry.rank_low, entry.rank_high) == (2, 3)
    assert entry.reason == "no shared quality under 1 of 3 conditions: fog@3"
    assert (entry.score, entry.low, entry.bd_rate) == near((math.nan,) * 3)
    assert entry.high == near(20)
    assert scores(board)["b"] == near(100)


@pytest.mark.parametrize(("shared", "connected"), [(0.4, False), (0.6, True)])
def test_half_a_decibel_of_shared_quality_connects(shared: float, connected: bool, photographs: Make) -> None:
    table = photographs({"jpeg": 0.0, "far": 0.0}, [FOG])
    table.loc[of(table, codec="far"), "psnr"] += 15 - shared
    assert (entries(rank(table, BANDS))["far"].reason == "") is connected


def test_a_codec_without_rows_under_a_condition_has_a_range_of_ranks(table: pd.DataFrame) -> None:
    board = rank(table[~of(table, codec="avif", corruption="fog")], BANDS)
    entry = entries(board)["avif"]
    assert (entry.rank, entry.rank_low, entry.rank_high) == (None, 1, 1)
    assert entry.reason == "not measured under 1 of 3 conditions: fog@3"


def test_a_point_with_an_absent_row_is_not_on_the_curve_and_takes_no_image_from_it(table: pd.DataFrame) -> None:
    gone = of(table, codec="avif", image="image03", point="p2", corruption="fog")
    board = rank(table[~gone], BANDS)
    assert entries(board)["avif"].n == 4
    assert scores(board) == near({codec: geometric(own, SHIFTED) for codec, own in THREE.items()})
    assert board.aside.points == (("avif", FOG, "p2"),)


def test_coverage_is_the_least_share_of_the_quality_range(photographs: Make) -> None:
    short = photographs({"short": 0.3}, CONDITIONS, points=["p0", "p1", "p2"])
    board = rank(pd.concat([photographs({"jpeg": 0.0}, CONDITIONS), short]), BANDS)
    # The points lie at 0, 3, ... 15 dB, those of short at 0, 3 and 6 once more.
    low, high = np.percentile([0, 3, 6, 9, 12, 15, 0, 3, 6], (10, 90))
    assert entries(board)["short"].coverage == near((6 - low) / (high - low))
    assert entries(board)["jpeg"].coverage == near(1.0)


def test_settings_that_repeat_the_best_quality_do_not_move_the_range(photographs: Make) -> None:
    table = pd.concat(
        [photographs({"jpeg": 0.0}, CONDITIONS), photographs({"short": 0.3}, CONDITIONS, points=["p0", "p1", "p2"])]
    )
    best = table[of(table, codec="jpeg", point="p5")]
    again = [best.assign(point=f"p5{k}", bpp=best["bpp"] * (2 + k)) for k in range(9)]
    boards = (rank(table, BANDS), rank(pd.concat([table, *again]), BANDS))
    assert entries(boards[0])["short"].coverage == near(entries(boards[1])["short"].coverage)


# --- anchors and refusals


def test_the_default_anchor_is_jpeg2000_or_else_jpeg_or_else_the_best(table: pd.DataFrame, fail: Make) -> None:
    assert ANCHORS == ("jpeg2000", "jpeg")
    assert rank(table, BANDS).anchor == "jpeg2000"
    assert rank(table[~of(table, codec="jpeg2000")], BANDS).anchor == "jpeg"
    assert rank(fail(table, of(table, codec="jpeg2000")), BANDS).anchor == "jpeg"
    renamed = table.assign(codec=table["codec"].map({"jpeg": "c", "jpeg2000": "b", "avif": "a"}))
    assert rank(renamed, BANDS).anchor == "a"
    # One that lacks a rating on clean images comes after those that have all.
    assert rank(table[~of(table, codec="jpeg2000", corruption="none")], BANDS).anchor == "jpeg"


@pytest.mark.parametrize("anchor", ["jpg", "identity"])
def test_an_anchor_without_a_score_is_refused(anchor: str, table: pd.DataFrame, photographs: Make) -> None:
    table = pd.concat([table, photographs({"identity": 0.0}, CONDITIONS, points=["p0"])])
    expected = f"^{anchor} has no score here: expected an anchor among jpeg, jpeg2000, avif$"
    with pytest.raises(NotComparable, match=expected):
        rank(table, BANDS, anchor=anchor)


def test_without_a_curve_of_four_points_there_is_no_ranking(photographs: Make) -> None:
    with pytest.raises(NotComparable, match="no codec has the 4 points"):
        rank(photographs(THREE, CONDITIONS, points=["p0", "p1", "p2"]), BANDS)


def test_rows_of_several_sets_and_no_rows_are_not_ranked(table: pd.DataFrame) -> None:
    with pytest.raises(NotComparable, match="clic2020-test, kodak"):
        rank(pd.concat([table, table.assign(set="clic2020-test")]), BANDS)
    with pytest.raises(NotComparable, match="no rows"):
        rank(table.iloc[:0], BANDS)


# --- estimated rates


def test_the_gap_between_estimated_and_real_rate_is_told(table: pd.DataFrame) -> None:
    clean = of(table, codec="avif", corruption="none")
    estimated = table[table["codec"] == "avif"].assign(codec=estimate_of("avif"))
    estimated["bpp"] *= np.where(clean[table["codec"] == "avif"], 0.98, 0.9)
    board = rank(pd.concat([table, estimated.iloc[::-1]]), BANDS)
    assert (entries(board)["avif"].gap_clean, entries(board)["avif"].gap) == near((-2, -10))
    assert math.isnan(entries(board)["jpeg"].gap)
    assert entries(board)["avif-est"].rank is None
    assert scores(board) == near({"avif-est": math.nan} | scores(rank(table, BANDS)))


@pytest.mark.parametrize(("codec", "name"), [("mbt2018-mse", "mbt2018-mse-est"), ("elic@mine", "elic-est@mine")])
def test_the_estimate_of_a_codec_has_its_name(codec: str, name: str) -> None:
    assert estimate_of(codec) == name
