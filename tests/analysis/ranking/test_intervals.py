"""The intervals of a leaderboard hold the truth as often as they say, and depend on the rows and the seed alone."""

import math
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.conditions import CLEAN_CONDITION as CLEAN
from codecshift.analysis.ranking import NUMBERS, rank
from codecshift.analysis.ranking.contest import Contest, fit, resampled_ratings
from codecshift.analysis.ranking.intervals import apart, bonferroni_bound
from codecshift.analysis.statistics import bootstrap, expanded, levels
from scipy.special import ndtri

FOG, NOISE = ("fog", 3), ("gaussian_noise", 3)
CONDITIONS = (CLEAN, FOG, NOISE)
BANDS = {"fog": "low", "gaussian_noise": "high"}
Make = Callable[..., pd.DataFrame]

CODECS, IMAGES, POINTS = 5, 12, 4


def trial(random: np.random.Generator, means: list[float]) -> frozenset[tuple[str, str]]:
    """Return which of some codecs differ significantly, over images of which each has a cost for each codec."""
    own = random.normal(0, 0.15, (CODECS, 1, IMAGES)) + np.reshape(means, (-1, 1, 1))
    log_bpp = random.normal(0, 0.4, IMAGES) + own + np.arange(POINTS)[:, None] * 0.7
    quality = np.broadcast_to(random.normal(0, 2, IMAGES) + 3.0 * np.arange(POINTS)[:, None], log_bpp.shape)
    compared = Contest(
        condition=FOG,
        codecs=tuple("abcde"),
        images=np.ones(IMAGES, bool),
        measured=IMAGES,
        bpp=np.exp(log_bpp).reshape(-1, IMAGES),
        quality=quality.reshape(-1, IMAGES).copy(),
        starts=np.arange(CODECS + 1) * POINTS,
        absent={},
    )
    draws = bootstrap(IMAGES, 500, int(random.integers(2**31)))
    resampled, left_out = (resampled_ratings(compared, "psnr", each) for each in (draws, 1 - np.eye(IMAGES)))
    return apart("abcde", fit(compared, "psnr").ratings, resampled, left_out, draws, IMAGES)


def test_of_300_boards_of_equal_codecs_95_percent_have_no_significant_pair() -> None:
    """Then every interval of ranks holds all ranks, as equal codecs share them."""
    random = np.random.default_rng(3)
    alike = [not trial(random, [0.0] * CODECS) for _ in range(300)]
    assert 0.93 <= np.mean(alike) <= 0.97


def test_codecs_that_differ_are_told_apart_in_the_right_order() -> None:
    random = np.random.default_rng(4)
    pairs = [trial(random, [0.0, 0.0, 1.0, 1.0, 2.0]) for _ in range(40)]
    certain = {(better, worse) for better in "abcd" for worse in "cde" if better < worse} - {("c", "d")}
    assert sum(pair >= certain for pair in pairs) >= 38
    assert sum(pair == certain for pair in pairs) >= 34


def test_the_correction_for_few_images_is_that_of_the_percentile_intervals() -> None:
    for images in (6, 12, 24):
        low, _ = levels(images)
        assert expanded(1.959964, images) == pytest.approx(-float(ndtri(low)), rel=1e-5)


def test_many_images_need_less_than_the_bonferroni_bound() -> None:
    """The largest of many correlated differences is smaller than that of as many independent ones."""
    random = np.random.default_rng(1)
    codecs, images = 12, 400
    costs = random.normal(0, 1, (images, codecs))
    draws = bootstrap(images, 2000, 1)
    critical = []
    for difference in np.linspace(3.0, 3.8, 17):  # in standard errors of a difference of two codecs
        scores = np.zeros(codecs)
        scores[0] = -difference * math.sqrt(2 / images)
        left_out = (images * scores - costs) / (images - 1)
        resampled = scores + draws @ costs / images - costs.mean(axis=0)
        pairs = apart([str(k) for k in range(codecs)], scores, resampled, left_out, draws, images)
        critical.append((difference, len(pairs)))
    half = next(difference for difference, pairs in critical if pairs >= 6)
    assert half == pytest.approx(3.27, abs=0.15)  # Tukey's studentised range over the root of 2: 4.62 / 1.414
    assert half < bonferroni_bound(66, images, 0.95)


