"""A run's measures prepare each image once, score against both references, and take the blame for what they do."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from codecshift.analysis.measures.measure import Measure
from codecshift.benchmark.measure.shots import metering
from codecshift.benchmark.measure.shots.coding import Faulty
from codecshift.benchmark.measure.shots.metering import Meters, Prepared


class Brightness:
    """An instrument that is not symmetric, and counts the images it prepares."""

    def __init__(self) -> None:
        self.prepared = 0

    def prepare(self, image: np.ndarray, /) -> float:
        self.prepared += 1
        return float(image.mean())

    def compare(self, reference: float, seen: float, /) -> float:
        return 2 * reference - seen


def measure(name: str = "bright", **more: Any) -> Measure:
    return Measure(name, "Brightness", 1, "", "lower", 0, "nowhere:load", "brightness", **more)


@pytest.fixture
def instrument(monkeypatch: pytest.MonkeyPatch) -> Brightness:
    instrument = Brightness()
    monkeypatch.setattr(metering, "load", lambda _: instrument)
    return instrument


def flat(level: int, side: int = 8) -> Prepared:
    return Prepared(np.full((side, side, 3), level, np.uint8))


def test_each_image_is_prepared_once_and_compared_with_both_references(instrument: Brightness) -> None:
    meters, clean, shown = Meters([measure()]), flat(100), flat(110)
    for level in (120, 90):
        scores = meters.scores(clean, shown, flat(level))
        assert scores == {("bright", "shown"): 220 - level, ("bright", "clean"): 200 - level}
    assert meters.shifts(clean, shown) == {"bright": 90}
    assert instrument.prepared == 4


def test_on_a_clean_image_both_references_are_one(instrument: Brightness) -> None:
    clean = flat(100)
    scores = Meters([measure()]).scores(clean, clean, flat(120))
    assert scores == {("bright", "shown"): 80, ("bright", "clean"): 80}
    assert instrument.prepared == 2


def test_where_nothing_was_lost_the_value_is_the_best(instrument: Brightness) -> None:
    clean, shown = flat(100), flat(110)
    meters = Meters([measure(), measure("other")])
    assert meters.scores(clean, shown, shown)["bright", "shown"] == 0
    assert meters.scores(clean, shown, shown)["bright", "clean"] == meters.shifts(clean, shown)["bright"]
    assert set(meters.scores(clean, clean, clean).values()) == {0}
    assert instrument.prepared == 4  # two images for each of two measures


def test_an_image_too_small_for_a_measure_has_no_value_of_it(instrument: Brightness) -> None:
    meters = Meters([measure(), measure("large", smallest=9), measure("derived")])
    assert {name for name, _ in meters.scores(flat(1), flat(2), flat(3))} == {"bright", "derived"}
    assert {name for name, _ in meters.scores(flat(1, 9), flat(2, 9), flat(3, 9))} == {"bright", "large", "derived"}


def raises(*_: float) -> float:
    raise RuntimeError("no more")


@pytest.mark.parametrize(
    ("compare", "reason"),
    [(raises, "RuntimeError: no more"), (lambda *_: math.nan, "ValueError: it gave no number")],
    ids=["raises", "nan"],
)
def test_a_measure_that_fails_is_named(
    compare: Callable[..., float], reason: str, instrument: Brightness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instrument, "compare", compare)
    with pytest.raises(Faulty, match=f"^measure bright: {reason}$"):
        Meters([measure()]).scores(flat(1), flat(2), flat(3))


def test_psnr_is_no_meter(instrument: Brightness) -> None:
    derived = Measure("derived", "Derived", 1, "dB", "higher", math.inf, "", "of the squared error")
    assert Meters([derived]).scores(flat(1), flat(2), flat(3)) == {}
    assert instrument.prepared == 0
