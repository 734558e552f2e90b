"""PSNR-HVS against its published weights, values by hand, plain loops, and by its laws."""

import math
from itertools import pairwise

import numpy as np
import pytest
from codecshift.analysis.measures.psnr_hvs import QUANTISATION, SENSITIVITY, SMALLEST, load

# The first two rows of the weights that the authors published, to six decimals.
PUBLISHED = (
    (1.608443, 2.339554, 2.573509, 1.608443, 1.072295, 0.643377, 0.504610, 0.421887),
    (2.144591, 2.144591, 1.838221, 1.354478, 0.989811, 0.443708, 0.428918, 0.467911),
)


def compared(reference: np.ndarray, seen: np.ndarray) -> float:
    instrument = load()
    return instrument.compare(instrument.prepare(reference), instrument.prepare(seen))


def grey(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(pixels, np.uint8)[..., None], 3, axis=2)


def plain_decibels(reference: np.ndarray, seen: np.ndarray) -> float:
    """Return PSNR-HVS by loops over blocks and coefficients, with the cosines of the transform written out."""

    def cosine(frequency: int, place: int) -> float:
        scale = math.sqrt(1 / 8 if frequency == 0 else 2 / 8)
        return scale * math.cos(math.pi * frequency * (2 * place + 1) / 16)

    total, count = 0.0, 0
    for top in range(0, len(reference) - 7, 8):
        for left in range(0, reference.shape[1] - 7, 8):
            error = [
                [
                    float(np.dot(reference[top + y, left + x].astype(int) - seen[top + y, left + x], (299, 587, 114)))
                    / 1000
                    for x in range(8)
                ]
                for y in range(8)
            ]
            for i in range(8):
                for j in range(8):
                    coefficient = sum(error[y][x] * cosine(i, y) * cosine(j, x) for y in range(8) for x in range(8))
                    total += (25.735085 / float(QUANTISATION[i, j]) * coefficient) ** 2
                    count += 1
    return 10 * math.log10(255**2 / (total / count))


def test_the_weights_are_those_of_the_authors() -> None:
    np.testing.assert_allclose(SENSITIVITY[:2], PUBLISHED, atol=1e-6)


@pytest.mark.parametrize("shift", [1, 7, 100])
def test_a_flat_shift_counts_by_the_weight_of_dc(shift: int) -> None:
    expected = 20 * math.log10(255 / (PUBLISHED[0][0] * shift))
    flat = np.full((16, 24, 3), 90, np.uint8)
    assert compared(flat, flat + np.uint8(shift)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("channel", "share"), [(0, 0.299), (1, 0.587), (2, 0.114)], ids=["red", "green", "blue"])
def test_a_colour_counts_by_its_share_of_luminance(channel: int, share: float) -> None:
    flat = np.full((8, 8, 3), 90, np.uint8)
    seen = flat.copy()
    seen[..., channel] += 10
    assert compared(flat, seen) == pytest.approx(20 * math.log10(255 / (PUBLISHED[0][0] * 10 * share)), abs=1e-5)


@pytest.mark.parametrize(("down", "right"), [(0, 4), (4, 0), (4, 4)])
def test_a_single_coefficient_counts_by_its_weight(down: int, right: int) -> None:
    # The basis function of frequency 4 is a pattern of plus and minus of one size, so whole numbers hold it.
    wave = np.array([1, -1, -1, 1, 1, -1, -1, 1])
    pattern = np.outer(wave if down else np.ones(8), wave if right else np.ones(8))
    flat = np.full((8, 8), 128)
    expected = 20 * math.log10(255 / (SENSITIVITY[down, right] * 5))  # the coefficient is 8 times 5
    assert compared(grey(flat), grey(flat + 5 * pattern)) == pytest.approx(expected, abs=1e-9)


def test_white_noise_has_its_psnr() -> None:
    random = np.random.RandomState(2)
    noise = random.randint(-9, 10, (512, 512))
    psnr = 10 * math.log10(255**2 / np.mean(noise**2))
    assert compared(grey(np.full(noise.shape, 128)), grey(128 + noise)) == pytest.approx(psnr, abs=0.05)


def test_plain_loops_agree(image: np.ndarray, noisy: list[np.ndarray], blurred: list[np.ndarray]) -> None:
    part = np.s_[20:45, 90:125]  # no multiple of 8
    for seen in (noisy[2], blurred[1]):
        assert compared(image[part], seen[part]) == pytest.approx(plain_decibels(image[part], seen[part]), abs=1e-5)


def test_pixels_outside_whole_blocks_do_not_count(image: np.ndarray, noisy: list[np.ndarray]) -> None:
    whole = np.s_[: image.shape[0] // 8 * 8, : image.shape[1] // 8 * 8]
    assert image[whole].shape != image.shape
    assert compared(image, noisy[3]) == compared(image[whole], noisy[3][whole])


@pytest.mark.parametrize("kind", ["noisy", "blurred"])
def test_it_is_symmetric_and_falls_as_noise_and_blur_grow(
    image: np.ndarray, kind: str, request: pytest.FixtureRequest
) -> None:
    spoiled = request.getfixturevalue(kind)
    values = [compared(image, seen) for seen in spoiled]
    assert all(better > worse for better, worse in pairwise([math.inf, *values]))
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
