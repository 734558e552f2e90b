"""HSV against scikit-image, on every kind of tie between channels."""

from __future__ import annotations

import itertools

import numpy as np
import skimage.color
from codecshift.corruptions.hsv import adjusted


def test_round_trip_is_scikit_images_for_all_ties_and_many_colours():
    levels = list(range(0, 256, 15))
    cube = np.array(list(itertools.product(levels, repeat=3)), dtype=np.uint8)[None]
    drawn = np.random.default_rng(0).integers(0, 256, size=(1, 100_000, 3), dtype=np.uint8)
    image = np.concatenate([cube, drawn], axis=1)
    hsv = skimage.color.rgb2hsv(image / 255.0)
    hsv[..., 1] *= 0.7
    hsv[..., 2] *= 0.9
    expected = np.uint8(skimage.color.hsv2rgb(hsv) * 255)
    actual = adjusted(image, lambda saturation: saturation * 0.7, lambda value: value * 0.9)
    np.testing.assert_array_equal(expected, actual)
