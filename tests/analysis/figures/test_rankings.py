"""What is drawn of codecs against each other is what the leaderboard says."""

import math
from collections.abc import Callable

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Evidence, NothingToDraw
from matplotlib.axes import Axes
from matplotlib.lines import Line2D


def marks(one: Evidence) -> Axes:
    (drawing,) = FIGURES["bd-rate-by-corruption"].draw(one)
    return drawing.figure.axes[0]


def line(one: Evidence, codec: str) -> Line2D:
    (found,) = (line for line in marks(one).lines if line.get_label() == codec)
    return found


def test_a_codec_keeps_its_colour_from_figure_to_figure(evidence: Callable[..., Evidence]) -> None:
    (curves,) = FIGURES["rate-curves"].draw(evidence())
    colours = {line.get_label(): line.get_color() for line in curves.figure.axes[0].lines}
    for line in marks(evidence()).lines:
        if line.get_label() in colours:
            assert line.get_color() == colours[line.get_label()]


def test_bd_rates_are_those_of_the_curves(evidence: Callable[..., Evidence], rows: Callable[..., pd.DataFrame]) -> None:
    # One decibel less at 6 dB an octave costs a sixth of an octave.
    expected = [100 * (2 ** (1 / 6) - 1)] * 4
    assert line(evidence(rows(("jpeg2000", "webp"))), "webp").get_xdata() == pytest.approx(expected, abs=0.01)


def test_a_condition_without_a_comparison_has_no_mark(
    evidence: Callable[..., Evidence], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows(("jpeg2000", "webp"))
    table.loc[(table["codec"] == "webp") & (table["corruption"] == "fog"), "psnr"] += 100
    values = line(evidence(table), "webp").get_xdata()
    assert [math.isnan(value) for value in values] == [False, True, False, False]


def test_an_anchor_alone_draws_no_bd_rates(
    evidence: Callable[..., Evidence], rows: Callable[..., pd.DataFrame]
) -> None:
    with pytest.raises(NothingToDraw, match="another codec"):
        FIGURES["bd-rate-by-corruption"].draw(evidence(rows(("jpeg2000",))))
