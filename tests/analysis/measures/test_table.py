"""The table of measures obeys its own words, and takes in no measure under the name of another."""

import math
from dataclasses import replace

import pytest
from codecshift.analysis.measures import table
from codecshift.analysis.measures.measure import Measure
from codecshift.analysis.measures.ms_ssim import MS_SSIM_SMALLEST
from codecshift.analysis.measures.table import BUILT_IN, MeasureUnavailable, UnknownMeasure, adopt, find, known, load


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> Measure:
    """A measure that is not built in, and a table that forgets what it adopts."""
    monkeypatch.setattr(table, "_KNOWN", {**known()})
    return Measure("other", "Other", 1, "", "lower", 0, "codecshift_no_such_module:load", "no measure at all")


@pytest.mark.parametrize("measure", BUILT_IN, ids=lambda measure: measure.name)
def test_a_measure_states_what_a_reader_needs(measure: Measure) -> None:
    assert find(measure.name) is measure
    assert all((measure.title, measure.about, measure.source, measure.referee, measure.disagreement))
    assert measure.low < measure.high <= measure.best
    assert measure.on_axis(measure.low) < measure.on_axis(measure.high) <= measure.on_axis(measure.best)


def test_names_are_given_once() -> None:
    assert [*known()][: len(BUILT_IN)] == [measure.name for measure in BUILT_IN]
    assert len({measure.name for measure in BUILT_IN}) == len(BUILT_IN)


def test_the_smallest_image_of_ms_ssim_is_that_of_its_module() -> None:
    assert find("ms_ssim").smallest == MS_SSIM_SMALLEST


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(UnknownMeasure, match="unknown measure 'vmof': expected one of psnr, ms_ssim"):
        find("vmof")


def test_a_measure_is_adopted_once(other: Measure) -> None:
    adopt([other])
    adopt([other])
    assert find("other") is other
    for clash in (replace(other, version=2), replace(other, name="psnr")):
        with pytest.raises(ValueError, match="is taken by another measure"):
            adopt([clash])


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({}, "'codecshift_no_such_module'$"),
        ({"extra": "perceptual"}, r"; pip install 'codecshift\[perceptual\]'$"),
        ({"extra": "perceptual", "hint": "install it by hand"}, "; install it by hand$"),
    ],
    ids=["bare", "extra", "hint"],
)
def test_a_measure_that_cannot_be_loaded_says_what_to_do(fields: dict[str, str], end: str, other: Measure) -> None:
    with pytest.raises(MeasureUnavailable, match=f"other cannot be loaded: ModuleNotFoundError: .*{end}"):
        load(replace(other, **fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"unit": "dB"}, True), ({"axis": "-10 log10(1 - value)"}, True), ({}, False)],
    ids=["dB", "logarithm", "value"],
)
def test_an_axis_is_in_decibels_by_its_unit_or_its_formula(
    fields: dict[str, str], expected: bool, other: Measure
) -> None:
    assert replace(other, **fields).in_decibels is expected


def test_what_is_best_is_highest_on_the_axis(other: Measure) -> None:
    assert other.on_axis(0.25) == -0.25
    assert find("ms_ssim").on_axis(0.99) == pytest.approx(20)
    assert find("ms_ssim").on_axis(1) == math.inf
    assert find("psnr").on_axis(30) == 30
