"""What is ordered is the table's conditions of a clean set that can be corrupted."""

from collections.abc import Callable, Sequence
from pathlib import Path

import PIL.Image
import pytest
from codecshift.benchmark.plan.names import UnknownName
from codecshift.benchmark.sets.order import clean_name, order
from codecshift.corruptions.corruption import CLEAN
from codecshift.corruptions.pixels import UnreadableImage
from codecshift.corruptions.sets import SetError
from codecshift.corruptions.table import FIFTEEN

Save = Callable[[str, Sequence[str]], Path]
NOWHERE = Path("/nonexistent")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("kodak-c", "kodak"),
        ("kodak", "kodak"),
        ("clic2020-test-c", "clic2020-test"),
        ("clic-c", "clic2020-test"),
        ("sample-c", "sample"),
        ("folder:photos-c", "folder:photos-c"),
        ("folder:photos@crop64x64", "folder:photos@crop64x64"),
    ],
)
def test_the_name_of_a_corrupted_set_tells_the_clean_one(text: str, clean: str) -> None:
    assert clean == clean_name(text)


@pytest.mark.parametrize(("text", "near"), [("kodac-c", "kodak-c"), ("generated:x", None), ("quick", None), ("", None)])
def test_a_name_that_means_nothing_is_refused_with_the_nearest(text: str, near: str | None) -> None:
    with pytest.raises(UnknownName, match="unknown corrupted set") as caught:
        clean_name(text)
    assert near is None or f"did you mean {near!r}?" in str(caught.value)


def test_without_a_choice_the_fifteen_are_made_at_five_severities(pair: Path) -> None:
    wanted = order(f"folder:{pair}", NOWHERE)
    assert wanted.conditions == tuple((name, severity) for name in FIFTEEN for severity in range(1, 6))


def test_a_band_and_names_are_made_in_the_order_of_the_table(pair: Path) -> None:
    wanted = order(f"folder:{pair}", NOWHERE, ["speckle_noise", "high", "fog", "fog"], [5, 1])
    names = ["fog", "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"]
    assert wanted.conditions == tuple((name, severity) for name in names for severity in (1, 5))


@pytest.mark.parametrize(
    ("corruptions", "severities", "sentence"),
    [
        (["fgo"], [], r"unknown corruption 'fgo': .*did you mean 'fog'"),
        ([CLEAN], [], r"none is the clean image itself: expected corruptions or bands"),
        ([], [6], r"expected a severity from 1 to 5, got 6"),
        ([], [0], r"expected a severity from 1 to 5, got 0"),
    ],
    ids=["corruption", "clean", "severity-6", "severity-0"],
)
def test_what_cannot_be_made_is_refused(
    corruptions: list[str], severities: list[int], sentence: str, pair: Path
) -> None:
    with pytest.raises(UnknownName, match=sentence):
        order(f"folder:{pair}", NOWHERE, corruptions, severities)


def test_an_image_too_small_to_corrupt_is_refused_by_name(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (64, 31)).save(tmp_path / "flat.png")
    with pytest.raises(SetError, match=r"^flat of folder:.* is 64x31: corruptions need at least 32 pixels per side$"):
        order(f"folder:{tmp_path}", NOWHERE)


def test_an_image_that_cannot_be_read_is_refused_by_name(save_set: Save) -> None:
    folder = save_set("damaged", ["hair"])
    (folder / "bad.png").write_text("no image", encoding="utf-8")
    with pytest.raises(UnreadableImage, match=r"^bad\.png: not an image"):
        order(f"folder:{folder}", NOWHERE)
