"""Spectral figures hold the densities of the grids in decibels, each frequency where it belongs."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Drawing, Material, NothingToDraw
from codecshift.analysis.figures.spectra.planes import whole_plane
from codecshift.analysis.spectrum import GRID, grid, power_spectrum
from matplotlib.axes import Axes

Make = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def one(material: Callable[..., Material], rows: Callable[..., pd.DataFrame], spectra: Make) -> Material:
    return material(rows(), spectra=spectra(rows()))


def drawn(name: str, one: Material, suffix: str = "") -> Drawing:
    (drawing,) = (drawing for drawing in FIGURES[name].draw(one) if drawing.suffix == suffix)
    return drawing


def panels(drawing: Drawing) -> list[Axes]:
    return [axis for axis in drawing.figure.axes if axis.images]


def test_the_whole_plane_is_the_half_and_its_mirror() -> None:
    image = np.random.default_rng(1).normal(size=(64, 64))
    power = grid(power_spectrum(image))
    whole = whole_plane(power)
    assert whole.shape == (65, 65)
    np.testing.assert_allclose(whole, whole[::-1, ::-1])
    np.testing.assert_array_equal(whole[:64, 32:], power)


def test_a_wave_is_seen_at_its_frequency_and_the_negative() -> None:
    down, across = np.mgrid[:64, :64]
    power = grid(power_spectrum(np.cos(2 * np.pi * (5 * down - 9 * across) / 64)))
    places = {tuple(map(int, place)) for place in np.argwhere(whole_plane(power) > 0.2 * power.max()) - 32}
    assert places == {(5, -9), (-5, 9)}


def test_a_map_of_d_is_its_density_in_decibels(one: Material, levels: Mapping[str, float]) -> None:
    drawing = drawn("psd-d", one)
    assert [axis.get_title() for axis in panels(drawing)] == [
        f"{codec} p2\n0.40 bpp, {psnr:.1f} dB" for codec, psnr in (("jpeg", 22.6), ("jpeg2000", 21.6), ("webp", 20.6))
    ]
    scales = set()
    for place, axis in enumerate(panels(drawing)):
        (image,) = axis.images
        np.testing.assert_allclose(image.get_array(), levels["D"] - place)
        scales.add(image.get_clim())
    assert len(scales) == 1


@pytest.mark.parametrize(("name", "quantity"), [("psd-g", "G"), ("psd-r", "R")])
def test_maps_under_corruptions_stand_beside_d(
    name: str, quantity: str, one: Material, levels: Mapping[str, float]
) -> None:
    axes = panels(drawn(name, one))
    heads = ["clean: D", *(f"{text}: {quantity}" for text in ("fog (low)", "glass blur (medium)", "shot noise (high)"))]
    assert [axis.get_title() for axis in axes[:4]] == [f"{head}\n0.40 bpp" for head in heads]
    assert {axis.get_title() for axis in axes[4:]} == {"0.40 bpp"}
    for place, axis in enumerate(axes):
        level = levels["D" if place % 4 == 0 else quantity] - place // 4
        np.testing.assert_allclose(axis.images[0].get_array(), level)
    assert len({axis.images[0].get_clim() for axis in axes}) == 1


def test_each_corruption_has_a_map_with_its_centroid(one: Material) -> None:
    table = one.spectra.copy()
    lone = np.zeros(GRID)
    lone[32 + 16, 0] = 1.0  # a quarter of a cycle per pixel, down
    table["power"] = [
        lone if (name, quantity) == ("fog", "shift") else power
        for name, quantity, power in zip(table["corruption"], table["quantity"], table["power"], strict=True)
    ]
    drawing = drawn("corruption-spectra", replace(one, spectra=table), "maps")
    assert [axis.get_title().split("\n")[0] for axis in panels(drawing)] == [
        "fog (low)", "glass blur (medium)", "shot noise (high)"
    ]  # fmt: skip
    assert panels(drawing)[0].get_title().endswith("centroid 0.250")
    radial = drawn("corruption-spectra", replace(one, spectra=table), "radial")
    assert [axis.get_title() for axis in radial.figure.axes] == ["low", "medium", "high"]


def test_many_codecs_take_several_pages_of_one_scale(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame], spectra: Make
) -> None:
    table = rows([f"codec{number}" for number in range(8)])
    pages = FIGURES["psd-g"].draw(material(table, spectra=spectra(table)))
    assert [page.suffix for page in pages] == ["1", "2"]
    assert [len(panels(page)) for page in pages] == [16, 16]
    assert len({axis.images[0].get_clim() for page in pages for axis in panels(page)}) == 1


def test_a_point_without_spectra_gives_way_to_one_that_has_them(one: Material) -> None:
    table = one.spectra[one.spectra["point"] != "p2"]
    titles = [axis.get_title() for axis in panels(drawn("psd-d", replace(one, spectra=table)))]
    assert all(" p3\n0.80 bpp" in title for title in titles)


def test_without_spectra_the_command_that_takes_them_is_told(one: Material) -> None:
    alone = replace(one, spectra=one.spectra[one.spectra["quantity"] == "D"])
    assert FIGURES["psd-d"].missing(alone) == ""
    for name, lacking in (("psd-g", "G"), ("psd-r", "R"), ("corruption-spectra", "shift")):
        with pytest.raises(NothingToDraw, match=rf"\({lacking}\): codecshift run .*--spectra"):
            FIGURES[name].draw(alone)


def test_a_window_is_told(one: Material) -> None:
    assert "hann" in drawn("psd-d", replace(one, window="hann")).note
    assert drawn("psd-d", one).note == "Rates on clean images: 0.40 to 0.40 bpp, at most 20.0 % from 0.5."
