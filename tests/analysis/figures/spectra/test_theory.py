"""The figure of theory holds predictions over measurements, and the balance of each codec."""

import math
import re
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from codecshift.analysis.figures import FIGURES, Material, NothingToDraw
from codecshift.analysis.figures.spectra.theory import KINDS, MOST_RANKS, theory_linear
from codecshift.analysis.spectrum import GRID, grid_radius, luminance, radial
from codecshift.analysis.theory import balance_of_spectra, deviations, predict_spectra, principal, stationary
from matplotlib.backends.backend_agg import FigureCanvasAgg

(KIND,) = KINDS
SPECTRUM = FIGURES["theory-spectrum"]
CONDITIONS = [(name, severity) for name in ("fog", "glass_blur", "shot_noise") for severity in (1, 3)]


def make_spectra(ranks: tuple[int, ...] = (3, 10), *, shown: bool = False) -> pd.DataFrame:
    """Return spectra of a power law, of shifts twice as strong at severity 3, and of two codecs."""
    image = 100 / np.maximum(grid_radius(), 1 / 128) ** 2 / 64**2
    lines: list[dict[str, Any]] = []

    def add(quantity: str, condition: tuple[str, int], power: np.ndarray, codec: str = "", point: str = "") -> None:
        place = {"set": "kodak", "corruption": condition[0], "severity": condition[1], "codec": codec, "point": point}
        lines.append({**place, "quantity": quantity, "channel": "Y", "n": 2, "power": power})

    add("image", ("none", 0), image)
    points = [*(("linear", f"r{rank}") for rank in ranks), ("jpeg", "p0"), ("jpeg", "p1")]
    for codec, point in points:
        add("D", ("none", 0), image / 10, codec, point)
    for condition in CONDITIONS:
        shift = np.full(image.shape, condition[1] / image.size)
        add("shift", condition, shift)
        if shown:
            add("image", condition, image + shift)
        for codec, point in points:
            add("G", condition, image / 10 + shift / 2, codec, point)
            add("R", condition, image / 10 + (1 if codec == "jpeg" else 0.5) * shift, codec, point)
    return pd.DataFrame(lines)


def drawn(drawn_from: Material) -> Any:
    (drawing,) = theory_linear(drawn_from)
    return drawing


def marks(axis: Any) -> list[tuple[float, float]]:
    """Return the marks of a panel, not its line and its key."""
    lines = [line for line in axis.lines if line.get_marker() != "None" and len(line.get_xdata())]
    return [tuple(map(float, place)) for line in lines for place in zip(*line.get_data(), strict=True)]


def test_marks_are_predictions_over_measurements(
    material: Callable[..., Material], rows: Callable[..., pd.DataFrame]
) -> None:
    spectra = make_spectra()
    left, middle, right = drawn(material(rows(("jpeg", "linear")), spectra=spectra)).figure.axes
    table = deviations(spectra)
    for axis, quantities in ((left, "DR"), (middle, "G")):
        part = table[table["quantity"].isin(list(quantities))]
        assert sorted(marks(axis)) == sorted(zip(part["measured"], part["predicted"], strict=True))
    means = balance_of_spectra(spectra).groupby(["codec", "corruption"])["residual"].mean()
    assert sorted(x for x, _ in marks(right)) == pytest.approx(sorted(means))
    assert [label.get_text() for label in right.get_yticklabels()] == ["linear", "jpeg"]


def test_with_the_spectra_of_what_was_shown_g_is_predicted_both_ways(material: Callable[..., Material]) -> None:
    spectra = make_spectra(shown=True)
    drawing = drawn(material(spectra=spectra))
    part = deviations(spectra)
    part = part[part["quantity"] == "G"]
    expected = [*zip(part["measured"], part["predicted"], strict=True)]
    expected += [*zip(part["measured"], part["correlated"], strict=True)]
    assert sorted(marks(drawing.figure.axes[1])) == sorted(expected)
    assert "G with the measured correlation" in drawing.note


def test_the_caption_counts_spectra_and_tells_deviations(material: Callable[..., Material]) -> None:
    spectra = make_spectra()
    drawing = drawn(material(spectra=spectra))
    # An image, 6 shifts, and of 4 points a D and 6 of G and R each.
    assert drawing.used.startswith(f"{1 + 6 + 4 * 13} of {len(spectra)} spectra")
    for quantity in "DGR":
        part = deviations(spectra).query("quantity == @quantity")
        ratio = part["predicted"] / part["measured"]
        near = int(((ratio >= 0.5) & (ratio <= 2)).sum())
        off = part["deviation"].abs().median()
        assert f"{quantity} {off:.1f} % ({near} of {len(part)})" in drawing.note
    assert "Severities 1, 3." in drawing.note


