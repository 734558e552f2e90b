"""Ladders take any measure: lossless points are known by the pixels, and rows without a value are left out."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.measures import table
from codecshift.analysis.measures.measure import Measure
from codecshift.analysis.measures.table import adopt, known
from codecshift.analysis.ranking import rank
from codecshift.analysis.ranking.ladders import Ladders

Make = Callable[..., pd.DataFrame]
CONDITIONS = [("none", 0), ("fog", 3)]
BANDS = {"fog": "low"}


@pytest.fixture(autouse=True)
def _error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A measure whose best value is finite and the lowest: 100 - PSNR, and 0 of identical images."""
    monkeypatch.setattr(table, "_KNOWN", {**known()})
    adopt([Measure("error", "Error", 1, "dB", "lower", 0, "nowhere:load", "what lacks to 100 dB")])


@pytest.fixture
def rows(photographs: Make) -> pd.DataFrame:
    """Three codecs, of which one has a lossless point at the end of its ladder on one image."""
    rows = photographs({"jpeg": 0.0, "webp": -0.2, "avif": -0.5}, CONDITIONS)
    end = (rows["codec"] == "webp") & (rows["point"] == "p5") & (rows["image"] == "image00")
    rows.loc[end, "psnr"] = math.inf
    return rows.assign(error=np.where(np.isinf(rows["psnr"]), 0, 100 - rows["psnr"]))


def scores(rows: pd.DataFrame, quality: str) -> dict[str, float]:
    board = rank(rows, BANDS, anchor="jpeg", quality=quality)
    return {entry.codec: entry.score for entry in board.entries}


def test_a_measure_that_falls_ranks_as_the_psnr_it_is_made_of(rows: pd.DataFrame) -> None:
    expected = scores(rows, "psnr")
    assert expected["avif"] == pytest.approx(100 * math.expm1(-0.5))
    assert scores(rows, "error") == pytest.approx(expected)


def test_a_lossless_point_is_on_no_curve_of_any_measure(rows: pd.DataFrame) -> None:
    for quality in ("psnr", "error"):
        ladder = Ladders(rows, quality).of("webp", ("none", 0))
        assert dict(zip(ladder.points, ladder.curve.tolist(), strict=True))["p5"] is False
        assert ladder.curve.sum() == 5


def test_rows_without_a_value_are_left_out(rows: pd.DataFrame) -> None:
    """Of one image, only one codec has the measure: it is compared on the images that all have it on."""
    lacks = (rows["image"] == "image03") & (rows["codec"] != "jpeg")
    partial = rows.assign(error=rows["error"].where(~lacks))
    assert scores(partial, "psnr") == scores(rows, "psnr")
    assert scores(partial, "error") == pytest.approx(scores(rows[rows["image"] != "image03"], "error"))
