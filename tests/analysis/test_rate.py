"""Rate curves: what one keeps, BD-rate against the library and an integral by hand, matched points by brute force."""

import math
import re
import warnings

import bjontegaard
import numpy as np
import pytest
import scipy.interpolate
from codecshift.analysis.rate import MINIMUM_OVERLAP, BdRate, Curve, at_rate, bd_rate, inflation
from hypothesis import given, settings
from hypothesis import strategies as st

# --- curves

POINTS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0, math.nan, math.inf]), st.floats(0.01, 24)),
        st.one_of(st.sampled_from([30.0, 35.0, 40.0, math.nan, math.inf, -math.inf]), st.floats(-5, 90)),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(POINTS)
def test_a_curve_is_the_frontier_of_the_points(points: list[tuple[float, float]]) -> None:
    curve = Curve.through([rate for rate, _ in points], [quality for _, quality in points])
    kept = list(zip(curve.bpp.tolist(), curve.quality.tolist(), strict=True))
    sound = {point for point in points if point[0] > 0 and all(map(math.isfinite, point))}
    frontier = {
        (rate, quality)
        for rate, quality in sound
        if not any((r <= rate and q >= quality) and (r, q) != (rate, quality) for r, q in sound)
    }
    assert kept == sorted(frontier)
    assert np.all(np.diff(curve.bpp) > 0)
    assert np.all(np.diff(curve.quality) > 0)


@settings(deadline=None)
@given(POINTS, st.randoms())
def test_a_curve_does_not_depend_on_the_order_of_its_points(points: list[tuple[float, float]], random) -> None:
    shuffled = random.sample(points, len(points))
    one, other = (Curve.through([p[0] for p in some], [p[1] for p in some]) for some in (points, shuffled))
    np.testing.assert_array_equal(one.bpp, other.bpp)
    np.testing.assert_array_equal(one.quality, other.quality)


def test_a_point_no_better_than_a_cheaper_one_is_left_out() -> None:
    curve = Curve.through([0.5, 0.25, 1, 2, 2, 3, 4], [30, 28, 29, 33, 34, 34, math.inf])
    assert (curve.bpp.tolist(), curve.quality.tolist()) == ([0.25, 0.5, 2], [28, 30, 34])


# --- BD-rate

# Means over Kodak of JPEG and JPEG 2000 as the literature draws them, rounded: real shapes, different lengths.
JPEG = Curve.through([0.16, 0.27, 0.43, 0.62, 0.85, 1.1, 1.7, 2.6], [23.2, 26.4, 28.7, 30.3, 31.5, 32.6, 34.9, 37.7])
WAVELETS = Curve.through([0.1, 0.2, 0.4, 0.8, 1.6, 3.2], [25.4, 27.6, 30.4, 33.9, 38.5, 44.6])


def scaled(curve: Curve, factor: float) -> Curve:
    return Curve(curve.bpp * factor, curve.quality)


@pytest.mark.parametrize(("anchor", "test"), [(JPEG, WAVELETS), (WAVELETS, JPEG)], ids=["wavelets", "jpeg"])
def test_bd_rate_is_the_librarys(anchor: Curve, test: Curve) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = bjontegaard.bd_rate(
            anchor.bpp, anchor.quality, test.bpp, test.quality, "pchip", require_matching_points=False, min_overlap=0
        )
    assert bd_rate(anchor, test).percent == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("anchor", "test"), [(JPEG, WAVELETS), (WAVELETS, JPEG)], ids=["wavelets", "jpeg"])
def test_bd_rate_is_the_mean_difference_of_log_rate(anchor: Curve, test: Curve) -> None:
    low, high = max(anchor.quality[0], test.quality[0]), min(anchor.quality[-1], test.quality[-1])
    width = (high - low) / 100_000
    middles = low + width * (np.arange(100_000) + 0.5)
    log_anchor, log_test = (
        scipy.interpolate.PchipInterpolator(curve.quality, np.log(curve.bpp))(middles) for curve in (anchor, test)
    )
    expected = 100 * math.expm1(np.mean(log_test - log_anchor))
    assert bd_rate(anchor, test).percent == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("factor", [0.5, 0.9, 1, 1.25, 2, 10])
