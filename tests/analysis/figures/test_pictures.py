"""Pictures are the pixels of the material, and their errors those of the pixels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Chosen, Material, NothingToDraw
from codecshift.analysis.figures.pictures import CROP, HIGHEST, busiest

NAMES = ["dataset-examples", "reconstructions", "matched-example"]


def images(axis: Any) -> np.ndarray:
    return np.asarray(axis.images[0].get_array())


@pytest.fixture
def one(material: Callable[..., Material], pictures: Callable[..., Any]) -> Material:
    return material(pictures=pictures())


def test_an_image_is_seen_under_each_corruption(one: Material) -> None:
    (drawing,) = FIGURES["dataset-examples"].draw(one)
    clean, *shifted = drawing.figure.axes[:4]
    assert [axis.get_title() for axis in (clean, *shifted)] == [
        "clean", "fog (low)", "glass blur (medium)", "shot noise (high)"
    ]  # fmt: skip
    np.testing.assert_array_equal(images(clean), one.pictures.clean("a"))
    for axis in shifted:
        np.testing.assert_array_equal(images(axis), one.pictures.clean("a") + np.uint8(30))


def test_errors_are_of_decoded_less_given_and_of_given_less_clean(one: Material) -> None:
    (drawing,) = FIGURES["reconstructions"].draw(one)
    axes = np.array(drawing.figure.axes).reshape(6, 5)
    top, left = busiest(one.pictures.clean("a"), CROP)
    crop = (slice(top, top + CROP), slice(left, left + CROP))
    for above, below in zip(axes[::2], axes[1::2], strict=True):
        np.testing.assert_array_equal(images(above[0]), one.pictures.clean("a")[crop])
        np.testing.assert_array_equal(images(above[1]), one.pictures.shown("a", "fog", 3)[crop])
        np.testing.assert_allclose(images(below[1]), 30)  # ten times the severity
        for axis in below[2:]:
            np.testing.assert_allclose(images(axis), 2)  # the point p2
            assert axis.images[0].get_clim() == (0, 255 / 64)
        assert below[0].get_ylabel().startswith("error x 64")
        assert below[2].get_xlabel().startswith("0.40 bpp, ")


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_the_chosen_or_the_typical_one_and_the_caption_says_which(
    name: str, material: Callable[..., Material], pictures: Callable[..., Any]
) -> None:
    (drawing,) = FIGURES[name].draw(material(pictures=pictures()))
    assert "Image a has the median PSNR of jpeg2000:p2 on clean images." in drawing.note
    (drawing,) = FIGURES[name].draw(material(pictures=pictures(), chosen=Chosen(image="b")))
    assert "Image b was chosen." in drawing.note
    assert "image b" in drawing.used


def test_no_page_of_reconstructions_is_higher_than_paper(
    material: Callable[..., Material], pictures: Callable[..., Any]
) -> None:
    for chosen in (Chosen(), Chosen(corruptions=("fog", "glass_blur", "shot_noise")), Chosen(width=12)):
        for drawing in FIGURES["reconstructions"].draw(material(pictures=pictures(), chosen=chosen)):
            assert drawing.figure.get_figheight() <= HIGHEST


def test_an_image_that_lacks_a_row_gives_way(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame], pictures: Callable[..., Any]
) -> None:
    table = rows()
    one = (table["image"] == "a") & (table["codec"] == "webp") & (table["corruption"] == "fog")
    table.loc[one, "status"] = "failed"
    (drawing,) = FIGURES["reconstructions"].draw(material(table, pictures=pictures()))
    assert "Image b has the median PSNR" in drawing.note
    table.loc[table["corruption"] == "fog", "status"] = "failed"
    (drawing,) = FIGURES["reconstructions"].draw(material(table, pictures=pictures()))
    assert len(drawing.figure.axes) == 4 * 5  # no corruption of the low band is left


def test_two_crops_of_a_clean_image_do_not_overlap(
    material: Callable[..., Material], pictures: Callable[..., Any]
) -> None:
    large = pictures(300, 400)
    (drawing,) = FIGURES["matched-example"].draw(material(pictures=large))
    axes = np.array(drawing.figure.axes).reshape(2, 5)
    clean = large.clean("a")
    boxes = [axis.patches[0].get_bbox().extents * 400 / 360 for axis in axes[:, 0]]
    for box, axis in zip(boxes, axes[:, 1], strict=True):
        left, top, right, bottom = (round(value) for value in box)
        np.testing.assert_array_equal(images(axis), clean[top:bottom, left:right])
    (left, top, right, bottom), (left2, top2, right2, bottom2) = boxes
    assert right <= left2 + 1 or right2 <= left + 1 or bottom <= top2 + 1 or bottom2 <= top + 1


def test_an_image_smaller_than_a_crop_is_shown_whole(
    material: Callable[..., Material], pictures: Callable[..., Any]
) -> None:
    for name in NAMES:
        for drawing in FIGURES[name].draw(material(pictures=pictures(40, 50))):
            for axis in drawing.figure.axes:
                assert images(axis).size


@pytest.mark.parametrize("name", NAMES)
def test_without_pixels_the_reason_is_told(
    name: str, material: Callable[..., Material], pictures: Callable[..., Any]
) -> None:
    with pytest.raises(NothingToDraw, match="codecshift figures FILE --data-dir DIR"):
        FIGURES[name].draw(material())
    with pytest.raises(NothingToDraw, match="they are on the moon"):
        FIGURES[name].draw(material(pictures=pictures(lacking="they are on the moon")))