def test_ranks_are_1_plus_the_codecs_that_are_significantly_better(photographs: Make) -> None:
    table = photographs({"a": 0.0, "b": 0.01, "jpeg": 1.0, "c": 1.01}, CONDITIONS, images=12, spread=0.1)
    board = rank(table, BANDS, resamples=500)
    assert {entry.codec: (entry.rank_low, entry.rank_high) for entry in board.entries} == {
        "a": (1, 2),
        "b": (1, 2),
        "jpeg": (3, 4),
        "c": (3, 4),
    }
    assert all(entry.rank_low <= entry.rank <= entry.rank_high for entry in board.entries)


def test_codecs_of_a_constant_factor_are_sure(photographs: Make) -> None:
    table = photographs({"jpeg": 0.0, "twin": 0.0, "twice": math.log(2)}, CONDITIONS, images=12)
    board = rank(table, BANDS, resamples=300)
    assert {entry.codec: (entry.rank, entry.rank_low, entry.rank_high) for entry in board.entries} == {
        "jpeg": (1, 1, 2),
        "twin": (1, 1, 2),
        "twice": (3, 3, 3),
    }
    (twice,) = (entry for entry in board.entries if entry.codec == "twice")
    assert (twice.score, twice.score_low, twice.score_high) == pytest.approx((100,) * 3)


def test_95_percent_of_the_intervals_of_a_score_hold_the_truth(photographs: Make) -> None:
    """Each corruption is a trial of its own, with images of its own."""
    trials = [(f"trial{k}", 1) for k in range(200)]
    table = photographs({"jpeg": 0.0, "avif": 0.2}, trials, images=24, points=["p0", "p1", "p2", "p3"], spread=0.1)
    board = rank(table, {}, anchor="jpeg", resamples=500)
    assert board.intervals is not None
    truth = 100 * math.expm1(0.2)
    holds = [board.intervals.by_corruption["avif", name].holds(truth) for name, _ in trials]
    assert 0.93 <= np.mean(holds) <= 0.97


def test_every_number_has_an_interval_around_it(photographs: Make) -> None:
    board = rank(photographs({"jpeg": 0.0, "avif": 0.2}, CONDITIONS, images=12, spread=0.2), BANDS, resamples=500)
    assert board.intervals is not None
    assert (board.intervals.images, board.intervals.resamples, board.intervals.known) == (12, 500, True)
    for entry in board.entries:
        for name in NUMBERS:
            each = board.intervals.numbers[entry.codec][name]
            assert each.estimate == pytest.approx(getattr(entry, name), nan_ok=True)
            assert each.known == math.isfinite(each.estimate)
            assert not each.known or each.low <= each.estimate <= each.high
    assert board.intervals.lost == {}


def test_intervals_depend_on_the_rows_and_the_seed_alone(photographs: Make) -> None:
    table = photographs({"jpeg": 0.0, "avif": 0.2}, CONDITIONS, images=12, spread=0.2)
    boards = [
        rank(rows, BANDS, anchor="jpeg", resamples=300, seed=seed)
        for rows, seed in ((table, 1), (table.sample(frac=1, random_state=1), 1), (table, 2))
    ]
    ends = [
        sorted((entry.codec, round(entry.score_low, 9), round(entry.score_high, 9)) for entry in board.entries)
        for board in boards
    ]
    assert ends[0] == ends[1] != ends[2]


def test_too_few_images_give_ranks_without_intervals(photographs: Make) -> None:
    board = rank(photographs({"jpeg": 0.0, "avif": 1.0}, CONDITIONS, images=5, spread=0.1), BANDS, resamples=300)
    assert board.intervals is not None
    assert not board.intervals.known
    assert [(entry.rank, entry.rank_low, entry.rank_high) for entry in board.entries] == [
        (1, None, None),
        (2, None, None),
    ]
    assert all(math.isnan(asdict(entry)["score_low"]) for entry in board.entries)


def test_a_codec_that_is_often_disconnected_differs_from_none(photographs: Make) -> None:
    """Its shared range is half a decibel, give or take what images are drawn."""
    table = photographs({"jpeg": 0.0, "avif": 1.0, "far": 2.0}, [FOG], images=12, spread=0.1)
    off = dict(zip(sorted(table["image"].unique()), np.random.default_rng(2).normal(0, 0.7, 12), strict=True))
    where = table["codec"] == "far"
    table.loc[where, "psnr"] += 14.2 + table.loc[where, "image"].map(off)
    board = rank(table, BANDS, anchor="jpeg", resamples=300)
    assert board.intervals is not None
    assert 0.05 < board.intervals.lost["far", "score"] < 0.95
    assert board.intervals.apart == {("jpeg", "avif")}
    (far,) = (entry for entry in board.entries if entry.codec == "far")
    assert math.isnan(far.score_low)
    assert (far.rank, far.rank_low, far.rank_high) == (1, 1, 3)
