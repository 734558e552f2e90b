"""Every corruption gives the pixels of imagecorruptions 1.1.2, given the same random state."""

from __future__ import annotations

import numpy as np
import pytest
from codecshift.corruptions.corruption import SEVERITIES
from codecshift.corruptions.table import CORRUPTIONS

SMALL = ("32x32", "33x47", "61x40", "grey", "white", "black", "flat", "poster")
MIDDLE = ("200x301", "300x64")
LARGE = ("512x768", "768x512", "1363x2048")


def assert_same_pixels(referee, name, image, severity, seed):
    expected = referee.corrupt(name, image, severity, seed)
    actual = CORRUPTIONS[name](image, severity, referee.stream(name, seed))
    np.testing.assert_array_equal(expected, actual)


@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_small_pictures(referee, picture, name, size):
    for severity in SEVERITIES:
        assert_same_pixels(referee, name, picture(size), severity, seed=7)


@pytest.mark.parametrize("size", MIDDLE)
@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name != "glass_blur"])
def test_middle_pictures(referee, picture, name, size):
    for severity in SEVERITIES:
        assert_same_pixels(referee, name, picture(size), severity, seed=11)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_many_seeds(referee, picture, name):
    for seed in range(20, 26):
        assert_same_pixels(referee, name, picture("33x47"), 1 + seed % 5, seed)


@pytest.mark.needs("slow")
@pytest.mark.parametrize("size", LARGE)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_large_pictures(referee, picture, name, size):
    # One glass_blur of the largest takes the referee a minute and a half.
    severities = (2,) if name == "glass_blur" and size != "512x768" else SEVERITIES
    for severity in severities:
        assert_same_pixels(referee, name, picture(size), severity, seed=3)
