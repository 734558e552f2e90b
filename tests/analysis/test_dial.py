"""The nearest value of a dial, against every value of it."""

import math

import numpy as np
import pytest
from codecshift.analysis.dial import FINEST, MOST_LOOKS, Dial, Nearest, nearest
from hypothesis import given, settings
from hypothesis import strategies as st


class Recorded:
    """A gap that remembers where it was asked for."""

    def __init__(self, gap) -> None:
        self.gap = gap
        self.asked: list[float] = []

    def __call__(self, value: float) -> float:
        self.asked.append(value)
        return self.gap(value)


@st.composite
def whole_dials(draw) -> tuple[Dial, list[float]]:
    """Draw a dial of whole steps, and the gaps from low to high: rising or falling, plateaus among them."""
    low = draw(st.integers(-3, 5))
    steps = draw(st.lists(st.sampled_from([0.0, 0.001, 0.02, 0.1, 1.0]), min_size=1, max_size=120))
    rising = draw(st.booleans())
    gaps = np.cumsum([draw(st.floats(-8, 3)), *steps]).tolist()
    rungs = tuple(draw(st.lists(st.integers(low, low + len(steps)), max_size=11)))
    return Dial(low, low + len(steps), rising=rising, rungs=rungs), gaps if rising else gaps[::-1]


@settings(deadline=None, max_examples=300)
@given(whole_dials())
def test_of_whole_steps_the_nearest_is_found(drawn: tuple[Dial, list[float]]) -> None:
    dial, gaps = drawn
    gap = Recorded(lambda value: gaps[int(value - dial.low)])
    match = nearest(dial, gap, 0.01)
    assert abs(match.gap) == min(map(abs, gaps))
    assert match.gap == gap.gap(match.value)
    assert match.value == int(match.value)
    assert (match.reason == "") == (abs(match.gap) <= 0.01)
    assert match.looks == len(gap.asked) == len(set(gap.asked)) <= MOST_LOOKS


@settings(deadline=None, max_examples=300)
@given(
    st.floats(0.02, 11),
    st.floats(0.3, 3),
    st.floats(0, 0.5),
    st.booleans(),
    st.lists(st.floats(0.01, 12), max_size=11),
)
def test_of_a_scale_without_steps_one_within_the_tolerance_is_found(
    target: float, power: float, bend: float, rising: bool, rungs: list[float]
) -> None:
    sign = 1 if rising else -1

    def gap(value: float) -> float:
        ratio = math.log(value / target)
        return sign * (power * ratio + bend * ratio**3)

    match = nearest(Dial(0.01, 12, integer=False, rising=rising, rungs=tuple(rungs)), gap, 0.01)
    assert abs(match.gap) <= 0.01
    assert (match.gap, match.reason) == (gap(match.value), "")
    assert match.value == float(f"{match.value:.6g}") or match.value in rungs  # so it can be named


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5) | st.just(math.inf), min_size=1, max_size=120), st.integers(2, 20), st.booleans())
def test_bumps_do_no_more_than_hide_a_better_one(gaps: list[float], most: int, rising: bool) -> None:
    gap = Recorded(lambda value: gaps[int(value)])
    match = nearest(Dial(0, len(gaps) - 1, rising=rising), gap, 0.01, most=most)
    assert abs(match.gap) == min(abs(gaps[int(value)]) for value in gap.asked)
    assert len(gap.asked) == len(set(gap.asked)) == match.looks <= most
    assert all(0 <= value < len(gaps) for value in gap.asked)


@settings(deadline=None)
@given(st.floats(0.01, 1), st.floats(0.02, 0.9), st.randoms())
def test_on_a_scale_without_steps_bumps_end_too(low: float, where: float, random) -> None:
    """A jump over the target has no value within the tolerance; what is left of the bracket shrinks to nothing."""
    jump = low + where * (3 - low)

    def gap(value: float) -> float:
        return value - jump - 0.5 if value < jump else 0.6 + random.random()

    match = nearest(Dial(low, 3, integer=False), gap, 0.01)
    assert match.looks <= MOST_LOOKS
    assert jump * (1 - 10 * FINEST) <= match.value < jump
    assert match.reason


def test_a_small_bump_leaves_the_nearest_but_one() -> None:
    """As of real encoders, of which the next quality now and then costs less."""
    random = np.random.default_rng(5)
    for _ in range(50):
        gaps = np.sort(random.uniform(-3, 2, 100)) + random.normal(0, 0.01, 100)
        match = nearest(Dial(0, 99, rungs=(5, 20, 40, 60, 80, 95)), lambda value, gaps=gaps: gaps[int(value)], 0.01)
        assert abs(match.gap) <= np.partition(np.abs(gaps), 6)[6]


def sjpeg(quality: float) -> float:
    """The bytes of an encoder whose next quality costs less between 55 and 60."""
    if quality <= 50:
        return 2000 + 40 * quality
    if quality <= 55:
        return 4000 + 114 * (quality - 50)
    return 4570 - 85 * (quality - 55) if quality <= 60 else 4145 + 60 * (quality - 60)


@pytest.mark.parametrize("mirrored", [False, True], ids=["rising", "falling"])
def test_a_nearer_value_beyond_a_dip_is_found(mirrored: bool) -> None:
    def gap(quality: float) -> float:
        return math.log(sjpeg(101 - quality if mirrored else quality) / 4178)

    rungs = tuple(101 - rung if mirrored else rung for rung in (20, 50, 55, 60, 90))
    match = nearest(Dial(1, 100, rising=not mirrored, rungs=rungs), gap, math.log(1.01))
    assert match.value == (40 if mirrored else 61) == min(range(1, 101), key=lambda quality: abs(gap(quality)))
    assert match.reason == ""
    assert match.looks <= 9


