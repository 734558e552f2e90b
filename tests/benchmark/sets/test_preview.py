"""A preview shows each condition, and is the same each time."""

from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import pytest
from codecshift.benchmark.sets.order import Order, order
from codecshift.benchmark.sets.preview import preview
from codecshift.corruptions.pixels import read_pixels
from codecshift.corruptions.sets import SetError

NOWHERE = Path("/nonexistent")


def few(
    folder: Path, corruptions: Sequence[str] = ("gaussian_noise", "fog"), severities: Sequence[int] = (2, 4)
) -> Order:
    return order(f"folder:{folder}", NOWHERE, corruptions, severities)


def test_the_preview_shows_each_condition_and_is_the_same_each_time(pair: Path, tmp_path: Path) -> None:
    wanted = few(pair, ["fog", "pixelate", "gaussian_noise"], [1, 5])
    told: list[tuple[int, int]] = []
    preview(wanted, tmp_path / "a.png", report=lambda done, total: told.append((done, total)))
    preview(wanted, tmp_path / "b.png", "hair")
    assert told == [(n, 6) for n in range(1, 7)]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}
    sheet = read_pixels(tmp_path / "a.png")
    # Two thirds of 190x170 are 127x113, as thumbnails 240x214; a row in each of three bands, clean and two severities.
    assert sheet.shape == (58 + 3 * 30 + 3 * (214 + 6) + 6, 170 + 3 * (240 + 6) + 6, 3)
    cells = {
        sheet[58 + 30 + row * (30 + 220) :, 170 + column * 246 :][:214, :240].tobytes()
        for row in range(3)
        for column in range(3)
    }
    assert len(cells) == 7  # six conditions, and the clean image in each row


def test_the_preview_of_an_image_that_is_not_there_is_refused(pair: Path, tmp_path: Path) -> None:
    with pytest.raises(SetError, match=r"folder:pair has no image 'hiar'; did you mean 'hair'\?"):
        preview(few(pair), tmp_path / "a.png", "hiar")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [(32, 32), (33, 400), (400, 33)], ids=str)
def test_an_image_of_any_size_has_a_preview(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    PIL.Image.radial_gradient("L").convert("RGB").resize(size).save(tmp_path / "set" / "x.png")
    preview(few(tmp_path / "set", ["contrast"], [1]), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 0
