"""A curve is of the images that its points share; points on other images take none from it."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.ranking import largest_shared, on_curve
from codecshift.analysis.ranking.on_curve import conditions_with_curves, set_aside, with_curves
from hypothesis import given, settings
from hypothesis import strategies as st

LADDER = dict.fromkeys("pqrst", "abcdef")


def table(points: Mapping[str, str], condition: tuple[str, int] = ("none", 0), **more: str) -> pd.DataFrame:
    """Return rows of one codec: each point with its images, a letter each."""
    place = {"codec": "jpeg", "corruption": condition[0], "severity": condition[1], "status": "ok", **more}
    return pd.DataFrame(
        [{"point": point, "image": image, **place} for point, images in points.items() for image in images]
    )


def kept(rows: pd.DataFrame) -> dict[str, str]:
    on = rows[on_curve(rows)]
    return {str(point): "".join(part["image"]) for point, part in on.groupby("point")}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"x": "ab", "y": "ab"}, LADDER),
        (dict.fromkeys("uvwxyz", "ab"), LADDER),
        ({"x": "ghijkl"}, LADDER),
        ({"x": "abcdefgh"}, LADDER | {"x": "abcdef"}),
        (dict.fromkeys("wxyz", "abcdefgh"), dict.fromkeys("wxyz", "abcdefgh")),
    ],
    ids=["heatmap", "searches", "other-images", "one-point-on-more", "a-longer-run"],
)
def test_few_points_take_no_images_from_a_ladder(more: dict[str, str], expected: dict[str, str]) -> None:
    assert kept(table(LADDER | more)) == expected
    assert kept(table(more | LADDER)) == expected


def test_images_that_four_points_share_make_a_curve() -> None:
    assert kept(table({"p": "abc", "q": "bcd", "r": "abcd", "s": "bcde"})) == dict.fromkeys("pqrs", "bc")


def test_of_fewer_points_than_a_curve_needs_the_one_on_most_images_counts() -> None:
    assert kept(table({"p": "abc", "q": "a", "r": "abc"})) == {"p": "abc", "r": "abc"}


def test_a_failed_row_counts_as_measured() -> None:
    rows = table(LADDER)
    rows.loc[(rows["point"] == "p") & (rows["image"] == "a"), "status"] = "failed"
    assert on_curve(rows).all()


def test_every_codec_and_condition_has_a_curve_of_its_own() -> None:
    parts = [table(LADDER), table(dict.fromkeys("pqrs", "ab"), ("fog", 3)), table({"p": "a"}, codec="webp")]
    rows = pd.concat(parts, ignore_index=True).sample(frac=1, random_state=1)
    assert on_curve(rows).all()


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=7), st.integers(1, 4))
def test_the_shared_set_is_the_largest_there_is(lines: list[list[bool]], least: int) -> None:
    has = np.array(lines)
    shared = largest_shared(has, least)
    sizes = [
        int(np.all(has[list(group)], axis=0).sum()) for group in combinations(range(len(has)), min(least, len(has)))
    ]
    whole = sizes if len(has) >= least and max(sizes) else [int(has.sum(axis=1).max())]
    assert shared.sum() == max(whole)
    assert (has | ~shared).all(axis=1).any()


def test_a_condition_without_a_curve_is_set_aside() -> None:
    rows = pd.concat([table(LADDER), table(LADDER, ("fog", 3)), table({"p": "ab"}, ("fog", 1))], ignore_index=True)
    assert conditions_with_curves(rows) == (("none", 0), ("fog", 3))
    assert set_aside(rows, with_curves(rows)).conditions == (("fog", 1),)
    for clean in (table({"p": "ab"}), table(LADDER)):  # the second as a search for matched points leaves it
        alone = pd.concat([clean, table({"p": "ab"}, ("fog", 1))], ignore_index=True)
        assert conditions_with_curves(alone) == (("none", 0), ("fog", 1))


def test_points_that_are_set_aside_are_named() -> None:
    rows = table(LADDER | {"x": "ab"})
    assert set_aside(rows, with_curves(rows)).points == (("jpeg", ("none", 0), "x"),)