NOTHING_NEARER = "there is no nearer value on its scale"
NEIGHBOURS = "the neighbouring settings are further off"


@settings(deadline=None, max_examples=300)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=40), st.lists(st.integers(0, 39), max_size=5), st.booleans())
def test_a_reason_is_true_whatever_the_scale_is_like(gaps: list[float], rungs: list[int], rising: bool) -> None:
    last = len(gaps) - 1
    dial = Dial(0, last, rising=rising, rungs=tuple(rung for rung in rungs if rung <= last))
    gap = Recorded(lambda value: gaps[int(value)])
    match = nearest(dial, gap, 0.01)
    beside = {match.value - 1, match.value + 1} & {*range(len(gaps))}
    match match.reason:
        case "":
            assert abs(match.gap) <= 0.01
        case "the scale ends there":
            assert match.value in {0, last}
            assert beside <= {*gap.asked}
        case str(reason) if reason == NOTHING_NEARER:
            assert {*gap.asked} == {*range(len(gaps))}
        case str(reason) if reason == NEIGHBOURS:
            assert beside <= {*gap.asked}
        case reason:
            assert reason == f"the search stopped after {MOST_LOOKS} points"
            assert match.looks == MOST_LOOKS
    assert all(abs(gaps[int(value)]) >= abs(match.gap) for value in {*gap.asked} | beside & {*gap.asked})


@pytest.mark.parametrize("rising", [True, False])
def test_a_whole_scale_that_was_tried_has_nothing_nearer(rising: bool) -> None:
    gaps = [-3.0, -1.0, 2.0, 4.0] if rising else [4.0, 2.0, -1.0, -3.0]
    match = nearest(Dial(0, 3, rising=rising, rungs=(0, 1, 2, 3)), lambda value: gaps[int(value)], 0.01)
    assert (abs(match.gap), match.looks, match.reason) == (1, 4, NOTHING_NEARER)


def test_a_jump_over_the_target_is_called_one() -> None:
    match = nearest(Dial(0.1, 9, integer=False), lambda value: value - 4 if value < 3 else 1.5, 0.01)
    assert match.reason == "settings 0.1 % apart lie on both sides of the target"
    assert 3 * (1 - 2 * FINEST) <= match.value < 3


@settings(deadline=None, max_examples=200)
@given(st.floats(0.02, 11), st.integers(0, 10**6), st.integers(2, 100))
def test_a_monotone_scale_of_whole_steps_takes_few_looks(target: float, seed: int, bend: int) -> None:
    """Noise of the size of a step's twentieth leaves it monotone."""
    random = np.random.default_rng(seed)
    rates = np.cumsum(np.geomspace(0.01, 0.01 * bend, 100) * random.uniform(0.95, 1.05, 100))
    gaps = np.log(rates / target)
    dial = Dial(1, 100, rungs=(4, 9, 16, 27, 40, 55, 70, 80, 88, 93, 96))
    match = nearest(dial, lambda value: float(gaps[int(value) - 1]), math.log(1.01))
    assert abs(match.gap) == np.abs(gaps).min()
    assert match.looks <= 10


@pytest.mark.parametrize("rungs", [(), (9, 27, 55, 80, 93)], ids=["bare", "rungs"])
@pytest.mark.parametrize("integer", [True, False], ids=["steps", "smooth"])
@pytest.mark.parametrize("rising", [True, False], ids=["rising", "falling"])
@pytest.mark.parametrize("shift", [200, -200], ids=["above", "below"])
def test_out_of_reach_is_the_end_of_the_scale(
    shift: float, rising: bool, integer: bool, rungs: tuple[float, ...]
) -> None:
    sign = 1 if rising else -1
    match = nearest(Dial(1, 100, integer, rising, rungs), lambda value: sign * value + shift, 0.01)
    end = 1 if (shift > 0) == rising else 100
    assert (match.value, match.gap, match.reason) == (end, sign * end + shift, "the scale ends there")
    assert match.looks <= 4


def test_a_smooth_curve_takes_few_looks() -> None:
    looks = []
    for target in np.geomspace(0.2, 4, 40):

        def gap(quality: float, target: float = target) -> float:  # the rate of JPEG over its quality, roughly
            return math.log((0.1 + 0.01 * quality + 4 * (quality / 100) ** 8) / target)

        looks.append(nearest(Dial(1, 100, rungs=(4, 9, 16, 27, 40, 55, 70, 80, 88, 93, 96)), gap, 0.01).looks)
    assert sum(looks) / len(looks) < 7
    assert max(looks) <= 10


def test_what_cannot_be_measured_ends_the_search_with_the_best_so_far() -> None:
    dial = Dial(0, 10, rungs=(5,))
    first = nearest(dial, lambda _: math.nan, 0.01)
    assert math.isnan(first.value)
    assert math.isnan(first.gap)
    assert (first.looks, first.reason) == (1, "the next point could not be measured")
    later = nearest(dial, lambda value: -3 if value == 5 else math.nan, 0.01)
    assert later == Nearest(5, -3, 2, "the next point could not be measured")


def test_a_dial_of_one_value_is_looked_at_once() -> None:
    assert nearest(Dial(0, 0), lambda _: 0.5, 0.01) == Nearest(0, 0.5, 1, "the scale ends there")
    assert nearest(Dial(0, 0), lambda _: -0.005, 0.01) == Nearest(0, -0.005, 1, "")


def test_a_search_asks_for_the_same_again() -> None:
    gaps = [Recorded(lambda value: math.log(value / 37)) for _ in range(2)]
    for gap in gaps:
        nearest(Dial(1, 100, rungs=(20, 50)), gap, 0.01)
    assert gaps[0].asked == gaps[1].asked
