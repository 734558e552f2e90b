"""The heatmap's figure: one scale for all codecs, 0 in the middle of it, frequency 0 in the middle of the plane."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Material, NothingToDraw
from codecshift.analysis.figures.parts.style import TWO_COLUMNS
from codecshift.analysis.figures.spectra.heatmap import PANELS, draw
from codecshift.analysis.heatmap import Heatmap, Window, full_window, low_window, plane

MISSING = "missing: not measured, or failed"


EIGHTHS = full_window(8)


def heatmap(window: Window = EIGHTHS, codec: str = "jpeg", **more: Any) -> Heatmap:
    values = np.random.default_rng(len(codec)).normal(30, 1, window.shape)
    base: dict[str, Any] = {"set": "kodak", "codec": codec, "point": "q50", "severity": 4, "window": window}
    base |= {"images": ("a", "b"), "size": (512, 768), "failed": 0, "clean_bpp": 0.5, "clean_psnr": 31.0}
    base |= {"bpp": values / 60, "psnr": values, "psnr_clean": values - 1}
    return Heatmap(**base | more)


def texts(figure: Any) -> list[str]:
    axes = [text.get_text() for axis in figure.axes for text in (axis.title, axis.xaxis.label, axis.yaxis.label)]
    legends = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return [" ".join(text.split()) for text in (*axes, *legends, figure.get_suptitle()) if text]


def test_colours_are_the_values_on_one_scale_about_zero() -> None:
    both = [heatmap(), heatmap(codec="webp")]
    figure = draw(both)
    assert figure.get_figwidth() == TWO_COLUMNS
    panels = np.array(figure.axes[: 2 * len(PANELS)]).reshape(2, len(PANELS))
    for column, (quantity, *_) in enumerate(PANELS):
        ends = []
        for axis, one in zip(panels[:, column], both, strict=True):
            (image,) = axis.get_images()
            np.testing.assert_allclose(image.get_array(), plane(one.window, one.change(quantity)))
            ends.append((image.norm.vmin, image.norm.vmax))
        greatest = max(np.abs(one.change(quantity)).max() for one in both)
        assert ends == [(-greatest, greatest)] * 2


def test_frequency_0_is_in_the_middle_and_rows_run_down() -> None:
    one = heatmap()
    values = np.zeros(one.window.shape)
    values[one.window.i.index(2), one.window.j.index(3)] = 7.0
    axis = draw([replace(one, psnr=31 + values)]).axes[0]
    left, right, bottom, top = axis.get_images()[0].get_extent()
    assert (left, right, bottom, top) == pytest.approx((-0.5625, 0.5625, 0.5625, -0.5625))
    array = axis.get_images()[0].get_array()
    down, across = array.shape
    found = [
        (top + (row + 0.5) * (bottom - top) / down, left + (column + 0.5) * (right - left) / across)
        for row, column in np.argwhere(array == 7)
    ]
    assert sorted(found) == [pytest.approx((-2 / 8, -3 / 8)), pytest.approx((2 / 8, 3 / 8))]


def test_everything_has_its_unit_and_is_told() -> None:
    said = texts(draw([heatmap(), heatmap(codec="webp", point="q7")]))
    assert "kodak, 2 images: a wave of RMS 8 grey levels at each frequency" in said
    assert sum("change of PSNR, dB (one scale for all codecs)" in text for text in said) == 2
    assert "change of rate, bpp (one scale for all codecs)" in said
    assert "frequency across, cycles/pixel" in said
    assert "webp:q7 frequency down, cycles/pixel" in said
    assert "rate clean: 0.500 bpp" in said
    assert MISSING not in said


def test_what_is_missing_is_hatched_and_said() -> None:
    one = heatmap()
    values = one.bpp.copy()
    values[0, 0] = math.nan
    figure = draw([replace(one, bpp=values)])
    assert MISSING in texts(figure)
    axis = figure.axes[2]
    undrawn = np.ma.getmaskarray(axis.get_images()[0].get_array())
    assert np.argwhere(undrawn).tolist() == [[0, 4]]
    assert axis.patch.get_hatch()


def test_a_codec_of_which_all_failed_is_drawn_as_missing() -> None:
    nothing = np.full((9, 5), math.nan)
    failed = heatmap(bpp=nothing, psnr=nothing, psnr_clean=nothing, images=(), clean_bpp=math.nan, clean_psnr=math.nan)
    said = texts(draw([failed, heatmap(codec="webp")]))
    assert MISSING in said
    assert "0 to 2 images" in said[-1]
    assert any("no clean rows" in text for text in said)
    draw([failed]).savefig(io.BytesIO())


def test_a_lossless_codec_can_be_drawn() -> None:
    window = full_window(8)
    infinite = np.full(window.shape, math.inf)
    figure = draw([heatmap(psnr=infinite, clean_psnr=math.inf, psnr_clean=np.full(window.shape, 40.0))])
    figure.savefig(io.BytesIO())
    assert (figure.axes[0].get_images()[0].get_array() == 0).all()
    said = texts(figure)
    assert "PSNR against the image given clean: exact" in said
    assert "PSNR against the clean image clean: exact, changes beyond the scale: infinite" in said


def test_the_low_band_is_drawn_in_cycles_per_image() -> None:
    figure = draw([heatmap(low_window(8))])
    assert "frequency across, cycles/image" in texts(figure)
    assert figure.axes[0].get_images()[0].get_extent() == pytest.approx([-4.5, 3.5, 3.5, -4.5])


def test_the_same_heatmaps_give_the_same_bytes() -> None:
    def drawn() -> bytes:
        buffer = io.BytesIO()
        draw([heatmap()]).savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    assert drawn() == drawn()


# --- heatmaps of a run file


@pytest.fixture
def waves(rows: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Rows of waves of two strengths at three frequencies, 1 dB below clean."""
    table = rows(("jpeg", "webp"), points=1)
    clean = table[table["corruption"] == "none"]
    names = [f"fourier_{i}_{j}_of_4" for i, j in ((0, 1), (1, 0), (1, 1))]
    return pd.concat(
        [
            table,
            *(clean.assign(corruption=name, severity=at, psnr=clean["psnr"] - 1) for name in names for at in (2, 4)),
        ]
    )


def test_each_strength_has_its_drawing(material: Callable[..., Material], waves: pd.DataFrame) -> None:
    drawings = FIGURES["fourier-heatmap"].draw(material(waves))
    assert [drawing.suffix for drawing in drawings] == ["rms2", "rms8"]
    for drawing in drawings:
        assert drawing.used.startswith(f"{2 * 2 * (1 + 3)} of {len(waves)} rows")  # codecs x images x (clean + waves)


def test_waves_without_clean_images_cannot_be_compared(material: Callable[..., Material], waves: pd.DataFrame) -> None:
    with pytest.raises(NothingToDraw, match="codecshift heatmap"):
        FIGURES["fourier-heatmap"].draw(material(waves[waves["corruption"] != "none"]))
