"""The aggregation rules against plain Python, intervals against SciPy and their promise, tails against their law."""

import math
import statistics
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from codecshift.analysis.statistics import (
    CELL,
    MINIMUM_IMAGES,
    MOST_LOST,
    Interval,
    bootstrap,
    finite_mean,
    interval,
    levels,
    summarise,
    tail,
)

Raw = dict[str, Any]


def row(image: str, **raw: Any) -> Raw:
    """Return what a run file holds of one image; whatever is not given is that of an ordinary row."""
    ordinary = {
        "set": "kodak",
        "corruption": "fog",
        "severity": 3,
        "codec": "jpeg",
        "point": "q75",
        "image": image,
        "height": 100,
        "width": 200,
        "nbytes": 2500,
        "error": 60_000,
        "error_clean": 600_000,
        "ms_ssim": 0.98,
        "ms_ssim_clean": 0.9,
        "encode_s": 0.25,
        "decode_s": 0.125,
        "status": "ok",
        "run": "r1",
    }
    assert set(raw) <= set(ordinary)
    return ordinary | raw


def failed(image: str, status: str = "failed", **raw: Any) -> Raw:
    measured = ("height", "width", "nbytes", "error", "error_clean", "ms_ssim", "ms_ssim_clean", "encode_s", "decode_s")
    return row(image, **dict.fromkeys(measured), status=status, **raw)


def decibels(error: int | None, pixels: int | None) -> float:
    if error is None or pixels is None:
        return math.nan
    return 10 * math.log10(255**2 * 3 * pixels / error) if error else math.inf


def table(rows: Sequence[Raw]) -> pd.DataFrame:
    """Return the rows as `benchmark.store.read` does, derived by hand."""
    frame = pd.DataFrame(rows)
    pixels = [None if one["height"] is None else one["height"] * one["width"] for one in rows]
    for name in ("psnr", "psnr_clean"):
        error = name.replace("psnr", "error")
        frame[name] = [decibels(one[error], area) for one, area in zip(rows, pixels, strict=True)]
    frame["bpp"] = [
        math.nan if area is None else 8 * one["nbytes"] / area for one, area in zip(rows, pixels, strict=True)
    ]
    whole = dict.fromkeys(("height", "width", "nbytes"), "Int64")
    real = dict.fromkeys(("ms_ssim", "ms_ssim_clean", "encode_s", "decode_s"), "float64")
    return frame.drop(columns=["error", "error_clean"]).astype(whole | real)


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


def line(rows: Sequence[Raw]) -> Raw:
    """Return the line of one cell, in plain Python."""
    ok = [one for one in rows if one["status"] == "ok"]
    pixels = [one["height"] * one["width"] for one in ok]
    found: Raw = {name: rows[0][name] for name in CELL}
    found["n"] = len(ok)
    found["n_failed"] = len(rows) - len(ok)
    found["n_lossless"] = sum(one["error"] == 0 for one in ok)
    found["bpp_mean"] = mean([8 * one["nbytes"] / area for one, area in zip(ok, pixels, strict=True)])
    found["bpp_corpus"] = 8 * sum(one["nbytes"] for one in ok) / sum(pixels) if ok else math.nan
    for ending in ("", "_clean"):
        errors = [one[f"error{ending}"] for one in ok]
        similarities = [one[f"ms_ssim{ending}"] for one in ok]
        squares = mean([error / (3 * area) for error, area in zip(errors, pixels, strict=True)])
        each = [decibels(error, area) for error, area in zip(errors, pixels, strict=True) if error]
        found[f"psnr{ending}_mean"] = mean(each)
        found[f"psnr{ending}_of_mse"] = (
            math.nan if not ok else 10 * math.log10(255**2 / squares) if squares else math.inf
        )
        found[f"ms_ssim{ending}_mean"] = mean([value for value in similarities if value is not None])
    for name in ("encode_s", "decode_s"):
        found[name] = median([one[name] for one in ok])
    found["run"] = " ".join(sorted({one["run"] for one in rows}))
    return found


