"""Colour conversion is no ceiling: a codec without chroma subsampling comes close to the picture at its best quality.

Two ceilings are told apart. Fields of one colour, each larger than any transform block, cost the quantiser next to
nothing, so what is lost on them is lost to colour conversion alone. On photographs the finest quantiser that a library
offers has its say too.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from codecshift.analysis.distortion import psnr, squared_error
from codecshift.codecs import ffmpeg, pillow
from codecshift.codecs.protocol import CodecUnavailable, Image
from codecshift.codecs.registry import find, identify, open_codec
from codecshift.corruptions.pixels import read_pixels

# In RGB, in XYB or at 10 bits the conversion is held to 52 dB. YCbCr rounded to 8 bits cannot promise that: its
# rounding alone leaves 52 dB at best, and reading it back to 8-bit RGB rounds again.
CONVERSION = {
    "jpeg-444:q100": 48,
    "avif:q100": 48,
    "avif-fast:q100": 48,
    "hevc-8b:qp0": 48,
    "jpeg2000:r12": 52,
    "heic:q100": 52,
    "jxl:q99.9": 52,
    "hevc:qp0": 52,
    "av1:crf1": 52,
}
# On photographs two of them are held back by their quantiser: OpenJPEG's finest step is one grey level, which leaves
# 51 dB; libjxl's wrapper goes no finer than a butteraugli distance of 0.1, which leaves 43 dB of a noisy picture.
PHOTOGRAPHS = CONVERSION | {"jpeg2000:r12": 50, "jxl:q99.9": 43}

KODAK = Path(os.environ.get("CODECSHIFT_DATA", "nowhere")) / "kodak"


def chart() -> Image:
    """Return 96 fields of random colours."""
    colours = np.random.default_rng(52).integers(0, 256, (8, 12, 3), np.uint8)
    return colours.repeat(32, axis=0).repeat(32, axis=1)


@cache
def picture(name: str) -> Image:
    if name == "chart":
        return chart()
    if name == "astronaut":
        return np.ascontiguousarray(skimage.data.astronaut()[:192, 160:352])
    path = KODAK / f"{name}.png"
    if not path.is_file():
        pytest.skip("CODECSHIFT_DATA names no folder that holds kodak/")
    return read_pixels(path)


def decibels(label: str, image: Image) -> float:
    """Return the PSNR of an image after a codec."""
    spec, (point,) = find(label)
    try:
        identify(spec)
    except CodecUnavailable as reason:
        pytest.skip(str(reason))
    with open_codec(spec, point) as codec:
        seen = codec.decode(codec.encode(image))
    return float(psnr(squared_error(image, seen), image.shape[0] * image.shape[1]))


def test_every_codec_without_chroma_subsampling_is_held_to_this() -> None:
    assert {spec.name for spec in (*pillow.SPECS, *ffmpeg.SPECS) if spec.chroma == "4:4:4"} == {
        find(label)[0].name for label in CONVERSION
    }


@pytest.mark.parametrize("label", CONVERSION)
def test_colour_conversion_alone_is_no_ceiling(label: str) -> None:
    quality = decibels(label, chart())
    assert quality == max(quality, CONVERSION[label])


@pytest.mark.parametrize("name", ["astronaut", "kodim13", "kodim23"])
@pytest.mark.parametrize("label", PHOTOGRAPHS)
def test_a_photograph_comes_back_nearly_unchanged_at_the_best_quality(label: str, name: str) -> None:
    quality = decibels(label, picture(name))
    assert quality == max(quality, PHOTOGRAPHS[label])
