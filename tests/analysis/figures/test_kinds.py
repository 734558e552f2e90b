"""Every kind of figure: the same material gives the same bytes, every text lies on the picture, what lacks is named."""

import io
import re
from collections.abc import Callable
from functools import cache

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Drawing, Material, NothingToDraw
from codecshift.analysis.figures.style import TWO_COLUMNS, plain
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

Draw = Callable[[str], tuple[Drawing, ...]]


@pytest.fixture(scope="session")
def drawn(everything: Material) -> Draw:
    """Return a function that draws a kind once."""
    return cache(lambda name: FIGURES[name].draw(everything))


def pictures(drawings: tuple[Drawing, ...]) -> list[bytes]:
    found = []
    for drawing in drawings:
        buffer = io.BytesIO()
        with plain():
            drawing.figure.savefig(buffer, format="png", dpi=72, metadata={"Software": None})
        found.append(buffer.getvalue())
    return found


def texts(drawing: Drawing) -> list[Text]:
    """Return what is written on a figure, tick labels within their axes' limits only."""
    FigureCanvasAgg(drawing.figure).draw()
    shown = drawing.figure.findobj(lambda one: isinstance(one, Text) and one.get_visible() and bool(one.get_text()))
    for axis in drawing.figure.axes:
        for ruler, limits in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
            low, high = sorted(limits)
            for tick in (*ruler.get_major_ticks(), *ruler.get_minor_ticks()):
                if not (axis.get_visible() and axis.axison and low <= tick.get_loc() <= high):
                    shown = [one for one in shown if one not in {tick.label1, tick.label2}]
    return shown


def assert_on_the_page(drawing: Drawing) -> None:
    page = drawing.figure.bbox
    for text in texts(drawing):
        box = text.get_window_extent()
        assert min(box.x0, box.y0, page.x1 - box.x1, page.y1 - box.y1) >= -0.5, text.get_text()


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_evidence_gives_the_same_picture(name: str, everything: Material, drawn: Draw) -> None:
    assert FIGURES[name].missing(everything) == ""
    assert pictures(drawn(name)) == pictures(FIGURES[name].draw(everything))


@pytest.mark.parametrize("name", FIGURES)
def test_every_text_lies_on_the_picture(name: str, drawn: Draw) -> None:
    for drawing in drawn(name):
        assert_on_the_page(drawing)


@pytest.mark.parametrize("name", [name for name in FIGURES if name not in {"theory-linear", "fourier-heatmap"}])
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
        assert int(total) == len(whole) or name == "nic-variants"


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
        "dataset-examples corruption-spectra rd-clean rd-ood psd-d psd-g psd-r psd-radial psnr-vs-severity "
        "bpp-vs-severity fourier-heatmap nic-variants matched-example rate-inflation bd-rate-by-corruption "
        "reconstructions theory-linear ranking"
    )
    assert set(paper.split()) <= set(FIGURES)
