"""Curves over the distance from frequency 0 hold the spectra, their ratio, and the rates that were spent."""

from collections.abc import Callable, Mapping

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Chosen, Drawing, Material
from codecshift.analysis.figures.parts.looks import looks
from codecshift.analysis.spectrum import grid_thirds

Make = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def one(material: Callable[..., Material], rows: Callable[..., pd.DataFrame], spectra: Make) -> Material:
    return material(rows(), spectra=spectra(rows()))


def drawn(name: str, one: Material, suffix: str = "") -> Drawing:
    (drawing,) = (drawing for drawing in FIGURES[name].draw(one) if drawing.suffix == suffix)
    return drawing


def test_curves_over_the_radius_are_means_over_a_band(one: Material, levels: Mapping[str, float]) -> None:
    axes = drawn("psd-radial", one).figure.axes
    clean, low = axes[:2]
    assert clean.get_title() == "clean images: D"
    for place, line in enumerate(clean.lines):
        assert line.get_ydata() == pytest.approx([levels["D"] - place] * 46)
    shift, first, second, third = low.lines
    assert shift.get_ydata() == pytest.approx([levels["shift"]] * 46)
    for place, line in enumerate((first, second, third)):
        assert line.get_ydata() == pytest.approx([levels["G"] - place] * 46)

    for axis in axes[5:8]:
        for place, line in enumerate(axis.lines[:3]):
            assert line.get_ydata() == pytest.approx([levels["R"] - place - levels["shift"]] * 46)


def test_under_the_curves_is_the_rate_that_each_codec_spent_there(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame], spectra: Make
) -> None:
    table = rows()
    table.loc[(table["codec"] == "webp") & (table["corruption"] == "fog"), "bpp"] *= 3
    strips = drawn("psd-radial", material(table, spectra=spectra(rows()))).figure.axes[8:]
    spent = [
        {line.get_label(): line.get_xdata()[0] for line in axis.lines if len(line.get_xdata()) == 1} for axis in strips
    ]
    usual = {f"_{codec}": pytest.approx(0.4) for codec in ("jpeg", "jpeg2000", "webp")}
    assert spent == [usual, usual | {"_webp": pytest.approx(1.2)}, usual, usual]


def test_each_corruption_has_a_panel_of_g_and_of_r_over_the_shift(one: Material, levels: Mapping[str, float]) -> None:
    titles = ["fog (low)", "glass blur (medium)", "shot noise (high)"]
    for suffix, expected in (("g", levels["G"]), ("r", levels["R"] - levels["shift"])):
        panels = drawn("psd-by-corruption", one, suffix).figure.axes
        assert [axis.get_title() for axis in panels] == [f"{title}\n0.40 bpp" for title in titles]
        for axis in panels:
            for place, line in enumerate(axis.lines[1:]):
                assert line.get_ydata() == pytest.approx([expected - place] * 46)


def test_a_chosen_setting_takes_the_place_of_the_one_near_the_rate(one: Material) -> None:
    chosen = Material(one.rows, one.bands, one.spectra, chosen=Chosen(points=(("webp", "p4"),)))
    labels = [text.get_text() for text in drawn("psd-by-corruption", chosen, "g").figure.legends[0].get_texts()]
    assert [label for label in labels if label.startswith("webp")] == ["webp p4, 1.60 bpp, 32.6 dB"]
    assert drawn("psd-radial", chosen).note.startswith("Rates on clean images: 0.40 to 1.60 bpp, at most 220.0 % from")


def test_d_over_rate_is_the_power_of_each_third_of_the_band(one: Material) -> None:
    axes = drawn("d-over-rate", one).figure.axes
    table = one.spectra[(one.spectra["quantity"] == "D") & (one.spectra["codec"] == "webp")]
    for axis, third in zip(axes, ("low", "medium", "high"), strict=True):
        (line,) = (line for line in axis.lines if line.get_label() == "webp")
        assert line.get_color() == looks(["webp"])["webp"]["color"]
        assert line.get_xdata() == pytest.approx([0.1 * 2**point for point in range(5)])
        assert line.get_ydata() == pytest.approx([getattr(grid_thirds(power), third) for power in table["power"]])
