"""Every kind of figure: the same material gives the same bytes, every text lies on the picture, what lacks is named."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Chosen, Drawing, Material, NothingToDraw
from codecshift.analysis.figures.parts.style import FOUR_PANELS, ONE_COLUMN, TWO_COLUMNS, lay_out, plain
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

DOTS = 40  # an inch: enough to tell pictures apart, and quick to draw
OF_FOUR_PANELS = {"psd-radial", "psnr-vs-severity", "neural-variants", "ranking", "rank-intervals", "fourier-heatmap"}
OF_ONE_CODEC = {"theory-linear", "theory-spectrum", "fourier-heatmap"}
AS_ANOTHER = {"psd-r"}  # drawn by the same code as psd-g, with texts of the same length


@pytest.fixture(scope="module", params=FIGURES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def drawn(name: str, material: Material) -> tuple[Drawing, ...]:
    with plain():
        return FIGURES[name].draw(material)


@pytest.fixture(scope="module")
def drawings(name: str, everything: Material) -> tuple[Drawing, ...]:
    """Return the drawings of a kind, which its tests share."""
    return drawn(name, everything)


def rendered(drawing: Drawing) -> tuple[bytes, dict[str, Any]]:
    """Return the pixels of a drawing whose panels are not yet placed, and what matplotlib will place them by."""
    figure = drawing.figure
    engine, dpi = figure.get_layout_engine(), figure.dpi
    figure.set_layout_engine("none")
    figure.set_dpi(DOTS)
    canvas = FigureCanvasAgg(figure)
    with plain():
        canvas.draw()
    figure.set_dpi(dpi)
    figure.set_layout_engine(engine)
    return bytes(canvas.buffer_rgba()), engine.get()


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
    lay_out(drawing.figure)
    drawing.figure.draw_without_rendering()
    page = drawing.figure.bbox
    for text in texts(drawing):
        box = text.get_window_extent()
        assert min(box.x0, box.y0, page.x1 - box.x1, page.y1 - box.y1) >= -0.5, text.get_text()


def test_the_same_evidence_gives_the_same_picture(
    name: str, everything: Material, drawings: tuple[Drawing, ...]
) -> None:
    assert FIGURES[name].missing(everything) == ""
    assert list(map(rendered, drawings)) == list(map(rendered, drawn(name, everything)))


def test_every_text_lies_on_the_picture(drawings: tuple[Drawing, ...]) -> None:
    for drawing in drawings:
        assert_on_the_page(drawing)


def test_no_panel_is_empty_and_none_is_wider_than_two_columns(drawings: tuple[Drawing, ...]) -> None:
    for drawing in drawings:
        assert [axis for axis in drawing.figure.axes if not (axis.lines or axis.images or axis.collections)] == []
        assert drawing.figure.get_figwidth() <= TWO_COLUMNS


def test_maps_are_of_even_lightness(drawings: tuple[Drawing, ...]) -> None:
    for drawing in drawings:
        maps = {
            image.get_cmap().name
            for axis in drawing.figure.axes
            for image in axis.images
            if image.get_array().ndim == 2
        }
        assert maps <= {"viridis", "cividis", "magma", "RdBu", "RdBu_r"}


def test_a_caption_counts_what_was_used(name: str, everything: Material, drawings: tuple[Drawing, ...]) -> None:
    for drawing in drawings:
        count, total, what = re.match(r"(\d+) of (\d+) (rows|spectra) \(.+\)$", drawing.used).groups()
        assert 0 < int(count) <= int(total)
        whole = everything.rows if what == "rows" else everything.spectra
        assert int(total) == len(whole) or name == "neural-variants"


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in AS_ANOTHER])
def test_every_text_lies_on_a_picture_one_column_wide(name: str, everything: Material) -> None:
    for drawing in drawn(name, replace(everything, chosen=Chosen(width=ONE_COLUMN))):
        assert drawing.figure.get_figwidth() <= (FOUR_PANELS if name in OF_FOUR_PANELS else ONE_COLUMN)
        assert_on_the_page(drawing)


@pytest.fixture(scope="module")
def many(
    material: Callable[..., Material],
    rows: Callable[..., pd.DataFrame],
    spectra: Callable[[pd.DataFrame], pd.DataFrame],
    everything: Material,
) -> Material:
    """Return material of fourteen codecs."""
    names = ["jpeg2000", *(f"codec-{letter}-ms-ssim" for letter in "abcdefghijklm")]
    table = rows(names)
    codecs = {name: {"kind": "neural", "chroma": "4:2:0"} for name in names}
    return material(table, spectra=spectra(table), pictures=everything.pictures, codecs=codecs)


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in OF_ONE_CODEC | AS_ANOTHER])
def test_every_text_of_fourteen_codecs_lies_on_the_picture(name: str, many: Material) -> None:
    for drawing in drawn(name, many):
        assert_on_the_page(drawing)


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
