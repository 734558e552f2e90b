"""A name fit for a path is a single part of one, and an unknown name is told with the nearest."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from codecshift.benchmark.plan.names import file_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("kodak", "kodak"),
        ("clic2020-test", "clic2020-test"),
        ("folder:my images@crop512x768", "folder-my-images-crop512x768"),
        ("folder:a/../b", "folder-a-..-b"),
        ("folder:é", "folder-é"),
    ],
)
def test_a_file_name_has_nothing_a_path_would_trip_over(name: str, expected: str) -> None:
    assert expected == file_name(name)


def test_a_file_name_is_a_single_part() -> None:
    names: Sequence[str] = ["a/b", "a\\b", "a:b", "a*b?", "a\nb", "a b"]
    for name in names:
        assert Path(file_name(name)).name == file_name(name)
        assert set(file_name(name)) <= set("ab-")
