"""The laws of measures: identity is best, damage costs, and the smallest image that is stated has a value."""

from collections.abc import Callable
from itertools import pairwise

import cv2
import numpy as np
import pytest
import skimage.data
from codecshift.analysis.measures.measure import Instrument, Measure
from codecshift.analysis.measures.table import BUILT_IN, MeasureUnavailable, load

LOADED = [measure for measure in BUILT_IN if not measure.is_derived]


@pytest.fixture(scope="module", params=LOADED, ids=lambda measure: measure.name)
def loaded(request: pytest.FixtureRequest) -> tuple[Measure, Instrument]:
    measure: Measure = request.param
    try:
        return measure, load(measure)
    except MeasureUnavailable as reason:
        if not measure.extra:
            raise
        pytest.skip(str(reason))


def photograph(height: int, width: int) -> np.ndarray:
    return np.ascontiguousarray(skimage.data.astronaut()[100 : 100 + height, 150 : 150 + width])


def value(loaded: tuple[Measure, Instrument], reference: np.ndarray, seen: np.ndarray) -> float:
    measure, instrument = loaded
    return measure.on_axis(instrument.compare(instrument.prepare(reference), instrument.prepare(seen)))


def test_identity_is_the_best_value(loaded: tuple[Measure, Instrument]) -> None:
    measure, instrument = loaded
    image = photograph(192, 208)
    prepared = instrument.prepare(image)
    assert instrument.compare(prepared, prepared) == pytest.approx(measure.best, abs=1e-4)
    assert instrument.compare(prepared, instrument.prepare(image.copy())) == pytest.approx(measure.best, abs=1e-4)


def noisy(image: np.ndarray, strength: float) -> np.ndarray:
    noise = np.random.RandomState(3).normal(0, strength, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def blurred(image: np.ndarray, strength: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), strength / 4), np.uint8)


@pytest.mark.parametrize("spoil", [noisy, blurred], ids=["noise", "blur"])
def test_more_damage_is_worse(
    spoil: Callable[[np.ndarray, float], np.ndarray], loaded: tuple[Measure, Instrument]
) -> None:
    image = photograph(192, 208)
    values = [value(loaded, image, spoil(image, strength)) for strength in (4, 8, 16, 32)]
    assert all(better > worse for better, worse in pairwise(values))


def test_the_smallest_image_has_a_value(loaded: tuple[Measure, Instrument]) -> None:
    smallest = loaded[0].smallest
    image = photograph(smallest, smallest + 17)
    assert np.isfinite(value(loaded, image, noisy(image, 8)))


def test_a_prepared_image_can_be_compared_often(loaded: tuple[Measure, Instrument]) -> None:
    """A worker prepares the references of a shot once, for all codec points."""
    _, instrument = loaded
    image = photograph(192, 208)
    reference = instrument.prepare(image)
    others = [instrument.prepare(noisy(image, strength)) for strength in (4, 8)]
    first = [instrument.compare(reference, seen) for seen in others]
    assert [instrument.compare(reference, seen) for seen in others] == first
