"""Curves hold the means of the rows, and nothing else."""

import math
from collections.abc import Callable

import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Material, NothingToDraw
from codecshift.analysis.ranking.ladders import Ladders
from matplotlib.axes import Axes


def drawn(name: str, each: Material, suffix: str = "") -> list[Axes]:
    (drawing,) = (drawing for drawing in FIGURES[name].draw(each) if drawing.suffix == suffix)
    return drawing.figure.axes


def straight(points: int = 5) -> list[float]:
    """Return the mean PSNR of the first codec on clean images at each point."""
    return [30 + 6 * math.log2(0.1 * 2**point) + 0.5 for point in range(points)]


def test_rate_curves_have_a_panel_for_clean_and_each_band(material: Callable[..., Material]) -> None:
    (drawing,) = FIGURES["rate-curves"].draw(material())
    titles = ["clean", *(f"{band} (1 corruption)" for band in ("low", "medium", "high"))]
    assert [axis.get_title() for axis in drawing.figure.axes] == titles
    assert [text.get_text() for text in drawing.figure.legends[0].get_texts()] == ["jpeg", "jpeg2000", "webp"]


def test_a_rate_curve_is_the_mean_over_images_and_conditions(material: Callable[..., Material]) -> None:
    line = drawn("rate-curves", material())[1].lines[0]
    assert line.get_ydata() == pytest.approx([value - 2 * 2 for value in straight()])


def test_clean_curves_are_of_clean_images_in_both_measures(material: Callable[..., Material]) -> None:
    psnr, similarity = drawn("rd-clean", material())
    assert psnr.lines[0].get_xdata() == pytest.approx([0.1 * 2**point for point in range(5)])
    assert psnr.lines[0].get_ydata() == pytest.approx(straight())
    assert similarity.lines[0].get_ydata() == pytest.approx([10] * 5)  # -10 log10(1 - 0.9)


