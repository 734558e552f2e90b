"""jpegli's files are JPEGs, JPEG-LS keeps its promise of an error, and a missing package is named."""

import io
import sys

import numpy as np
import PIL.Image
import PIL.JpegImagePlugin
import pytest
import skimage.data
from codecshift.codecs.jpeg_family import SPECS
from codecshift.codecs.protocol import CodecUnavailable, DecodeError, Spec
from codecshift.codecs.registry import find, identify, open_codec

PHOTOGRAPH = np.ascontiguousarray(skimage.data.astronaut()[:160, 100:340])


def coded(label: str) -> tuple[bytes, np.ndarray]:
    spec, (point,) = find(label)
    try:
        identify(spec)
    except CodecUnavailable as reason:
        pytest.skip(str(reason))
    with open_codec(spec, point) as codec:
        data = codec.encode(PHOTOGRAPH)
        return data, codec.decode(data)


def test_jpegli_makes_jpegs_of_the_chroma_that_the_table_states() -> None:
    data, seen = coded("jpegli:q79")
    with PIL.Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        assert PIL.JpegImagePlugin.get_sampling(picture) == 2  # 4:2:0
        referee = np.array(picture.convert("RGB"))
    # jpegli dequantises and upsamples in floating point, libjpeg-turbo in integers.
    assert np.abs(referee.astype(int) - seen).mean() < 1.5
    assert find("jpegli")[0].chroma == "4:2:0"


@pytest.mark.parametrize("error", [1, 3, 11])
def test_near_lossless_jpeg_ls_changes_no_sample_by_more_than_its_error(error: int) -> None:
    data, seen = coded(f"jpegls:e{error}")
    assert np.abs(PHOTOGRAPH.astype(int) - seen).max() == error
    assert len(data) < len(coded("jpegls-lossless")[0])


@pytest.mark.parametrize("name", ["jpegli", "jpegls"])
def test_rate_and_quality_rise_along_the_ladder(name: str) -> None:
    _, points = find(name)
    outcomes = [coded(f"{name}:{point.name}") for point in points]
    rates = [len(data) for data, _ in outcomes]
    errors = [np.mean(np.square(PHOTOGRAPH.astype(float) - seen)) for _, seen in outcomes]
    assert rates == sorted({*rates})
    assert errors == sorted({*errors}, reverse=True)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_damaged_streams_are_refused(spec: Spec) -> None:
    data, _ = coded(f"{spec.name}:{spec.points[0].name}")
    with open_codec(spec, spec.points[0]) as codec:
        for damaged in (b"", data[: len(data) // 2], b"garbage" * 50):
            with pytest.raises(DecodeError):
                codec.decode(damaged)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.999])
def test_jpeg_ls_that_is_cut_off_is_refused_before_it_is_decoded(share: float) -> None:
    data, _ = coded("jpegls:e4")
    spec, (point,) = find("jpegls:e4")
    with open_codec(spec, point) as codec, pytest.raises(DecodeError, match=r"does not end with the marker EOI$"):
        codec.decode(data[: int(share * len(data))])


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_missing_package_is_named_with_the_way_to_get_it(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("pyjpegli", "imagecodecs"):
        monkeypatch.setitem(sys.modules, package, None)  # importing it raises ImportError
    with pytest.raises(CodecUnavailable, match=r"needs \w+ .*: pip install 'codecshift\[formats\]'$"):
        identify(spec)
