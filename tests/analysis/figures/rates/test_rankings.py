"""What is drawn of codecs against each other is what the leaderboard says."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Material, NothingToDraw
from codecshift.analysis.ranking import rank
from matplotlib.axes import Axes
from matplotlib.lines import Line2D


def marks(one: Material) -> Axes:
    (drawing,) = FIGURES["bits-by-corruption"].draw(one)
    return drawing.figure.axes[0]


def line(one: Material, codec: str) -> Line2D:
    (found,) = (line for line in marks(one).lines if line.get_label() == codec)
    return found


def test_a_codec_keeps_its_colour_from_figure_to_figure(material: Callable[..., Material]) -> None:
    (curves,) = FIGURES["rate-curves"].draw(material())
    colours = {line.get_label(): line.get_color() for line in curves.figure.axes[0].lines}
    for line in marks(material()).lines:
        if line.get_label() in colours:
            assert line.get_color() == colours[line.get_label()]


def test_bd_rates_are_those_of_the_curves(material: Callable[..., Material], rows: Callable[..., pd.DataFrame]) -> None:
    # One decibel less at 6 dB an octave costs a sixth of an octave.
    expected = [100 * (2 ** (1 / 6) - 1)] * 4
    assert line(material(rows(("jpeg2000", "webp"))), "webp").get_xdata() == pytest.approx(expected, abs=0.01)


def test_a_condition_without_a_comparison_has_no_mark(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows(("jpeg2000", "webp"))
    table.loc[(table["codec"] == "webp") & (table["corruption"] == "fog"), "psnr"] += 100
    values = line(material(table), "webp").get_xdata()
    assert [math.isnan(value) for value in values] == [False, True, False, False]


def test_a_mean_over_some_of_the_severities_has_no_mark(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows(("jpeg2000", "webp"))
    table.loc[(table["codec"] == "webp") & (table["corruption"] == "fog") & (table["severity"] == 3), "psnr"] += 100
    values = line(material(table), "webp").get_xdata()
    assert [math.isnan(value) for value in values] == [False, True, False, False]


def test_an_anchor_alone_draws_no_bd_rates(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    with pytest.raises(NothingToDraw, match="another codec"):
        FIGURES["bits-by-corruption"].draw(material(rows(("jpeg2000",))))


def test_intervals_are_lines_about_the_marks(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows(("jpeg2000", "webp"))
    noise = np.random.default_rng(3).normal(0, 0.5, 8)
    many = [
        table[table["image"] == "a"].assign(
            image=f"i{place}", psnr=lambda rows, off=off: rows["psnr"] + off * (rows["codec"] == "webp")
        )
        for place, off in enumerate(noise)
    ]
    axis = marks(material(pd.concat(many)))
    (dots,) = (line for line in axis.lines if line.get_label() == "webp")
    spans = [line.get_xdata() for line in axis.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 1.2]
    assert len(spans) == 4
    for value, (low, high) in zip(dots.get_xdata(), spans, strict=True):
        assert low < value < high
        assert high - low == pytest.approx(2 * 2.36 * np.std(noise, ddof=1) / 8**0.5 * np.log(2) / 6 * 112, rel=0.25)
    (drawing,) = FIGURES["bits-by-corruption"].draw(material(pd.concat(many)))
    assert "95% confidence intervals" in drawing.note


def test_too_few_images_for_intervals_are_told(material: Callable[..., Material]) -> None:
    (drawing,) = FIGURES["bits-by-corruption"].draw(material())
    assert drawing.note.endswith("There are too few images for confidence intervals.")


def test_a_codec_that_gets_worse_under_noise_falls_in_the_ranking(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows()  # jpeg is best, webp last
    table.loc[(table["codec"] == "jpeg") & (table["corruption"] == "shot_noise"), "psnr"] -= 5
    (drawing,) = FIGURES["ranking"].draw(material(table))
    axis = drawing.figure.axes[0]
    places = {line.get_label(): list(line.get_ydata()) for line in axis.lines}
    # Over all three corruptions jpeg loses 2 x -1 + 4 of 6 dB an octave, webp 3.
    assert places == {"jpeg": [1, 1, 1, 3, 2], "jpeg2000": [2, 2, 2, 1, 1], "webp": [3, 3, 3, 2, 3]}
    assert axis.get_ylim()[0] > axis.get_ylim()[1]
    labels = [label.get_text().split("\n")[0] for label in axis.get_xticklabels()]
    assert labels == ["clean", "low", "medium", "high", "all"]


def unlike(rows: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Return rows in which webp shares no quality with the others under one of two severities of fog."""
    table = rows()
    table.loc[(table["codec"] == "webp") & (table["corruption"] == "fog") & (table["severity"] == 3), "psnr"] += 100
    table.loc[(table["corruption"] == "shot_noise") & (table["codec"] == "jpeg"), "psnr"] -= 4
    return table


@pytest.mark.parametrize("anchor", [None, "jpeg", "jpeg2000"])
def test_the_ranking_has_the_anchor_the_numbers_and_the_places_of_the_leaderboard(
    anchor: str | None, material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = unlike(rows)
    each = material(table, anchor=anchor)
    board = rank(table, each.bands, anchor=anchor)
    (drawing,) = FIGURES["ranking"].draw(each)
    axis = drawing.figure.axes[0]
    assert board.anchor in axis.get_xlabel()
    names = [label.get_text().split("\n")[0] for label in axis.get_xticklabels()]
    drawn = {line.get_label(): dict(zip(names, line.get_ydata(), strict=True)) for line in axis.lines}
    numbers = [text.get_text() for text in axis.texts if text.get_text().endswith("%")]
    for entry in board.entries:
        assert drawn[entry.codec].get("all", math.nan) == pytest.approx(entry.rank or math.nan, nan_ok=True)
        for name in set(names) - {"all"}:
            assert math.isnan(drawn[entry.codec][name]) or f"{getattr(entry, name):+.0f} %" in numbers
        if entry.rank:
            assert f"{entry.score:+.0f} %" in numbers


def test_a_codec_without_every_condition_of_a_column_has_no_place_in_it(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    (drawing,) = FIGURES["ranking"].draw(material(unlike(rows)))
    places = {line.get_label(): list(line.get_ydata()) for line in drawing.figure.axes[0].lines}
    assert [math.isnan(place) for place in places["webp"]] == [False, True, False, False, True]
    assert "Not ranked in some columns: webp (low, all)." in drawing.note


def test_without_clean_rows_there_is_no_ranking(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows()
    assert len(FIGURES["ranking"].draw(material(table[table["corruption"] != "none"]))) == 1  # bands against all
    with pytest.raises(NothingToDraw, match="under corruptions"):
        FIGURES["ranking"].draw(material(table[table["corruption"] == "none"]))