def test_a_measurement_of_nearly_nothing_makes_no_absurd_percentage(material: Callable[..., Material]) -> None:
    """As of G under strong blur: the prediction is thousands of times what is measured."""
    spectra = make_spectra()
    faint = (spectra["quantity"] == "G") & (spectra["corruption"] == "glass_blur")
    spectra.loc[faint, "power"] = spectra.loc[faint, "power"].map(lambda power: power * 1e-5)
    note = drawn(material(spectra=spectra)).note
    assert max(float(number) for number in re.findall(r"([\d.]+) %", note)) < 1000
    # Of 2 ranks under 3 corruptions at 2 severities, 4 are of that blur.
    part = deviations(spectra).query("quantity == 'G' and corruption != 'glass_blur'")
    assert f"({int(part['deviation'].between(-50, 100).sum())} of 12)" in note


@pytest.mark.parametrize("shown", [True, False])
def test_no_title_or_label_is_cut_off_or_runs_into_another(shown: bool, material: Callable[..., Material]) -> None:
    figure = drawn(material(spectra=make_spectra(shown=shown))).figure
    FigureCanvasAgg(figure).draw()
    page = figure.bbox
    boxes = [text.get_window_extent() for axis in figure.axes for text in (axis.title, axis.xaxis.label)]
    for axis in figure.axes:
        for minor in (False, True):
            ticks = zip(axis.get_xticks(minor=minor), axis.get_xticklabels(minor=minor), strict=True)
            low, high = axis.get_xlim()
            boxes += [label.get_window_extent() for place, label in ticks if low <= place <= high and label.get_text()]
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    assert not any(first.overlaps(second) for first, second in combinations(boxes, 2))


def test_no_more_ranks_than_marks(material: Callable[..., Material]) -> None:
    drawing = drawn(material(spectra=make_spectra(tuple(range(1, 21)))))
    named = [text.get_text() for text in drawing.figure.legends[0].get_texts() if "rank" in text.get_text()]
    assert len(named) == MOST_RANKS
    assert {"rank 1", "rank 20"} <= set(named)


@pytest.mark.parametrize(
    ("spectra", "window", "expected"),
    [
        (pd.DataFrame(make_spectra().iloc[:0]), "none", "--codec linear:r3"),
        (make_spectra(()), "none", "--codec linear:r3"),
        (make_spectra().query("quantity != 'shift'"), "none", "--codec linear:r3"),
        (make_spectra(), "hann", "without a window"),
    ],
    ids=["no-spectra", "no-linear-codec", "no-shifts", "window"],
)
def test_what_lacks_is_told_with_the_command(
    spectra: pd.DataFrame, window: str, expected: str, material: Callable[..., Material]
) -> None:
    drawn_from = material(spectra=spectra, window=window, file="k.sqlite")
    assert expected in KIND.missing(drawn_from)
    assert "codecshift run --set kodak" in KIND.missing(drawn_from)
    with pytest.raises(NothingToDraw, match="codecshift run"):
        FIGURES["theory-linear"].draw(drawn_from)


def test_spectra_are_drawn_measured_and_predicted(material: Callable[..., Material]) -> None:
    spectra = make_spectra(shown=True)
    (drawing,) = SPECTRUM.draw(material(spectra=spectra))
    powers = luminance(spectra)
    image = powers["image", "none", 0, "", ""]
    titles = ["clean images: D"]
    titles += [
        f"{name}: {letter}" for name in ("fog (low)", "glass blur (medium)", "shot noise (high)") for letter in "GR"
    ]
    assert [axis.get_title() for axis in drawing.figure.axes] == titles
    for axis, (corruption, severity, quantity) in zip(
        drawing.figure.axes[:3], (("none", 0, "D"), ("fog", 3, "G"), ("fog", 3, "R")), strict=True
    ):
        shift = powers.get(("shift", corruption, severity, "", ""), np.zeros(GRID))
        lines = [line for line in axis.lines if len(line.get_xdata())]
        for rank, measured, predicted in zip((3, 10), lines[:2], lines[2:], strict=True):
            errors = predict_spectra(principal(stationary(image))[:rank], image, shift)
            for line, power in (
                (measured, powers[quantity, corruption, severity, "linear", f"r{rank}"]),
                (predicted, getattr(errors, quantity)),
            ):
                assert line.get_ydata() == pytest.approx(10 * np.log10(np.maximum(radial(power)[1], 1e-12)))


def test_every_number_of_the_scales_is_positive(material: Callable[..., Material]) -> None:
    for axis in drawn(material(spectra=make_spectra())).figure.axes[:2]:
        assert axis.get_xlim() == axis.get_ylim()
        assert min(axis.get_xlim()) > 0
        assert all(math.isfinite(value) for value in axis.get_xlim())