def cell(one: Raw) -> tuple[Any, ...]:
    return tuple(one[name] for name in CELL)


CASES = {
    "one row": [row("a")],
    "several errors": [row("a", error=1), row("b", error=10_000), row("c", error=999_999, error_clean=1)],
    "sizes differ": [
        row("a", height=512, width=768, nbytes=100_000, error=5_000_000),
        row("b", height=161, width=333, nbytes=30_001, error=77),
    ],
    "one is lossless": [row("a", error=0, error_clean=5, ms_ssim=1.0), row("b"), row("c", error=12)],
    "all are lossless": [row("a", error=0, error_clean=0), row("b", error=0, error_clean=5)],
    "lossless of a spoilt image": [row("a", error=0, error_clean=50_000)],
    "no MS-SSIM": [row("a", height=100, width=10, ms_ssim=None, ms_ssim_clean=None), row("b")],
    "no MS-SSIM at all": [row(name, ms_ssim=None, ms_ssim_clean=None) for name in "ab"],
    "some failed": [row("a"), failed("b"), row("c", nbytes=1), failed("d", "skipped")],
    "all failed": [failed("a"), failed("b", "skipped")],
    "times": [row(name, encode_s=2.0**k, decode_s=3.0**k) for k, name in enumerate("abcd")],
    "several runs": [row("a", run="r2"), failed("b", run="r3"), row("c", run="r1"), row("d", run="r2")],
}


@pytest.mark.parametrize("rows", CASES.values(), ids=CASES)
def test_a_cell_is_summarised_by_the_rules(rows: list[Raw]) -> None:
    found = summarise(table(rows))
    pd.testing.assert_frame_equal(found[list(line(rows))], pd.DataFrame([line(rows)]), check_dtype=False, rtol=1e-12)


def test_every_cell_has_a_line_of_its_own() -> None:
    everything = [
        one | {"point": f"q{k}", "codec": codec, "severity": k % 5}
        for codec in ("webp", "jpeg")
        for k, rows in enumerate(CASES.values())
        for one in rows
    ]
    shuffled = [everything[k] for k in np.random.default_rng(5).permutation(len(everything))]
    groups = [list(group) for _, group in groupby(sorted(everything, key=cell), cell)]
    expected = pd.DataFrame([line(group) for group in groups])
    found = summarise(table(shuffled)).sort_values(CELL, ignore_index=True)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_dtype=False, rtol=1e-12)


def test_the_two_aggregations_of_rate_part_where_sizes_differ() -> None:
    rows = [row("small", height=10, width=10, nbytes=100), row("large", height=100, width=100, nbytes=1000)]
    found = summarise(table(rows)).loc[0]
    assert found["bpp_mean"] == pytest.approx((8 + 0.8) / 2)
    assert found["bpp_corpus"] == pytest.approx(8 * 1100 / 10_100)


def test_the_columns_are_the_cell_the_means_and_the_runs() -> None:
    means = ["n", "n_failed", "n_lossless", "bpp_mean", "bpp_corpus", "psnr_mean", "psnr_of_mse", "ms_ssim_mean"]
    clean = ["psnr_clean_mean", "psnr_clean_of_mse", "ms_ssim_clean_mean"]
    assert list(summarise(table([row("a")]))) == [*CELL, *means, *clean, "encode_s", "decode_s", "run"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1.0, 2.0, math.inf, math.nan], 1.5), ([-math.inf], math.nan), ([], math.nan)],
    ids=["two", "none finite", "none"],
)
def test_the_finite_mean_leaves_out_what_is_not_finite(values: list[float], expected: float) -> None:
    assert finite_mean(values) == pytest.approx(expected, nan_ok=True)


# --- intervals

