"""What there is to choose from, as sheets; the notes beside measured bands."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from codecshift.analysis.spectrum import third_of
from codecshift.benchmark.plan.plans import PLANS
from codecshift.benchmark.report import listings
from codecshift.benchmark.sets.bands import Measured, Measurement
from codecshift.corruptions.sets import KNOWN
from codecshift.corruptions.table import FIFTEEN, find


def notes(measurement: Measurement, names: Sequence[str], severity: int) -> Sequence[str]:
    (sheet,) = listings.corruptions(measurement, names, severity).sheets
    assert [line[0] for line in sheet.lines] == list(names)
    return sheet.notes


def test_sets_and_plans_are_those_there_are() -> None:
    for report, known in ((listings.sets(), KNOWN), (listings.plans(), PLANS)):
        (sheet,) = report.sheets
        assert [line[0] for line in sheet.lines] == list(known)


@pytest.fixture
def made() -> Callable[..., Measurement]:
    """Return a function that makes a measurement of centroids at severity 3."""

    def make(versions: Sequence[int] = (), **centroids: float) -> Measurement:
        rows = [
            Measured(name, 3, 1.0, centroid, 0.0, 0.5, 0.25, 0.25, third_of(centroid))
            for name, centroid in centroids.items()
        ]
        known: dict[str, Any] = {name: find(name).version for name in centroids}
        known |= dict(zip(centroids, versions, strict=False))
        sets = {"kodak": {"digest": "ab" * 32, "images": 24}}
        return Measurement({"codecshift": "9.9", "sets": sets, "corruptions": known}, tuple(rows))

    return make


def test_notes_say_from_what(made: Callable[..., Measurement]) -> None:
    text = notes(made(fog=0.01, defocus_blur=0.2, shot_noise=0.38), FIFTEEN, 3)
    joined = " ".join(text)
    assert "Measured at severity 3 on 24 images of kodak (sha256 abababababab), codecshift 9.9" in joined
    assert joined.endswith("Sorted by centroid, the corruptions are in the order of the paper's bands.")
    assert "*" not in joined


def test_notes_count_what_lies_in_another_third_and_name_what_is_out_of_order(made: Callable[..., Measurement]) -> None:
    text = " ".join(notes(made(fog=0.15, zoom_blur=0.1, defocus_blur=0.2, shot_noise=0.38), FIFTEEN, 3))
    assert "* The measured third differs from the paper's band for 1 of 4 corruptions." in text
    assert "fog (paper: low) has a higher centroid than zoom_blur (medium)." in text
    assert "By order" not in text


def test_notes_tell_of_a_measurement_that_is_out_of_date(made: Callable[..., Measurement]) -> None:
    text = " ".join(notes(made([find("fog").version, 99], fog=0.01, snow=0.02), FIFTEEN, 3))
    assert "Out of date, measured with another version of the corruption: snow." in text


def test_notes_are_of_the_corruptions_asked_for(made: Callable[..., Measurement]) -> None:
    measurement = made(fog=0.01, zoom_blur=0.1)
    assert "third differs from" in " ".join(notes(measurement, ["zoom_blur"], 3))
    assert "third differs from" not in " ".join(notes(measurement, ["fog"], 3))
    nothing = replace(measurement, rows=(Measured("fog", 3, 0, *[math.nan] * 5, ""),))
    assert "Measured" in notes(nothing, ["fog"], 3)[0]
