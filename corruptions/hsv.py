"""Changes of brightness and saturation in HSV, which keep the hue and change one of the two other coordinates.

Every step rounds where skimage.color.rgb2hsv and hsv2rgb round, so that the truncated pixels are the same. The largest
of the three samples of a pixel is V, the smallest is V(1-S), and only the middle one needs the hue.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from .corruption import Image
from .grey import UNIT, Floats, looked_up, on_unit_scale, strips, truncated

Plane = NDArray[np.uint8]

NONZERO = 1e-300
"""Replaces a divisor of zero when the dividend is zero too: grey pixels have neither hue nor saturation."""

# Masks of the channel that holds V, and of the channel that holds V(1-S), in the six sextants of the hue: red (0),
# yellow, green, cyan, blue and magenta (5).
HIGHEST = np.array([[255, 0, 0, 0, 0, 255], [0, 255, 255, 0, 0, 0], [0, 0, 0, 255, 255, 0]], dtype=np.uint8)
LOWEST = np.array([[0, 0, 255, 255, 0, 0], [0, 0, 0, 0, 255, 255], [255, 255, 0, 0, 0, 0]], dtype=np.uint8)


def adjusted(image: Image, saturation: Callable[[Floats], Floats], value: Callable[[Floats], Floats]) -> Image:
    """Return `image` with S and V, both 0..1, replaced by `saturation(S)` and `value(V)`, truncated to 8 bits."""
    values = value(UNIT)
    shades = truncated(values.copy())
    out = np.empty_like(image)
    for rows in strips(image.shape[0], image.shape[1]):
        red, green, blue = (np.asarray(plane, dtype=np.uint8) for plane in cv2.split(image[rows]))
        largest = np.maximum(np.maximum(red, green), blue)
        smallest = np.minimum(np.minimum(red, green), blue)
        peak = on_unit_scale(largest)
        spread = peak - on_unit_scale(smallest)
        sextant, fraction = _hue(red, green, blue, largest, spread)
        share = saturation(np.divide(spread, np.maximum(peak, NONZERO, out=peak), out=spread))

        top = looked_up(largest, values)
        lowest = truncated(top * (1 - share))
        # The middle sample rises with the hue in even sextants, and falls in odd ones.
        rising = (~sextant & 1).astype(np.float64)
        share *= np.abs(np.subtract(rising, fraction, out=rising), out=rising)
        middle = truncated(top * np.subtract(1, share, out=share))
        highest = looked_up(largest, shades)
        planes = []
        for channel in range(3):
            is_highest, is_lowest = HIGHEST[channel].take(sextant), LOWEST[channel].take(sextant)
            planes.append((highest & is_highest) | (lowest & is_lowest) | (middle & ~(is_highest | is_lowest)))
        cv2.merge(planes, out[rows])
    return out


def _hue(red: Plane, green: Plane, blue: Plane, largest: Plane, spread: Floats) -> tuple[Plane, Floats]:
    """Return the hue's sextant, 0..5, and its position inside the sextant, 0..1; greys have 0 and 0.

    `spread` is the difference between the largest and the smallest sample on the unit scale.
    """
    coloured = spread > 0
    # Among equal largest samples the last one decides, as in scikit-image.
    blue_decides = (blue == largest) & coloured
    green_decides = (green == largest) & coloured & ~blue_decides
    minuend = np.where(blue_decides, red, np.where(green_decides, blue, green))
    subtrahend = np.where(blue_decides, green, np.where(green_decides, red, blue))
    hue = on_unit_scale(minuend)
    hue -= on_unit_scale(subtrahend)
    hue /= np.maximum(spread, NONZERO)
    hue += 4 * blue_decides.view(np.uint8) + 2 * green_decides.view(np.uint8)
    hue /= 6.0
    hue += hue < 0
    hue *= 6
    sextant = np.floor(hue)
    hue -= sextant
    return sextant.astype(np.uint8), hue
