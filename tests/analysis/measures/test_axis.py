"""The axis of curves: PSNR as it is, MS-SSIM in decibels, and a measure whose lower values are better turned round."""

import math
from pathlib import Path

import numpy as np
import pytest
from codecshift.analysis.measures import table
from codecshift.analysis.measures.axis import axis, title
from codecshift.analysis.measures.measure import Measure
from codecshift.analysis.measures.table import UnknownMeasure, adopt, find, known


@pytest.fixture
def distance(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a measure whose lower values are better."""
    monkeypatch.setattr(table, "_KNOWN", {**known()})
    adopt([Measure("distance", "Distance", 1, "JND", "lower", 0, "nowhere:load", "a distance")])
    return "distance"


def test_each_measure_has_its_axis(distance: str) -> None:
    np.testing.assert_allclose(axis("ms_ssim", [0, 0.9, 0.99, 1]), [0, 10, 20, math.inf], atol=1e-12)
    assert axis("psnr", [31.5, math.inf]).tolist() == [31.5, math.inf]
    assert axis(distance, [0.5, 0.25]).tolist() == [-0.5, -0.25]
    with pytest.raises(UnknownMeasure):
        axis("vmof", [1])


@pytest.mark.parametrize("name", ["psnr", "ms_ssim", "distance"])
def test_the_axis_of_an_array_is_that_of_its_numbers(name: str, distance: str) -> None:
    values = np.linspace(0, 1, 11)
    np.testing.assert_allclose(axis(name, values), [find(name).on_axis(value) for value in values], rtol=1e-12)


def test_a_title_says_what_is_drawn(distance: str) -> None:
    assert title("psnr") == "PSNR, dB"
    assert title("ms_ssim") == "MS-SSIM, dB: $-10\\,\\log_{10}(1-\\mathrm{MS\\text{-}SSIM})$"
    assert title(distance) == "-Distance, JND"


def test_only_the_table_chooses_by_the_name_of_a_measure() -> None:
    """A comparison with a measure's name anywhere else would have to be repeated for each further measure."""
    root = Path(__file__).parents[3]
    chosen = [
        path.name
        for room in ("analysis", "benchmark")
        for path in (root / room).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if any(f'{sign} "ms_ssim"' in line for sign in ("==", "!=")) or '"ms_ssim" in' in line
    ]
    assert chosen == []
