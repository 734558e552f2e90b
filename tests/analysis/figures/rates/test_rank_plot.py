"""The rank plot shows the ranks, the bits and the intervals of the leaderboard."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Material
from codecshift.analysis.ranking import rank
from codecshift.analysis.statistics import RESAMPLES
from matplotlib.axes import Axes


def drawn(axis: Axes, label: str) -> dict[int, list[float]]:
    """Return what is drawn in each row of a panel."""
    return {
        round(line.get_ydata()[0]): [float(value) for value in line.get_xdata()]
        for line in axis.lines
        if line.get_label() == label
    }


def test_marks_and_lines_are_those_of_the_leaderboard(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    noise = np.random.default_rng(3).normal(0, 0.3, (3, 8))
    table = rows()
    one = table[table["image"] == "a"]
    offsets = one["codec"].map({"jpeg": 0, "jpeg2000": 1, "webp": 2}).to_numpy()
    many = pd.concat(
        one.assign(image=f"i{place}", psnr=one["psnr"] + noise[offsets, place]) for place in range(noise.shape[1])
    )
    each = material(many)
    board = rank(many, each.bands, resamples=RESAMPLES)
    (drawing,) = FIGURES["rank-intervals"].draw(each)
    left, right = drawing.figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == [entry.codec for entry in board.entries]
    for row, entry in enumerate(board.entries):
        assert drawn(left, "_value")[row] == [entry.rank]
        assert drawn(left, "_interval")[row] == [entry.rank_low, entry.rank_high]
        assert drawn(right, "_value")[row] == pytest.approx([entry.score])
        assert drawn(right, "_interval").get(row, [0, 0]) == pytest.approx([entry.score_low, entry.score_high])
    assert "95% confidence intervals" in drawing.note


def test_without_intervals_there_are_marks_only(material: Callable[..., Material]) -> None:
    (drawing,) = FIGURES["rank-intervals"].draw(material())
    left, right = drawing.figure.axes
    assert len(drawn(left, "_value")) == len(drawn(right, "_value")) == 3
    assert not drawn(right, "_interval")
    assert "too few images" in drawing.note
