"""One of a thing is singular."""

from codecshift.analysis.counted import counted


def test_only_one_is_singular() -> None:
    assert [counted(count, "image") for count in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert [counted(count, "frequency") for count in (1, 2)] == ["1 frequency", "2 frequencies"]
