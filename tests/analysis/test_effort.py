"""The knee of an effort curve, on curves whose knee is known."""

import math

import pytest
from codecshift.analysis.effort import knee


def falling(savings: list[float], first: float = 2) -> tuple[list[float], list[float]]:
    """Return the curve of settings that each double the time, and save these shares of the bits of the one before."""
    seconds, rates = [first], [1.0]
    for saving in savings:
        seconds.append(2 * seconds[-1])
        rates.append(rates[-1] * (1 - saving))
    return seconds, rates


def test_the_knee_is_the_last_setting_that_saves_two_percent_per_doubling() -> None:
    assert knee(*falling([0.1, 0.05, 0.021, 0.019, 0.01])) == 3


def test_a_step_of_several_doublings_must_save_two_percent_for_each_of_them() -> None:
    assert knee([2, 16], [1, 0.979**3]) == 1
    assert knee([2, 16], [1, 0.981**3]) == 0


def test_seconds_that_anybody_can_afford_need_to_save_only_a_little() -> None:
    seconds, rates = falling([0.004, 0.003, 0.002, 0.001], first=0.2)
    assert [second for second in seconds if second <= 1] == seconds[: knee(seconds, rates) + 1]


def test_a_setting_that_costs_more_time_and_more_bits_is_no_corner() -> None:
    seconds, rates = falling([0.1, 0.05])
    assert knee([*seconds[:2], 5, *seconds[2:]], [*rates[:2], 1.2, *rates[2:]]) == 3


def test_a_useless_setting_on_the_way_does_not_hide_a_worthy_one() -> None:
    # 2 to 4 s save 1 %, 4 to 8 s save 9 %: together 5 % for each doubling.
    assert knee([2, 4, 8], [1, 0.99, 0.9]) == 2


def test_the_order_of_settings_and_the_unit_of_rate_do_not_matter() -> None:
    seconds, rates = falling([0.1, 0.05, 0.01])
    backwards = knee(seconds[::-1], [math.pi * rate for rate in rates[::-1]])
    assert seconds[::-1][backwards] == seconds[knee(seconds, rates)]


def test_without_settings_there_is_no_knee() -> None:
    with pytest.raises(ValueError, match="expected at least one setting"):
        knee([], [])
