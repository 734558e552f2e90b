"""The table of corruptions, and what holds for every row of it."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
from codecshift.corruptions import table
from codecshift.corruptions.corruption import SEVERITIES, generator
from codecshift.corruptions.table import CORRUPTIONS, FIFTEEN, corrupt

each = pytest.mark.parametrize("name", CORRUPTIONS)


def test_fifteen_of_the_paper_come_first_from_low_to_high_band():
    assert len(FIFTEEN) == 15
    assert tuple(CORRUPTIONS)[:15] == FIFTEEN
    assert tuple(CORRUPTIONS)[15:] == ("speckle_noise", "gaussian_blur", "spatter", "saturate")
    bands = [CORRUPTIONS[name].band for name in FIFTEEN]
    assert Counter(bands) == {"low": 5, "medium": 7, "high": 3}
    assert bands == sorted(bands, key=["low", "medium", "high"].index)
    assert {CORRUPTIONS[name].band for name in CORRUPTIONS if name not in FIFTEEN} == {"extra"}


@each
def test_row_has_its_own_name_and_five_levels(name):
    assert CORRUPTIONS[name].name == name
    assert len(CORRUPTIONS[name].levels) == len(SEVERITIES)


@each
@pytest.mark.parametrize("size", ["32x32", "33x47", "61x40", "white", "black"])
def test_shape_and_type_stay_and_input_is_not_written_to(name, size, picture):
    image = picture(size).copy()
    for severity in SEVERITIES:
        result = CORRUPTIONS[name](image, severity, generator(f"{size}/{name}@{severity}"))
        assert (result.dtype, result.shape) == (np.uint8, image.shape)
        assert not np.shares_memory(result, image)
    np.testing.assert_array_equal(picture(size), image)


@each
def test_cell_name_decides_every_pixel(name, picture):
    image = picture("33x47")
    first = CORRUPTIONS[name](image, 3, generator(f"set/one/{name}@3"))
    again = CORRUPTIONS[name](image, 3, generator(f"set/one/{name}@3"))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    "name", ["snow", "frost", "fog", "motion_blur", "glass_blur", "elastic_transform", "shot_noise"]
)
def test_another_cell_draws_anew(name, picture):
    image = picture("33x47")
    one, other = (CORRUPTIONS[name](image, 3, generator(f"set/{cell}/{name}@3")) for cell in ("one", "other"))
    assert not np.array_equal(one, other)


@each
def test_layout_of_the_input_does_not_matter(name, picture):
    image = picture("61x40")
    turned = np.ascontiguousarray(image.transpose(1, 0, 2)).transpose(1, 0, 2)
    expected, actual = (CORRUPTIONS[name](array, 4, generator(name)) for array in (image, turned))
    np.testing.assert_array_equal(expected, actual)


@each
def test_number_of_threads_does_not_matter(name, picture):
    threads = cv2.getNumThreads()
    results = []
    try:
        for count in (1, 4):
            cv2.setNumThreads(count)
            results.append(CORRUPTIONS[name](picture("200x301"), 3, generator(name)))
    finally:
        cv2.setNumThreads(threads)
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("severity", [0, 6, -1])
def test_unknown_severity_is_refused(severity, picture):
    with pytest.raises(ValueError, match=f"expected a severity from 1 to 5, got {severity}"):
        CORRUPTIONS["fog"](picture("32x32"), severity, generator("x"))


@pytest.mark.parametrize(
    "image",
    [np.zeros((40, 40, 3)), np.zeros((40, 40), dtype=np.uint8), np.zeros((40, 40, 4), dtype=np.uint8)],
    ids=["float", "grey", "rgba"],
)
def test_other_than_8_bit_rgb_is_refused(image):
    with pytest.raises(ValueError, match=r"expected a uint8 image of shape \(H, W, 3\), got"):
        CORRUPTIONS["fog"](image, 1, generator("x"))


def test_too_small_a_picture_is_refused():
    with pytest.raises(ValueError, match="fog needs at least 32 pixels a side, got 40x31"):
        CORRUPTIONS["fog"](np.zeros((31, 40, 3), dtype=np.uint8), 1, generator("x"))


@pytest.mark.parametrize("name", ["fog", "shot_noise", "fourier_3_m5_of_32"])
def test_corrupt_seeds_the_generator_from_the_name_of_the_image(name, picture, monkeypatch):
    seeds = []

    def recording(seed):
        seeds.append(seed)
        return generator(seed)

    monkeypatch.setattr(table, "generator", recording)
    spoiled = corrupt(picture("33x47"), "folder:my photos", "deep/a b", name, 4)
    seed = f"folder:my photos/deep/a b/{name}@4"
    assert seeds == [seed]
    np.testing.assert_array_equal(table.find(name)(picture("33x47"), 4, generator(seed)), spoiled)
