"""What stands for all is chosen by a rule that the caption tells, and gives way to what was asked for."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest
from codecshift.analysis.figures import Chosen, Material
from codecshift.analysis.figures.parts.representatives import typical_corruptions, typical_image

LOW = ("snow", "frost", "fog")


@pytest.fixture
def three(material: Callable[..., Material], rows: Callable[..., pd.DataFrame]) -> Material:
    """Material of three images and three corruptions of one band, of which the first is never the middle one."""
    table = rows()
    images = [
        table[table["image"] == "a"].assign(image=name, psnr=lambda rows, off=off: rows["psnr"] + off)
        for name, off in (("a", 5), ("b", 1), ("c", 3))
    ]
    table = pd.concat(images)
    fog = table[table["corruption"] == "fog"]
    others = [
        fog.assign(corruption=name, psnr_clean=lambda rows, off=off: rows["psnr_clean"] + off)
        for name, off in (("snow", -2), ("frost", -1))
    ]
    return Material(pd.concat([table, *others]), dict.fromkeys(LOW, "low") | dict(material().bands))


def test_the_image_has_the_median_psnr_of_the_anchor(three: Material) -> None:
    chosen = typical_image(three, {"a", "b", "c"})
    assert chosen.names == ("c",)
    assert "jpeg2000:p2" in chosen.rule
    assert typical_image(three, {"a", "b"}).names == ("b",)
    assert "webp:p2" in typical_image(replace(three, anchor="webp"), {"a"}).rule


def test_each_band_has_the_corruption_of_median_effect(three: Material) -> None:
    able = [*LOW, "shot_noise"]
    assert typical_corruptions(three, 3, able).names == ("frost", "shot_noise")


def test_what_was_chosen_is_shown(three: Material) -> None:
    asked = replace(three, chosen=Chosen(corruptions=("fog", "snow"), image="a"))
    assert typical_corruptions(asked, 3, [*LOW, "shot_noise"]).names == ("snow", "fog")
    assert typical_image(asked, {"a", "b", "c"}).names == ("a",)
    assert typical_image(asked, {"b", "c"}).names == ("b",)


def test_without_clean_rows_the_image_is_the_middle_one_by_name(three: Material) -> None:
    shifted = replace(three, rows=three.rows[three.rows["corruption"] != "none"])
    assert typical_image(shifted, {"a", "b", "c"}).names == ("b",)