def test_curves_are_of_the_images_that_all_settings_have(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    whole = rows()
    lacking = (whole["codec"] == "webp") & (whole["image"] == whole["image"].iloc[0]) & (whole["corruption"] == "none")
    paired = whole[~((whole["image"] == whole["image"].iloc[0]) & (whole["corruption"] == "none"))]
    lines, expected = (drawn("rd-clean", material(rows))[0].lines for rows in (whole[~lacking], paired))
    assert len(lines) == len(expected) == 3
    for each, other in zip(lines, expected, strict=True):
        assert list(each.get_ydata()) == pytest.approx(list(other.get_ydata()))
    assert list(lines[0].get_ydata()) != pytest.approx(straight())


def test_ms_ssim_is_averaged_in_decibels_as_on_the_leaderboard(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows()
    table["ms_ssim"] = table["image"].map({"a": 0.9, "b": 0.999})  # 10 and 30 dB, whose mean is 20
    (_, similarity) = drawn("rd-clean", material(table))
    assert similarity.lines[0].get_ydata() == pytest.approx([20] * 5)
    measured = Ladders(table, "ms_ssim").of("jpeg", ("none", 0)).quality
    assert measured.mean(axis=1) == pytest.approx([20] * 5)


def test_a_setting_that_is_lossless_under_one_corruption_has_no_mark_in_the_panel(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    """Else its mark is a mean over other severities than those of its neighbours."""
    table = rows()
    where = (table["codec"] == "jpeg") & (table["corruption"] == "fog") & (table["severity"] == 1)
    table.loc[where & (table["point"] == "p4"), "psnr"] = math.inf
    panels = drawn("rate-curves", material(table))
    assert [len(axis.lines[0].get_xdata()) for axis in panels] == [5, 4, 5, 5]
    assert panels[1].lines[0].get_ydata() == pytest.approx([value - 2 * 2 for value in straight(4)])


def test_a_codec_that_lacks_a_severity_is_not_drawn_beside_those_that_have_it(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows()
    lacking = (table["codec"] == "webp") & (table["corruption"] == "fog") & (table["severity"] == 1)
    (drawing,) = FIGURES["rate-curves"].draw(material(table[~lacking]))
    labels = [[line.get_label() for line in axis.lines] for axis in drawing.figure.axes]
    assert labels == [["jpeg", "jpeg2000", "webp"], ["jpeg", "jpeg2000"], *[["jpeg", "jpeg2000", "webp"]] * 2]
    assert drawing.note == "Not measured under every condition of a panel: webp (low)."


def test_images_too_small_for_ms_ssim_have_one_panel(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    assert len(drawn("rd-clean", material(rows().assign(ms_ssim=math.nan)))) == 1


@pytest.mark.parametrize(("suffix", "lower"), [("shown", 0), ("clean", 3)])
def test_shifted_curves_are_of_one_severity_against_either_reference(
    suffix: str, lower: float, material: Callable[..., Material]
) -> None:
    panels = drawn("rd-corrupted", material(), suffix)
    assert [axis.get_title() for axis in panels] == ["fog (low)", "glass blur (medium)", "shot noise (high)"]
    for axis in panels:
        assert axis.lines[0].get_ydata() == pytest.approx([value - 2 * 3 - lower for value in straight()])


def test_panels_share_a_scale_only_where_none_would_be_flattened_by_it(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows()
    low = table["corruption"] == "shot_noise"
    flat = table.assign(psnr=table["psnr"].where(~low, table["psnr"] / 10))
    for each, shared in ((table, True), (flat, False)):
        panels = drawn("rd-corrupted", material(each), "shown")
        assert (len({axis.get_ylim() for axis in panels}) == 1) == shared
        assert ("one scale" in panels[0].figure.get_supxlabel()) == shared


def test_what_was_not_compressed_is_a_line_against_the_clean_image(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    shots = rows(("jpeg",), points=1)[["set", "corruption", "severity", "image"]].query("severity > 0")
    measured = material(rows(("jpeg",)), shifts=shots.assign(psnr=[20.0, 22.0] * (len(shots) // 2), ms_ssim=0.5))
    for suffix, lines in (("shown", 1), ("clean", 2)):
        for axis in drawn("rd-corrupted", measured, suffix):
            assert len(axis.lines) == lines
    assert list(drawn("rd-corrupted", measured, "clean")[0].lines[0].get_ydata()) == [21.0, 21.0]


def test_the_uncompressed_line_needs_the_shift_of_every_image(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    shots = rows(("jpeg",), points=1)[["set", "corruption", "severity", "image"]].query("severity > 0")
    shots = shots.assign(psnr=20.0, ms_ssim=0.5)[lambda lines: (lines["corruption"] != "fog") | (lines["image"] != "a")]
    axes = drawn("rd-corrupted", material(rows(("jpeg",)), shifts=shots), "clean")
    assert [len(axis.lines) for axis in axes] == [1, 2, 2]


def test_over_severity_a_codec_is_held_at_its_point_nearest_half_a_bit(material: Callable[..., Material]) -> None:
    bpp = 0.1 * 2**2  # 0.4 is nearer 0.5 by ratio than 0.8
    panels = drawn("psnr-vs-severity", material())
    assert len(panels) == 9
    for axis in panels[6:]:
        assert axis.lines[1].get_ydata() == pytest.approx([bpp] * 3)
    for place, axis in enumerate(panels[:6]):
        line = axis.lines[1]  # jpeg2000, 1 dB below
        clean = 30 + 6 * math.log2(bpp) - 1 + 0.5
        robust = place >= 3
        assert list(line.get_xdata()) == [0, 1, 3]
        assert line.get_ydata() == pytest.approx([clean - (2 + robust) * severity for severity in (0, 1, 3)])
    for axis in drawn("bpp-vs-severity", material()):
        assert axis.lines[0].get_ydata() == pytest.approx([bpp] * 3)


def test_a_corruption_that_lacks_a_severity_is_left_out_and_named(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows()
    table = table[(table["corruption"] != "fog") | (table["severity"] == 1)]
    (drawing,) = FIGURES["bpp-vs-severity"].draw(material(table))
    assert [axis.get_title() for axis in drawing.figure.axes] == ["glass blur (medium)", "shot noise (high)"]
    assert "fog" in drawing.note


def test_one_severity_is_too_few_to_draw_over(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows()
    with pytest.raises(NothingToDraw, match="--severity 1"):
        FIGURES["psnr-vs-severity"].draw(material(table[table["severity"] != 1]))


def test_lossless_rows_alone_draw_no_rate_curve(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows(("identity",), points=1).assign(psnr=math.inf)
    with pytest.raises(NothingToDraw, match="codecshift run"):
        FIGURES["rate-curves"].draw(material(table))


def test_rows_of_single_frequencies_are_in_no_curve(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    table = rows()
    waves = table[table["corruption"] == "fog"].assign(corruption="fourier_1_2", psnr=-50.0)
    (drawing,) = FIGURES["rate-curves"].draw(material(pd.concat([table, waves])))
    for axis in drawing.figure.axes:
        assert min(min(line.get_ydata()) for line in axis.lines) > 0