DRAWS = {
    "normal": lambda random, shape: random.normal(2, 3, shape),
    "uniform": lambda random, shape: random.uniform(1, 3, shape),
    "skewed": lambda random, shape: random.lognormal(-0.08, 0.4, shape) + 1,
}
TRUTH = {"normal": 2.0, "uniform": 2.0, "skewed": 2.0}


@pytest.mark.parametrize("name", DRAWS)
def test_of_95_percent_intervals_95_percent_hold_the_truth(name: str) -> None:
    trials = DRAWS[name](np.random.default_rng(7), (4000, 24))
    resampled = trials @ bootstrap(24, 2000).T / 24
    found = [interval(one.mean(), means, 24) for one, means in zip(trials, resampled, strict=True)]
    held = [one.holds(TRUTH[name]) for one in found]
    assert 0.93 <= np.mean(held[:500]) <= 0.97
    assert 0.935 <= np.mean(held) <= 0.965


def test_of_a_normal_mean_it_is_students_interval() -> None:
    values = scipy.stats.norm.ppf((np.arange(24) + 0.5) / 24)
    found = interval(values.mean(), bootstrap(24, 200_000) @ values / 24, 24)
    expected = scipy.stats.t.interval(0.95, 23, values.mean(), scipy.stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.01 * (expected[1] - expected[0]))


def test_of_very_many_images_it_is_the_percentile_interval() -> None:
    assert levels(1_000_000) == pytest.approx((0.025, 0.975), abs=1e-6)
    assert levels(1_000_000, 0.8) == pytest.approx((0.1, 0.9), abs=1e-6)
    assert levels(12)[0] < levels(24)[0] < levels(100)[0] < 0.025


def test_it_is_scipys_percentile_bootstrap_at_those_levels() -> None:
    values = np.random.default_rng(3).lognormal(0, 0.7, 24)
    low, high = levels(24)
    expected = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=50_000, confidence_level=high - low, method="percentile", random_state=1
    ).confidence_interval
    found = interval(values.mean(), bootstrap(24, 50_000) @ values / 24, 24)
    width = expected.high - expected.low
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02 * width)
    assert found.estimate == values.mean()
    assert found.margin == pytest.approx(width / 2, rel=0.02)


def test_a_resample_draws_as_many_images_as_there_are() -> None:
    counts = bootstrap(24, 20_000)
    assert counts.shape == (20_000, 24)
    assert np.array_equal(counts, counts.round())
    assert counts.min() >= 0
    assert (counts.sum(axis=1) == 24).all()
    # Multinomial: variance 1 - 1/n, covariance -1/n.
    expected = np.eye(24) - 1 / 24
    np.testing.assert_allclose(np.cov(counts.T), expected, atol=0.05)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.04)


def test_the_seed_is_all_there_is_to_chance() -> None:
    assert np.array_equal(bootstrap(24, 100), bootstrap(24, 100))
    assert np.array_equal(bootstrap(24, 100, 5), bootstrap(24, 100, seed=5))
    assert not np.array_equal(bootstrap(24, 100, 5), bootstrap(24, 100, 6))


def test_differences_of_what_images_share_are_surer_than_either() -> None:
    random = np.random.default_rng(1)
    common = random.normal(0, 5, 24)
    first, second = common + random.normal(0, 0.3, 24), common + 1 + random.normal(0, 0.3, 24)
    weights = bootstrap(24) / 24
    own = [interval(one.mean(), weights @ one, 24) for one in (first, second)]
    paired = interval(second.mean() - first.mean(), weights @ second - weights @ first, 24)
    unpaired = interval(second.mean() - first.mean(), weights @ second - bootstrap(24, seed=99) @ first / 24, 24)
    assert paired.margin < 0.2 * min(one.margin for one in own)
    assert paired.margin < 0.2 * unpaired.margin
    assert not paired.holds(0)
    assert unpaired.holds(0)


