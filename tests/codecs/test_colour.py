"""The planes are full-range BT.601, by the standard's numbers and by zimg, and the way back loses next to nothing."""

import subprocess

import numpy as np
import pytest
import skimage.data
from codecshift.codecs import colour
from codecshift.codecs.program import executable

CORNERS = np.array([[[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)]], np.uint8)


def planes(image: np.ndarray, bits: int) -> np.ndarray:
    samples = np.frombuffer(colour.to_planes(image, bits), "u1" if bits == 8 else "<u2")
    return samples.reshape(3, *image.shape[:2]).astype(int)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_the_primaries_are_where_the_standard_puts_them(bits: int) -> None:
    top, middle = 2**bits - 1, 2 ** (bits - 1)
    luma, blueness, redness = planes(CORNERS, bits)[:, 0]
    weights = CORNERS[0] / 255 @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(luma, top * weights, atol=0.5 + 1e-6)
    expected_blue = np.clip(middle + top * (CORNERS[0, :, 2] / 255 - weights) / 1.772, 0, top)
    np.testing.assert_allclose(blueness, expected_blue, atol=0.5 + 1e-6)
    expected_red = np.clip(middle + top * (CORNERS[0, :, 0] / 255 - weights) / 1.402, 0, top)
    np.testing.assert_allclose(redness, expected_red, atol=0.5 + 1e-6)


def test_grey_has_no_colour() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    luma, blueness, redness = planes(grey, 8)
    np.testing.assert_array_equal(luma[0], np.arange(256))
    assert set(np.unique(blueness)) == set(np.unique(redness)) == {128}


@pytest.mark.parametrize(("bits", "floor"), [(8, 51.0), (10, 64.0), (12, 99.0)])
def test_the_way_there_and_back_is_no_ceiling(bits: int, floor: float) -> None:
    image = np.random.default_rng(4).integers(0, 256, (60, 77, 3)).astype(np.uint8)
    back = colour.from_planes(colour.to_planes(image, bits), 77, bits)
    error = np.mean(np.square(back.astype(float) - image))
    assert error == 0 or 10 * np.log10(255**2 / error) > floor


@pytest.mark.parametrize(("bits", "pixels"), [(8, "yuv444p"), (10, "yuv444p10le")])
def test_zimg_makes_the_same_planes(bits: int, pixels: str) -> None:
    image = skimage.data.astronaut()[:200, :301]
    filters = f"format=gbrp,zscale=matrix=470bg:rangein=full:range=full,format={pixels}"
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "301x200", "-i", "pipe:0")
    command = (executable("ffmpeg"), "-v", "error", *source, "-vf", filters, "-f", "rawvideo", "pipe:1")
    theirs = subprocess.run(command, input=image.tobytes(), capture_output=True, check=True).stdout
    theirs = np.frombuffer(theirs, "u1" if bits == 8 else "<u2").reshape(3, 200, 301).astype(int)
    difference = np.abs(planes(image, bits) - theirs)
    assert difference.max() <= 1  # where a value lies halfway between two
    assert np.mean(difference > 0) < 0.01
