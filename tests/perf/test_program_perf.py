"""What a codec that is a program pays beyond its encoding: the start of the process, and the pixels' way there.

The floor is the encoder's own time for a picture: how much longer one process takes over nine pictures than over one,
an eighth of that. The codec is to be compared with it in one table: its excess is what the mechanism costs.
"""

import subprocess
from typing import Any

import numpy as np
import pytest
import skimage.data
from codecshift.codecs.contract import example
from codecshift.codecs.program import executable
from codecshift.codecs.registry import find, open_codec

pytestmark = pytest.mark.benchmark(group="hevc:qp30, one photograph", min_rounds=5, warmup=True)

MORE = 8


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    return skimage.data.astronaut()


def encoded(photograph: np.ndarray, pictures: int) -> bytes:
    """Return what one process makes of so many copies of a photograph, by the codec's own command."""
    from codecshift.codecs.ffmpeg import _HEVC

    height, width, _ = photograph.shape
    spec, (point,) = find("hevc:qp30")
    filled = {**point.params, "effort": spec.effort.removeprefix("preset "), "height": height, "width": width}
    command = [one.format(**filled) for one in _HEVC.encode[1:]]
    data = photograph.tobytes() * pictures
    return subprocess.run((executable("ffmpeg"), *command), input=data, capture_output=True, check=True).stdout


def test_the_codec(benchmark: Any, photograph: np.ndarray) -> None:
    spec, (point,) = find("hevc:qp30")
    with open_codec(spec, point) as codec:
        assert len(benchmark(codec.encode, photograph)) > 1000


def test_one_picture_in_its_process(benchmark: Any, photograph: np.ndarray) -> None:
    assert len(benchmark(encoded, photograph, 1)) > 1000


def test_nine_pictures_in_one_process(benchmark: Any, photograph: np.ndarray) -> None:
    once = len(encoded(photograph, 1))
    assert len(benchmark(encoded, photograph, 1 + MORE)) > MORE * once


def test_a_picture_of_one_block(benchmark: Any) -> None:
    """Nearly all of it is overhead: process, options, pipes, the header."""
    spec, (point,) = find("hevc:qp30")
    with open_codec(spec, point) as codec:
        assert len(benchmark(codec.encode, example(16, 16))) < 1000


def test_decoding(benchmark: Any, photograph: np.ndarray) -> None:
    spec, (point,) = find("hevc:qp30")
    with open_codec(spec, point) as codec:
        data = codec.encode(photograph)
        assert benchmark(codec.decode, data).shape == photograph.shape
