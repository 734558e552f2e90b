"""Plans narrow to what was asked, and a shot is named as the seeds of corruptions want it."""

from pathlib import Path

import pytest
from codecshift.benchmark.plan.measures import DEFAULT
from codecshift.benchmark.plan.names import UnknownName, named
from codecshift.benchmark.plan.plans import PLANS, Plan, Shot
from codecshift.codecs.registry import find
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.sets import KNOWN, SetError, open_set
from codecshift.corruptions.table import CORRUPTIONS, FIFTEEN

PLAN = Plan("p", "for the tests", ("sample",), ("jpeg", "webp"), (CLEAN, "fog", "snow"), (2, 4))


def test_a_shot_is_named_as_the_seeds_of_corruptions_want_it() -> None:
    assert str(Shot("kodak", "kodim01", "fog", 3)) == "kodak/kodim01/fog@3"


# --- plans


def test_narrowing_by_nothing_changes_nothing() -> None:
    assert PLAN.narrowed() == PLAN


def test_narrowing_puts_lists_in_place() -> None:
    narrowed = PLAN.narrowed(["kodak", "kodak"], ["fog", CLEAN, "fog"], [5, 1, 5], ["avif:q50", "jpeg"])
    assert narrowed == Plan("p", "for the tests", ("kodak",), ("avif:q50", "jpeg"), ("fog", CLEAN), (1, 5))


def test_narrowing_takes_any_iterable() -> None:
    narrowed = PLAN.narrowed(*map(iter, (["kodak"], ["fog"], [3], ["avif"])))
    assert narrowed == Plan("p", "for the tests", ("kodak",), ("avif",), ("fog",), (3,))


@pytest.mark.parametrize("band", ["low", "medium", "high"])
def test_a_band_stands_for_its_five_or_so_corruptions(band: str) -> None:
    expected = tuple(name for name in FIFTEEN if CORRUPTIONS[name].band == band)
    assert len(expected) >= 3
    assert expected == PLAN.narrowed(corruptions=[band]).corruptions
    assert (CLEAN, *expected) == PLAN.narrowed(corruptions=[CLEAN, band, expected[-1]]).corruptions


def test_clean_is_another_word_for_none() -> None:
    assert PLAN.narrowed(corruptions=["clean", "fog", CLEAN]).conditions() == ((CLEAN, 0), ("fog", 2), ("fog", 4))


def test_a_corruption_outside_the_fifteen_can_be_asked_for() -> None:
    assert PLAN.narrowed(corruptions=["spatter"]).corruptions == ("spatter",)


@pytest.mark.parametrize(("wrong", "nearest"), [("fgo", "fog"), ("gausian_noise", "gaussian_noise"), ("hihg", "high")])
def test_an_unknown_corruption_is_told_with_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown corruption '{wrong}': .*did you mean '{nearest}'"):
        PLAN.narrowed(corruptions=[wrong])


def test_an_unknown_name_without_a_neighbour_lists_what_there_is() -> None:
    with pytest.raises(UnknownName, match=r"^unknown plan 'zzz': expected one of quick, kodak-c, clic-c, paper$"):
        named("plan", "zzz", PLANS)


@pytest.mark.parametrize("severity", [-1, 0, 6])
def test_a_severity_off_the_scale_is_one_of_the_errors_told_to_users(severity: int) -> None:
    with pytest.raises(UnknownName, match=f"expected a severity from 1 to 5, got {severity}"):
        PLAN.narrowed(severities=[severity])


def test_conditions_start_with_the_clean_one_and_keep_the_order_of_the_others() -> None:
    plan = PLAN.narrowed(corruptions=["snow", "fog", CLEAN])
    assert plan.conditions() == ((CLEAN, 0), ("snow", 2), ("snow", 4), ("fog", 2), ("fog", 4))


def test_clean_images_have_one_condition_whatever_the_severities() -> None:
    assert PLAN.narrowed(corruptions=[CLEAN], severities=[1, 2, 3]).conditions() == ((CLEAN, 0),)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_plan_resolves(plan: Plan) -> None:
    assert PLANS[plan.name] is plan
    assert all(len(find(label)[1]) >= 1 for label in plan.codecs)
    assert set(plan.sets) <= set(KNOWN)
    assert set(plan.corruptions) <= {CLEAN, *CORRUPTIONS}
    for name in plan.sets:
        if name != "sample":
            with pytest.raises(SetError, match="allow the download"):
                open_set(name, Path("/nonexistent"))


def test_the_default_plan_needs_no_network() -> None:
    assert PLANS["quick"].sets == ("sample",)
    assert PLANS["quick"].conditions() == ((CLEAN, 0), *((name, 3) for name in FIFTEEN))


def test_images_are_counted_or_named() -> None:
    plan = PLANS["quick"]
    assert (plan.first, plan.images) == (None, ())
    assert plan.narrowed(first=2).first == 2
    assert plan.narrowed(images=iter(["b", "a", "b"])).images == ("b", "a")
    for wrong in ({"first": 0}, {"first": 2, "images": ["a"]}):
        with pytest.raises(UnknownName, match=r"expected a number of images \(1 or more\) or ids, got"):
            plan.narrowed(**wrong)


def test_all_there_is_is_measured_unless_a_plan_says_otherwise() -> None:
    assert {plan.measures for plan in PLANS.values()} == {DEFAULT} == {("psnr", "ms_ssim")}