def test_an_interval_scales_with_its_unit() -> None:
    values = np.random.default_rng(1).normal(size=24)
    means = bootstrap(24) @ values / 24
    one, other = interval(values.mean(), means, 24), interval(7 - 2 * values.mean(), 7 - 2 * means, 24)
    assert (other.low, other.high) == pytest.approx((7 - 2 * one.high, 7 - 2 * one.low))
    assert interval(0.0, means, 24, confidence=0.5).margin < one.margin


@pytest.mark.parametrize(
    ("estimate", "images", "lost", "known"),
    [
        pytest.param(1.0, 24, 0, True, id="all is there"),
        pytest.param(1.0, 24, MOST_LOST, True, id="few are lost"),
        pytest.param(1.0, 24, MOST_LOST + 0.01, False, id="too many are lost"),
        pytest.param(1.0, 24, 1.0, False, id="all are lost"),
        pytest.param(1.0, MINIMUM_IMAGES, 0, True, id="just enough images"),
        pytest.param(1.0, MINIMUM_IMAGES - 1, 0, False, id="too few images"),
        pytest.param(1.0, 0, 0, False, id="no images"),
        pytest.param(math.nan, 24, 0, False, id="no estimate"),
    ],
)
def test_where_there_is_no_interval_there_is_none(estimate: float, images: int, lost: float, known: bool) -> None:
    values = np.random.default_rng(1).normal(1, 1, 1000)
    values[: round(1000 * lost)] = math.nan
    found = interval(estimate, values, images)
    assert found.known == math.isfinite(found.margin) == found.holds(1) == known
    assert found.estimate == estimate or math.isnan(estimate)
    if known:
        kept = values[round(1000 * lost) :]
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(kept, levels(images))))


def test_without_resamples_there_is_no_interval() -> None:
    assert not interval(1.0, [], 24).known


def test_an_interval_holds_its_ends() -> None:
    one = Interval(1.0, 0.5, 2.0)
    assert [one.holds(value) for value in (0.49, 0.5, 1.0, 2.0, 2.01)] == [False, True, True, True, False]
    assert one.margin == 0.75
    assert not Interval(1.0, math.nan, math.nan).holds(1.0)


# --- tails


@pytest.mark.parametrize("share", [0.1, 0.25, 1.0])
@pytest.mark.parametrize("cases", [1, 7, 10, 24, 1800])
def test_the_value_at_risk_is_the_least_of_what_it_minimises(cases: int, share: float) -> None:
    """Rockafellar and Uryasev 2000, theorem 1: CVaR = min over t of t + E[max(x - t, 0)] / share."""
    values = np.random.default_rng(cases).gumbel(size=cases)
    expected = min(t + np.maximum(values - t, 0).mean() / share for t in values)
    assert tail(values, "high", share).cvar == pytest.approx(expected, rel=1e-12)
    assert tail(-values, "low", share).cvar == pytest.approx(-expected, rel=1e-12)


def test_the_worst_decile_of_whole_tenths_is_the_mildest_of_them() -> None:
    values = np.random.default_rng(1).permutation(np.arange(1.0, 101))
    high, low = tail(values, "high"), tail(values, "low")
    assert (high.mean, high.decile, high.cvar, high.cases, high.lacking) == (50.5, 91, 95.5, 100, 0)
    assert (low.decile, low.cvar) == (10, 5.5)
    assert (values >= high.decile).mean() == pytest.approx(0.1)


def test_what_has_no_value_is_counted_apart() -> None:
    found = tail([[math.nan, 3.0, math.inf], [1.0, 2.0, -math.inf]], "high", 0.5)
    assert (found.mean, found.cases, found.lacking) == (2, 3, 3)
    assert (found.decile, found.cvar) == (2, (3 + 0.5 * 2) / 1.5)
    nothing = tail([math.nan], "low")
    assert (nothing.cases, nothing.lacking) == (0, 1)
    assert all(map(math.isnan, (nothing.mean, nothing.decile, nothing.cvar)))
