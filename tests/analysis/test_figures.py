"""Figures are pure functions of rows: the same rows give the same bytes, and every label lies on the picture."""

import io
import itertools
import math

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, NothingToDraw
from matplotlib.backends.backend_agg import FigureCanvasAgg

BANDS = {"fog": "low", "glass_blur": "medium", "shot_noise": "high"}


def rows(codecs: tuple[str, ...] = ("jpeg", "jpeg2000", "webp"), points: int = 5) -> pd.DataFrame:
    """Return rows of curves that are straight over log rate, each codec 1 dB below the one before."""
    conditions = [("none", 0), *((name, severity) for name in BANDS for severity in (1, 3))]
    lines = []
    for (place, codec), (corruption, severity), point, image in itertools.product(
        enumerate(codecs), conditions, range(points), ("a", "b")
    ):
        bpp = 0.1 * 2**point
        quality = 30 + 6 * math.log2(bpp) - place - 2 * severity + (image == "b")
        lines.append(
            {
                "set": "kodak",
                "corruption": corruption,
                "severity": severity,
                "codec": codec,
                "point": f"p{point}",
                "image": image,
                "height": 100,
                "width": 100,
                "nbytes": round(bpp * 1250),
                "bpp": bpp,
                "psnr": quality,
                "psnr_clean": quality - severity,
                "ms_ssim": 0.9,
                "ms_ssim_clean": 0.8,
                "encode_s": 0.1,
                "decode_s": 0.1,
                "status": "ok",
                "run": "r",
            }
        )
    return pd.DataFrame(lines)


def png(name: str, table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    FIGURES[name].draw(table, BANDS).savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_rows_give_the_same_picture(name: str) -> None:
    assert png(name, rows()) == png(name, rows())


@pytest.mark.parametrize("name", FIGURES)
def test_other_rows_give_another_picture(name: str) -> None:
    table = rows()
    table.loc[table["codec"] == "webp", "psnr"] -= 1
    assert png(name, rows()) != png(name, table)


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_lies_on_the_picture(name: str) -> None:
    figure = FIGURES[name].draw(rows(), BANDS)
    FigureCanvasAgg(figure).draw()
    texts = [*figure.legends[0].get_texts()]
    for axis in figure.axes:
        texts += [axis.title, axis.xaxis.label, axis.yaxis.label]
        low, high = sorted(axis.get_ylim())
        texts += [label for label in axis.get_yticklabels() if low <= label.get_position()[1] <= high]
    for text in texts:
        if text.get_text():
            box = text.get_window_extent()
            corners = (box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1)
            assert min(corners) >= 0, text.get_text()


def test_rate_curves_have_a_panel_for_clean_and_each_band() -> None:
    figure = FIGURES["rate-curves"].draw(rows(), BANDS)
    titles = ["clean", *(f"{band} band (1 corruptions)" for band in ("low", "medium", "high"))]
    assert [axis.get_title() for axis in figure.axes] == titles
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["jpeg", "jpeg2000", "webp"]


def test_a_rate_curve_is_the_mean_over_images_and_conditions() -> None:
    figure = FIGURES["rate-curves"].draw(rows(("jpeg",)), BANDS)
    (line,) = figure.axes[1].lines
    expected = [30 + 6 * math.log2(0.1 * 2**point) - 2 * 2 + 0.5 for point in range(5)]
    assert line.get_ydata() == pytest.approx(expected)


def test_a_codec_keeps_its_colour_from_figure_to_figure() -> None:
    curves, marks = (FIGURES[name].draw(rows(), BANDS) for name in ("rate-curves", "bd-rate-by-corruption"))
    colours = {line.get_label(): line.get_color() for line in curves.axes[0].lines}
    for line in marks.axes[0].lines:
        if line.get_label() in colours:
            assert line.get_color() == colours[line.get_label()]


def test_bd_rates_are_those_of_the_curves() -> None:
    figure = FIGURES["bd-rate-by-corruption"].draw(rows(("jpeg2000", "webp")), BANDS)
    (line,) = (line for line in figure.axes[0].lines if line.get_label() == "webp")
    # One decibel less at 6 dB an octave costs a sixth of an octave.
    assert line.get_xdata() == pytest.approx([100 * (2 ** (1 / 6) - 1)] * 4, abs=0.01)


def test_a_condition_without_a_comparison_has_no_mark() -> None:
    table = rows(("jpeg2000", "webp"))
    table.loc[(table["codec"] == "webp") & (table["corruption"] == "fog"), "psnr"] += 100
    figure = FIGURES["bd-rate-by-corruption"].draw(table, BANDS)
    (line,) = (line for line in figure.axes[0].lines if line.get_label() == "webp")
    assert [math.isnan(value) for value in line.get_xdata()] == [False, True, False, False]


def test_lossless_rows_alone_draw_no_rate_curve() -> None:
    table = rows(("identity",), points=1)
    table["psnr"] = math.inf
    with pytest.raises(NothingToDraw, match="codecshift run"):
        FIGURES["rate-curves"].draw(table, BANDS)


def test_an_anchor_alone_draws_no_bd_rates() -> None:
    with pytest.raises(NothingToDraw, match="another codec"):
        FIGURES["bd-rate-by-corruption"].draw(rows(("jpeg2000",)), BANDS)
