"""The intervals of a leaderboard hold the truth as often as they say, and depend on the rows and the seed alone."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.conditions import CLEAN_CONDITION as CLEAN
from codecshift.analysis.conditions import Condition
from codecshift.analysis.ranking import NUMBERS, Entry, Intervals, Leaderboard, intervals, rank
from codecshift.analysis.statistics import MINIMUM_IMAGES, MOST_LOST, tail

FOG, NOISE, BLUR = ("fog", 3), ("gaussian_noise", 3), ("defocus_blur", 5)
SHIFTED = (FOG, NOISE, BLUR)
CONDITIONS = (CLEAN, *SHIFTED)
BANDS = {"fog": "low", "defocus_blur": "low", "jpeg_compression": "medium", "gaussian_noise": "high"}
POINTS = tuple(f"p{k}" for k in range(6))


def of(table: pd.DataFrame, **wanted: Any) -> pd.Series:
    """Return which rows have these values."""
    drawn_intervals = pd.Series(data=True, index=table.index)
    for name, value in wanted.items():
        drawn_intervals &= table[name] == value
    return drawn_intervals


def entries(board: Leaderboard) -> dict[str, Entry]:
    return {entry.codec: entry for entry in board.entries}


def near(value: float) -> Any:
    return pytest.approx(value, abs=1e-9, nan_ok=True)


SHARED = 0.4
"""The deviation over images of the log of what any codec needs."""


def photographs(
    codecs: Mapping[str, tuple[float, float]],
    images: int = 24,
    conditions: Iterable[Condition] = CONDITIONS,
    seed: int = 0,
) -> pd.DataFrame:
    """Return rows of codecs that need exp(mean + deviation x) times the bits of the anchor, x normal over the images.

    At equal quality, under any condition. Of the mean rates that is a factor exp(mean + deviation^2 / 2) in truth.
    """
    random = np.random.default_rng(seed)
    parts = []
    for corruption, severity in conditions:
        cost, hard = random.normal(0, SHARED, images), random.normal(0, 2, images)
        for codec, (mean, deviation) in {"jpeg2000": (0.0, 0.0), **codecs}.items():
            factor = np.exp(cost + mean + deviation * random.normal(size=images))
            for point, name in enumerate(POINTS):
                value = 24 + 3 * point + hard
                part = {
                    "codec": codec,
                    "corruption": corruption,
                    "severity": severity,
                    "point": name,
                    "image": [f"image{k}" for k in range(images)],
                    "bpp": 0.125 * 2**point * factor,
                    "psnr": value,
                    "psnr_clean": value - 3,
                    "ms_ssim": 1 - 10 ** (-value / 20),
                }
                parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True).assign(set="kodak", status="ok")


def drawn(table: pd.DataFrame, resamples: int = 2000, **options: Any) -> tuple[Leaderboard, Intervals]:
    board = rank(table, BANDS, anchor="jpeg2000")
    return board, intervals(table, BANDS, board, resamples=resamples, **options)


def test_of_95_percent_intervals_of_a_bd_rate_95_percent_hold_the_truth() -> None:
    """Each condition is a trial of its own, with images of its own."""
    trials = [(f"trial{k}", 1) for k in range(500)]
    _, drawn_intervals = drawn(photographs({"mine": (0.2, 0.15)}, conditions=trials))
    truth = 100 * math.expm1(0.2 + 0.15**2 / 2)
    assert 0.93 <= np.mean([drawn_intervals.bd_rates["mine", each].holds(truth) for each in trials]) <= 0.97


def test_every_number_has_an_interval_around_it() -> None:
    board, drawn_intervals = drawn(photographs({"mine": (0.2, 0.15), "other": (-0.1, 0.3)}))
    for entry in board.entries:
        for name in NUMBERS:
            each = drawn_intervals.numbers[entry.codec][name]
            assert each.estimate == near(getattr(entry, name))
            assert each.known == math.isfinite(each.estimate)
            assert not each.known or each.low <= each.estimate <= each.high
    assert (drawn_intervals.confidence, drawn_intervals.images, drawn_intervals.resamples, drawn_intervals.known) == (
        0.95,
        24,
        2000,
        True,
    )
    assert drawn_intervals.lost == {}


def test_a_codec_of_a_constant_factor_is_sure() -> None:
    _, drawn_intervals = drawn(photographs({"twice": (math.log(2), 0)}))
    sure = [name for name in NUMBERS if not name.startswith(("inflation", "psnr")) and "medium" not in name]
    for name in sure:
        each = drawn_intervals.numbers["twice"][name]
        assert (each.low, each.high) == near((each.estimate,) * 2)
        assert each.estimate == near(0 if "penalty" in name else 100)
    # What it takes and keeps is as unsure as the images are different.
    assert drawn_intervals.numbers["twice"]["inflation"].margin > 0.01


def test_differences_are_between_neighbours_and_to_the_best() -> None:
    board, drawn_intervals = drawn(photographs({"a": (-0.3, 0.05), "b": (0.2, 0.05), "c": (0.5, 0.05)}))
    order = [entry.codec for entry in board.entries]
    scores = {entry.codec: entry.score for entry in board.entries}
    assert order == ["a", "jpeg2000", "b", "c"]
    assert {codec: each.estimate for codec, each in drawn_intervals.above.items()} == near(
        {codec: scores[codec] - scores[before] for before, codec in pairwise(order)}
    )
    assert {codec: each.estimate for codec, each in drawn_intervals.best.items()} == near(
        {codec: scores[codec] - scores["a"] for codec in order[1:]}
    )
    assert drawn_intervals.above["jpeg2000"] == drawn_intervals.best["jpeg2000"]
    assert not any(drawn_intervals.tied(codec) for codec in order)


def test_codecs_that_differ_by_chance_alone_cannot_be_told_apart() -> None:
    tied = []
    for seed in range(20):
        board, drawn_intervals = drawn(photographs({"one": (0.3, 0.1), "other": (0.3, 0.1)}, seed=seed), resamples=500)
        assert not drawn_intervals.tied(board.entries[0].codec)
        tied.append(drawn_intervals.tied(board.entries[2].codec))
    assert sum(tied) >= 17


def test_images_that_are_hard_for_all_do_not_blur_a_difference() -> None:
    """Two codecs that share what they find hard: each is unsure against the anchor, not against the other."""
    table = photographs({"one": (0.3, 0.3)})
    other = table[table["codec"] == "one"].assign(codec="other")
    other["bpp"] *= np.exp(0.05 + 0.02 * np.random.default_rng(4).normal(size=len(other)))
    _, drawn_intervals = drawn(pd.concat([table, other], ignore_index=True))
    own = [drawn_intervals.numbers[codec]["score"].margin for codec in ("one", "other")]
    assert drawn_intervals.above["other"].margin < 0.2 * math.hypot(*own)
    assert not drawn_intervals.tied("other")
    assert drawn_intervals.numbers["other"]["score"].holds(drawn_intervals.numbers["one"]["score"].estimate)


def test_what_a_codec_finds_hard_clean_and_corrupted_is_no_doubt_about_the_penalty() -> None:
    table = photographs({"mine": (0.2, 0.3)}, conditions=[CLEAN])
    shifted = table.assign(corruption="fog", severity=3)
    shifted.loc[shifted["codec"] == "mine", "bpp"] *= 1.1
    board, drawn_intervals = drawn(pd.concat([table, shifted], ignore_index=True))
    numbers = drawn_intervals.numbers["mine"]
    assert numbers["penalty"].margin < 0.2 * numbers["score"].margin
    assert entries(board)["mine"].penalty == near(0.1 * (100 + entries(board)["mine"].clean))


def test_intervals_depend_on_the_rows_and_the_seed_alone() -> None:
    table = photographs({"mine": (0.2, 0.15)})
    _, each = drawn(table)
    _, again = drawn(table.sample(frac=1, random_state=np.random.RandomState(3)))
    assert each.seed == again.seed
    for name in NUMBERS:
        assert asdict(each.numbers["mine"][name]) == near(asdict(again.numbers["mine"][name]))
    _, other = drawn(table, seed=5)
    assert other.seed == 5
    score, reseeded = each.numbers["mine"]["score"], other.numbers["mine"]["score"]
    assert (score.low, score.high) != (reseeded.low, reseeded.high)
    assert (score.low, score.high) == pytest.approx((reseeded.low, reseeded.high), abs=0.2 * score.margin)


def test_the_names_of_the_images_do_not_matter() -> None:
    table = photographs({"mine": (0.2, 0.15)})
    names = [f"image{k}" for k in range(24)]
    renamed = table["image"].map(dict(zip(names, np.random.default_rng(1).permutation(names), strict=True)))
    scores = [drawn(each, 10_000)[1].numbers["mine"]["score"] for each in (table, table.assign(image=renamed))]
    assert (scores[0].low, scores[0].high) == pytest.approx((scores[1].low, scores[1].high), abs=0.1 * scores[0].margin)


def test_a_corruption_is_the_mean_over_its_severities() -> None:
    conditions = [CLEAN, ("fog", 1), ("fog", 5)]
    board, drawn_intervals = drawn(photographs({"mine": (0.2, 0.15)}, conditions=conditions))
    fog = drawn_intervals.by_corruption["mine", "fog"]
    assert fog.estimate == near(np.mean([board.bd_rates["mine", ("fog", each)].percent for each in (1, 5)]))
    # Images of their own under each severity: the mean of two is surer than either, by about the root of two.
    each = [drawn_intervals.bd_rates["mine", ("fog", each)].margin for each in (1, 5)]
    assert fog.margin < 0.9 * min(each)
    clean, alone = drawn_intervals.by_corruption["mine", "none"], drawn_intervals.bd_rates["mine", CLEAN]
    assert asdict(clean) == near(asdict(alone))


@pytest.mark.parametrize("images", [MINIMUM_IMAGES - 1, MINIMUM_IMAGES])
def test_so_few_images_have_no_interval(images: int) -> None:
    board, drawn_intervals = drawn(photographs({"mine": (0.2, 0.15)}, images=images))
    assert drawn_intervals.known == (images == MINIMUM_IMAGES)
    assert drawn_intervals.numbers["mine"]["score"].estimate == near(entries(board)["mine"].score)
    assert drawn_intervals.above["mine"].known == drawn_intervals.known
    assert not (drawn_intervals.tied("mine") and not drawn_intervals.known)


def test_a_codec_on_few_of_the_images_has_no_interval() -> None:
    table = photographs({"mine": (0.2, 0.15), "other": (0.5, 0.1)})
    table = table[(table["codec"] != "mine") | table["image"].isin([f"image{k}" for k in range(MINIMUM_IMAGES - 1)])]
    board, drawn_intervals = drawn(table)
    assert entries(board)["mine"].n == MINIMUM_IMAGES - 1
    assert not any(each.known for each in drawn_intervals.numbers["mine"].values())
    assert drawn_intervals.numbers["other"]["score"].known
    assert not drawn_intervals.above["other"].known  # of the two, one rests on too few


def test_resamples_without_a_value_are_counted_and_end_an_interval() -> None:
    # At the least setting it takes just under the matched rate: in about half of the resamples it takes more.
    table = photographs({"mine": (0.0, 0.3)})
    clean = (table["codec"] == "mine") & (table["corruption"] == "none")
    table.loc[table["codec"] == "mine", "bpp"] *= 0.499 / table.loc[clean & (table["point"] == "p0"), "bpp"].mean()
    board, drawn_intervals = drawn(table)
    assert math.isfinite(entries(board)["mine"].psnr_clean)
    assert MOST_LOST < drawn_intervals.lost["mine", "psnr_clean"] < 1
    assert not drawn_intervals.numbers["mine"]["psnr_clean"].known
    assert drawn_intervals.numbers["mine"]["score"].known
    assert [number for codec, number in drawn_intervals.lost if codec == "mine"] == ["psnr_clean"]


def test_a_condition_that_cannot_be_compared_is_in_no_resample() -> None:
    table = photographs({"mine": (0.2, 0.15)})
    table.loc[of(table, codec="mine", corruption="fog"), "psnr"] += 40
    board, drawn_intervals = drawn(table)
    assert entries(board)["mine"].rank is None
    each = drawn_intervals.numbers["mine"]["score"]
    assert each.known
    assert each.estimate == near(np.mean([board.bd_rates["mine", other].percent for other in (NOISE, BLUR)]))
    assert not drawn_intervals.bd_rates["mine", FOG].known
    assert "mine" not in drawn_intervals.above


# --- the worst cases


def test_tails_are_of_images_under_corruptions_each_by_itself() -> None:
    table = photographs({"mine": (0.2, 0.3)})
    first = table[(table["point"] == "p0") & (table["corruption"] != "none")]
    own, base = (first.loc[first["codec"] == codec, "bpp"].to_numpy() for codec in ("mine", "jpeg2000"))
    expected = tail(100 * (own / base - 1), "high")
    drawn_intervals = rank(table, BANDS, anchor="jpeg2000").tails["mine", "score"]
    assert asdict(drawn_intervals) == near(asdict(expected))
    assert drawn_intervals.cases == 3 * 24


def test_tails_of_clean_images_alone() -> None:
    board = rank(photographs({"mine": (0.2, 0.3)}, conditions=[CLEAN]), BANDS, anchor="jpeg2000")
    assert board.tails["mine", "score"].cases == 24
    assert board.tails["mine", "inflation"].cases == 0