def test_bd_rate_of_a_scaled_rate_is_the_factor(factor: float) -> None:
    found = bd_rate(JPEG, scaled(JPEG, factor))
    assert found.percent == pytest.approx(100 * (factor - 1), abs=1e-9)
    assert (found.overlap, found.reason) == (1, "")


def test_bd_rate_the_other_way_round_is_the_inverse_factor() -> None:
    there, back = bd_rate(JPEG, WAVELETS), bd_rate(WAVELETS, JPEG)
    assert (1 + there.percent / 100) * (1 + back.percent / 100) == pytest.approx(1, abs=1e-12)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.05, 1), min_size=4, max_size=8),
    st.lists(st.floats(0.5, 4), min_size=8, max_size=8),
    st.floats(0.1, 10),
)
def test_bd_rate_of_any_scaled_curve_is_the_factor(steps: list[float], gains: list[float], factor: float) -> None:
    curve = Curve.through(np.exp(np.cumsum(steps)), 20 + np.cumsum(gains[: len(steps)]))
    assert bd_rate(curve, scaled(curve, factor)).percent == pytest.approx(100 * (factor - 1), rel=1e-6, abs=1e-6)


def straight(low: float, high: float, points: int = 5) -> Curve:
    quality = np.linspace(low, high, points)
    return Curve(2 ** ((quality - 30) / 6), quality)


OVERLAPS = {
    "the same": (straight(30, 40), straight(30, 40), 1),
    "wider": (straight(30, 40), straight(20, 50), 1),
    "higher": (straight(30, 40), straight(33, 45), 0.7),
    "lower": (straight(30, 40), straight(25, 34), 0.4),
    "inside": (straight(30, 40), straight(32, 35), 0.3),
    "too little": (straight(30, 40), straight(37.5, 45), 0.25),
    "a wide anchor": (straight(20, 60), straight(32, 40), 0.2),
    "touching": (straight(30, 40), straight(40, 50), 0),
    "apart": (straight(30, 40), straight(41, 50), 0),
}


@pytest.mark.parametrize(("anchor", "test", "overlap"), OVERLAPS.values(), ids=OVERLAPS)
def test_overlap_is_the_share_of_the_anchors_range(anchor: Curve, test: Curve, overlap: float) -> None:
    found = bd_rate(anchor, test)
    assert found.overlap == pytest.approx(overlap, abs=1e-12)
    if overlap < MINIMUM_OVERLAP:
        assert math.isnan(found.percent)
        assert found.reason == (
            f"it shares {overlap:.0%} of the anchor's quality range, at least {MINIMUM_OVERLAP:.0%} is needed"
        )
    else:
        # Both lie on one straight line, so they cost the same wherever they meet.
        assert found.percent == pytest.approx(0, abs=1e-9)
        assert found.reason == ""


def test_the_overlap_that_is_needed_can_be_chosen() -> None:
    anchor, test, _ = OVERLAPS["too little"]
    assert bd_rate(anchor, test, minimum_overlap=0.2).percent == pytest.approx(0, abs=1e-9)
    assert "at least 90% is needed" in bd_rate(JPEG, WAVELETS, minimum_overlap=0.9).reason


def test_curves_apart_are_never_compared() -> None:
    anchor, test, _ = OVERLAPS["apart"]
    found = bd_rate(anchor, test, minimum_overlap=0)
    assert math.isnan(found.percent)
    assert found.reason


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_curve_of_too_few_points_is_not_compared(count: int) -> None:
    short = Curve(JPEG.bpp[:count], JPEG.quality[:count])
    for found, whose in ((bd_rate(short, JPEG), "the anchor's"), (bd_rate(JPEG, short), "its own")):
        assert math.isnan(found.percent)
        assert math.isnan(found.overlap)
        assert re.fullmatch(f"{whose} curve has {count} points?, at least 4 are needed", found.reason)


