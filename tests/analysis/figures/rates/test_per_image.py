"""Each image has a mark at its bits ratio clean and corrupted, and a name if it stands apart."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Material
from codecshift.analysis.figures.rates.per_image import apart, standing_apart
from matplotlib.axes import Axes

EXTRA = {"i0": 0.0, "i1": 0.1, "i2": -0.1, "i3": 0.2, "i4": -0.2, "i5": 3.0}
"""What webp loses on each image under every corruption, in dB; on a clean image it loses half of it."""


def of(material: Callable[..., Material], rows: Callable[..., pd.DataFrame]) -> Material:
    table = rows(("jpeg2000", "webp"))
    table = table[table["image"] == "a"]
    images = []
    for image, loss in EXTRA.items():
        share = np.where(table["codec"] == "webp", np.where(table["corruption"] == "none", loss / 2, loss), 0)
        images.append(table.assign(image=image, psnr=table["psnr"] - share))
    return material(pd.concat(images))


def percent(decibels: float) -> float:
    """Return the bits that a loss costs on curves of 6 dB an octave; webp lies 1 dB below."""
    return float(100 * (2 ** ((1 + decibels) / 6) - 1))


def panel(one: Material) -> Axes:
    (drawing,) = FIGURES["per-image"].draw(one)
    (axis,) = drawing.figure.axes
    return axis


def test_a_mark_is_the_bits_ratio_of_an_image_clean_and_corrupted(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    marks, same = panel(of(material, rows)).lines
    assert list(marks.get_xdata()) == pytest.approx([percent(loss / 2) for loss in EXTRA.values()], abs=0.01)
    assert list(marks.get_ydata()) == pytest.approx([percent(loss) for loss in EXTRA.values()], abs=0.01)
    assert list(same.get_xdata()) == list(same.get_ydata())


def test_an_image_may_stand_apart_in_either_ratio_or_in_their_difference() -> None:
    usual = pd.Series([0.0, 0.1, -0.1, 0.2, -0.2, 0.05], list("abcdef"))
    far = usual.mask(usual.index == "f", 3.0)
    for clean, corrupted in ((far, far), (usual, far), (far, usual)):
        assert standing_apart(pd.DataFrame({"clean": clean, "corrupted": corrupted})) == ["f"]
    along = pd.Series([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], list("abcdef"))  # the fifth lies off the line of the others only
    off = along + pd.Series([0.01, -0.01, 0.02, -0.02, 1.0, 0.01], list("abcdef"))
    assert standing_apart(pd.DataFrame({"clean": along, "corrupted": off})) == ["e"]


def test_the_image_that_stands_apart_is_named(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    assert [text.get_text() for text in panel(of(material, rows)).texts] == ["i5"]


def test_images_stand_apart_by_three_robust_deviations() -> None:
    values = pd.Series({"a": -1.0, "b": 0.0, "c": 1.0, "d": 0.5, "e": -0.5, "f": 9.0})
    off = (values - values.median()).abs()
    assert apart(values) == list(off.index[off >= 3 * 1.4826 * off.median()]) == ["f"]
    assert apart(values.iloc[:5]) == apart(values * 0) == []


def test_a_condition_that_some_image_lacks_is_left_out_for_all_of_them_and_counted(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = of(material, rows).rows
    beyond = (table["codec"] == "webp") & (table["corruption"] == "fog") & (table["image"] == "i0")
    table.loc[beyond, "psnr"] += 100
    (drawing,) = FIGURES["per-image"].draw(material(table))
    assert "share too little: webp 2." in drawing.note
    marks = drawing.figure.axes[0].lines[0]
    assert list(marks.get_ydata()) == pytest.approx([percent(loss) for loss in EXTRA.values()], abs=0.01)
