"""PSNR-HVS-M against values by hand, plain loops, and by its laws."""

import math
import statistics
from itertools import pairwise

import cv2
import numpy as np
import pytest
from codecshift.analysis.measures import psnr_hvs
from codecshift.analysis.measures.psnr_hvs import QUANTISATION, SENSITIVITY
from codecshift.analysis.measures.psnr_hvs_m import SMALLEST, load

WAVE = np.array([1, -1, -1, 1, 1, -1, -1, 1])
"""The basis function of frequency 4: plus and minus of one size."""


def compared(reference: np.ndarray, seen: np.ndarray) -> float:
    instrument = load()
    return instrument.compare(instrument.prepare(reference), instrument.prepare(seen))


def unmasked(reference: np.ndarray, seen: np.ndarray) -> float:
    instrument = psnr_hvs.load()
    return instrument.compare(instrument.prepare(reference), instrument.prepare(seen))


def grey(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(pixels, np.uint8)[..., None], 3, axis=2)


def plain_decibels(reference: np.ndarray, seen: np.ndarray) -> float:
    """Return PSNR-HVS-M by loops over blocks and coefficients, with OpenCV's transform."""

    def masking(pixels: np.ndarray, transformed: np.ndarray) -> float:
        energy = 0.0
        for i in range(8):
            for j in range(8):
                if (i, j) != (0, 0):
                    energy += transformed[i, j] ** 2 * 100 / float(QUANTISATION[i, j]) ** 2
        whole = statistics.variance(pixels.ravel().tolist())
        quarters = [pixels[y : y + 4, x : x + 4].ravel().tolist() for y in (0, 4) for x in (0, 4)]
        delta = sum(map(statistics.variance, quarters)) / (4 * whole) if whole else 0
        return energy * delta / 16

    first, second = (image @ np.array((0.299, 0.587, 0.114)) for image in (reference, seen))
    errors = []
    for top in range(0, len(first) - 7, 8):
        for left in range(0, first.shape[1] - 7, 8):
            x, y = (plane[top : top + 8, left : left + 8] for plane in (first, second))
            of_x, of_y = cv2.dct(x), cv2.dct(y)
            hidden = math.sqrt(max(masking(x, of_x), masking(y, of_y)) / 64)
            for i in range(8):
                for j in range(8):
                    error = abs(of_x[i, j] - of_y[i, j])
                    if (i, j) != (0, 0):
                        error = max(0.0, error - hidden * float(QUANTISATION[i, j]) ** 2 / 100)
                    errors.append((error * SENSITIVITY[i, j]) ** 2)
    return 10 * math.log10(255**2 / (sum(errors) / len(errors)))


def test_a_flat_shift_is_not_masked(image: np.ndarray) -> None:
    darker = image // 2
    assert compared(darker, darker + np.uint8(9)) == pytest.approx(unmasked(darker, darker + np.uint8(9)), abs=1e-9)


@pytest.mark.parametrize(("down", "right"), [(0, 4), (4, 0), (4, 4)])
def test_a_single_coefficient_masks_itself(down: int, right: int) -> None:
    pattern = np.outer(WAVE if down else np.ones(8), WAVE if right else np.ones(8))
    flat = np.full((8, 8), 128)
    quantisation = float(QUANTISATION[down, right])
    # The coefficient is 8 times 10. The block's variance is 64/63 of 10^2, that of a quarter 16/15: delta is 63/60.
    hidden = math.sqrt((80 * 10 / quantisation) ** 2 * (63 / 60) / 16 / 64) * (quantisation / 10) ** 2
    expected = 10 * math.log10(255**2 * 64 / (SENSITIVITY[down, right] * (80 - hidden)) ** 2)
    for reference, seen in ((flat, flat + 10 * pattern), (flat + 10 * pattern, flat)):
        assert compared(grey(reference), grey(seen)) == pytest.approx(expected, abs=1e-9)


def test_an_edge_between_flat_quarters_masks_nothing() -> None:
    side = np.where(np.arange(8) < 4, -1, 1) * np.ones((8, 1))
    high, low = grey(128 + 50 * side), grey(128 + 40 * side)
    assert compared(high, low) == pytest.approx(unmasked(high, low), abs=1e-9)
    checks = np.outer(WAVE, WAVE)
    high, low = grey(128 + 50 * checks), grey(128 + 40 * checks)
    assert compared(high, low) > unmasked(high, low) + 3


def test_plain_loops_agree(image: np.ndarray, noisy: list[np.ndarray], blurred: list[np.ndarray]) -> None:
    part = np.s_[:61, 30:131]  # no multiple of 8
    for seen in (noisy[3], blurred[2]):
        assert compared(image[part], seen[part]) == pytest.approx(plain_decibels(image[part], seen[part]), abs=1e-9)


@pytest.mark.parametrize("kind", ["noisy", "blurred"])
def test_it_is_symmetric_above_psnr_hvs_and_falls_as_noise_and_blur_grow(
    image: np.ndarray, kind: str, request: pytest.FixtureRequest
) -> None:
    spoiled = request.getfixturevalue(kind)
    values = [compared(image, seen) for seen in spoiled]
    assert all(better > worse for better, worse in pairwise(values))
    assert all(value > unmasked(image, seen) for value, seen in zip(values, spoiled, strict=True))
    assert [compared(seen, image) for seen in spoiled] == values


def test_an_image_against_itself_is_infinite(image: np.ndarray) -> None:
    assert compared(image, image.copy()) == math.inf
    assert compared(image[:SMALLEST, :SMALLEST], image[:SMALLEST, :SMALLEST]) == math.inf


def test_a_smaller_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 8 pixels a side, got 30x7"):
        load().prepare(np.zeros((7, 30, 3), np.uint8))


def test_images_of_two_sizes_are_refused() -> None:
    wide, tall = (load().prepare(np.zeros(shape, np.uint8)) for shape in ((16, 24, 3), (24, 16, 3)))
    with pytest.raises(ValueError, match="as many blocks, got 3x2 and 2x3"):
        load().compare(wide, tall)