def test_a_comparison_that_holds_has_no_reason() -> None:
    assert BdRate(1.0, 0.5).reason == ""
    assert bd_rate(JPEG, WAVELETS).reason == ""


# --- curves that are not monotone


def test_a_setting_that_no_one_would_use_changes_nothing() -> None:
    """More bits for a worse picture: as encoders give now and then."""
    bpp, quality = [*WAVELETS.bpp, 0.5, 5.0], [*WAVELETS.quality, 30.0, 44.0]
    assert bd_rate(JPEG, Curve.through(bpp, quality)) == bd_rate(JPEG, WAVELETS)


# --- what corruption costs


def test_inflation_is_the_geometric_mean_over_points() -> None:
    assert inflation([1, 2, 4], [2, 2, 2]) == pytest.approx(1)
    assert inflation([0.25, 0.5], [0.5, 4]) == pytest.approx(4)
    assert inflation([0.25, math.nan, 0.5, 1], [0.5, 7, math.nan, 2]) == pytest.approx(2)
    assert math.isnan(inflation([math.nan], [1]))
    assert math.isnan(inflation([], []))


# --- matched rate

RATES = 0.125 * 2.0 ** np.arange(6)  # 0.125 to 4


@pytest.mark.parametrize("target", [0.125, 0.2, 0.5, 0.7, 1, 3.3, 4])
def test_at_rate_is_exact_where_the_value_is_linear_in_log_rate(target: float) -> None:
    assert at_rate(target, RATES, 25 + 3 * np.log2(RATES)) == pytest.approx(25 + 3 * math.log2(target), abs=1e-12)


@pytest.mark.parametrize("index", range(6))
def test_at_rate_of_a_measured_rate_is_the_measured_value(index: int) -> None:
    values = [20.0, 26, 25, 31, 30, 40]
    assert at_rate(RATES[index], RATES, values) == pytest.approx(values[index], abs=1e-12)


def test_at_rate_goes_between_the_neighbours_only() -> None:
    assert at_rate(math.sqrt(2), RATES, [math.nan, 99, 0, 20, 30, 99]) == pytest.approx(25, abs=1e-12)


def test_at_rate_does_not_depend_on_the_order_of_the_points() -> None:
    order = np.random.default_rng(3).permutation(6)
    values = np.array([20.0, 26, 27, 31, 33, 40])
    assert at_rate(0.7, RATES[order], values[order]) == at_rate(0.7, RATES, values)


@pytest.mark.parametrize("target", [0.124, 4.001, 0.01, 100])
def test_at_rate_does_not_extrapolate(target: float) -> None:
    assert math.isnan(at_rate(target, RATES, np.arange(6)))


def test_at_rate_passes_over_points_that_are_not_finite() -> None:
    rates, values = [0.25, 0.5, 1, math.nan, 0, 4], [10, math.inf, 30, 5, 5, math.nan]
    assert at_rate(0.5, rates, values) == pytest.approx(20, abs=1e-12)
    assert math.isnan(at_rate(2, rates, values))


def test_at_rate_and_inflation_of_many_ladders_are_those_of_each() -> None:
    random = np.random.default_rng(4)
    rates, others, values = (
        np.exp(random.normal(0, 1, (30, 5))),
        np.exp(random.normal(0, 1, (30, 5))),
        random.random((30, 5)),
    )
    rates[3, 2] = values[7, 1] = math.nan
    one_by_one = [at_rate(1.0, *each) for each in zip(rates, values, strict=True)]
    assert at_rate(1.0, rates, values) == pytest.approx(np.array(one_by_one), nan_ok=True)
    ratios = [inflation(*each) for each in zip(rates, others, strict=True)]
    assert inflation(rates, others) == pytest.approx(np.array(ratios))


def test_at_rate_of_nothing_is_not_a_number() -> None:
    assert math.isnan(at_rate(0.5, [], []))
    assert math.isnan(at_rate(0.5, [math.nan], [30]))
