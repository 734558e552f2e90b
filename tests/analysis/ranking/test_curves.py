"""Curves by the thousand against one at a time, and those against the library."""

import math
import warnings

import bjontegaard
import numpy as np
import pytest
from codecshift.analysis.ranking.curves import Curves, at_rates, bd_rates
from codecshift.analysis.rate import MINIMUM_OVERLAP, Curve, at_rate, bd_rate
from hypothesis import given, settings
from hypothesis import strategies as st

Floats = np.ndarray


def drawn(random: np.random.Generator, points: int, resamples: int, wobble: float) -> tuple[Floats, Floats]:
    """Return bpp and quality of curves that rise, but for as much as they wobble."""
    bpp = np.exp(np.sort(random.uniform(-3, 2, (points, resamples)), axis=0))
    quality = np.sort(random.uniform(20, 45, (points, resamples)), axis=0)
    return (
        bpp * np.exp(wobble / 5 * random.normal(size=bpp.shape)),
        quality + wobble * random.normal(size=bpp.shape),
    )


def one_by_one(anchor: tuple[Floats, Floats], test: tuple[Floats, Floats], minimum_overlap: float) -> list[float]:
    """Return the BD-rates by `rate.bd_rate`, which is the library's."""
    found = []
    for place in range(anchor[0].shape[1]):
        curves = (Curve.through(bpp[:, place], quality[:, place]) for bpp, quality in (anchor, test))
        found.append(bd_rate(*curves, minimum_overlap=minimum_overlap).percent)
    return found


def assert_same(found: Floats, expected: list[float]) -> None:
    # A percentage may be of any size: what is compared is the ratio of the rates.
    np.testing.assert_allclose(1 + found / 100, 1 + np.array(expected) / 100, rtol=1e-9)


CASES = {
    "rising": (11, 10, 0.0),
    "nearly rising": (11, 10, 0.3),
    "bumpy": (11, 11, 3.0),
    "as short as can be": (4, 4, 0.0),
    "often too short": (5, 6, 2.0),
    "never long enough": (3, 8, 0.0),
    "of one point": (1, 8, 0.0),
}


@pytest.mark.parametrize("minimum_overlap", [0.0, MINIMUM_OVERLAP], ids=["any overlap", "the usual overlap"])
@pytest.mark.parametrize(("points", "others", "wobble"), CASES.values(), ids=CASES)
def test_bd_rates_are_those_of_each_pair(points: int, others: int, wobble: float, minimum_overlap: float) -> None:
    random = np.random.default_rng(points)
    anchor, test = drawn(random, points, 200, wobble), drawn(random, others, 200, wobble)
    found = bd_rates(Curves.through(*anchor), Curves.through(*test), minimum_overlap=minimum_overlap)
    assert_same(found, one_by_one(anchor, test, minimum_overlap))


def test_bd_rates_of_curves_that_rise_are_the_librarys() -> None:
    random = np.random.default_rng(3)
    (bpp, quality), (other_bpp, other_quality) = drawn(random, 11, 200, 0), drawn(random, 10, 200, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [
            bjontegaard.bd_rate(
                *(bpp[:, k], quality[:, k], other_bpp[:, k], other_quality[:, k], "pchip"),
                require_matching_points=False,
                min_overlap=0,
            )
            for k in range(200)
        ]
    found = bd_rates(Curves.through(bpp, quality), Curves.through(other_bpp, other_quality))
    assert_same(found, expected)


RATES = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, -1.0, math.nan, math.inf]), st.floats(0.01, 24))
QUALITIES = st.one_of(st.sampled_from([30.0, 33.0, 36.0, 40.0, math.nan, math.inf, -math.inf]), st.floats(-5, 90))
ODD = st.integers(1, 7).flatmap(
    lambda points: st.lists(
        st.lists(st.tuples(RATES, QUALITIES), min_size=points, max_size=points), min_size=1, max_size=5
    )
)


@settings(deadline=None, max_examples=200)
@given(ODD)
def test_odd_points_are_left_out_as_they_are_of_one_curve(columns: list[list[tuple[float, float]]]) -> None:
    bpp, quality = np.array(columns).T
    curves = Curves.through(bpp, quality)
    expected = [Curve.through(*np.array(column).T) for column in columns]
    long_enough = [len(one.bpp) >= 4 for one in expected]
    for found, end in ((curves.lowest, 0), (curves.highest, -1)):
        np.testing.assert_array_equal(
            found, [one.quality[end] if long else math.nan for one, long in zip(expected, long_enough, strict=True)]
        )
    # The integral over all of a curve tells of every point on it. Over steps of next to nothing it is ill-conditioned.
    for k, (one, long) in enumerate(zip(expected, long_enough, strict=True)):
        if long and min(np.diff(one.quality).min(), np.diff(np.log(one.bpp)).min()) > 1e-6:
            straight = Curve.through([1e-3, 1e-2, 1e2, 1e3], np.linspace(one.quality[0], one.quality[-1], 4))
            base = Curves.through(
                *(np.repeat(line[:, None], len(columns), 1) for line in (straight.bpp, straight.quality))
            )
            assert bd_rates(base, curves)[k] / 100 + 1 == pytest.approx(
                bd_rate(straight, one, minimum_overlap=0).percent / 100 + 1, rel=1e-9
            )


def test_nothing_has_no_curve() -> None:
    empty = np.empty((0, 3))
    assert np.isnan(Curves.through(empty, empty).lowest).all()
    assert bd_rates(*(Curves.through(np.empty((5, 0)), np.empty((5, 0))) for _ in range(2))).shape == (0,)


@pytest.mark.parametrize("holes", [0.0, 0.2], ids=["whole", "with holes"])
@pytest.mark.parametrize("points", [1, 2, 6])
@pytest.mark.parametrize("target", [0.05, 0.5, 1.3, 24])
def test_values_at_a_rate_are_those_of_each_resample(target: float, points: int, holes: float) -> None:
    random = np.random.default_rng(points)
    for wobble in (0.0, 1.0):
        bpp, values = drawn(random, points, 200, wobble)
        for table in (bpp, values):
            table[random.uniform(size=table.shape) < holes] = random.choice([math.nan, math.inf])
        expected = [at_rate(target, bpp[:, k], values[:, k]) for k in range(200)]
        np.testing.assert_allclose(at_rates(target, bpp, values), expected, rtol=1e-9)


def test_a_value_at_a_measured_rate_is_the_measured_one() -> None:
    bpp = 0.125 * 2.0 ** np.arange(6)[:, None] * np.ones(6)
    values = np.random.default_rng(5).normal(size=bpp.shape)
    for place in range(6):
        np.testing.assert_allclose(at_rates(bpp[place, 0], bpp, values), values[place], rtol=1e-12)
