"""Rates under corruption are compared with those of the same settings on the same clean images."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Material
from matplotlib.axes import Axes


def drawn(name: str, one: Material) -> list[Axes]:
    (drawing,) = FIGURES[name].draw(one)
    return list(drawing.figure.axes)


@pytest.fixture
def inflated(rows: Callable[..., pd.DataFrame]) -> pd.DataFrame:
    """Rows of which only webp takes more bits: under fog 2 and 8 times, under noise 16 times at one of 5 settings."""
    table = rows()
    webp = table["codec"] == "webp"
    for severity, factor in ((1, 2.0), (3, 8.0)):
        table.loc[webp & (table["corruption"] == "fog") & (table["severity"] == severity), "bpp"] *= factor
    table.loc[webp & (table["corruption"] == "shot_noise") & (table["point"] == "p0"), "bpp"] *= 16
    return table


def test_inflation_is_the_geometric_mean_over_settings_and_severities(
    inflated: pd.DataFrame, material: Callable[..., Material]
) -> None:
    axis, _ = drawn("rate-inflation", material(inflated))
    values = np.asarray(axis.images[0].get_array())
    np.testing.assert_allclose(values, [[0, 0, 2], [0, 0, 0], [0, 0, 4 / 5]], atol=1e-12)
    low, high = axis.images[0].get_clim()
    assert low == -high
    assert [text.get_text() for text in axis.texts][:3] == ["1.00", "1.00", "4.00"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["jpeg", "jpeg2000", "webp"]


def test_inflation_counts_the_images_that_a_setting_coded_both_times(
    inflated: pd.DataFrame, material: Callable[..., Material]
) -> None:
    costly = (inflated["image"] == "b") & (inflated["corruption"] == "none")
    inflated.loc[inflated["image"] == "b", "bpp"] *= 5
    axis, _ = drawn("rate-inflation", material(inflated[~costly]))
    assert [text.get_text() for text in axis.texts][:3] == ["1.00", "1.00", "4.00"]


def test_each_corruption_has_a_panel_of_ratios_over_the_clean_rate(
    inflated: pd.DataFrame, material: Callable[..., Material]
) -> None:
    panels = drawn("rate-by-corruption", material(inflated))
    assert [axis.get_title() for axis in panels] == ["fog (low)", "glass blur (medium)", "shot noise (high)"]
    expected = {"fog (low)": [8] * 5, "glass blur (medium)": [1] * 5, "shot noise (high)": [16, 1, 1, 1, 1]}
    for axis in panels:
        (line,) = (line for line in axis.lines if line.get_label() == "webp")
        assert line.get_xdata() == pytest.approx([0.1 * 2**point for point in range(5)])
        assert line.get_ydata() == pytest.approx(expected[axis.get_title()])
