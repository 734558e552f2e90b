"""What the weather needs from outside, and where it departs from the referee."""

from __future__ import annotations

import numpy as np
import pytest
from codecshift.corruptions import weather
from codecshift.corruptions.corruption import generator


def test_frost_draws_from_five_textures():
    assert {weather._texture(index).ndim for index in range(len(weather.FROST_FILES))} == {3}
    assert len(weather.FROST_FILES) == 5


def test_without_a_drop_spatter_leaves_the_picture(picture):
    image = picture("32x32")
    dry = weather.Spatter(mean=0.1, deviation=0.01, sigma=4, threshold=0.69, strength=0.6, mud=False)
    result = weather.spatter(image, dry, generator("x"))
    # The way to the unit scale and back may truncate one level away.
    assert np.all((image == result) | (image - np.minimum(image, 1) == result))


@pytest.mark.parametrize("size", [32, 256])
def test_plasma_fills_the_unit_interval(size):
    cloud = weather._plasma(size, 2, generator("x"))
    assert cloud.shape == (size, size)
    assert (cloud.min(), cloud.max()) == (0, 1)
