"""Every kind of figure: the same material gives the same bytes, every text lies on the picture, what lacks is named."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Chosen, Drawing, Material, NothingToDraw
from codecshift.analysis.figures.style import FOUR_PANELS, ONE_COLUMN, TWO_COLUMNS, plain
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

Draw = Callable[[str], tuple[Drawing, ...]]
DOTS = 40  # an inch: enough to tell pictures apart, and quick to draw


def rendered(drawings: tuple[Drawing, ...]) -> list[bytes]:
    """Return the pixels of drawings."""
    pixels = []
    for drawing in drawings:
        drawing.figure.set_dpi(DOTS)
        canvas = FigureCanvasAgg(drawing.figure)
        with plain():
            canvas.draw()
        pixels.append(bytes(canvas.buffer_rgba()))
    return pixels


@pytest.fixture(scope="session")
def drawn(everything: Material) -> Draw:
    """Return a function that draws a kind once."""
    return cache(lambda name: FIGURES[name].draw(everything))


def texts(drawing: Drawing) -> list[Text]:
    """Return what is written on a figure, tick labels within their axes' limits only."""
    shown = drawing.figure.findobj(lambda one: isinstance(one, Text) and one.get_visible() and bool(one.get_text()))
    outside = set()
    for axis in drawing.figure.axes:
        for ruler, limits in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
            low, high = sorted(limits)
            for tick in (*ruler.get_major_ticks(), *ruler.get_minor_ticks()):
                if not (axis.get_visible() and axis.axison and low <= tick.get_loc() <= high):
                    outside |= {tick.label1, tick.label2}
    return [one for one in shown if one not in outside]


def assert_on_the_page(drawing: Drawing) -> None:
    drawing.figure.draw_without_rendering()
    page = drawing.figure.bbox
    for text in texts(drawing):
        box = text.get_window_extent()
        assert min(box.x0, box.y0, page.x1 - box.x1, page.y1 - box.y1) >= -0.5, text.get_text()


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_evidence_gives_the_same_picture(name: str, everything: Material, drawn: Draw) -> None:
    assert FIGURES[name].missing(everything) == ""
    assert rendered(drawn(name)) == rendered(FIGURES[name].draw(everything))


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_lies_on_the_picture(name: str, drawn: Draw) -> None:
    for drawing in drawn(name):
        assert_on_the_page(drawing)


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_lies_on_a_picture_one_column_wide(name: str, everything: Material) -> None:
    for drawing in FIGURES[name].draw(replace(everything, chosen=Chosen(width=ONE_COLUMN))):
        assert drawing.figure.get_figwidth() <= (FOUR_PANELS if name in OF_FOUR_PANELS else ONE_COLUMN)
        assert_on_the_page(drawing)


OF_FOUR_PANELS = {"psd-radial", "psnr-vs-severity", "neural-variants", "ranking", "rank-intervals", "fourier-heatmap"}
OF_ONE_CODEC = {"theory-linear", "theory-spectrum", "fourier-heatmap"}


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in OF_ONE_CODEC])
def test_every_text_of_fourteen_codecs_lies_on_the_picture(
    name: str,
    material: Callable[..., Material],
    rows: Callable[..., pd.DataFrame],
    spectra: Callable[[pd.DataFrame], pd.DataFrame],
    everything: Material,
) -> None:
    names = ["jpeg2000", *(f"codec-{letter}-ms-ssim" for letter in "abcdefghijklm")]
    table = rows(names)
    many = material(
        table,
        spectra=spectra(table),
        pictures=everything.pictures,
        codecs={name: {"kind": "neural", "chroma": "4:2:0"} for name in names},
    )
    for drawing in FIGURES[name].draw(many):
        assert_on_the_page(drawing)


@pytest.mark.parametrize("name", FIGURES)
def test_no_panel_is_empty_and_none_is_wider_than_two_columns(name: str, drawn: Draw) -> None:
    for drawing in drawn(name):
        assert [axis for axis in drawing.figure.axes if not (axis.lines or axis.images or axis.collections)] == []
        assert drawing.figure.get_figwidth() <= TWO_COLUMNS


@pytest.mark.parametrize("name", FIGURES)
def test_maps_are_of_even_lightness(name: str, drawn: Draw) -> None:
    for drawing in drawn(name):
        maps = {
            image.get_cmap().name
            for axis in drawing.figure.axes
            for image in axis.images
            if image.get_array().ndim == 2
        }
        assert maps <= {"viridis", "cividis", "magma", "RdBu", "RdBu_r"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_caption_counts_what_was_used(name: str, everything: Material, drawn: Draw) -> None:
    for drawing in drawn(name):
        count, total, what = re.match(r"(\d+) of (\d+) (rows|spectra) \(.+\)$", drawing.used).groups()
        assert 0 < int(count) <= int(total)
        whole = everything.rows if what == "rows" else everything.spectra
        assert int(total) == len(whole) or name == "neural-variants"


@pytest.mark.parametrize("name", FIGURES)
def test_without_rows_that_were_measured_each_says_what_would_make_them(
    name: str, material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    failed = rows().assign(status="failed", bpp=float("nan"), psnr=float("nan"), psnr_clean=float("nan"))
    lacking = FIGURES[name].missing(material(failed, file="k.sqlite"))
    assert re.search(r"codecshift (run|heatmap) --set kodak .*--out k\.sqlite", lacking)
    with pytest.raises(NothingToDraw) as refused:
        FIGURES[name].draw(material(failed, file="k.sqlite"))
    assert str(refused.value) == lacking


def test_the_figures_of_the_paper_are_there() -> None:
    paper = (
        "dataset-examples corruption-spectra rd-clean rd-corrupted psd-d psd-g psd-r psd-radial psnr-vs-severity "
        "bpp-vs-severity fourier-heatmap neural-variants matched-example rate-inflation bits-by-corruption "
        "reconstructions theory-linear ranking d-over-rate theory-spectrum per-image rate-by-corruption "
        "psd-by-corruption"
    )
    assert set(paper.split()) <= set(FIGURES)
